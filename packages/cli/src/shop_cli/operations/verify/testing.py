"""A shop as its systems would show it, written down by hand: a clean one, for tests to spoil."""

import hashlib
import json
import uuid
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from shop_cli.operations.verify.actors import BY_ADMINISTRATORS
from shop_cli.operations.verify.audit import Audit
from shop_cli.operations.verify.findings import Findings

NOW = datetime(2026, 3, 5, 12, 0, tzinfo=UTC)
CUSTOMER = "customer-1"
ADMINISTRATOR = "administrator-1"
BOUGHT, DECLINED, REFUNDED, CANCELLED, EXPIRED, PARTLY = (f"{n}0000000-0000-4000-8000-000000000000" for n in "123456")
EUR_1000 = {"amount_minor": 1_000, "currency": "EUR"}
EUR_2000 = {"amount_minor": 2_000, "currency": "EUR"}
DAY = "2026-03-05"


@dataclass
class RecordedShop:
    """Records the answer of each system as plain data. Implements the audit's `Sources`."""

    store: dict[tuple[str, str], dict[str, Any]] = field(default_factory=dict)
    index: list[dict[str, Any]] = field(default_factory=list)
    tables: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    lines: list[bytes] = field(default_factory=list)
    objects: list[dict[str, Any]] = field(default_factory=list)

    def items(self) -> Iterator[Mapping[str, Any]]:
        return ({"pk": pk, "sk": sk, **item} for (pk, sk), item in self.store.items())

    def due(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.index)

    def rows(self, table: str) -> Iterator[Mapping[str, Any]]:
        return iter(self.tables[table])

    def archived(self) -> Iterator[bytes]:
        return iter(self.lines)

    def paid(self) -> Iterator[Mapping[str, Any]]:
        return iter(self.objects)

    def audit(self) -> Findings:
        return Audit(NOW, grace_seconds=120).run(self, lambda _: None)

    def event(self, stream_id: str, version: int) -> dict[str, Any]:
        event: dict[str, Any] = json.loads(self.store[stream_id, f"event#{version:010d}"]["event"])
        return event

    def change_event(self, stream_id: str, version: int, **changes: Any) -> None:
        """What the item says inside, in the store alone: the other systems keep what they had. None is left out."""
        changed = {
            name: value for name, value in (self.event(stream_id, version) | changes).items() if value is not None
        }
        self.store[stream_id, f"event#{version:010d}"]["event"] = json.dumps(changed)

    def append(self, stream_id: str, kind: str, data: Mapping[str, Any], minute: int = 30) -> None:
        version = 1 + sum(pk == stream_id and sk != "state" for pk, sk in self.store)
        event_type = f"shop.{kind}" if kind[-2] == "v" else f"shop.{kind}.v1"
        event = {
            "specversion": "1.0",
            "id": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{stream_id}/{version}")),
            "source": "/shop-command",
            "type": event_type,
            "subject": stream_id,
            "time": f"2026-03-05T10:{minute:02d}:00.5Z",
            "datacontenttype": "application/json",
            "dataschema": f"https://shop.example/schemas/{event_type}/1.0",
            "streamversion": version,
            "partitionkey": stream_id,
            "correlationid": "c",
            "causationid": "c",
            "authtype": "app_user",
            **({"authid": ADMINISTRATOR} if event_type.startswith(BY_ADMINISTRATORS) else {}),
            "data": data,
        }
        item = {"version": version, "type": event_type, "event": json.dumps(event)}
        self.store[stream_id, f"event#{version:010d}"] = item

    def state(self, stream_id: str) -> dict[str, Any]:
        state: dict[str, Any] = json.loads(self.store[stream_id, "state"]["state"])
        return state

    def put_state(self, stream_id: str, state: Mapping[str, Any], **attributes: Any) -> None:
        version = sum(pk == stream_id and sk != "state" for pk, sk in self.store)
        self.store[stream_id, "state"] = {"version": version, "state": json.dumps(state), **attributes}

    def row(self, table: str, key: str) -> dict[str, Any]:
        return next(row for row in self.tables[table] if key in row.values())

    def paid_object(self, object_id: str) -> dict[str, Any]:
        return next(each for each in self.objects if each["id"] == object_id)


def recorded_shop() -> RecordedShop:
    """Two products; reservations that were bought, declined, refunded, cancelled, expired with a late charge, and
    refunded in part."""
    shop = RecordedShop()
    _sell_products(shop)
    _make_reservations(shop)
    _fill_read_model(shop)
    _take_money(shop)
    events = [item["event"] for (_, sk), item in shop.store.items() if sk.startswith("event#")]
    shop.lines = [event.encode() for event in events]
    return shop


