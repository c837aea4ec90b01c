"""Kills a running shop's functions and its payment provider (kill -9, at random) while customers buy; then audits it.

SHOP_HOME names the shop, as for ./shop. Exits with 1 and names what differs; the same seed kills and buys in the same
order, though not at the same instant.
"""

import argparse
import contextlib
import json
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter, defaultdict
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random
from typing import Any, Final

import httpx
import psutil
from bench.running import running_shop, server, start_again, stock

from shop_cli.local import emulator, environment, seed
from shop_cli.local import services as local_services
from shop_cli.local.home import Home
from shop_cli.testing import Answer, Shop
from shop_shared.stored import event_text_of_dynamodb

CLIENTS: Final = 4
PRODUCTS: Final = 4
BUCKETS: Final = 4
KILL_PAUSE_SECONDS: Final = (0.3, 3.0)
"""A function takes 1.5 s to start anew: killed more often than that, it would do nothing at all."""
KILLED: Final = ("shop-command-local-", "shop-dispatch-local-project", "shop-dispatch-local-archive")
PROVIDER_KILLS_IN_TEN: Final = 2
THINK_SECONDS_MAX: Final = 1.0
"""A customer waits up to so long before each request: otherwise forty purchases are done before the second kill."""
PROVIDER_DOWN_SECONDS: Final = (0.1, 2.0)
REPEATS_MAX: Final = 30
UNPUBLISHED_DUE_SECONDS: Final = 11
UNSETTLED_DUE_SECONDS: Final = 62
"""An event is due 10 s after its time and a payment 60 s after its request; a sweep before that leaves it alone."""
SWEEPS: Final = 2
SWEEP: Final = "shop-command-local-sweep"
CARDS: Final = {
    "pm_card_visa": 60,
    "pm_card_visa_chargeDeclined": 12,
    "pm_card_slow": 8,
    "pm_card_error_before_charge": 8,  # answered with an error for ever: only the sweep ends it
    "pm_card_error_after_charge": 8,
    "pm_card_timeout_after_charge": 4,
}
PERSISTENT_SHARE: Final = 0.5
FINAL: Final = (201, 402)


@dataclass
class PlannedOrder:
    """One customer's wish. What is None was not answered, or not by the shop."""

    sku: str
    quantity: int
    card: str
    persistent: bool
    """Half of the customers repeat a request that was not answered; the others walk away and leave it to the sweep."""
    think_seconds: float
    key: str = field(default_factory=lambda: str(uuid.uuid4()))
    reservation_id: str | None = None
    statuses: list[int | None] = field(default_factory=list)

    @property
    def status(self) -> int | None:
        return self.statuses[-1] if self.statuses else None


@dataclass
class Killer:
    """Ends processes of this shop until it is stopped; each that `shop up` would start is started again."""

    home: Home
    randomness: Random
    kills: Counter[str] = field(default_factory=Counter)
    _stopped: threading.Event = field(default_factory=threading.Event)

    def run(self) -> None:
        while not self._stopped.wait(self.randomness.uniform(*KILL_PAUSE_SECONDS)):
            if self.randomness.randrange(10) < PROVIDER_KILLS_IN_TEN:
                self._kill_provider()
            else:
                self._kill_worker()

    def stop(self) -> None:
        self._stopped.set()

    def _kill_worker(self) -> None:
        workers = list(self._workers())
        if workers:
            chosen = self.randomness.choice(sorted({name for name, _ in workers}))
            process = self.randomness.choice([process for name, process in workers if name == chosen])
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
                self.kills[chosen] += 1

    def _workers(self) -> Iterator[tuple[str, psutil.Process]]:
        """The emulator runs each function in child processes of its own."""
        for child in psutil.Process(server(self.home, "aws").pid).children():
            try:
                name = child.environ().get("AWS_LAMBDA_FUNCTION_NAME", "")
            except psutil.Error:
                continue
            if name.startswith(KILLED):
                yield name, child

    def _kill_provider(self) -> None:
        os.kill(server(self.home, "payment").pid, signal.SIGKILL)
        self.kills["payment provider"] += 1
        time.sleep(self.randomness.uniform(*PROVIDER_DOWN_SECONDS))
        start_provider(self.home)


def start_provider(home: Home) -> None:
    state = home.state()
    health = f"{environment.payment_url(state)}/health"
    command, variables = local_services.payment_command(home, state), local_services.environment()
    local_services.write_webhook_url(home, seed.api_url(state))
    start_again(home, "payment", command, variables, lambda: emulator.answers(health))


