"""Visits the running shop at a fixed rate: people browse, search, reserve, pay with all kinds of cards, and cancel.

SHOP_HOME names the shop, as for ./shop. Visits begin when a seeded plan says so, however slow the shop is, and the time
of a visit counts from then, so that waiting for a free connection counts as well (no coordinated omission). The time of
a single request counts from when it is sent. Prints a table in Markdown, and audits the shop. Exits with 1 if an answer
is none that a shop may give, or if the audit finds something. Ctrl-C ends it early.
"""

import argparse
import contextlib
import json
import os
import statistics
import sys
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
from bench.hammer import customers
from bench.hot_stock import audit
from bench.running import authenticate, running_shop

from shop_cli.interrupts import Interrupts
from shop_cli.local.home import Home
from shop_cli.testing import Answer, Shop

CONNECTIONS_MAX: Final = 256
"""A visit that finds none free waits, and its time shows it."""
ANSWER_SECONDS_MAX: Final = 60
PROGRESS_SECONDS: Final = 5
STOCK: Final = 100_000
PRODUCTS: Final = 8
VISITS: Final = {"browse": 50, "search": 20, "leave": 8, "cancel": 4, "pay": 18}
"""A hundred visits are shared out so. Who browses looks at the catalogue and a product; who leaves has reserved."""
CARDS: Final = {
    "pm_card_visa": 70,
    "pm_card_visa_chargeDeclined": 8,
    "pm_card_authenticationRequired": 12,
    "pm_card_slow": 4,
    "pm_card_processing": 3,
    "pm_card_error_after_charge": 3,
}
SEARCHES: Final = ("coffee", "filter", "esspreso", "cafe", "tea pot", "beans-house-500")
EXPECTED: Final = {
    "POST /reservations": {201},
    "POST /purchase": {201, 202, 402},  # the last two: 3-D Secure or an unknown outcome, and a card that is declined
    "DELETE /reservations/{id}": {200},
}
"""A route that is not named has to answer 200. 503, or no answer at all, is counted only."""


@dataclass
class Load:
    """Many threads fill it, and only append, which is safe without a lock."""

    shop: Shop
    tokens: Sequence[str]
    skus: Sequence[str]
    seconds: dict[str, list[float]] = field(default_factory=lambda: defaultdict(list))
    """Each route, and each kind of visit, has its own."""
    answers: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    unexpected: list[str] = field(default_factory=list)

    def visit(self, kind: str, intended: float, randomness: Random) -> None:
        with contextlib.suppress(UnservedError):
            getattr(self, f"_{kind}")(randomness)
        self.seconds[f"visit: {kind}"].append(time.monotonic() - intended)

    def _browse(self, randomness: Random) -> None:
        listed = self._send("GET /products", "/products?in_stock=true")
        self._send("GET /products/{sku}", f"/products/{randomness.choice(listed['items'])['sku']}")

    def _search(self, randomness: Random) -> None:
        self._send("GET /products?q=", f"/products?q={randomness.choice(SEARCHES)}".replace(" ", "+"))

    def _leave(self, randomness: Random) -> None:
        self._reserve(randomness)

    def _cancel(self, randomness: Random) -> None:
        reserved, token = self._reserve(randomness)
        self._send("DELETE /reservations/{id}", f"/reservations/{reserved}", token=token)

    def _pay(self, randomness: Random) -> None:
        reserved, token = self._reserve(randomness)
        card = randomness.choices([*CARDS], [*CARDS.values()])[0]
        body = {"reservation_id": reserved, "payment_method": card}
        paid = self._send("POST /purchase", "/purchase", token=token, key=_key(randomness), body=body)
        if paid.get("status") == "requires_action":
            list(authenticate(self.shop, paid, randomness))
        self._send("GET /reservations/{id}", f"/reservations/{reserved}?min_version=2", token=token)

    def _reserve(self, randomness: Random) -> tuple[str, str]:
        body = {"lines": [{"sku": randomness.choice(self.skus), "quantity": randomness.randint(1, 2)}]}
        token = randomness.choice(self.tokens)
        answer = self._send("POST /reservations", "/reservations", token=token, key=_key(randomness), body=body)
        return str(answer["reservation_id"]), token

    def _send(self, route: str, path: str, **arguments: Any) -> Mapping[str, Any]:
        began = time.monotonic()
        try:
            answer = self.shop.request(route.split(maxsplit=1)[0], path, **arguments)
        except (httpx.TransportError, json.JSONDecodeError) as error:
            self.answers[route].append(type(error).__name__)
            raise UnservedError from error
        self.seconds[route].append(time.monotonic() - began)
        self.answers[route].append(str(answer.status))
        return self._body(route, answer)

    def _body(self, route: str, answer: Answer) -> Mapping[str, Any]:
        if answer.status in EXPECTED.get(route, {200}):
            return dict(answer.body)
        if answer.status != 503:
            self.unexpected.append(f"{route}: {answer.status} {answer.body}")
        raise UnservedError


