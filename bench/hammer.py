"""Hammers the running shop: several customers and an administrator send every route, twice at once, again, and wrong.

SHOP_HOME names the shop, as for ./shop. Routes, and what they take, are read from the API's document, so that a new one
is hammered as well. Exits with 1 and names each answer that is not in the document, each 5xx but a documented 503, each
repeat with another answer, and what the audit finds. Ctrl-C ends it early; its customers are deleted in any case.
"""

import argparse
import contextlib
import json
import secrets
import sys
import threading
import time
import uuid
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
from bench.generated_requests import Bought, RequestMaker, Sent
from bench.hot_stock import audit
from bench.running import authenticate, running_shop

from shop_cli.interrupts import Interrupts
from shop_cli.local import deploy, emulator
from shop_cli.local.home import Home, State
from shop_cli.testing import Answer, Shop

CUSTOMERS: Final = 4
PRODUCTS: Final = 6
STOCK: Final = 5_000
PROGRESS_SECONDS: Final = 5
ANSWER_SECONDS_MAX: Final = 60
REMEMBERED: Final = 2_000
"""So many of the latest requests are sent again at random."""
TWIN_RATE, REPEAT_RATE = 0.15, 0.2
DECISION_RATE: Final = 0.03
"""So often a bank decides one of the provider's open disputes."""
WEIGHTS: Final = {
    "POST /reservations": 9.0,
    "POST /purchase": 8.0,
    "POST /products": 0.3,
    "DELETE /products/{sku}": 0.1,
    **dict.fromkeys(("GET /docs", "GET /openapi/command.json", "GET /openapi/query.json"), 0.1),
}
"""A route that is not named has the weight 1."""
FINAL: Final = frozenset({200, 201, 402})


@dataclass
class Hammer:
    shop: Shop
    tokens: Mapping[str, str]
    """Nobody, the empty name, has an empty one."""
    maker: RequestMaker
    seed: int
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    statuses: Counter[str] = field(default_factory=Counter)
    """It counts the answers by route and status."""
    repeats: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def work(self, number: int) -> None:
        randomness = Random(self.seed * 1_000 + number)
        routes = [
            f"{method.upper()} {path}" for path, methods in self.maker.document["paths"].items() for method in methods
        ]
        weights = [WEIGHTS.get(route, 1.0) for route in routes]
        while not self.stopped.is_set():
            try:
                self._step(randomness.choices(routes, weights)[0], randomness)
            except Exception as error:  # noqa: BLE001 - a fault of the hammer itself must not stop the others unseen
                self.faults.append(f"the hammer itself failed: {error!r}")
                self.stopped.set()

    def _decide_dispute(self, randomness: Random) -> None:
        """Answers a dispute at the provider as a person does there: with evidence that decides it, or not at all."""
        url, auth = f"{self.shop.status['payment_url']}/v1/disputes", (self.shop.status["payment_api_key"], "")
        listed = self.shop.http.get(url, params={"limit": 20}, auth=auth).json()["data"]
        if waiting := [it["id"] for it in listed if it["status"].endswith("needs_response")]:
            dispute = f"{url}/{randomness.choice(waiting)}"
            if (text := randomness.choice(["winning_evidence", "losing_evidence", ""])) == "":
                self.shop.http.post(f"{dispute}/close", auth=auth)
            else:
                self.shop.http.post(dispute, auth=auth, data={"evidence[uncategorized_text]": text})
            self.repeats["disputes decided"] += 1

    def _step(self, route: str, randomness: Random) -> None:
        if randomness.random() < DECISION_RATE:
            with contextlib.suppress(httpx.TransportError):  # the same
                self._decide_dispute(randomness)
        if self.sent and randomness.random() < REPEAT_RATE:
            self.repeats["repeated"] += 1
            self._send(randomness.choice(list(self.sent)), randomness)
            return
        request = self.maker.request(route, randomness)
        if request is None:
            return
        if randomness.random() < TWIN_RATE:
            self.repeats["twins"] += 1
            twin = threading.Thread(target=self._send, args=(request, Random(randomness.random())))
            twin.start()
            self._send(request, randomness)
            twin.join()
        else:
            self._send(request, randomness)
        self.sent.append(request)

    def _send(self, request: Sent, randomness: Random) -> None:
        method, began = request.route.split()[0], time.monotonic()
        answer = self._answered(request, method)
        if answer is None:
            return
        self._judge(request, answer, began)
        if answer.status < 300 and isinstance(answer.body, dict):
            self._learn(request, answer.body)
        if answer.status == 202:
            with contextlib.suppress(httpx.TransportError):  # the provider's server closes idle connections
                self._go_through(answer.body, randomness)

    def _answered(self, request: Sent, method: str) -> Answer | None:
        try:
            return self.shop.request(
                method,
                request.path,
                token=self.tokens[request.caller] or None,
                key=request.key,
                content=request.content,
                headers=dict(request.headers),
            )
        except (httpx.TransportError, json.JSONDecodeError) as error:
            self.faults.append(f"{method} {request.path}: no answer, {error!r}")
            return None

    def _judge(self, request: Sent, answer: Answer, began: float) -> None:
        self.statuses[f"{request.route} {answer.status}"] += 1
        method, path = request.route.split()
        documented = self.maker.document["paths"][path][method.lower()]["responses"]
        asked = f"{method} {request.path} by {request.caller or 'nobody'}, {request.key}, {request.content!r}"
        is_ours = answer.status < 400 or answer.headers["content-type"] == "application/problem+json"
        if str(answer.status) not in documented or (not is_ours and answer.status != 401):
            self.faults.append(f"{asked}: {answer.status} is not in the document: {answer.body}")
        if answer.status >= 500 and answer.status != 503:
            self.faults.append(f"{asked}: {answer.status} {answer.body}")
        if method == "GET" or path == "/payments/webhook":
            return
        with request.lock:
            if request.final is None and answer.status in FINAL:
                request.final, request.final_at = (answer.status, answer.body), time.monotonic()
            elif answer.status == 202 and began <= request.final_at:
                pass  # its twin was under way, and this answer was given before the outcome was known
            elif request.final not in (None, (answer.status, answer.body)) and answer.status != 503:
                self.faults.append(f"{asked}: {request.final}, and then {answer.status} {answer.body}")

    def _learn(self, request: Sent, body: Mapping[str, Any]) -> None:
        bought = Bought(
            str(body.get("reservation_id", "")), request.caller, request.skus, str(body.get("payment_intent_id", ""))
        )
        match request.route:
            case "POST /reservations":
                self.maker.reservations.append(bought)
            case "POST /purchase" if "purchase_id" in body:
                self.maker.purchases.append(bought)
            case "POST /products" if body["sku"] not in self.maker.skus:
                self.maker.skus.append(body["sku"])
            case "DELETE /products/{sku}" if len(self.maker.skus) > PRODUCTS:
                with contextlib.suppress(ValueError):
                    self.maker.skus.remove(body["sku"])

    def _go_through(self, body: Any, randomness: Random) -> None:
        for is_gone_through in authenticate(self.shop, body, randomness):
            self.repeats[f"3-D Secure {'gone through' if is_gone_through else 'abandoned'}"] += 1