def buy(shop: Shop, order: PlannedOrder) -> None:
    lines = [{"sku": order.sku, "quantity": order.quantity}]
    time.sleep(order.think_seconds)
    for _ in range(REPEATS_MAX if order.persistent else 1):
        answer = _send(shop, "/reservations", f"reserve-{order.key}", {"lines": lines})
        if answer is not None and answer.status == 201:
            order.reservation_id = answer.body["reservation_id"]
            time.sleep(order.think_seconds)
            pay(shop, order)
            return
        time.sleep(0.2)


def pay(shop: Shop, order: PlannedOrder) -> None:
    body = {"reservation_id": order.reservation_id, "payment_method": order.card}
    answer = _send(shop, "/purchase", f"purchase-{order.key}", body)
    order.statuses.append(answer.status if answer else None)


def repeat_until_final(shop: Shop, order: PlannedOrder) -> None:
    repeats_max = 3 if order.card == "pm_card_error_before_charge" else REPEATS_MAX
    for _ in range(repeats_max):
        if order.status in FINAL:
            return
        pay(shop, order)
        time.sleep(0.2)


def _send(shop: Shop, path: str, key: str, body: Any) -> Answer | None:
    """None: no answer, or the gateway's own because the function died."""
    try:
        answer = shop.customer("POST", path, key=key, body=body)
    except (httpx.TransportError, json.JSONDecodeError):
        return None
    ours = isinstance(answer.body, dict) and ("type" in answer.body or "reservation_id" in answer.body)
    return answer if ours else None


