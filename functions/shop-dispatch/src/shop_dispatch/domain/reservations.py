"""Reservations, which become purchases, have one row for each reservation stream."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from msgspec.json import Encoder

from shop_shared.envelope import Envelope
from shop_shared.events import (
    PaymentActionRequired,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRequested,
    PurchaseConfirmed,
    PurchaseDisputeClosed,
    PurchaseDisputeOpened,
    PurchaseRefunded,
    PurchaseRefundFailed,
    PurchaseRefundRequested,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
)
from shop_shared.values import Lines

_to_json: Final = Encoder().encode
_SHOWN: Final = ("sku", "quantity", "unit_price_minor", "name")


class ReservationChange(NamedTuple):
    reservation_id: str
    version: int
    status: str | None = None
    customer_id: str | None = None
    lines: str | None = None
    total_minor: int | None = None
    currency: str | None = None
    placed_at: datetime | None = None
    expires_at: datetime | None = None
    payment_intent_id: str | None = None
    purchased_at: datetime | None = None


def reservation_changes(events: Iterable[Envelope]) -> list[ReservationChange]:
    changes: dict[str, dict[str, Any]] = {}
    for event in events:
        if fields := _FIELDS.get(event.data.TYPE):
            change = changes.setdefault(event.subject, {})
            change.update(fields(event, event.data), version=event.streamversion)
    return [
        ReservationChange(stream_id.removeprefix("reservation-"), **change)
        for stream_id, change in sorted(changes.items())
    ]


def _placed(event: Envelope, data: ReservationPlaced) -> dict[str, Any]:
    return {
        "status": "active",
        "customer_id": data.customer_id,
        "lines": _public(data.lines),
        "total_minor": data.total.amount_minor,
        "currency": data.total.currency,
        "placed_at": event.time,
        "expires_at": data.expires_at,
    }


def _public(lines: Lines) -> str:
    """Leaves out the allocations, because only the command side may know how stock is split over buckets."""
    shown = [{name: value for name in _SHOWN if (value := getattr(line, name)) is not None} for line in lines]
    return _to_json(shown).decode()


def _payment_requested(_: Envelope, data: PaymentRequested) -> dict[str, Any]:
    return {"status": "paying", "payment_intent_id": data.payment_intent_id}


def _confirmed(event: Envelope, data: PurchaseConfirmed) -> dict[str, Any]:
    return {"status": "purchased", "payment_intent_id": data.payment_intent_id, "purchased_at": event.time}


def _refunded(_: Envelope, data: PurchaseRefunded) -> dict[str, Any]:
    return {} if data.left_minor else {"status": "refunded"}


def _refund_failed(_: Envelope, data: PurchaseRefundFailed) -> dict[str, Any]:
    return {"status": "purchased"} if data.lines else {}  # with lines, the money had been given back


_FIELDS: Final[dict[str, Callable[[Envelope, Any], dict[str, Any]]]] = {
    ReservationPlaced.TYPE: _placed,
    PaymentRequested.TYPE: _payment_requested,
    PaymentDeclined.TYPE: lambda *_: {"status": "active"},  # another card may be tried
    PurchaseConfirmed.TYPE: _confirmed,
    ReservationCancelled.TYPE: lambda *_: {"status": "cancelled"},
    ReservationExpired.TYPE: lambda *_: {"status": "expired"},
    PurchaseRefunded.TYPE: _refunded,
    PurchaseRefundFailed.TYPE: _refund_failed,
    # The stream is longer, and nothing that a customer sees has changed. What is disputed was sold all the same.
    **dict.fromkeys(
        (
            PaymentActionRequired.TYPE,
            PurchaseRefundRequested.TYPE,
            PaymentRefunded.TYPE,
            PurchaseDisputeOpened.TYPE,
            PurchaseDisputeClosed.TYPE,
        ),
        lambda *_: {},
    ),
}
