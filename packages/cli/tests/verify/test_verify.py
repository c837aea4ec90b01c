"""Every check fires for a deliberate corruption of what it guards, and names it; nothing else is a difference."""

import hashlib
import io
import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import pytest
from rich.console import Console

from shop_cli.errors import NotRunningError
from shop_cli.operations.verify import actors, payments, products
from shop_cli.operations.verify.command import document, run, show
from shop_cli.operations.verify.facts import FactTable
from shop_cli.operations.verify.findings import CHECKS, Difference, Findings
from shop_cli.operations.verify.sources import CouldNotCheckError, reading
from shop_cli.operations.verify.stock import Ledger
from shop_cli.operations.verify.testing import (
    BOUGHT,
    CANCELLED,
    DAY,
    DECLINED,
    EXPIRED,
    NOW,
    PARTLY,
    REFUNDED,
    RecordedShop,
    charge_of,
    intent_of,
    recorded_shop,
    terms,
)
from shop_cli.progress import ProgressDisplay
from shop_shared.envelope import decode_as_written, encode
from shop_shared.stored import shortened

Corruption = Callable[[RecordedShop], Any]
MUG = "product-MUG"
FOR_EVER = 1e9
"""Seconds: the recorded shop's clock is not this machine's."""


def reservation(reservation_id: str) -> str:
    return f"reservation-{reservation_id}"


def change_event(stream_id: str, version: int, **changes: Any) -> Corruption:
    return lambda shop: shop.change_event(stream_id, version, **changes)


def change_data(stream_id: str, version: int, **changes: Any) -> Corruption:
    return lambda shop: shop.change_event(stream_id, version, data=shop.event(stream_id, version)["data"] | changes)


def change_item(stream_id: str, sk: str, **changes: Any) -> Corruption:
    return lambda shop: shop.store[stream_id, sk].update(changes)


def change_state(stream_id: str, **changes: Any) -> Corruption:
    def corrupt(shop: RecordedShop) -> None:
        shop.store[stream_id, "state"]["state"] = json.dumps(shop.state(stream_id) | changes)

    return corrupt


def change_terms(reservation_id: str, **changes: Any) -> Corruption:
    return change_state(reservation(reservation_id), terms=terms(reservation_id, 2, 0) | changes)


def append(stream_id: str, kind: str, **data: Any) -> Corruption:
    return lambda shop: shop.append(stream_id, kind, data)


def change_row(table: str, key: str, **changes: Any) -> Corruption:
    return lambda shop: shop.row(table, key).update(changes)


def drop_row(table: str, key: str) -> Corruption:
    return lambda shop: shop.tables[table].remove(shop.row(table, key))


def add_row(table: str, key: str, **changes: Any) -> Corruption:
    return lambda shop: shop.tables[table].append(shop.row(table, key) | changes)


def change_paid(object_id: str, **changes: Any) -> Corruption:
    return lambda shop: shop.paid_object(object_id).update(changes)


def drop_paid(object_id: str) -> Corruption:
    return lambda shop: shop.objects.remove(shop.paid_object(object_id))


def add_paid(*objects: dict[str, Any]) -> Corruption:
    return lambda shop: shop.objects.extend(objects)


def rename(stream_id: str, sk: str, other: str) -> Corruption:
    return lambda shop: shop.store.update({(stream_id, other): shop.store.pop((stream_id, sk))})


def drop_item(stream_id: str, sk: str) -> Corruption:
    return lambda shop: shop.store.pop((stream_id, sk))


def use_id_twice(shop: RecordedShop) -> None:
    shop.change_event(MUG, 2, id=shop.event(MUG, 1)["id"])


def damage(stream_id: str, version: int, text: str) -> Corruption:
    return change_item(stream_id, f"event#{version:010d}", event=text)


def repeat(stream_id: str, version: int, *, to: int | None = None, of: str | None = None) -> Corruption:
    """An event's type and data once more: at the stream's end, or in the place of another event."""

    def corrupt(shop: RecordedShop) -> None:
        event = shop.event(stream_id, version)
        if to is None:
            shop.append(stream_id, event["type"].removeprefix("shop.").removesuffix(".v1"), event["data"])
        else:
            shop.change_event(of or stream_id, to, type=event["type"], data=event["data"])

    return corrupt


def change_line(stream_id: str, version: int, **changes: Any) -> Corruption:
    def corrupt(shop: RecordedShop) -> None:
        (line,) = shop.event(stream_id, version)["data"]["lines"]
        change_data(stream_id, version, lines=[line | changes])(shop)

    return corrupt


def drop_attribute(stream_id: str, name: str) -> Corruption:
    return lambda shop: shop.store[stream_id, "state"].pop(name)