def _sell_products(shop: RecordedShop) -> None:
    listed = {"name": "Mug", "description": "", "price": EUR_2000, "stock_buckets": 2}
    shop.append("product-MUG", "product.listed", {"sku": "MUG", **listed, "category": "cups"}, 0)
    halves = [{"bucket": 0, "quantity": 5}, {"bucket": 1, "quantity": 5}]
    shop.append("product-MUG", "product.stock-received", {"sku": "MUG", "quantity": 10, "allocations": halves}, 1)
    moved = {"allocations_from": [{"bucket": 1, "quantity": 2}], "allocations_to": [{"bucket": 0, "quantity": 2}]}
    shop.append("product-MUG", "product.stock-redistributed", {"sku": "MUG", "stock_buckets": 1, **moved}, 2)
    shop.append("product-MUG", "product.repriced", {"sku": "MUG", "price": EUR_1000}, 3)
    shop.put_state("product-MUG", {"sku": "MUG", "status": "listed", **listed, "price": EUR_1000, "stock_buckets": 1})
    shop.append("product-OLD", "product.listed", {"sku": "OLD", **listed}, 0)
    shop.append("product-OLD", "product.retired", {"sku": "OLD"}, 1)
    shop.put_state("product-OLD", {"sku": "OLD", "status": "retired"})
    shop.store["stock#MUG#0", "state"] = {"available": 4, "held": 0, "sold": 3}
    shop.store["stock#MUG#1", "state"] = {"available": 2, "held": 1, "sold": 0}
    shop.store["customer#customer-1", "state"] = {"open": [DECLINED], "held#MUG": 1, "held#OLD": 0}
    shop.store["customer#customer-1", "cards#2026-03-05T10:00Z"] = {"attempts": 4}
    shop.store["key#1", "key"] = {"body_digest": "d", "stream_id": "product-MUG", "version": 1}


def terms(reservation_id: str, quantity: int, bucket: int) -> dict[str, Any]:
    line = {"sku": "MUG", "quantity": quantity, "unit_price_minor": 1_000}
    return {
        "reservation_id": reservation_id,
        "customer_id": CUSTOMER,
        "lines": [{**line, "allocations": [{"bucket": bucket, "quantity": quantity}]}],
        "total": {"amount_minor": quantity * 1_000, "currency": "EUR"},
        "expires_at": "2026-03-05T12:15:00.5Z",
    }


def _make_reservations(shop: RecordedShop) -> None:
    for reservation_id, quantity, bucket, intent in (
        (BOUGHT, 2, 0, "pi_bought"),
        (DECLINED, 1, 1, "pi_declined"),
        (REFUNDED, 1, 0, "pi_refunded"),
        (CANCELLED, 1, 0, None),
        (EXPIRED, 1, 1, "pi_expired"),
        (PARTLY, 2, 0, "pi_partly"),
    ):
        agreed = terms(reservation_id, quantity, bucket)
        stream_id, named = f"reservation-{reservation_id}", {"reservation_id": reservation_id}
        shop.append(stream_id, "reservation.placed", agreed, 10)
        attempt = {**named, "attempt": 1, "payment_intent_id": intent}
        purchase = {name: agreed[name] for name in ("customer_id", "lines", "total")}
        purchase |= {**named, "purchase_id": reservation_id}
        if intent:
            shop.append(stream_id, "payment.requested", {**attempt, "amount": agreed["total"]}, 11)
        if reservation_id in (BOUGHT, REFUNDED, PARTLY):
            shop.append(stream_id, "purchase.confirmed", {**purchase, **attempt}, 12)
        elif reservation_id == DECLINED:
            shop.append(stream_id, "payment.declined", {**attempt, "code": "card_declined"}, 12)
        elif reservation_id == CANCELLED:
            ended = {**named, "lines": agreed["lines"], "reason": "customer"}
            shop.append(stream_id, "reservation.cancelled", ended, 12)
        else:
            shop.append(stream_id, "payment.declined", {**attempt, "code": "intent_canceled"}, 12)
            shop.append(stream_id, "reservation.expired", {**named, "lines": agreed["lines"]}, 13)
            back = {**named, "payment_intent_id": intent, "refund_id": "re_expired", "amount": agreed["total"]}
            shop.append(stream_id, "payment.refunded", {**back, "reason": "unconfirmable"}, 14)
        if reservation_id == REFUNDED:
            asked = {name: purchase[name] for name in ("reservation_id", "purchase_id")}
            asked |= {"payment_intent_id": intent, "amount": agreed["total"], "reason": "requested_by_customer"}
            shop.append(stream_id, "purchase.refund-requested", asked, 13)
            back = {**purchase, "refund_id": "re_refunded", "reason": "requested_by_customer"}
            shop.append(stream_id, "purchase.refunded", back, 14)
        if reservation_id == PARTLY:
            _refund_parts(shop, stream_id, intent)
        _keep_state(shop, reservation_id, agreed, intent)