class UnservedError(Exception):
    """The shop did not answer as a visitor has to have it, so the visit ends."""


def _key(randomness: Random) -> str:
    return str(uuid.UUID(int=randomness.getrandbits(128)))


def plan(rate: float, seconds: float, randomness: Random) -> Iterator[tuple[float, str]]:
    """Yields when each visit begins, and what it is. People come independently of each other (a Poisson process)."""
    begins = randomness.expovariate(rate)
    while begins < seconds:
        yield begins, randomness.choices([*VISITS], [*VISITS.values()])[0]
        begins += randomness.expovariate(rate)


def run(load: Load, planned: Sequence[tuple[float, str]], seed: int) -> None:
    shown = began = time.monotonic()
    with ThreadPoolExecutor(CONNECTIONS_MAX) as visitors:
        waiting = []
        try:
            for number, (begins, kind) in enumerate(planned):
                time.sleep(max(0.0, began + begins - time.monotonic()))
                waiting.append(visitors.submit(load.visit, kind, began + begins, Random(f"{seed} {number}")))
                if time.monotonic() - shown > PROGRESS_SECONDS:
                    shown, open_now = time.monotonic(), sum(not each.done() for each in waiting)
                    print(
                        f"  {number + 1} of {len(planned)} visits begun, {open_now} open", file=sys.stderr, flush=True
                    )
        except KeyboardInterrupt:
            visitors.shutdown(cancel_futures=True)
            raise
        for each in waiting:
            each.result()


def table(load: Load) -> str:
    rows = ["| what | count | p50 ms | p95 ms | p99 ms | longest ms | answers |", "|---|--:|--:|--:|--:|--:|---|"]
    for name in sorted({*load.seconds, *load.answers}):
        seconds = sorted(load.seconds[name])
        cuts = statistics.quantiles(seconds, n=100, method="inclusive") if len(seconds) > 1 else seconds * 100
        times = " | ".join(f"{at * 1_000:.0f}" for at in (cuts[49], cuts[94], cuts[98], seconds[-1])) if cuts else "|||"
        kinds = ", ".join(f"{kind}: {count}" for kind, count in sorted(Counter(load.answers.get(name, [])).items()))
        rows.append(f"| {name} | {max(len(seconds), len(load.answers.get(name, [])))} | {times} | {kinds} |")
    return "\n".join(rows)


def main() -> int:
    parser = argparse.ArgumentParser(prog="load", description=__doc__)
    parser.add_argument("--rate", type=float, default=5, help="visits a second; each sends 1 to 4 requests (5)")
    parser.add_argument("--minutes", type=float, default=2)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    planned = [*plan(arguments.rate, arguments.minutes * 60, Random(arguments.seed))]
    with (
        Interrupts().installed(),
        running_shop(answer_seconds_max=ANSWER_SECONDS_MAX, connections_max=CONNECTIONS_MAX) as shop,
        customers(Home(shop.home).state()) as tokens,
    ):
        skus = [shop.new_product(stock=STOCK, buckets=4) for _ in range(PRODUCTS)]
        load = Load(shop, [*tokens.values()], skus)
        print(f"{len(planned)} visits, {arguments.rate:g} a second, load average {os.getloadavg()[0]:.1f}", flush=True)
        run(load, planned, arguments.seed)
        print(table(load), f"load average {os.getloadavg()[0]:.1f} at the end", sep="\n\n", flush=True)
        for each in load.unexpected:
            print(f"UNEXPECTED {each}")
        clean = audit(shop) and not load.unexpected
    print("clean" if clean else "NOT CLEAN")
    return 0 if clean else 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