def overdue(minutes: int) -> Corruption:
    return lambda shop: shop.index[0].update(due_at=(NOW - timedelta(minutes=minutes)).isoformat())


def archive_a_ghost(shop: RecordedShop) -> None:
    shop.lines.append(json.dumps(json.loads(shop.lines[0]) | {"id": GHOST_ID}).encode())


def start_paying(minutes_ago: int) -> Corruption:
    """The declined reservation tries once more, and nobody has heard how that ended; the provider has charged it."""

    def corrupt(shop: RecordedShop) -> None:
        attempt = {"reservation_id": DECLINED, "attempt": 2, "payment_intent_id": "pi_declined"}
        shop.append(reservation(DECLINED), "payment.requested", attempt | {"amount": terms(DECLINED, 1, 1)["total"]})
        shop.change_event(reservation(DECLINED), 4, time=(NOW - timedelta(minutes=minutes_ago)).isoformat())
        shop.objects.append(charge_of("ch_late", "pi_declined", 1_000))

    return corrupt


def rename_customer(shop: RecordedShop) -> None:
    shop.store["customer#customer-2", "state"] = shop.store["customer#customer-1", "state"]


COUNTS, CARDS = "customer#customer-1/state", "customer#customer-1/cards#2026-03-05T10:00Z"
LINES = terms(DECLINED, 1, 1)["lines"]
CHEAP = {"amount_minor": 1, "currency": "EUR"}
TOO_MUCH = {"amount_minor": 2_001, "currency": "EUR"}
BUCKET = ("stock#MUG#0", "state")
TOTALS = "available + held + sold of all buckets, as received"
EXPIRED_TYPE = "shop.reservation.expired.v1"
EVENT_ID = recorded_shop().event(MUG, 1)["id"]
GHOST_ID = "00000000-0000-4000-8000-000000000000"
NOT_JSON = hashlib.sha256(b"not JSON").hexdigest()[:32]
ROWS = (("products", "OLD", "sku"), ("reservations", BOUGHT, "reservation_id"), ("purchases", BOUGHT, "purchase_id"))
ENDED = {"reservation_id": DECLINED, "lines": LINES}
REFUND = {"id": "re_new", "object": "refund", "amount": 2_000, "status": "succeeded", "payment_intent": "pi_bought"}
DISPUTE = {"id": "du_new", "object": "dispute", "amount": 2_000, "status": "lost", "payment_intent": "pi_bought"}
STRAY = (intent_of("pi_stray", BOUGHT, 2_000), charge_of("ch_stray", "pi_stray", 2_000))


def test_events_that_the_store_keeps_shortened_are_compared_as_they_were_published() -> None:
    shop = recorded_shop()
    texts = dict[tuple[str, int], str]()
    for (stream_id, sk), item in shop.store.items():
        if sk.startswith("event#"):
            event = decode_as_written(item["event"])
            time = f"{event.time:%Y-%m-%dT%H:%M:%S}.500Z"
            item.update(shortened(event, time), time=time)
            assert "schema" in item
            texts[stream_id, item["version"]] = encode(event).decode()
    shop.lines = [text.encode() for text in texts.values()]
    for row in shop.tables["log"]:
        text = texts[row["stream_id"], row["stream_version"]]
        row["digest"] = hashlib.sha256(text.encode()).hexdigest()[:32]
    whole = {"streams", "heads", "archive"}
    assert [difference for difference in shop.audit().differences if difference.check in whole] == []