@contextlib.contextmanager
def customers(state: State) -> Iterator[dict[str, str]]:
    """Makes customers with a token each, and deletes them in the end."""
    cognito, outputs = emulator.client(state, "cognito-idp"), deploy.outputs(state)
    made, tokens = [], {}
    try:
        for number in range(1, CUSTOMERS + 1):
            name, password = f"hammer-{uuid.uuid4()}@shop.example", f"{secrets.token_urlsafe(18)}-Aa1"
            pool = {"UserPoolId": outputs["UserPoolId"], "Username": name}
            cognito.admin_create_user(**pool, MessageAction="SUPPRESS")
            made.append(pool)
            cognito.admin_set_user_password(**pool, Password=password, Permanent=True)
            answer = cognito.initiate_auth(
                ClientId=outputs["UserPoolClientId"],
                AuthFlow="USER_PASSWORD_AUTH",
                AuthParameters={"USERNAME": name, "PASSWORD": password},
            )
            tokens[f"customer {number}"] = str(answer["AuthenticationResult"]["AccessToken"])
        yield tokens
    finally:
        for pool in made:
            cognito.admin_delete_user(**pool)


def document(shop: Shop) -> dict[str, Any]:
    """Returns what the two functions say of themselves, in one document."""
    whole: dict[str, Any] = {"paths": {}, "components": {"schemas": {}, "parameters": {}}}
    for name in ("command", "query"):
        part = shop.request("GET", f"/openapi/{name}.json").body
        for path, methods in part["paths"].items():
            whole["paths"].setdefault(path, {}).update(methods)
        for kind, named in whole["components"].items():
            named.update(part["components"][kind])
    return whole


def hammer(made: Hammer, clients: int, seconds: float) -> bool:
    """Returns whether it was ended early."""
    ends = time.monotonic() + seconds
    with ThreadPoolExecutor(clients) as workers:
        working = [workers.submit(made.work, number) for number in range(clients)]
        try:
            while time.monotonic() < ends and not made.stopped.wait(PROGRESS_SECONDS):
                served = Counter(name.rpartition(" ")[2] for name in made.statuses.elements())
                counts = ", ".join(f"{status}: {count}" for status, count in sorted(served.items()))
                left = max(0, round(ends - time.monotonic()))
                print(f"{left} s left; {counts}; {len(made.faults)} faults", file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            return True
        finally:
            made.stopped.set()
        for each in working:
            each.result()
    return False


def report(made: Hammer) -> None:
    print(f"\n{made.statuses.total()} answers, {dict(sorted(made.repeats.items()))}, seed {made.seed}\n")
    print("| route | answers |\n|---|---|")
    routes: dict[str, list[str]] = {}
    for name, count in sorted(made.statuses.items()):
        route, _, status = name.rpartition(" ")
        routes.setdefault(route, []).append(f"{status}: {count}")
    for route, counts in routes.items():
        print(f"| {route} | {', '.join(counts)} |")
    for path, methods in made.maker.document["paths"].items():
        for method in methods:
            if f"{method.upper()} {path}" not in routes:
                print(f"| {method.upper()} {path} | never sent |")
    for fault in made.faults:
        print(f"FAULT {fault}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--clients", type=int, default=8, help="at once (8)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    with (
        Interrupts().installed(),
        running_shop(answer_seconds_max=ANSWER_SECONDS_MAX) as shop,
        customers(Home(shop.home).state()) as tokens,
    ):
        skus = deque((shop.new_product(stock=STOCK, buckets=4) for _ in range(PRODUCTS)), maxlen=2 * PRODUCTS)
        callers = {**tokens, "administrator": shop.status["admin_token"], "": ""}
        maker = RequestMaker(document(shop), tuple(callers), shop.home / "payment-webhook-secret", skus)
        made = Hammer(shop, callers, maker, arguments.seed)
        is_interrupted = hammer(made, arguments.clients, arguments.minutes * 60)
        report(made)
        clean = not is_interrupted and audit(shop) and not made.faults
    print("clean" if clean else "NOT CLEAN")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
