"""Reservations, which become purchases, have one row for each reservation stream."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

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

_SHOWN: Final = {"sku", "quantity", "unit_price_minor", "name"}


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
        if (fields := _fields(event)) is not None:
            change = changes.setdefault(event.subject, {})
            change.update(fields, version=event.streamversion)
    return [
        ReservationChange(stream_id.removeprefix("reservation-"), **change)
        for stream_id, change in sorted(changes.items())
    ]


def _fields(event: Envelope) -> dict[str, Any] | None:
    match event.data:
        case ReservationPlaced() as data:
            return {
                "status": "active",
                "customer_id": data.customer_id,
                "lines": _public(data.lines),
                "total_minor": data.total.amount_minor,
                "currency": data.total.currency,
                "placed_at": event.time,
                "expires_at": data.expires_at,
            }
        case PaymentRequested(payment_intent_id=intent):
            return {"status": "paying", "payment_intent_id": intent}
        case PaymentDeclined():
            return {"status": "active"}  # another card may be tried
        case PurchaseConfirmed(payment_intent_id=intent):
            return {"status": "purchased", "payment_intent_id": intent, "purchased_at": event.time}
        case ReservationCancelled():
            return {"status": "cancelled"}
        case ReservationExpired():
            return {"status": "expired"}
        case PurchaseRefunded(left_minor=left_minor):
            return {} if left_minor else {"status": "refunded"}
        case PurchaseRefundFailed(lines=lines):
            return {"status": "purchased"} if lines else {}  # with lines, the money had been given back
        case PaymentActionRequired() | PurchaseRefundRequested() | PaymentRefunded():
            return {}  # the stream is longer, and nothing that a customer sees has changed
        case PurchaseDisputeOpened() | PurchaseDisputeClosed():
            return {}  # it was sold all the same
        case _:
            return None  # another projection folds it


def _public(lines: Lines) -> str:
    """Leaves out the allocations, because only the command side may know how stock is split over buckets."""
    return json.dumps([line.model_dump(include=_SHOWN, exclude_none=True) for line in lines])
