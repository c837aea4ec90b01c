"""The registry maps an envelope's `type` to its model, and lists every event type that a stream may have."""

from typing import Final

from shop_shared import events
from shop_shared.events import EventData

EVENT_TYPES: Final[dict[str, type[EventData]]] = {
    model.TYPE: model
    for model in (
        events.ProductListed,
        events.ProductRepriced,
        events.StockReceived,
        events.StockAdjusted,
        events.StockRedistributed,
        events.ProductRetired,
        events.ProductRelisted,
        events.ProductDescribed,
        events.ReservationPlaced,
        events.ReservationCancelled,
        events.ReservationExpired,
        events.PaymentRequested,
        events.PaymentActionRequired,
        events.PaymentDeclined,
        events.PurchaseConfirmed,
        events.PurchaseRefundRequested,
        events.PurchaseRefunded,
        events.PurchaseRefundFailed,
        events.PurchaseDisputeOpened,
        events.PurchaseDisputeClosed,
        events.PaymentRefunded,
        events.PurchaseRefundRequestedV1,
        events.PurchaseRefundedV1,
    )
}

SCHEMA_BASE: Final = "https://shop.example/schemas"


def dataschema(model: type[EventData]) -> str:
    """The URI that CloudEvents' `dataschema` carries: the type with its full schema version."""
    return f"{SCHEMA_BASE}/{model.TYPE}/{model.SCHEMA_VERSION}"