CORRUPTIONS: list[tuple[str, str, str, Corruption]] = [
    ("streams", reservation(BOUGHT), "versions", drop_item(reservation(BOUGHT), "event#0000000002")),
    ("streams", reservation(BOUGHT), "versions", change_item(reservation(BOUGHT), "event#0000000002", version=1)),
    ("streams", f"{MUG}/1", "sk", rename(MUG, "event#0000000001", "event#1")),
    ("streams", f"{MUG}/1", "event", damage(MUG, 1, "{")),
    ("streams", f"{MUG}/1", "event", change_data(MUG, 1, name="")),
    ("streams", f"{MUG}/1", "event", change_event(MUG, 1, type="shop.product.vanished.v1")),
    ("streams", f"{MUG}/2", "type", change_item(MUG, "event#0000000002", type="shop.product.retired.v1")),
    ("streams", f"{MUG}/2", "subject", change_event(MUG, 2, subject="product-OLD")),
    ("streams", f"{MUG}/2", "partitionkey", change_event(MUG, 2, partitionkey="product-OLD")),
    ("streams", f"{MUG}/2", "streamversion", change_event(MUG, 2, streamversion=3)),
    ("streams", f"{MUG}/2", "sku", change_data(MUG, 2, sku="OLD")),
    (
        "streams",
        f"{reservation(BOUGHT)}/1",
        "reservation_id",
        change_data(reservation(BOUGHT), 1, reservation_id=EXPIRED),
    ),
    ("streams", EVENT_ID, "events with this id", use_id_twice),
    ("streams", "cart-1/state", "item", lambda shop: shop.store.update({("cart-1", "state"): {}})),
    ("streams", f"{MUG}/draft", "item", lambda shop: shop.store.update({(MUG, "draft"): {}})),
    ("lives", f"{reservation(CANCELLED)}/3", "order", append(reservation(CANCELLED), "reservation.expired", **ENDED)),
    (
        "lives",
        f"{reservation(BOUGHT)}/4",
        "order",
        append(reservation(BOUGHT), "reservation.cancelled", **ENDED, reason="customer"),
    ),
    (
        "lives",
        f"{reservation(EXPIRED)}/6",
        "order",
        append(reservation(EXPIRED), "reservation.cancelled", **ENDED, reason="customer"),
    ),
    ("lives", f"{reservation(BOUGHT)}/3", "order", change_event(reservation(BOUGHT), 3, type=EXPIRED_TYPE)),
    ("lives", f"{reservation(REFUNDED)}/6", "order", repeat(reservation(REFUNDED), 5)),
    ("lives", f"{reservation(BOUGHT)}/4", "order", repeat(reservation(BOUGHT), 3)),
    ("lives", f"{reservation(BOUGHT)}/2", "order", repeat(reservation(BOUGHT), 1, to=2)),
    ("lives", f"{MUG}/4", "order", repeat(MUG, 1, to=4)),
    ("lives", f"{MUG}/1", "order", repeat(MUG, 2, to=1)),
    ("lives", f"{MUG}/4", "type", repeat(reservation(BOUGHT), 1, to=4, of=MUG)),
    ("lives", f"{MUG}/2", "allocations", change_data(MUG, 2, quantity=11)),
    ("lives", f"{MUG}/3", "allocations_to", change_data(MUG, 3, allocations_to=[{"bucket": 0, "quantity": 3}])),
    ("lives", f"{reservation(DECLINED)}/1", "total", change_data(reservation(DECLINED), 1, total=CHEAP)),
    ("lives", f"{reservation(DECLINED)}/1", "allocations of MUG", change_line(reservation(DECLINED), 1, quantity=2)),
    ("lives", f"{reservation(CANCELLED)}/2", "lines", change_line(reservation(CANCELLED), 2, quantity=2)),
    ("lives", f"{reservation(EXPIRED)}/4", "lines", change_line(reservation(EXPIRED), 4, quantity=2)),
    ("lives", f"{reservation(BOUGHT)}/2", "amount", change_data(reservation(BOUGHT), 2, amount=CHEAP)),
    ("lives", f"{reservation(BOUGHT)}/2", "attempt", change_data(reservation(BOUGHT), 2, attempt=2)),
    ("lives", f"{reservation(BOUGHT)}/3", "attempt", change_data(reservation(BOUGHT), 3, attempt=2)),
    ("lives", f"{reservation(BOUGHT)}/3", "total", change_data(reservation(BOUGHT), 3, total=CHEAP)),
    ("lives", f"{reservation(BOUGHT)}/3", "lines", change_line(reservation(BOUGHT), 3, quantity=1)),
    ("lives", f"{reservation(BOUGHT)}/3", "customer_id", change_data(reservation(BOUGHT), 3, customer_id="x")),
    ("lives", f"{reservation(BOUGHT)}/3", "purchase_id", change_data(reservation(BOUGHT), 3, purchase_id=EXPIRED)),
    (
        "lives",
        f"{reservation(BOUGHT)}/3",
        "payment_intent_id",
        change_data(reservation(BOUGHT), 3, payment_intent_id="x"),
    ),
    ("lives", f"{reservation(DECLINED)}/3", "attempt", change_data(reservation(DECLINED), 3, attempt=2)),
    ("lives", f"{reservation(REFUNDED)}/4", "amount", change_data(reservation(REFUNDED), 4, amount=CHEAP)),
    ("lives", f"{reservation(REFUNDED)}/5", "total", change_data(reservation(REFUNDED), 5, total=CHEAP)),
    ("lives", f"{reservation(PARTLY)}/4", "amount", change_data(reservation(PARTLY), 4, amount=CHEAP)),
    ("lives", f"{reservation(PARTLY)}/4", "allocations of MUG", change_line(reservation(PARTLY), 4, quantity=2)),
    ("lives", f"{reservation(PARTLY)}/5", "left_minor", change_data(reservation(PARTLY), 5, left_minor=1_001)),
    ("lives", f"{reservation(PARTLY)}/5", "amount", change_data(reservation(PARTLY), 5, amount=CHEAP)),
    ("lives", f"{reservation(PARTLY)}/5", "given back or lost", change_data(reservation(PARTLY), 5, amount=TOO_MUCH)),
    ("lives", f"{reservation(PARTLY)}/5", "units of MUG", change_line(reservation(PARTLY), 5, quantity=3)),
    *(
        ("lives", f"{reservation(PARTLY)}/{version}", what, corruption)
        for version, what, corruption in (
            (2, "order", repeat(reservation(PARTLY), 9, to=2)),
            (9, "payment_intent_id", change_data(reservation(PARTLY), 9, payment_intent_id="x")),
            (10, "purchase_id", change_data(reservation(PARTLY), 10, purchase_id=EXPIRED)),
            (10, "dispute", change_data(reservation(PARTLY), 10, dispute_id="du_other")),
            (10, "lines", change_line(reservation(PARTLY), 10, amount_minor=999)),
            (10, "given back or lost", change_line(reservation(PARTLY), 10, amount_minor=1_001)),
            (11, "lines", change_line(reservation(PARTLY), 11, amount_minor=999)),
        )
    ),
    ("actors", f"{MUG}/1", "actor", change_event(MUG, 1, authid=None)),
    ("actors", f"{MUG}/2", "actor", change_event(MUG, 2, authtype="system")),
    ("actors", f"{reservation(PARTLY)}/4", "actor", change_event(reservation(PARTLY), 4, authtype=None, authid=None)),
    ("actors", f"{reservation(REFUNDED)}/4", "actor", change_event(reservation(REFUNDED), 4, authid=None)),
    ("states", reservation(BOUGHT), "presence", drop_item(reservation(BOUGHT), "state")),
    ("states", reservation(BOUGHT), "version", change_item(reservation(BOUGHT), "state", version=2)),
    ("states", reservation(BOUGHT), "status", change_state(reservation(BOUGHT), status="paying")),
    ("states", reservation(BOUGHT), "status", change_item(reservation(BOUGHT), "state", state="not JSON")),
    ("states", reservation(BOUGHT), "payment_intent_id", change_state(reservation(BOUGHT), payment_intent_id="x")),
    ("states", reservation(BOUGHT), "total", change_terms(BOUGHT, total=CHEAP)),
    ("states", reservation(BOUGHT), "lines", change_terms(BOUGHT, lines=LINES)),
    ("states", reservation(BOUGHT), "customer_id", change_terms(BOUGHT, customer_id="x")),
    ("states", reservation(BOUGHT), "expires_at", change_terms(BOUGHT, expires_at="2026-03-05T12:16:00.5Z")),
    ("states", reservation(DECLINED), "due", drop_attribute(reservation(DECLINED), "due_at")),
    ("states", reservation(DECLINED), "due", drop_attribute(reservation(DECLINED), "due_shard")),
    ("states", MUG, "price", change_state(MUG, price=CHEAP)),
    ("states", MUG, "stock_buckets", change_state(MUG, stock_buckets=2)),
    ("states", "product-OLD", "status", change_state("product-OLD", status="listed")),
    ("states", "product-GHOST", "status", lambda shop: shop.put_state("product-GHOST", shop.state(MUG))),
    ("stock", "MUG#0", "available", change_item(*BUCKET, available=5)),
    ("stock", "MUG#0", "held", change_item(*BUCKET, held=1, sold=1)),
    ("stock", "MUG#0", "sold", change_item(*BUCKET, held=1, sold=1)),
    ("stock", "MUG#0", "available, not negative", change_item(*BUCKET, available=-1)),
    ("stock", "MUG#0", "available", drop_item(*BUCKET)),
    ("stock", "MUG#7", "sold", lambda shop: shop.store.update({("stock#MUG#7", "state"): {"sold": 1}})),
    ("stock", "MUG", TOTALS, change_item(*BUCKET, sold=4)),
    ("payments", "pi_bought", "captured charges", drop_paid("ch_bought")),
    ("payments", "pi_bought", "captured charges", change_paid("ch_bought", captured=False)),
    ("payments", "pi_bought", "captured charges", add_paid(charge_of("ch_second", "pi_bought", 2_000))),
    ("payments", "pi_bought", "amount_captured of ch_bought", change_paid("ch_bought", amount_captured=1_999)),
    ("payments", "pi_bought", "currency of ch_bought", change_paid("ch_bought", currency="usd")),
    ("payments", "pi_bought", "refund re_new", add_paid(REFUND)),
    ("payments", "pi_bought", "payment intent", drop_paid("pi_bought")),
    ("payments", "pi_bought", "amount", change_paid("pi_bought", amount=1)),
    ("payments", "pi_bought", "currency", change_paid("pi_bought", currency="usd")),
    ("payments", "pi_bought", "reservation_id", change_paid("pi_bought", metadata={"reservation_id": EXPIRED})),
    ("payments", "pi_bought", "reservation_id", change_paid("pi_bought", metadata={})),
    ("payments", "pi_bought", "reservations", change_data(reservation(REFUNDED), 2, payment_intent_id="pi_bought")),
    ("payments", "pi_refunded", "refund re_refunded", drop_paid("re_refunded")),
    ("payments", "pi_partly", "refund re_partly_1", change_paid("re_partly_1", amount=999)),
    ("payments", "pi_partly", "refund re_partly_2", change_paid("re_partly_2", status="succeeded")),
    ("payments", "pi_refunded", "refund re_refunded", change_paid("re_refunded", amount=999)),
    ("payments", "pi_refunded", "refund re_refunded", change_paid("re_refunded", status="failed")),
    ("payments", "pi_partly", "dispute du_partly", change_paid("du_partly", status="lost")),
    ("payments", "pi_partly", "dispute du_partly", change_paid("du_partly", status="prevented")),
    ("payments", "pi_partly", "dispute du_partly", drop_paid("du_partly")),
    ("payments", "pi_bought", "dispute du_new", add_paid(DISPUTE)),
    *(
        ("disputes", f"{PARTLY}/du_partly", name, change_row("disputes", "du_partly", **{name: value}))
        for name, value in {"status": "lost", "amount_minor": 1, "reason": "x", "opened_at": "x"}.items()
    ),
    ("disputes", f"{PARTLY}/du_partly", "closed_at", change_row("disputes", "du_partly", closed_at=None)),
    ("disputes", f"{PARTLY}/du_partly", "presence", drop_row("disputes", "du_partly")),
    ("payments", "pi_expired", "kept of ch_expired", change_paid("ch_expired", amount_refunded=999)),
    ("payments", "pi_expired", "refund re_expired", drop_paid("re_expired")),
    ("payments", "pi_declined", "status", change_paid("pi_declined", status="requires_action")),
    ("payments", "pi_declined", "kept of ch_late", add_paid(charge_of("ch_late", "pi_declined", 1_000))),
    ("payments", "pi_declined", "kept of ch_late", start_paying(minutes_ago=4)),
    ("payments", "pi_stray", "kept of ch_stray", add_paid(*STRAY)),
    *(
        ("refunds", f"{PARTLY}/1", name, change_row("refunds", "re_partly_1", **{name: value}))
        for name, value in {"amount_minor": 1, "reason": None, "origin": "provider", "refunded_at": "x"}.items()
    ),
    ("refunds", f"{PARTLY}/2", "presence", add_row("refunds", "re_partly_1", refund=2)),
    ("due", f"{reservation(DECLINED)}/state", "due_at", overdue(minutes=3)),
    ("heads", MUG, "stream_version", change_row("heads", MUG, stream_version=3)),
    ("heads", MUG, "stream_version", change_row("heads", MUG, stream_version=5)),
    ("heads", MUG, "presence", drop_row("heads", MUG)),
    ("heads", "product-GHOST", "presence", add_row("heads", MUG, stream_id="product-GHOST")),
    ("heads", f"{MUG}/1", "digest", change_row("log", MUG, digest="other")),
    ("heads", f"{MUG}/9", "presence", add_row("log", MUG, stream_version=9)),
    *(
        (table, key, name, change_row(table, key, **{name: value}))
        for table, key, name, value in (
            ("products", "MUG", "name", "x"),
            ("products", "MUG", "description", "x"),
            ("products", "MUG", "category", "x"),
            ("products", "MUG", "price_minor", 1),
            ("products", "MUG", "currency", "USD"),
            ("products", "MUG", "available", 8),
            ("products", "OLD", "status", "listed"),
            ("products", "MUG", "version", 3),
            ("products", "MUG", "listed_at", "x"),
            ("purchases", PARTLY, "refunded_minor", 400),
            ("reservations", BOUGHT, "customer_id", "x"),
            ("reservations", BOUGHT, "status", "paying"),
            ("reservations", BOUGHT, "lines", []),
            ("reservations", BOUGHT, "total_minor", 1),
            ("reservations", BOUGHT, "currency", "USD"),
            ("reservations", BOUGHT, "placed_at", "x"),
            ("reservations", BOUGHT, "expires_at", "x"),
            ("reservations", BOUGHT, "payment_intent_id", "x"),
            ("reservations", BOUGHT, "version", 2),
            ("purchases", REFUNDED, "customer_id", "x"),
            ("purchases", REFUNDED, "status", "purchased"),
            ("purchases", REFUNDED, "lines", []),
            ("purchases", REFUNDED, "total_minor", 1),
            ("purchases", REFUNDED, "currency", "USD"),
            ("purchases", REFUNDED, "payment_intent_id", "x"),
            ("purchases", REFUNDED, "purchased_at", "x"),
            ("purchases", REFUNDED, "version", 4),
        )
    ),
    *((table, key, "presence", drop_row(table, key)) for table, key, _ in ROWS),
    *((table, "GHOST", "presence", add_row(table, key, **{name: "GHOST"})) for table, key, name in ROWS),
    ("sales_daily", f"{DAY}/MUG/EUR", "units", change_row("sales_daily", "MUG", units=4)),
    ("sales_daily", f"{DAY}/MUG/EUR", "revenue_minor", change_row("sales_daily", "MUG", revenue_minor=4_000)),
    ("sales_daily", f"{DAY}/MUG/EUR", "units", drop_row("sales_daily", "MUG")),
    ("sales_daily", "2026-03-06/MUG/EUR", "units", add_row("sales_daily", "MUG", day="2026-03-06")),
    ("sales_monthly", f"{DAY[:7]}-01/MUG/EUR", "units", change_row("sales_monthly", "MUG", units=4)),
    (
        "sales_monthly",
        f"{DAY[:7]}-01/MUG/EUR",
        "revenue_minor",
        change_row("sales_monthly", "MUG", revenue_minor=4_000),
    ),
    ("sales_monthly", "2026-04-01/MUG/EUR", "units", add_row("sales_monthly", "MUG", month="2026-04-01")),
    ("categories", "cups", "products", change_row("categories", "cups", products=2)),
    ("categories", "cups", "presence", drop_row("categories", "cups")),
    ("categories", "pots", "presence", add_row("categories", "cups", category="pots")),
    ("archive", EVENT_ID, "presence", lambda shop: shop.lines.pop(0)),
    ("archive", EVENT_ID, "digest", lambda shop: shop.lines.append(shop.lines[0] + b" ")),
    ("archive", GHOST_ID, "presence", archive_a_ghost),
    ("limits", COUNTS, "open", change_item("customer#customer-1", "state", open=None)),
    ("limits", COUNTS, "open", change_item("customer#customer-1", "state", open=[BOUGHT, DECLINED])),
    ("limits", COUNTS, "open", drop_item("customer#customer-1", "state")),
    ("limits", COUNTS, "held#MUG", change_item("customer#customer-1", "state", **{"held#MUG": 0})),
    ("limits", COUNTS, "held#OLD", change_item("customer#customer-1", "state", **{"held#OLD": 1})),
    ("limits", "customer#customer-2/state", "open", rename_customer),
    ("limits", CARDS, "attempts, at most", change_item(*CARDS.split("/"), attempts=50)),
    ("archive", f"{MUG}/1", "id", archive_a_ghost),
    ("archive", NOT_JSON, "line", lambda shop: shop.lines.append(b"not JSON")),
]


