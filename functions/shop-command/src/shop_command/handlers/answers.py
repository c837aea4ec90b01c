"""The answers to commands, each built from the event that the command led to, now or when it was first sent."""

import json
from typing import Any, Final, assert_never

from aws_lambda_powertools.event_handler import Response

from shop_command.application.purchases import Pending, PurchaseOutcome
from shop_command.domain import reservation
from shop_command.domain.reservation_states import Terms
from shop_shared.envelope import Envelope
from shop_shared.events import (
    PurchaseRefunded,
    PurchaseRefundRequested,
    StockRedistributed,
)

SETTLE_RETRY_SECONDS: Final = 2


def product(listed: Envelope) -> Response[str]:
    data = listed.data.model_dump(mode="json")
    return _json(201, {**data, **_position(listed)}, f"/products/{data['sku']}")


def stock(received: Envelope) -> Response[str]:
    data = received.data.model_dump(mode="json", include={"sku", "quantity"})
    return _json(201, {**data, **_position(received)}, f"/products/{data['sku']}")


def repriced(event: Envelope) -> Response[str]:
    data = event.data.model_dump(mode="json", include={"sku", "price"})
    return _json(201, {**data, **_position(event)}, f"/products/{data['sku']}")


def redistributed(event: "Envelope[StockRedistributed]") -> Response[str]:
    data = event.data.model_dump(mode="json", include={"sku", "stock_buckets"})
    moved = sum(allocation.quantity for allocation in event.data.allocations_from)
    return _json(201, {**data, "moved": moved, **_position(event)}, f"/products/{data['sku']}")


def retired(event: Envelope) -> Response[str]:
    data = event.data.model_dump(mode="json", include={"sku"})
    return _json(200, {**data, "status": "retired", **_position(event)}, f"/products/{data['sku']}")


def reserved(placed: Envelope) -> Response[str]:
    # The answer leaves out the buckets that the stock came from.
    data = placed.data.model_dump(
        mode="json",
        include={
            "reservation_id": True,
            "lines": {"__all__": {"sku", "quantity", "unit_price_minor"}},
            "total": True,
            "expires_at": True,
        },
    )
    return _json(201, {**data, "status": "active", **_position(placed)}, f"/reservations/{data['reservation_id']}")


def cancelled(terms: Terms, event: Envelope) -> Response[str]:
    body = {
        "reservation_id": terms.reservation_id,
        "lines": [
            line.model_dump(mode="json", include={"sku", "quantity", "unit_price_minor"}) for line in terms.lines
        ],
        "total": terms.total.model_dump(mode="json"),
        "status": "cancelled",
        **_position(event),
    }
    return _json(200, body, f"/reservations/{terms.reservation_id}")


def purchase(outcome: PurchaseOutcome) -> Response[str]:
    if isinstance(outcome, Pending):
        return _pending(outcome)
    fields = {"purchase_id", "reservation_id", "total", "payment_intent_id"}
    data = outcome.data.model_dump(mode="json", include=fields)
    return _json(201, {**data, "status": "purchased", **_position(outcome)}, f"/purchases/{data['purchase_id']}")


def refund(outcome: "Envelope[PurchaseRefunded] | Envelope[PurchaseRefundRequested]") -> Response[str]:
    """201 with the refund, or 202 while it is not known whether the money is back."""
    match outcome.data:
        case PurchaseRefunded() as data:
            body = {
                "purchase_id": data.purchase_id,
                "refund_id": data.refund_id,
                "status": "refunded",
                "total": data.total.model_dump(mode="json"),
            }
            return _json(201, {**body, **_position(outcome)}, f"/purchases/{data.purchase_id}")
        case PurchaseRefundRequested() as data:
            body = {
                "purchase_id": data.purchase_id,
                "status": "refunding",
                "total": data.amount.model_dump(mode="json"),
            }
            retry = {"Retry-After": str(SETTLE_RETRY_SECONDS)}
            return _json(202, {**body, **_position(outcome)}, f"/purchases/{data.purchase_id}", retry)
        case _:
            assert_never(outcome.data)


def received() -> Response[str]:
    """A webhook gets this answer whether or not it was news."""
    headers = {"Cache-Control": "no-store"}
    return Response(200, "application/json", json.dumps({"received": True}), headers=headers)


def _pending(pending: Pending) -> Response[str]:
    body = {
        "reservation_id": pending.reservation_id,
        "status": "paying",
        "total": pending.total.model_dump(mode="json"),
        "payment_intent_id": pending.payment_intent_id,
        "stream_id": reservation.stream(pending.reservation_id).id,
        "stream_version": pending.stream_version,
    }
    location = f"/reservations/{pending.reservation_id}"
    return _json(202, body, location, {"Retry-After": str(SETTLE_RETRY_SECONDS)})


def _position(event: Envelope) -> dict[str, Any]:
    """A reader that has reached this position sees the command's effect."""
    return {"stream_id": event.subject, "stream_version": event.streamversion}


def _json(status: int, body: dict[str, Any], location: str, headers: dict[str, str] | None = None) -> Response[str]:
    all_headers = {"Location": location, "Cache-Control": "no-store", **(headers or {})}
    return Response(status, "application/json", json.dumps(body, ensure_ascii=False), headers=all_headers)