def streams(shop: Shop, skus: set[str]) -> dict[str, list[dict[str, Any]]]:
    """Reads the events of every reservation of these products."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    for item in _items(shop):
        if "event" in item and item["pk"]["S"].startswith("reservation-"):
            found[item["pk"]["S"].removeprefix("reservation-")].append(json.loads(event_text_of_dynamodb(item)))
    for events in found.values():
        events.sort(key=lambda event: event["streamversion"])
    return {
        reservation: events
        for reservation, events in found.items()
        if {line["sku"] for line in events[0]["data"]["lines"]} <= skus
    }


def _items(shop: Shop) -> Iterator[dict[str, Any]]:
    pages = shop.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=shop.status["table_name"], ConsistentRead=True):
        yield from page["Items"]


def charges(shop: Shop) -> dict[str, list[dict[str, Any]]]:
    """What the provider took and kept, by reservation."""
    found: dict[str, list[dict[str, Any]]] = defaultdict(list)
    after = ""
    while True:
        page = shop.provider("GET", f"/v1/charges?limit=100{after}")
        for charge in page["data"]:
            if charge["status"] == "succeeded" and not charge["refunded"]:
                found[charge["metadata"]["reservation_id"]].append(charge)
        if not page["has_more"]:
            return found
        after = f"&starting_after={page['data'][-1]['id']}"


def differences(shop: Shop, orders: list[PlannedOrder], received: dict[str, int]) -> Iterator[str]:
    """This oracle is its own: it compares events, the provider's charges, the buckets and the customers' answers."""
    asked = {order.reservation_id: order for order in orders if order.reservation_id}
    found, kept = streams(shop, set(received)), charges(shop)
    yield from (f"{each}: reserved, and gone" for each in asked if each not in found)
    counted: dict[str, Counter[str]] = defaultdict(Counter)
    for reservation, events in found.items():
        ended = _end(events)
        placed = events[0]["data"]
        for line in placed["lines"]:
            counted[line["sku"]][{"confirmed": "sold", "active": "held", "paying": "held"}.get(ended, "available")] += (
                line["quantity"]
            )
        amounts = [charge["amount"] for charge in kept.get(reservation, [])]
        expected = [placed["total"]["amount_minor"]] if ended == "confirmed" else []
        if amounts != expected:
            yield f"{reservation}: is {ended}, so the charges should be {expected}; they are {amounts}"
        if [event["streamversion"] for event in events] != list(range(1, len(events) + 1)):
            yield f"{reservation}: versions are not contiguous"
        if ended == "paying":
            yield f"{reservation}: its payment is not settled"
        status = asked[reservation].status if reservation in asked else None
        if status in FINAL and (status == 201) != (ended == "confirmed"):
            yield f"{reservation}: the customer was told {status}, and it is {ended}"
    for sku, quantity in received.items():
        expected_counts = {name: counted[sku][name] for name in ("held", "sold")}
        expected_counts["available"] = quantity - sum(expected_counts.values())
        buckets = stock(shop, sku, BUCKETS)
        if buckets != expected_counts:
            yield f"{sku}: the buckets should hold {expected_counts}; they hold {buckets}"
    ours = {f"reservation-{reservation}" for reservation in found} | {f"product-{sku}" for sku in received}
    for item in _items(shop):
        if item["pk"]["S"] in ours and ("unpublished" in item or ("event" in item and "due_at" in item)):
            yield f"{item['pk']['S']} {item['sk']['S']}: not published"


def _end(events: list[dict[str, Any]]) -> str:
    last = str(events[-1]["type"]).removeprefix("shop.").removesuffix(".v1")
    ends = {"reservation.placed": "active", "payment.declined": "active", "payment.requested": "paying"}
    return {**ends, "purchase.confirmed": "confirmed"}.get(last, last)


def sweep(shop: Shop) -> str:
    answer = shop.client("lambda").invoke(FunctionName=SWEEP, Payload=b"{}")
    text: str = answer["Payload"].read().decode()
    if "FunctionError" in answer:
        raise SystemExit(f"the sweep failed: {text}")
    return text


def make_orders(
    shop: Shop, purchases: int, randomness: Random, *, quick: bool
) -> tuple[list[PlannedOrder], dict[str, int]]:
    """Draws the orders, and counts the units that each product needs."""
    quantity_max = 3
    cards = [card for card in CARDS if not (quick and card == "pm_card_error_before_charge")]
    received = {}
    for _ in range(PRODUCTS):
        units = purchases * quantity_max
        received[shop.new_product(stock=units, price_minor=randomness.randint(100, 9_999), buckets=BUCKETS)] = units
    orders = [
        PlannedOrder(
            sku=randomness.choice(list(received)),
            quantity=randomness.randint(1, quantity_max),
            card=randomness.choices(cards, [CARDS[card] for card in cards])[0],
            think_seconds=randomness.uniform(0, THINK_SECONDS_MAX),
            persistent=quick or randomness.random() < PERSISTENT_SHARE,
        )
        for _ in range(purchases)
    ]
    return orders, received


def trade(shop: Shop, home: Home, orders: list[PlannedOrder], seed: int) -> None:
    """Everybody buys while the killer is about; then the persistent ones ask until they know."""
    started = time.monotonic()
    killer = Killer(home, Random(seed))
    with ThreadPoolExecutor(CLIENTS) as customers, ThreadPoolExecutor(1) as other:
        killing = other.submit(killer.run)
        try:
            for done, _ in enumerate(customers.map(lambda order: buy(shop, order), orders), 1):
                if done % (len(orders) // 10 or 1) == 0:
                    print(f"{done} of {len(orders)} bought, {killer.kills.total()} killed", file=sys.stderr)
        finally:
            killer.stop()
        killing.result()
    print(f"{len(orders)} purchases in {time.monotonic() - started:.0f} s, seed {seed}")
    print(f"kill -9: {dict(sorted(killer.kills.items()))}")
    print(f"first answers: {_statuses(orders)}")
    asking = [order for order in orders if order.persistent and order.reservation_id]
    with ThreadPoolExecutor(CLIENTS) as customers:
        list(customers.map(lambda order: repeat_until_final(shop, order), asking))
    print(f"last answers: {_statuses(orders)}")


def _statuses(orders: list[PlannedOrder]) -> str:
    counts = Counter("none" if order.status is None else str(order.status) for order in orders)
    return ", ".join(f"{status}: {count}" for status, count in sorted(counts.items()))


def audit(shop: Shop, orders: list[PlannedOrder], received: dict[str, int]) -> bool:
    left = any(order.status not in FINAL for order in orders)
    seconds = UNSETTLED_DUE_SECONDS if left else UNPUBLISHED_DUE_SECONDS
    print(f"waiting {seconds} s, until all that is open is due", file=sys.stderr)
    time.sleep(seconds)
    for _ in range(SWEEPS):
        print(f"sweep: {sweep(shop)}")
    found = list(differences(shop, orders, received))
    for difference in found:
        print(f"DIFFERENCE {difference}")
    verified = shop.command("verify", check=False)
    print(verified.stdout, verified.stderr)
    return not found and verified.returncode == 0


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--purchases", type=int, default=500)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--quick", action="store_true", help="leave nothing to the sweep that it would wait for")
    arguments = parser.parse_args()
    with running_shop() as shop:
        orders, received = make_orders(shop, arguments.purchases, Random(arguments.seed), quick=arguments.quick)
        trade(shop, Home(shop.home), orders, arguments.seed)
        clean = audit(shop, orders, received)
    print("clean" if clean else "NOT CLEAN")
    return 0 if clean else 1


if __name__ == "__main__":
    sys.exit(main())