@pytest.mark.parametrize(("check", "subject", "what", "corrupt"), CORRUPTIONS)
def test_a_corruption_is_named_by_the_check_that_guards_it(
    check: str, subject: str, what: str, corrupt: Corruption
) -> None:
    shop = recorded_shop()
    corrupt(shop)
    named = {difference.identity for difference in shop.audit().differences}
    assert (check, subject, what) in named


def test_every_check_has_a_corruption() -> None:
    assert {check for check, *_ in CORRUPTIONS} == CHECKS.keys()


def test_a_clean_shop_has_no_difference_and_every_check_has_looked_at_something() -> None:
    findings = recorded_shop().audit()
    assert findings.differences == []
    assert all(findings.examined[check] for check in CHECKS)


HARMLESS: dict[str, Corruption] = {
    "an event that was archived twice": lambda shop: shop.lines.append(shop.lines[0]),
    "what is due only now": overdue(minutes=1),
    "old events that were dropped from the log": lambda shop: shop.tables["log"].clear(),
    "a day whose sales were all refunded": add_row("sales_daily", "MUG", day="2026-03-06", units=0, revenue_minor=0),
    "an empty bucket": lambda shop: shop.store.update({("stock#MUG#7", "state"): {"available": 0}}),
    "an intent whose reservation never asked for payment": add_paid(intent_of("pi_lost", CANCELLED, 1_000)),
    "a refund that the provider refused": add_paid(REFUND | {"status": "failed"}),
    "a product's state that keeps more": change_state(MUG, buckets_ever=2),
}