def _refund_parts(shop: RecordedShop, stream_id: str, intent: str | None) -> None:
    """One mug is back on its shelf. Then money alone was given back, which the provider could not deliver."""
    named = {"reservation_id": PARTLY, "purchase_id": PARTLY, "payment_intent_id": intent}
    mug = {"sku": "MUG", "quantity": 1, "amount_minor": 1_000, "allocations": [{"bucket": 0, "quantity": 1}]}
    money = {"sku": "MUG", "quantity": 0, "amount_minor": 400, "allocations": []}
    for refund, line, left_minor, minute in ((1, mug, 1_000, 13), (2, money, 600, 15)):
        amount = {"amount_minor": line["amount_minor"], "currency": "EUR"}
        asked = {**named, "refund": refund, "amount": amount, "lines": [line], "reason": "duplicate"}
        shop.append(stream_id, "purchase.refund-requested.v2", asked, minute)
        back = {**asked, "customer_id": CUSTOMER, "refund_id": f"re_partly_{refund}", "left_minor": left_minor}
        shop.append(stream_id, "purchase.refunded.v2", {**back, "origin": "shop"}, minute + 1)
    failed = {**named, "refund": 2, "refund_id": "re_partly_2", "amount": amount, "lines": [money], "code": "lost"}
    shop.append(stream_id, "purchase.refund-failed", failed, 17)
    # What is left is disputed, lost, and won after all.
    disputed = {**named, "dispute_id": "du_partly", "amount": EUR_1000}
    opened = {"status": "chargeback", "reason": "fraudulent", "evidence_due_by": None}
    shop.append(stream_id, "purchase.dispute-opened", {**disputed, **opened}, 18)
    for status, minute in (("lost", 19), ("won", 20)):
        lines = [{"sku": "MUG", "quantity": 0, "amount_minor": 1_000, "allocations": []}]
        shop.append(stream_id, "purchase.dispute-closed", {**disputed, "status": status, "lines": lines}, minute)


def _keep_state(shop: RecordedShop, reservation_id: str, agreed: Mapping[str, Any], intent: str | None) -> None:
    stream_id = f"reservation-{reservation_id}"
    match reservation_id:
        case name if name in (BOUGHT, PARTLY):
            state = {"terms": agreed, "attempt": 1, "payment_intent_id": intent, "status": "purchased"}
            shop.put_state(stream_id, state)
        case name if name == DECLINED:
            state = {"terms": agreed, "attempts": 1, "payment_intent_id": intent, "status": "active"}
            due = {"due_shard": "3", "due_at": "2026-03-05T12:15:00.500Z"}
            shop.put_state(stream_id, state, **due)
            shop.index.append({"pk": stream_id, "sk": "state", **due})
        case name if name == REFUNDED:
            shop.put_state(stream_id, {"terms": agreed, "refund_id": "re_refunded", "status": "refunded"})
        case name if name == CANCELLED:
            shop.put_state(stream_id, {"terms": agreed, "status": "cancelled"})
        case _:
            shop.put_state(stream_id, {"terms": agreed, "status": "expired"})


