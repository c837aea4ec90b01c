"""Every event type of the shop is a frozen model here. A compatible change adds an optional field and raises
`SCHEMA_VERSION`'s minor; an incompatible one is a new class with a new major in its `TYPE`, and an ADR."""

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from shop_shared.values import (
    Allocation,
    AmountMinor,
    Attempt,
    BucketCount,
    Category,
    Images,
    Instant,
    Lines,
    Money,
    Price,
    ProductName,
    QuantityChange,
    RefundLines,
    RefundOrdinal,
    RefundReason,
    Sku,
    StockQuantity,
    Uuid,
    Value,
)


class EventData(Value):
    """An envelope carries one of these as its `data`."""

    TYPE: ClassVar[str]
    SCHEMA_VERSION: ClassVar[str] = "1.0"


class ProductListed(EventData):
    TYPE: ClassVar[str] = "shop.product.listed.v1"
    SCHEMA_VERSION: ClassVar[str] = "1.2"
    sku: Sku
    name: ProductName
    description: Annotated[str, Field(max_length=2_000)]
    price: Price
    stock_buckets: BucketCount
    category: Category | None = None
    images: Images | None = None


class ProductRepriced(EventData):
    TYPE: ClassVar[str] = "shop.product.repriced.v1"
    sku: Sku
    price: Price


class StockReceived(EventData):
    TYPE: ClassVar[str] = "shop.product.stock-received.v1"
    sku: Sku
    quantity: StockQuantity
    allocations: Annotated[tuple[Allocation, ...], Field(min_length=1, max_length=64)]


class StockAdjusted(EventData):
    """Somebody counted the stock, and it was more or less than what the shop knew of.

    The allocations say which buckets the difference went into or, where `quantity_change` is negative, came out of.
    They add up to it without its sign.
    """

    TYPE: ClassVar[str] = "shop.product.stock-adjusted.v1"
    sku: Sku
    quantity_change: QuantityChange
    reason: Annotated[str, Field(min_length=1, max_length=200)]
    allocations: Annotated[tuple[Allocation, ...], Field(min_length=1, max_length=64)]


class StockRedistributed(EventData):
    """The product's stock is kept in `stock_buckets` buckets from now on; available stock was moved to suit that.

    What is held or sold stays where it was taken from. The sums of both lists are equal, and may be nothing.
    """

    TYPE: ClassVar[str] = "shop.product.stock-redistributed.v1"
    sku: Sku
    stock_buckets: BucketCount
    allocations_from: Annotated[tuple[Allocation, ...], Field(max_length=64)]
    allocations_to: Annotated[tuple[Allocation, ...], Field(max_length=64)]


class ProductRetired(EventData):
    TYPE: ClassVar[str] = "shop.product.retired.v1"
    sku: Sku


class ProductRelisted(EventData):
    """A retired product is for sale again, as it was when it was retired."""

    TYPE: ClassVar[str] = "shop.product.relisted.v1"
    sku: Sku


class ProductDescribed(EventData):
    """It replaces all that the listing said but price and stock: what is absent here, the product has no more."""

    TYPE: ClassVar[str] = "shop.product.described.v1"
    sku: Sku
    name: ProductName
    description: Annotated[str, Field(max_length=2_000)]
    category: Category | None = None
    images: Images | None = None


class ReservationPlaced(EventData):
    TYPE: ClassVar[str] = "shop.reservation.placed.v1"
    SCHEMA_VERSION: ClassVar[str] = "1.1"
    reservation_id: Uuid
    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    lines: Lines
    total: Money
    expires_at: Instant


class ReservationCancelled(EventData):
    TYPE: ClassVar[str] = "shop.reservation.cancelled.v1"
    SCHEMA_VERSION: ClassVar[str] = "1.1"
    reservation_id: Uuid
    lines: Lines
    reason: Literal["customer"]


class ReservationExpired(EventData):
    TYPE: ClassVar[str] = "shop.reservation.expired.v1"
    SCHEMA_VERSION: ClassVar[str] = "1.1"
    reservation_id: Uuid
    lines: Lines


class PaymentRequested(EventData):
    """Recorded before any money moves, so that no charge can happen that the shop does not know to look for."""

    TYPE: ClassVar[str] = "shop.payment.requested.v1"
    reservation_id: Uuid
    attempt: Attempt
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    amount: Money


class PaymentActionRequired(EventData):
    """The customer has to go through 3-D Secure, for which there is time until the reservation expires."""

    TYPE: ClassVar[str] = "shop.payment.action-required.v1"
    reservation_id: Uuid
    attempt: Attempt
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]


class PaymentDeclined(EventData):
    """The attempt has ended, and moved no money.

    `code` and `decline_code` are the provider's. After `intent_canceled` and `intent_missing` the intent is dead; with
    `given_up`, its customer did not want to go through 3-D Secure.
    """

    TYPE: ClassVar[str] = "shop.payment.declined.v1"
    reservation_id: Uuid
    attempt: Attempt
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    code: Annotated[str, Field(max_length=100)]
    decline_code: Annotated[str, Field(max_length=100)] | None = None