@pytest.mark.parametrize("change", HARMLESS.values(), ids=HARMLESS.keys())
def test_what_may_happen_in_a_sound_shop_is_no_difference(change: Corruption) -> None:
    shop = recorded_shop()
    change(shop)
    assert shop.audit().differences == []


@pytest.mark.parametrize("since", [None, NOW, NOW - timedelta(minutes=4)])
def test_an_administrators_event_of_before_actors_were_recorded_is_no_difference(since: datetime | None) -> None:
    assert list(actors.differences("product-MUG/1", {"time": NOW.isoformat()}, since)) == []
    assert list(actors.differences("product-MUG/1", {"time": NOW.isoformat(), "authtype": "app_user"}, since))


def test_a_charge_whose_purchase_is_about_to_be_recorded_is_no_difference() -> None:
    shop = recorded_shop()
    start_paying(minutes_ago=2)(shop)
    assert shop.audit().of("payments") == []


def test_a_refund_that_was_asked_for_may_be_under_way_but_must_be_due() -> None:
    shop = recorded_shop()
    drop_item(reservation(REFUNDED), "event#0000000005")(shop)
    shop.put_state(reservation(REFUNDED), {**shop.state(reservation(REFUNDED)), "payment_intent_id": "pi_refunded"})
    shop.change_event(reservation(REFUNDED), 4, time=(NOW - timedelta(minutes=1)).isoformat())
    judged = [each for each in shop.audit().differences if each.check in ("lives", "states", "payments")]
    assert [each.identity for each in judged] == [("states", reservation(REFUNDED), "due")]


