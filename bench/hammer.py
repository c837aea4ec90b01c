"""Hammers the running shop: several customers and an administrator send every route, twice at once, again, and wrong.

SHOP_HOME names the shop, as for ./shop. Routes, and what they take, are read from the API's document, so that a new one
is hammered as well. Exits with 1 and names each answer that is not in the document, each 5xx but a documented 503, each
repeat with another answer, and what the audit finds. Ctrl-C ends it early; its customers are deleted in any case.
"""

import argparse
import contextlib
import hashlib
import hmac
import json
import re
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
from urllib.parse import urlencode, urljoin

import httpx
from bench.hot_stock import audit
from bench.running import running_shop

from shop_cli.local import deploy, emulator
from shop_cli.local.home import Home, State
from shop_cli.testing import Answer, Shop
from shop_payment_provider.stripe.cards import CARDS

CUSTOMERS: Final = 4
PRODUCTS: Final = 6
STOCK: Final = 5_000
PROGRESS_SECONDS: Final = 5
ANSWER_SECONDS_MAX: Final = 60
REMEMBERED: Final = 2_000
"""So many of the latest requests are sent again at random."""
TWIN_RATE, REPEAT_RATE, WRONG_RATE, STRANGER_RATE = 0.15, 0.2, 0.06, 0.04
WEIGHTS: Final = {"POST /reservations": 8.0, "POST /purchase": 10.0, "DELETE /products/{sku}": 0.1, "GET /docs": 0.2}
"""A route that is not named has the weight 1."""
PLAIN_CARDS: Final = ("pm_card_visa", "pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_authenticationRequired")
FINAL: Final = frozenset({200, 201, 402})
FORM: Final = re.compile(r"<(form|button|input)\b([^>]*)>")
ATTRIBUTE: Final = re.compile(r'([\w-]+)="([^"]*)"')


@dataclass(frozen=True)
class Bought:
    """A reservation, or the purchase that it became."""

    id: str
    caller: str
    skus: tuple[str, ...]
    intent: str = ""


@dataclass
class Sent:
    """One request, which may be sent again. Its first final answer is the answer to each repeat."""

    route: str
    path: str
    caller: str
    key: str
    content: bytes | None
    headers: Mapping[str, str]
    skus: tuple[str, ...]
    final: tuple[int, Any] | None = None
    lock: threading.Lock = field(default_factory=threading.Lock)


