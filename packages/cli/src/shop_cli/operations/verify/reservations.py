"""Folds a reservation's events into its state, and finds events that its life does not allow."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from shop_cli.operations.verify.findings import ABSENT, Difference
from shop_cli.operations.verify.stock import Ledger
from shop_cli.operations.verify.streams import Event, disagreements, instant

CHECK: Final = "lives"
PLACED: Final = frozenset({"active", "paying", "purchased", "cancelled", "expired", "refunded"})
STEPS: Final[Mapping[str, tuple[frozenset[str], str | None]]] = {
    "shop.reservation.placed.v1": (frozenset({"none"}), "active"),
    "shop.reservation.cancelled.v1": (frozenset({"active"}), "cancelled"),
    "shop.reservation.expired.v1": (frozenset({"active"}), "expired"),
    "shop.payment.requested.v1": (frozenset({"active"}), "paying"),
    "shop.payment.action-required.v1": (frozenset({"paying"}), None),
    "shop.payment.declined.v1": (frozenset({"paying"}), "active"),
    "shop.purchase.confirmed.v1": (frozenset({"paying"}), "purchased"),
    "shop.purchase.refund-requested.v1": (frozenset({"purchased"}), None),
    "shop.purchase.refunded.v1": (frozenset({"purchased"}), "refunded"),
    "shop.purchase.refund-requested.v2": (frozenset({"purchased"}), None),
    "shop.purchase.refunded.v2": (frozenset({"purchased"}), None),  # refunded, where nothing is left
    "shop.purchase.refund-failed.v1": (PLACED, None),  # purchased again, where the money had been given back
    "shop.purchase.dispute-opened.v1": (frozenset({"purchased", "refunded"}), None),
    "shop.purchase.dispute-closed.v1": (frozenset({"purchased", "refunded"}), None),
    "shop.payment.refunded.v1": (PLACED, None),
}
"""Each type of event has the statuses in which it may happen, and the one that it leads to (None: the same)."""
STOCK: Final[Mapping[str, Mapping[str, int]]] = {
    "shop.reservation.placed.v1": {"available": -1, "held": 1},
    "shop.reservation.cancelled.v1": {"held": -1, "available": 1},
    "shop.reservation.expired.v1": {"held": -1, "available": 1},
    "shop.purchase.confirmed.v1": {"held": -1, "sold": 1},
    "shop.purchase.refunded.v1": {"sold": -1, "available": 1},
}
MISSING_INTENT: Final = "intent_missing"
DEAD_INTENT: Final = ("intent_canceled", MISSING_INTENT)
"""A payment intent is dead after a decline with one of these codes."""
OPENED, CLOSED = "shop.purchase.dispute-opened.v1", "shop.purchase.dispute-closed.v1"
PARTS: Final = ("shop.purchase.refunded.v2", "shop.purchase.refund-failed.v1")
"""After one of these, a purchase has the status that follows from what is left of it."""


@dataclass
class AuditedReservation:
    reservation_id: str
    version: int = 0
    status: str = "none"
    terms: dict[str, Any] = field(default_factory=dict)
    """reservation_id, customer_id, lines, total, expires_at: settled when it was placed."""
    placed_at: str = ""
    purchased_at: str | None = None
    attempts: int = 0
    intent: str | None = None
    """This is the payment intent of the last attempt."""
    intent_is_dead: bool = False
    attempted_at: list[str] = field(default_factory=list)
    refunds: dict[int, dict[str, Any]] = field(default_factory=dict)
    """The key is a refund's ordinal. Each says what was given back: its id, money, and units of each line."""
    disputes: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The key is a dispute's id. `lost` has the money that is gone, by line."""
    payments: dict[str, dict[str, Any]] = field(default_factory=dict)
    """The key is a payment intent; the provider must have recorded the value. See payments.py."""

    def state(self) -> dict[str, Any]:
        """Returns what its stored state must say, whatever else that keeps."""
        state: dict[str, Any] = {"status": self.status, **self.terms}
        if self.status == "purchased" and self.is_owed_something:
            del state["status"]  # how the store calls a purchase whose refund is under way is its own business
        if self.status in ("active", "paying", "purchased") and self.intent:
            state["payment_intent_id"] = ABSENT if self.intent_is_dead else self.intent
        return state

    @property
    def is_owed_something(self) -> bool:
        """It may be owed its stock back, its payment's outcome, or a refund."""
        return self.status in ("active", "paying") or any(each["owed_since"] for each in self.payments.values())

    @property
    def is_open(self) -> bool:
        return self.status in ("active", "paying")

    def units(self) -> Mapping[str, int]:
        return {str(line["sku"]): int(line["quantity"]) for line in self.terms.get("lines", ())}

    def row(self) -> dict[str, Any]:
        return {
            "status": self.status,
            **self._common(),
            "placed_at": self.placed_at,
            "expires_at": instant(self.terms["expires_at"]) if self.terms else None,
        }

    def purchase_row(self) -> dict[str, Any] | None:
        if self.purchased_at is None:
            return None
        return {
            "reservation_id": self.reservation_id,
            "status": self.status,
            **self._common(),
            "purchased_at": self.purchased_at,
            "refunded_minor": sum(refund["amount_minor"] for refund in self.refunds.values()),
        }

    def refund_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for ordinal, refund in self.refunds.items():
            if refund["amount_minor"]:
                row = {name: value for name, value in refund.items() if name != "units"}
                yield f"{self.reservation_id}/{ordinal}", row

    def dispute_rows(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for dispute_id, dispute in self.disputes.items():
            row = {name: value for name, value in dispute.items() if name != "lost"}
            yield f"{self.reservation_id}/{dispute_id}", row

    def lost_minor(self) -> int:
        return sum(amount for dispute in self.disputes.values() for amount in dispute["lost"].values())

    def left_minor(self) -> int:
        paid: int = self.terms.get("total", {}).get("amount_minor", 0)
        for refund in self.refunds.values():
            paid -= refund["amount_minor"]
        return paid

    def _common(self) -> dict[str, Any]:
        total = self.terms.get("total", {})
        public = ("sku", "quantity", "unit_price_minor", "name")
        return {
            "customer_id": self.terms.get("customer_id"),
            "lines": [{name: line[name] for name in public if name in line} for line in self.terms.get("lines", ())],
            "total_minor": total.get("amount_minor"),
            "currency": total.get("currency"),
            "payment_intent_id": self.intent,
            "version": self.version,
        }


def fold(stream_id: str, events: Sequence[Event], ledger: Ledger) -> tuple[AuditedReservation, list[Difference]]:
    reservation = AuditedReservation(stream_id.removeprefix("reservation-"))
    differences: list[Difference] = []
    for event in events:
        subject = f"{stream_id}/{event['streamversion']}"
        before, after = STEPS.get(event["type"], (frozenset[str](), None))
        if reservation.status not in before:
            wanted = f"status {' or '.join(sorted(before)) or 'of which it is an event'}"
            found = f"{event['type']} when {reservation.status}"
            differences.append(Difference(CHECK, subject, "order", wanted, found))
        differences += _agreement(reservation, event, subject)
        _apply(reservation, event)
        if event["type"] in (OPENED, CLOSED):
            _dispute(reservation, event)
        _move(reservation, event, ledger)
        reservation.status = after or reservation.status
        if event["type"] in (*PARTS, CLOSED) and reservation.purchased_at:
            differences += _too_much(reservation, subject)
        if event["type"] in PARTS and reservation.purchased_at:
            reservation.status = "purchased" if reservation.left_minor() else "refunded"
        reservation.version = event["streamversion"]
    return reservation, differences


def _agreement(reservation: AuditedReservation, event: Event, subject: str) -> Iterator[Difference]:
    terms, data = reservation.terms, event["data"]
    last = {"attempt": reservation.attempts, "payment_intent_id": reservation.intent}
    ended = {"lines": terms.get("lines")}
    bought = {**ended, "total": terms.get("total"), "purchase_id": reservation.reservation_id}
    bought["customer_id"] = terms.get("customer_id")
    agreed: dict[str, Any] = {}
    match event["type"]:
        case "shop.reservation.placed.v1":
            yield from _sums(data, subject)
        case "shop.reservation.cancelled.v1" | "shop.reservation.expired.v1":
            agreed = ended
        case "shop.payment.requested.v1":
            agreed = {"attempt": reservation.attempts + 1, "amount": terms.get("total")}
        case "shop.payment.declined.v1" | "shop.payment.action-required.v1":
            agreed = last
        case "shop.purchase.confirmed.v1":
            agreed = last | bought
        case "shop.purchase.refund-requested.v1":
            agreed = {"payment_intent_id": reservation.intent, "amount": terms.get("total")}
        case "shop.purchase.refunded.v1":
            agreed = bought
        case "shop.purchase.refund-requested.v2":
            agreed = {"payment_intent_id": reservation.intent}
            yield from _line_sums(data, subject)
        case "shop.purchase.refunded.v2":
            left_minor = reservation.left_minor() - data["amount"]["amount_minor"]
            agreed = {"payment_intent_id": reservation.intent, "left_minor": left_minor}
            agreed |= {name: bought[name] for name in ("purchase_id", "customer_id")}
            yield from _line_sums(data, subject)
        case "shop.purchase.dispute-opened.v1":
            agreed = {"payment_intent_id": reservation.intent, "purchase_id": reservation.reservation_id}
        case "shop.purchase.dispute-closed.v1":
            agreed = {"payment_intent_id": reservation.intent, "purchase_id": reservation.reservation_id}
            yield from _lost_sums(reservation, data, subject)
    yield from disagreements(CHECK, subject, event, agreed)


def _sums(data: Mapping[str, Any], subject: str) -> Iterator[Difference]:
    total = sum(line["quantity"] * line["unit_price_minor"] for line in data["lines"])
    if data["total"]["amount_minor"] != total:
        yield Difference(CHECK, subject, "total", total, data["total"]["amount_minor"])
    for line in data["lines"]:
        allocated = sum(allocation["quantity"] for allocation in line["allocations"])
        if allocated != line["quantity"]:
            yield Difference(CHECK, subject, f"allocations of {line['sku']}", line["quantity"], allocated)


def _line_sums(data: Mapping[str, Any], subject: str) -> Iterator[Difference]:
    total = sum(line["amount_minor"] for line in data["lines"])
    if data["amount"]["amount_minor"] != total:
        yield Difference(CHECK, subject, "amount", total, data["amount"]["amount_minor"])
    for line in data["lines"]:
        allocated = sum(allocation["quantity"] for allocation in line.get("allocations", ()))
        if allocated not in (0, line["quantity"]):
            yield Difference(CHECK, subject, f"allocations of {line['sku']}", line["quantity"], allocated)


def _lost_sums(reservation: AuditedReservation, data: Mapping[str, Any], subject: str) -> Iterator[Difference]:
    """What is lost is the amount or what is left, once; what comes back by `won` is what was lost."""
    known = reservation.disputes.get(data["dispute_id"])
    if known is None:
        yield Difference(CHECK, subject, "dispute", "opened before", ABSENT)
        return
    lost, moved = sum(known["lost"].values()), sum(line["amount_minor"] for line in data["lines"])
    left_minor = reservation.left_minor() - reservation.lost_minor()
    fresh = 0 if lost else min(data["amount"]["amount_minor"], left_minor)
    expected = fresh if data["status"] == "lost" else lost
    if moved != expected:
        yield Difference(CHECK, subject, "lines", expected, moved)


def _too_much(reservation: AuditedReservation, subject: str) -> Iterator[Difference]:
    """Never more is given back than was paid, nor more units of a line than were bought."""
    left_minor = reservation.left_minor() - reservation.lost_minor()
    if left_minor < 0:
        yield Difference(CHECK, subject, "given back or lost", "at most what was paid", -left_minor)
    units: Counter[str] = Counter()
    for refund in reservation.refunds.values():
        units.update(refund["units"])
    for line in reservation.terms.get("lines", ()):
        if units[line["sku"]] > line["quantity"]:
            yield Difference(CHECK, subject, f"units of {line['sku']}", line["quantity"], units[line["sku"]])


def _apply(reservation: AuditedReservation, event: Event) -> None:
    data = event["data"]
    match event["type"]:
        case "shop.reservation.placed.v1":
            names = ("reservation_id", "customer_id", "lines", "total", "expires_at")
            reservation.terms = {name: data[name] for name in names}
            reservation.placed_at = instant(event["time"])
        case "shop.payment.requested.v1":
            reservation.attempts, reservation.intent = data["attempt"], data["payment_intent_id"]
            reservation.intent_is_dead = False
            reservation.attempted_at.append(instant(event["time"]))
            _payment(reservation, data).update(owed_since=instant(event["time"]), until=None)
        case "shop.payment.action-required.v1":
            _payment(reservation, data)["until"] = instant(reservation.terms["expires_at"])
        case "shop.payment.declined.v1":
            reservation.intent_is_dead = data["code"] in DEAD_INTENT
            _payment(reservation, data).update(owed_since=None, missing=data["code"] == MISSING_INTENT)
        case "shop.purchase.confirmed.v1":
            reservation.purchased_at = instant(event["time"])
            _payment(reservation, data).update(purchased=True, owed_since=None)
        case "shop.purchase.refund-requested.v1":
            _payment(reservation, data)["owed_since"] = instant(event["time"])
        case "shop.purchase.refunded.v1":
            units = {line["sku"]: line["quantity"] for line in data["lines"]}
            _give_back(reservation, event, 1, data["total"], units)
        case "shop.purchase.refund-requested.v2":
            _payment(reservation, data)["owed_since"] = instant(event["time"])
        case "shop.purchase.refunded.v2":
            units = {line["sku"]: line["quantity"] for line in data["lines"]}
            _give_back(reservation, event, data["refund"], data["amount"], units)
        case "shop.purchase.refund-failed.v1":
            payment = _payment(reservation, data)
            payment["owed_since"] = None
            payment["refunds"].pop(data.get("refund_id"), None)
            if data["refund"] in reservation.refunds:
                reservation.refunds[data["refund"]]["amount_minor"] = 0
        case "shop.payment.refunded.v1":
            _payment(reservation, data)["refunds"][data["refund_id"]] = data["amount"]["amount_minor"]


def _give_back(
    reservation: AuditedReservation, event: Event, ordinal: int, amount: Mapping[str, Any], units: Mapping[str, int]
) -> None:
    data = event["data"]
    reservation.refunds[ordinal] = {
        "refund_id": data["refund_id"],
        "amount_minor": amount["amount_minor"],
        "currency": amount["currency"],
        "reason": data.get("reason"),
        "origin": data.get("origin", "shop"),
        "refunded_at": instant(event["time"]),
        "units": units,
    }
    payment = _payment(reservation, {"payment_intent_id": reservation.intent})
    payment["refunds"][data["refund_id"]] = amount["amount_minor"]
    if data.get("origin", "shop") == "shop":
        payment["owed_since"] = None


def _dispute(reservation: AuditedReservation, event: Event) -> None:
    data, time = event["data"], instant(event["time"])
    dispute = reservation.disputes.setdefault(data["dispute_id"], {"lost": {}, "closed_at": None})
    dispute |= {"dispute_id": data["dispute_id"], "status": data["status"]}
    dispute |= {"amount_minor": data["amount"]["amount_minor"], "currency": data["amount"]["currency"]}
    if event["type"] == OPENED:
        dispute |= {"reason": data["reason"], "opened_at": time, "closed_at": None}
    else:
        dispute["closed_at"] = time
        if data["lines"]:
            is_lost = data["status"] == "lost"
            dispute["lost"] = {line["sku"]: line["amount_minor"] for line in data["lines"]} if is_lost else {}
    _payment(reservation, data)["disputes"][data["dispute_id"]] = data["status"]


def _payment(reservation: AuditedReservation, data: Mapping[str, Any]) -> dict[str, Any]:
    total = reservation.terms.get("total", {})
    new = {
        "reservation_id": reservation.reservation_id,
        "amount": total.get("amount_minor"),
        "currency": str(total.get("currency")).lower(),
        "purchased": False,
        "missing": False,
        "owed_since": None,
        "until": None,
        "refunds": {},
        "disputes": {},
    }
    return reservation.payments.setdefault(str(data["payment_intent_id"]), new)


def _move(reservation: AuditedReservation, event: Event, ledger: Ledger) -> None:
    """The first event's lines come back or are sold, whatever a later event says of them; parts are the exception."""
    lines: Sequence[Mapping[str, Any]] = reservation.terms.get("lines", ())
    signs = STOCK.get(event["type"])
    for line in lines if signs else ():
        ledger.move(line["sku"], line["allocations"], **(signs or {}))
    if not reservation.terms:
        return
    day, currency = instant(event["time"])[:10], reservation.terms["total"]["currency"]
    sign = {"shop.purchase.confirmed.v1": 1, "shop.purchase.refunded.v1": -1}.get(event["type"])
    if sign:
        for line in lines:
            quantity = sign * line["quantity"]
            ledger.sell(day, currency, line["sku"], quantity, quantity * line["unit_price_minor"])
    sign = {"shop.purchase.refunded.v2": -1, "shop.purchase.refund-failed.v1": 1, CLOSED: 1}.get(event["type"])
    if event["type"] == CLOSED and event["data"]["status"] == "lost":
        sign = -1
    for line in event["data"]["lines"] if sign else ():
        ledger.move(line["sku"], line.get("allocations", ()), sold=-1, available=1)
        ledger.sell(day, currency, line["sku"], (sign or 0) * line["quantity"], (sign or 0) * line["amount_minor"])