def test_a_difference_that_the_next_look_does_not_see_was_in_flight() -> None:
    shop = recorded_shop()
    shop.tables["heads"][0]["stream_version"] -= 1
    shop.store[BUCKET]["available"] += 1

    def arrive(_: float) -> None:
        shop.tables["heads"] = recorded_shop().tables["heads"]

    findings = run(shop, grace_seconds=FOR_EVER, wait_seconds=0, report=lambda _: None, sleep=arrive)
    assert {each.check for each in findings.differences} == {"stock"}


def test_what_was_just_done_gets_the_time_to_arrive() -> None:
    shop, looks = recorded_shop(), []
    line = shop.lines.pop()

    def arrive(_: float) -> None:
        looks.append(1)
        if len(looks) == 3:
            shop.lines.append(line)

    findings = run(shop, grace_seconds=FOR_EVER, wait_seconds=60, report=lambda _: None, sleep=arrive)
    assert (findings.differences, len(looks)) == ([], 3)


def test_an_event_that_stays_where_it_is_while_others_come_and_go_is_kept() -> None:
    """The values move on under traffic; the difference is the same."""
    earlier = Findings(differences=[Difference("stock", "MUG#0", "available", 5, 6)])
    later = Findings(differences=[Difference("stock", "MUG#0", "available", 4, 5)])
    assert later.seen_again(earlier).differences == later.differences