def _fill_read_model(shop: RecordedShop) -> None:
    listed_at = "2026-03-05T10:00:00.500000+00:00"
    product = {"name": "Mug", "description": "", "currency": "EUR", "listed_at": listed_at, "images": []}
    shop.tables["products"] = [
        {
            "sku": "MUG",
            **product,
            "category": "cups",
            "price_minor": 1_000,
            "available": 6,
            "status": "listed",
            "version": 4,
        },
        {
            "sku": "OLD",
            **product,
            "category": None,
            "price_minor": 2_000,
            "available": 0,
            "status": "retired",
            "version": 2,
        },
    ]
    shop.tables["categories"] = [{"category": "cups", "products": 1}]
    reservations = [
        (BOUGHT, "purchased", 2, "pi_bought", 3),
        (DECLINED, "active", 1, "pi_declined", 3),
        (REFUNDED, "refunded", 1, "pi_refunded", 5),
        (CANCELLED, "cancelled", 1, None, 2),
        (EXPIRED, "expired", 1, "pi_expired", 5),
        (PARTLY, "purchased", 2, "pi_partly", 11),
    ]
    shop.tables["reservations"] = [
        {
            "reservation_id": reservation_id,
            "customer_id": CUSTOMER,
            "status": status,
            "lines": [{"sku": "MUG", "quantity": quantity, "unit_price_minor": 1_000}],
            "total_minor": quantity * 1_000,
            "currency": "EUR",
            "placed_at": "2026-03-05T10:10:00.500000+00:00",
            "expires_at": "2026-03-05T12:15:00.500000+00:00",
            "payment_intent_id": intent,
            "version": version,
        }
        for reservation_id, status, quantity, intent, version in reservations
    ]
    dated = ("placed_at", "expires_at")
    shop.tables["purchases"] = [
        {name: value for name, value in row.items() if name not in dated}
        | {"purchase_id": row["reservation_id"], "purchased_at": "2026-03-05T10:12:00.500000+00:00"}
        | {"refunded_minor": 0 if row["reservation_id"] == BOUGHT else 1_000}
        for row in shop.tables["reservations"]
        if row["status"] in ("purchased", "refunded")
    ]
    shop.tables["refunds"] = [
        {
            "purchase_id": purchase_id,
            "refund": 1,
            "refund_id": refund_id,
            "amount_minor": 1_000,
            "currency": "EUR",
            "reason": reason,
            "origin": "shop",
            "refunded_at": "2026-03-05T10:14:00.500000+00:00",
        }
        for purchase_id, refund_id, reason in (
            (REFUNDED, "re_refunded", "requested_by_customer"),
            (PARTLY, "re_partly_1", "duplicate"),
        )
    ]
    shop.tables["disputes"] = [
        {
            "purchase_id": PARTLY,
            "dispute_id": "du_partly",
            "status": "won",
            "amount_minor": 1_000,
            "currency": "EUR",
            "reason": "fraudulent",
            "opened_at": "2026-03-05T10:18:00.500000+00:00",
            "closed_at": "2026-03-05T10:20:00.500000+00:00",
        }
    ]
    # Five sold, two of them refunded, all on one day.
    sales = {"day": DAY, "sku": "MUG", "currency": "EUR", "units": 3, "revenue_minor": 3_000}
    shop.tables["sales_daily"] = [sales]
    shop.tables["sales_monthly"] = [{**sales, "month": f"{DAY[:7]}-01"}]
    texts = {(pk, item["version"]): item["event"] for (pk, sk), item in shop.store.items() if sk.startswith("event#")}
    heads = {stream_id: max(version for name, version in texts if name == stream_id) for stream_id, _ in texts}
    shop.tables["heads"] = [{"stream_id": name, "stream_version": version} for name, version in heads.items()]
    shop.tables["log"] = [
        {
            "stream_id": name,
            "stream_version": version,
            "digest": hashlib.sha256(text.encode()).hexdigest()[:32],
        }
        for (name, version), text in texts.items()
    ]


def _take_money(shop: RecordedShop) -> None:
    for name, reservation_id, amount, captured, refunded in (
        ("bought", BOUGHT, 2_000, True, False),
        ("declined", DECLINED, 1_000, False, False),
        ("refunded", REFUNDED, 1_000, True, True),
        ("expired", EXPIRED, 1_000, True, True),
    ):
        shop.objects.append(intent_of(f"pi_{name}", reservation_id, amount))
        shop.objects.append(charge_of(f"ch_{name}", f"pi_{name}", amount, captured=captured, refunded=refunded))
        if refunded:
            refund = {"id": f"re_{name}", "object": "refund", "amount": amount, "status": "succeeded"}
            shop.objects.append({**refund, "payment_intent": f"pi_{name}"})
    shop.objects.append(intent_of("pi_partly", PARTLY, 2_000))
    shop.objects.append(charge_of("ch_partly", "pi_partly", 2_000) | {"amount_refunded": 1_000})
    for number, amount, status in ((1, 1_000, "succeeded"), (2, 400, "failed")):
        refund = {"id": f"re_partly_{number}", "object": "refund", "amount": amount, "status": status}
        shop.objects.append({**refund, "payment_intent": "pi_partly"})
    dispute = {"id": "du_partly", "object": "dispute", "amount": 1_000, "currency": "eur", "status": "won"}
    shop.objects.append({**dispute, "payment_intent": "pi_partly"})
    # Another customer of the same account owns these.
    shop.objects.append({"id": "pi_other", "object": "payment_intent", "amount": 5, "currency": "eur", "metadata": {}})
    shop.objects.append(charge_of("ch_other", "pi_other", 5))


def intent_of(intent_id: str, reservation_id: str, amount: int) -> dict[str, Any]:
    metadata = {"reservation_id": reservation_id}
    return {"id": intent_id, "object": "payment_intent", "amount": amount, "currency": "eur", "metadata": metadata}


def charge_of(
    charge_id: str, intent_id: str, amount: int, *, captured: bool = True, refunded: bool = False
) -> dict[str, Any]:
    return {
        "id": charge_id,
        "object": "charge",
        "payment_intent": intent_id,
        "paid": captured,
        "captured": captured,
        "amount_captured": amount if captured else 0,
        "amount_refunded": amount if refunded else 0,
        "currency": "eur",
    }
