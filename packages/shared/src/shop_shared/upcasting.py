"""An upcaster turns what an earlier major version of an event says into the current version's words. It is pure, and is
never removed: events stay as they were written.

Only readers use it. The bytes that are published, archived and compared are those that were written.
"""

from collections.abc import Callable
from typing import Any, Final

from shop_shared.events import (
    EventData,
    PurchaseRefunded,
    PurchaseRefundedV1,
    PurchaseRefundRequested,
    PurchaseRefundRequestedV1,
)
from shop_shared.values import RefundLine


def _refund_requested(old: PurchaseRefundRequestedV1) -> PurchaseRefundRequested:
    return PurchaseRefundRequested(
        purchase_id=old.purchase_id,
        reservation_id=old.reservation_id,
        refund=1,
        payment_intent_id=old.payment_intent_id,
        amount=old.amount,
        lines=(),
        reason=old.reason,
    )


def _refunded(old: PurchaseRefundedV1) -> PurchaseRefunded:
    return PurchaseRefunded(
        purchase_id=old.purchase_id,
        reservation_id=old.reservation_id,
        customer_id=old.customer_id,
        refund=1,
        refund_id=old.refund_id,
        amount=old.total,
        left_minor=0,
        lines=tuple(
            RefundLine(
                sku=line.sku, quantity=line.quantity, amount_minor=line.total_minor(), allocations=line.allocations
            )
            for line in old.lines
        ),
        reason=old.reason,
    )


UPCASTERS: Final[dict[type[EventData], Callable[[Any], EventData]]] = {
    PurchaseRefundRequestedV1: _refund_requested,
    PurchaseRefundedV1: _refunded,
}
"""An event that is several versions old goes through several of them."""


def upcast(data: EventData) -> EventData:
    while upcaster := UPCASTERS.get(type(data)):
        data = upcaster(data)
    return data