@pytest.mark.parametrize("cause", [httpx.ConnectError("refused"), NotRunningError()])
def test_a_system_that_does_not_answer_ends_with_exit_code_2(cause: Exception) -> None:
    with pytest.raises(CouldNotCheckError) as caught, reading():
        raise cause
    assert caught.value.exit_code == 2
    assert str(cause) in str(caught.value)


def test_an_error_of_our_own_is_not_taken_for_a_system_that_does_not_answer() -> None:
    with pytest.raises(ZeroDivisionError), reading():
        raise ZeroDivisionError


def test_people_see_the_first_twenty_of_each_check_and_scripts_see_all() -> None:
    differences = [Difference("stock", f"SKU-{n:02d}#0", "held", 0, [1]) for n in range(25)]
    findings = Findings(differences=differences)
    console = Console(file=io.StringIO(), width=200, highlight=False)
    show(findings, ProgressDisplay(console))
    shown = console.file.getvalue()  # type: ignore[attr-defined]
    assert "SKU-19#0" in shown
    assert "SKU-20#0" not in shown
    assert "25 differences" in shown
    printed = document(findings)
    (stock,) = [check for check in printed["checks"] if check["check"] == "stock"]
    assert len(stock["differences"]) == 25
    assert stock["differences"][0] == {"subject": "SKU-00#0", "what": "held", "expected": 0, "found": [1]}
    assert not printed["clean"]
    assert document(recorded_shop().audit())["clean"]


def test_facts_come_back_by_key_and_part_in_order() -> None:
    with FactTable() as facts:
        for key, part in (("b", "2"), ("a", "found"), ("b", "1"), ("a", "expected"), ("a", "found")):
            facts.add("kind", key, part, f"{key}{part}")
        facts.add("other", "a", "found", None)
        groups = list(facts.groups("kind"))
        assert [(key, [part for part, _ in parts]) for key, parts in groups] == [
            ("a", ["expected", "found", "found"]),
            ("b", ["1", "2"]),
        ]
        assert next(facts.pairs("kind")) == ("a", ["aexpected"], ["afound", "afound"])