@dataclass
class Hammer:
    shop: Shop
    tokens: Mapping[str, str]
    """By the caller's name; the administrator is one of them, and so is the empty name, which has no token."""
    document: Mapping[str, Any]
    skus: deque[str]
    seed: int
    reservations: deque[Bought] = field(default_factory=lambda: deque(maxlen=60))
    purchases: deque[Bought] = field(default_factory=lambda: deque(maxlen=60))
    sent: deque[Sent] = field(default_factory=lambda: deque(maxlen=REMEMBERED))
    statuses: Counter[str] = field(default_factory=Counter)
    """It counts the answers by route and status."""
    repeats: Counter[str] = field(default_factory=Counter)
    faults: list[str] = field(default_factory=list)
    stopped: threading.Event = field(default_factory=threading.Event)

    def work(self, number: int) -> None:
        randomness = Random(self.seed * 1_000 + number)
        routes = [f"{method.upper()} {path}" for path, methods in self.document["paths"].items() for method in methods]
        weights = [WEIGHTS.get(route, 1.0) for route in routes]
        while not self.stopped.is_set():
            try:
                self._step(randomness.choices(routes, weights)[0], randomness)
            except Exception as error:  # noqa: BLE001 - a fault of the hammer itself must not stop the others unseen
                self.faults.append(f"the hammer itself failed: {error!r}")
                self.stopped.set()

    def _step(self, route: str, randomness: Random) -> None:
        if self.sent and randomness.random() < REPEAT_RATE:
            self.repeats["repeated"] += 1
            self._send(randomness.choice(list(self.sent)), randomness)
            return
        request = self._request(route, randomness)
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

    def _request(self, route: str, randomness: Random) -> Sent | None:
        """Returns None while nothing is known that the route could be about."""
        method, path = route.split()
        operation = self.document["paths"][path][method.lower()]
        pool = {"reservation_id": self.reservations, "purchase_id": self.purchases}
        named = next((name for name in pool if f"{{{name}}}" in path or self._takes(operation, name)), None)
        if named and not pool[named]:
            return None
        about = randomness.choice(list(pool[named])) if named else Bought("", "", ())
        caller = self._caller(operation, about, randomness)
        values = {"sku": randomness.choice(list(self.skus)), "reservation_id": about.id, "purchase_id": about.id}
        path = re.sub(r"{(\w+)}", lambda found: values[found[1]], path) + self._query(operation, randomness)
        content, headers = self._content(operation, about, randomness)
        key = f"hammer-{uuid.UUID(int=randomness.getrandbits(128))}"
        headers = {"X-Correlation-Id": key, **headers}
        skus = tuple(re.findall(rb'"sku": ?"([^"]+)"', content or b""))
        return Sent(route, path, caller, key, content, headers, tuple(sku.decode() for sku in skus) or about.skus)

    def _takes(self, operation: Mapping[str, Any], name: str) -> bool:
        body = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
        return name in self._resolved(body.get("schema", {})).get("properties", {})

    def _caller(self, operation: Mapping[str, Any], about: Bought, randomness: Random) -> str:
        if randomness.random() < STRANGER_RATE:
            return randomness.choice(list(self.tokens))
        if "administrator" in operation["x-who"]:
            return "administrator"
        customers = [name for name in self.tokens if name.startswith("customer")]
        return about.caller or randomness.choice(customers)

    def _query(self, operation: Mapping[str, Any], randomness: Random) -> str:
        queries = [it for it in operation["parameters"] if it.get("in") == "query" and it["name"] != "cursor"]
        chosen = {it["name"]: str(it["example"]).lower() for it in queries if randomness.random() < 0.2}
        chosen |= {"no_such_parameter": "1"} if randomness.random() < WRONG_RATE else {}
        chosen = {name: "1" if name == "min_version" else text for name, text in chosen.items()}
        return f"?{urlencode(chosen)}" if chosen else ""

    def _content(
        self, operation: Mapping[str, Any], about: Bought, randomness: Random
    ) -> tuple[bytes | None, dict[str, str]]:
        is_wrong = randomness.random() < WRONG_RATE
        if "requestBody" not in operation:
            return (b"{}" if is_wrong else None), {}
        if any(it.get("name") == "Stripe-Signature" for it in operation["parameters"]):
            return self._webhook(randomness, is_forged=is_wrong)
        if not operation["requestBody"].get("required") and randomness.random() < 0.4:
            return None, {}
        schema = operation["requestBody"]["content"]["application/json"]["schema"]
        body = self._value("", schema, about, randomness)
        if operation["operationId"] == "listProduct":
            body["sku"] = f"HAMMER-{randomness.getrandbits(48):X}"
        text = json.dumps(body)
        if is_wrong:
            more = randomness.choice(['"no_such_field": 1', f'"{next(iter(body), "a")}": 1', '"a": NaN'])
            text = f"{text[:-1]}, {more}}}" if body else "{"
        return text.encode(), {}

    def _webhook(self, randomness: Random, *, is_forged: bool) -> tuple[bytes, dict[str, str]]:
        about = randomness.choice([*self.purchases, *self.reservations, Bought(str(uuid.uuid4()), "", (), "pi_none")])
        intent = {"id": about.intent or "pi_none", "metadata": {"reservation_id": about.id}}
        kind = randomness.choice(
            ["payment_intent.succeeded", "payment_intent.payment_failed", "payment_intent.canceled"]
        )
        payload = json.dumps({"id": "evt_hammer", "type": kind, "data": {"object": intent}}).encode()
        secret = "whsec_guessed" if is_forged else (self.shop.home / "payment-webhook-secret").read_text().strip()
        now = str(int(time.time()))
        signed = hmac.new(secret.encode(), now.encode() + b"." + payload, hashlib.sha256).hexdigest()
        return payload, {"Stripe-Signature": f"t={now},v1={signed}"}

    def _value(self, name: str, schema: Mapping[str, Any], about: Bought, randomness: Random) -> Any:
        schema = self._resolved(schema)
        match name, schema.get("type"):
            case "sku", _:
                return randomness.choice(list(about.skus or self.skus))
            case (("reservation_id" | "purchase_id"), _):
                return about.id
            case "payment_method", _:
                return randomness.choice(PLAIN_CARDS if randomness.random() < 0.8 else list(CARDS))
            case "currency", _:
                return "EUR"
            case _, "object":
                required = schema.get("required", [])
                properties = schema.get("properties", {}).items()
                chosen = {each: it for each, it in properties if each in required or randomness.random() < 0.4}
                return {each: self._value(each, it, about, randomness) for each, it in chosen.items()}
            case _, "array":
                made = [self._value("", schema["items"], about, randomness) for _ in range(randomness.randint(1, 2))]
                return list({json.dumps(it.get("sku", it) if isinstance(it, dict) else it): it for it in made}.values())
            case _, "integer":
                lowest = schema.get("minimum", 1)
                return randomness.randint(lowest, min(schema.get("maximum", lowest + 3), lowest + 3) if lowest else 500)
            case _, "boolean":
                return randomness.random() < 0.5
            case _:
                return randomness.choice(schema.get("enum", schema.get("examples", ["text"])))

    def _resolved(self, schema: Mapping[str, Any]) -> Mapping[str, Any]:
        """Without a reference; of alternatives, as of a type and null, the first."""
        while "$ref" in schema or "anyOf" in schema:
            if "anyOf" in schema:
                schema = schema["anyOf"][0]
                continue
            found: Any = self.document
            for part in schema["$ref"].removeprefix("#/").split("/"):
                found = found[part]
            schema = found
        return schema

    def _send(self, request: Sent, randomness: Random) -> None:
        method = request.route.split()[0]
        answer = self._answered(request, method)
        if answer is None:
            return
        self._judge(request, answer)
        if answer.status < 300 and isinstance(answer.body, dict):
            self._learn(request, answer.body)
        if answer.status == 202:
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

    def _judge(self, request: Sent, answer: Answer) -> None:
        self.statuses[f"{request.route} {answer.status}"] += 1
        method, path = request.route.split()
        documented = self.document["paths"][path][method.lower()]["responses"]
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
                request.final = answer.status, answer.body
            elif request.final not in (None, (answer.status, answer.body)) and answer.status != 503:
                self.faults.append(f"{asked}: {request.final}, and then {answer.status} {answer.body}")

    def _learn(self, request: Sent, body: Mapping[str, Any]) -> None:
        bought = Bought(
            str(body.get("reservation_id", "")), request.caller, request.skus, str(body.get("payment_intent_id", ""))
        )
        match request.route:
            case "POST /reservations":
                self.reservations.append(bought)
            case "POST /purchase" if "purchase_id" in body:
                self.purchases.append(bought)
            case "POST /products" if body["sku"] not in self.skus:
                self.skus.append(body["sku"])

    def _go_through(self, body: Any, randomness: Random) -> None:
        """Does what a customer does who is asked for 3-D Secure: opens the page, and presses one of its buttons."""
        for address in re.findall(r'"(https?://[^"]+)"', json.dumps(body)):
            page = self.shop.http.get(address, follow_redirects=True)
            tags = [(kind, dict(ATTRIBUTE.findall(attributes))) for kind, attributes in FORM.findall(page.text)]
            forms = [attributes for kind, attributes in tags if kind == "form"]
            if not forms or randomness.random() < 0.3:
                self.repeats["3-D Secure abandoned"] += 1
                continue
            form = randomness.choice(forms)
            buttons = [it for kind, it in tags if kind == "button" and "name" in it] or [{}]
            fields = {it["name"]: it.get("value", "") for kind, it in tags if kind == "input" and "name" in it}
            button = randomness.choice(buttons)
            fields |= {button["name"]: button.get("value", "")} if button else {}
            self.shop.http.post(urljoin(str(page.url), form.get("action", "")), data=fields)
            self.repeats["3-D Secure gone through"] += 1


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
                told = ", ".join(f"{status}: {count}" for status, count in sorted(served.items()))
                left = max(0, round(ends - time.monotonic()))
                print(f"{left} s left; {told}; {len(made.faults)} faults", file=sys.stderr, flush=True)
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
    for path, methods in made.document["paths"].items():
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
    with running_shop(answer_seconds_max=ANSWER_SECONDS_MAX) as shop, customers(Home(shop.home).state()) as tokens:
        skus = deque((shop.new_product(stock=STOCK, buckets=4) for _ in range(PRODUCTS)), maxlen=2 * PRODUCTS)
        callers = {**tokens, "administrator": shop.status["admin_token"], "": ""}
        made = Hammer(shop, callers, document(shop), skus, arguments.seed)
        is_interrupted = hammer(made, arguments.clients, arguments.minutes * 60)
        report(made)
        clean = not is_interrupted and audit(shop) and not made.faults
    print("clean" if clean else "NOT CLEAN")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