class PurchaseConfirmed(EventData):
    TYPE: ClassVar[str] = "shop.purchase.confirmed.v1"
    SCHEMA_VERSION: ClassVar[str] = "1.1"
    purchase_id: Uuid
    reservation_id: Uuid
    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    attempt: Attempt
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    lines: Lines
    total: Money


class PurchaseRefundRequested(EventData):
    """Recorded before the provider is asked to give money back, so that a crash in between leaves it due.

    The lines add up to the amount. There are none where the first version was written, which gave everything back.
    """

    TYPE: ClassVar[str] = "shop.purchase.refund-requested.v2"
    SCHEMA_VERSION: ClassVar[str] = "2.0"
    purchase_id: Uuid
    reservation_id: Uuid
    refund: RefundOrdinal
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    amount: Money
    lines: RefundLines
    reason: RefundReason


class PurchaseRefunded(EventData):
    """The money is back with the customer. The units of `allocations` are available again; all others stay sold.

    The lines add up to the amount. `left_minor` is what can still be given back after it. `origin` is `provider` for a
    refund that was made there and not asked for by the shop. `payment_intent_id` is absent only where the first version
    was written.
    """

    TYPE: ClassVar[str] = "shop.purchase.refunded.v2"
    SCHEMA_VERSION: ClassVar[str] = "2.0"
    purchase_id: Uuid
    reservation_id: Uuid
    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    refund: RefundOrdinal
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    refund_id: Annotated[str, Field(min_length=1, max_length=255)]
    amount: Money
    left_minor: AmountMinor
    lines: RefundLines
    reason: RefundReason | None = None
    origin: Literal["shop", "provider"] = "shop"


class PurchaseRefundFailed(EventData):
    """The provider refused a refund for good, or it failed there: the amount can be refunded again.

    `lines` has the money that an earlier event recorded as given back, and is empty where none did. Units that came
    back stay where they are. `refund` is 0 for a charge that no purchase could come of.
    """

    TYPE: ClassVar[str] = "shop.purchase.refund-failed.v1"
    purchase_id: Uuid
    reservation_id: Uuid
    refund: Annotated[int, Field(strict=True, ge=0, le=10_000)]
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    refund_id: Annotated[str, Field(min_length=1, max_length=255)] | None = None
    amount: Money
    lines: RefundLines
    code: Annotated[str, Field(min_length=1, max_length=100)]


class PurchaseDisputeOpened(EventData):
    """The customer's bank questions the charge. It is recorded again where an inquiry becomes a chargeback.

    `reason` is the provider's word. `evidence_due_by` is absent where the bank takes no evidence.
    """

    TYPE: ClassVar[str] = "shop.purchase.dispute-opened.v1"
    purchase_id: Uuid
    reservation_id: Uuid
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    dispute_id: Annotated[str, Field(min_length=1, max_length=255)]
    status: Literal["inquiry", "chargeback"]
    amount: Money
    reason: Annotated[str, Field(min_length=1, max_length=100)]
    evidence_due_by: Instant | None = None


class PurchaseDisputeClosed(EventData):
    """The bank has decided. A dispute that was lost may still be won later, which is another event.

    `lines` has the money that the shop loses where it is `lost`, and the same money where it is `won` after that;
    otherwise it is empty. It adds up to the amount, or to what refunds had left of the purchase. No unit comes back.
    """

    TYPE: ClassVar[str] = "shop.purchase.dispute-closed.v1"
    purchase_id: Uuid
    reservation_id: Uuid
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    dispute_id: Annotated[str, Field(min_length=1, max_length=255)]
    status: Literal["won", "lost", "withdrawn"]
    amount: Money
    lines: RefundLines


class PaymentRefunded(EventData):
    """A charge whose purchase could not be confirmed, because its reservation had ended otherwise, was given back.

    It moves no stock: the end of the reservation did.
    """

    TYPE: ClassVar[str] = "shop.payment.refunded.v1"
    reservation_id: Uuid
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    refund_id: Annotated[str, Field(min_length=1, max_length=255)]
    amount: Money
    reason: Literal["unconfirmable"]


class PurchaseRefundRequestedV1(EventData):
    """All that was paid was to be given back. `upcasting` turns it into the next version."""

    TYPE: ClassVar[str] = "shop.purchase.refund-requested.v1"
    purchase_id: Uuid
    reservation_id: Uuid
    payment_intent_id: Annotated[str, Field(min_length=1, max_length=255)]
    amount: Money
    reason: Literal["requested_by_customer"]


class PurchaseRefundedV1(EventData):
    """All that was paid is back with the customer, and what was sold is available again. `upcasting` turns it into the
    next version."""

    TYPE: ClassVar[str] = "shop.purchase.refunded.v1"
    purchase_id: Uuid
    reservation_id: Uuid
    customer_id: Annotated[str, Field(min_length=1, max_length=128)]
    refund_id: Annotated[str, Field(min_length=1, max_length=255)]
    reason: Literal["requested_by_customer"]
    lines: Lines
    total: Money