def test_the_provider_counts_a_krona_in_another_unit_than_the_events() -> None:
    expected = {
        "reservation_id": BOUGHT,
        "amount": 5,
        "currency": "isk",
        "purchased": True,
        "owed_since": None,
        "until": None,
        "missing": False,
        "refunds": {"re_1": 5},
        "disputes": {},
    }
    charge = {"id": "ch_1", "object": "charge", "captured": True, "paid": True, "amount_refunded": 500}
    found: list[dict[str, Any]] = [
        {"id": "pi_1", "object": "payment_intent", "amount": 500, "metadata": {"reservation_id": BOUGHT}},
        charge | {"amount_captured": 500},
        {"id": "re_1", "object": "refund", "amount": 500, "status": "succeeded"},
    ]
    records = [record | {"currency": "isk"} for record in found]
    assert list(payments.differences("pi_1", expected, records, datetime.now(UTC))) == []
    less = [records[0], records[1] | {"amount_captured": 400}, records[2]]
    [difference] = payments.differences("pi_1", expected, less, datetime.now(UTC))
    assert (difference.expected, difference.found) == (5, 4)


@pytest.mark.parametrize(
    ("since", "until", "is_allowed"),
    [
        (timedelta(minutes=14), timedelta(minutes=-1), True),
        (timedelta(minutes=20), timedelta(minutes=5), False),
        (timedelta(minutes=1), None, True),
        (timedelta(minutes=5), None, False),
        (None, None, False),
    ],
)
def test_a_customer_may_be_asked_for_3d_secure_only_while_paying_and_in_time(
    since: timedelta | None, until: timedelta | None, is_allowed: bool
) -> None:
    """`since` and `until` are so long ago."""
    owed = {"owed_since": since and (NOW - since).isoformat(), "until": until and (NOW - until).isoformat()}
    claimed = {**payments.NOTHING, "reservation_id": BOUGHT, "amount": 2_000, "currency": "eur", "missing": False}
    found = [intent_of("pi_1", BOUGHT, 2_000) | {"status": "requires_action"}]
    differences = payments.differences("pi_1", {**claimed, **owed}, found, NOW - timedelta(minutes=2))
    assert [each.what for each in differences] == ([] if is_allowed else ["status"])


def test_an_intent_whose_payment_has_ended_because_it_is_missing_is_no_difference() -> None:
    claimed = {**payments.NOTHING, "reservation_id": BOUGHT, "amount": 2_000, "currency": "eur"}
    for missing in (True, False):
        ended = {**claimed, "missing": missing}
        assert bool(list(payments.differences("pi_1", ended, [], NOW))) == (not missing)


IMAGES = [{"path": "/media/a.webp", "width": 960, "height": 720, "alt": "A mug"}]
CORRECTED: list[tuple[str, dict[str, Any]]] = [
    ("listed", {"name": "Mug", "description": "", "price": CHEAP, "stock_buckets": 1, "category": "mugs"}),
    ("stock-received", {"quantity": 10, "allocations": [{"bucket": 0, "quantity": 10}]}),
    ("stock-adjusted", {"quantity_change": -4, "reason": "Broken", "allocations": [{"bucket": 0, "quantity": 4}]}),
    ("retired", {}),
    ("relisted", {}),
    ("stock-adjusted", {"quantity_change": 1, "reason": "Found", "allocations": [{"bucket": 0, "quantity": 1}]}),
    ("described", {"name": "Cup", "description": "Red", "images": IMAGES}),
]


def folded(changes: list[tuple[str, dict[str, Any]]]) -> tuple[products.AuditedProduct, list[Difference], Ledger]:
    ledger = Ledger()
    events = [
        {"streamversion": version, "type": f"shop.product.{kind}.v1", "time": f"{DAY}T10:00:00Z", "data": data}
        for version, (kind, data) in enumerate(changes, 1)
    ]
    return *products.fold(MUG, events, ledger), ledger


def test_a_corrected_product_is_the_sum_of_its_corrections() -> None:
    product, differences, ledger = folded(CORRECTED)
    assert differences == []
    row = product.row()
    assert (row["name"], row["description"], row["category"], row["images"]) == ("Cup", "Red", None, IMAGES)
    assert (row["status"], row["version"], ledger.received["MUG"], ledger.available()["MUG"]) == ("listed", 7, 7, 7)


@pytest.mark.parametrize(
    ("changes", "what"),
    [
        ([*CORRECTED, ("relisted", {})], "order"),
        ([*CORRECTED[:2], ("stock-adjusted", CORRECTED[2][1] | {"quantity_change": -5})], "allocations"),
    ],
)
def test_a_correction_that_cannot_be_is_named(changes: list[tuple[str, dict[str, Any]]], what: str) -> None:
    [difference] = folded(changes)[1]
    assert (difference.check, difference.what) == ("lives", what)
