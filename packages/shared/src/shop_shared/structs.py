"""Made by `make schemas` from the models beside it; do not edit. `canonical.py` reads events with it.

The structs have the fields and constraints of the models, and are stricter: only what may be null may be absent, and a
time is in UTC.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Generic, Literal, TypeVar

from msgspec import Meta, Struct


class ValueStruct(Struct, frozen=True, gc=False, omit_defaults=True):
    """No struct refers to itself, so the garbage collector has nothing to look for."""

    def matches(self) -> bool:
        """Says whether its texts match their patterns, in less time than msgspec takes. The envelope asks."""
        return True


Data = TypeVar("Data", bound=ValueStruct)


_match_1: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,39}").fullmatch
_match_2: Final = re.compile(r"[A-Z]{3}").fullmatch
_match_3: Final = re.compile(r"[a-z0-9][a-z0-9-]{0,39}").fullmatch
_match_4: Final = re.compile(r"/media/(?:[a-zA-Z0-9_-]{1,64}/){0,3}[a-zA-Z0-9_-]{1,64}\.(?:avif|jpg|png|webp)").fullmatch
_match_5: Final = re.compile(r"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}").fullmatch
_match_6: Final = re.compile(r"(?:product|reservation)-[A-Za-z0-9._-]{1,60}").fullmatch


class PriceStruct(ValueStruct, frozen=True, kw_only=True):
    amount_minor: Annotated[int, Meta(le=99999999, ge=1)]
    currency: str


class ImageStruct(ValueStruct, frozen=True, kw_only=True):
    path: str
    width: Annotated[int, Meta(le=10000, ge=1)]
    height: Annotated[int, Meta(le=10000, ge=1)]
    alt: Annotated[str, Meta(max_length=200)]


class ProductListedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.listed.v1"
    sku: str
    name: Annotated[str, Meta(max_length=200, min_length=1)]
    description: Annotated[str, Meta(max_length=2000)]
    price: PriceStruct
    stock_buckets: Annotated[int, Meta(le=64, ge=1)]
    category: str | None = None
    images: Annotated[tuple[ImageStruct, ...], Meta(max_length=8)] | None = None

    def matches(self) -> bool:
        return bool(_match_1(self.sku) and _match_2(self.price.currency) and (self.category is None or _match_3(self.category)) and (self.images is None or all([_match_4(each.path) for each in self.images])))


class ProductRepricedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.repriced.v1"
    sku: str
    price: PriceStruct

    def matches(self) -> bool:
        return bool(_match_1(self.sku) and _match_2(self.price.currency))


class AllocationStruct(ValueStruct, frozen=True, kw_only=True):
    bucket: Annotated[int, Meta(lt=64, ge=0)]
    quantity: Annotated[int, Meta(le=1000000, ge=1)]


class StockReceivedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.stock-received.v1"
    sku: str
    quantity: Annotated[int, Meta(le=1000000, ge=1)]
    allocations: Annotated[tuple[AllocationStruct, ...], Meta(max_length=64, min_length=1)]

    def matches(self) -> bool:
        return bool(_match_1(self.sku))


class StockAdjustedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.stock-adjusted.v1"
    sku: str
    quantity_change: Annotated[int, Meta(le=1000000, ge=-1000000)]
    reason: Annotated[str, Meta(max_length=200, min_length=1)]
    allocations: Annotated[tuple[AllocationStruct, ...], Meta(max_length=64, min_length=1)]

    def matches(self) -> bool:
        return bool(_match_1(self.sku))


class StockRedistributedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.stock-redistributed.v1"
    sku: str
    stock_buckets: Annotated[int, Meta(le=64, ge=1)]
    allocations_from: Annotated[tuple[AllocationStruct, ...], Meta(max_length=64)]
    allocations_to: Annotated[tuple[AllocationStruct, ...], Meta(max_length=64)]

    def matches(self) -> bool:
        return bool(_match_1(self.sku))


class ProductRetiredStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.retired.v1"
    sku: str

    def matches(self) -> bool:
        return bool(_match_1(self.sku))


class ProductRelistedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.relisted.v1"
    sku: str

    def matches(self) -> bool:
        return bool(_match_1(self.sku))


class ProductDescribedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.product.described.v1"
    sku: str
    name: Annotated[str, Meta(max_length=200, min_length=1)]
    description: Annotated[str, Meta(max_length=2000)]
    category: str | None = None
    images: Annotated[tuple[ImageStruct, ...], Meta(max_length=8)] | None = None

    def matches(self) -> bool:
        return bool(_match_1(self.sku) and (self.category is None or _match_3(self.category)) and (self.images is None or all([_match_4(each.path) for each in self.images])))


class ReservationLineStruct(ValueStruct, frozen=True, kw_only=True):
    sku: str
    quantity: Annotated[int, Meta(le=1000, ge=1)]
    unit_price_minor: Annotated[int, Meta(le=99999999, ge=1)]
    allocations: Annotated[tuple[AllocationStruct, ...], Meta(max_length=64, min_length=1)]
    name: Annotated[str, Meta(max_length=200, min_length=1)] | None = None


class MoneyStruct(ValueStruct, frozen=True, kw_only=True):
    amount_minor: Annotated[int, Meta(le=99999999999, ge=0)]
    currency: str


class ReservationPlacedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.reservation.placed.v1"
    reservation_id: str
    customer_id: Annotated[str, Meta(max_length=128, min_length=1)]
    lines: Annotated[tuple[ReservationLineStruct, ...], Meta(max_length=20, min_length=1)]
    total: MoneyStruct
    expires_at: Annotated[datetime, Meta(tz=True)]

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id) and all([_match_1(each.sku) for each in self.lines]) and _match_2(self.total.currency))

    def __post_init__(self) -> None:
        if self.expires_at.tzinfo is not UTC:
            raise ValueError("a time with an offset")


class ReservationCancelledStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.reservation.cancelled.v1"
    reservation_id: str
    lines: Annotated[tuple[ReservationLineStruct, ...], Meta(max_length=20, min_length=1)]
    reason: Literal["customer"]

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id) and all([_match_1(each.sku) for each in self.lines]))


class ReservationExpiredStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.reservation.expired.v1"
    reservation_id: str
    lines: Annotated[tuple[ReservationLineStruct, ...], Meta(max_length=20, min_length=1)]

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id) and all([_match_1(each.sku) for each in self.lines]))


class PaymentRequestedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.payment.requested.v1"
    reservation_id: str
    attempt: Annotated[int, Meta(le=1000, ge=1)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    amount: MoneyStruct

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id) and _match_2(self.amount.currency))


class PaymentActionRequiredStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.payment.action-required.v1"
    reservation_id: str
    attempt: Annotated[int, Meta(le=1000, ge=1)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id))


class PaymentDeclinedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.payment.declined.v1"
    reservation_id: str
    attempt: Annotated[int, Meta(le=1000, ge=1)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    code: Annotated[str, Meta(max_length=100)]
    decline_code: Annotated[str, Meta(max_length=100)] | None = None

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id))


class PurchaseConfirmedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.purchase.confirmed.v1"
    purchase_id: str
    reservation_id: str
    customer_id: Annotated[str, Meta(max_length=128, min_length=1)]
    attempt: Annotated[int, Meta(le=1000, ge=1)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    lines: Annotated[tuple[ReservationLineStruct, ...], Meta(max_length=20, min_length=1)]
    total: MoneyStruct

    def matches(self) -> bool:
        return bool(_match_5(self.purchase_id) and _match_5(self.reservation_id) and all([_match_1(each.sku) for each in self.lines]) and _match_2(self.total.currency))


class RefundLineStruct(ValueStruct, frozen=True, kw_only=True):
    sku: str
    quantity: Annotated[int, Meta(le=1000, ge=0)]
    amount_minor: Annotated[int, Meta(le=99999999999, ge=0)]
    allocations: Annotated[tuple[AllocationStruct, ...], Meta(max_length=64)]


class PurchaseRefundRequestedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.purchase.refund-requested.v2"
    purchase_id: str
    reservation_id: str
    refund: Annotated[int, Meta(le=10000, ge=1)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    amount: MoneyStruct
    lines: Annotated[tuple[RefundLineStruct, ...], Meta(max_length=20)]
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"]

    def matches(self) -> bool:
        return bool(_match_5(self.purchase_id) and _match_5(self.reservation_id) and _match_2(self.amount.currency) and all([_match_1(each.sku) for each in self.lines]))


class PurchaseRefundedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.purchase.refunded.v2"
    purchase_id: str
    reservation_id: str
    customer_id: Annotated[str, Meta(max_length=128, min_length=1)]
    refund: Annotated[int, Meta(le=10000, ge=1)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)] | None = None
    refund_id: Annotated[str, Meta(max_length=255, min_length=1)]
    amount: MoneyStruct
    left_minor: Annotated[int, Meta(le=99999999999, ge=0)]
    lines: Annotated[tuple[RefundLineStruct, ...], Meta(max_length=20)]
    reason: Literal["duplicate", "fraudulent", "requested_by_customer"] | None = None
    origin: Literal["shop", "provider"]

    def matches(self) -> bool:
        return bool(_match_5(self.purchase_id) and _match_5(self.reservation_id) and _match_2(self.amount.currency) and all([_match_1(each.sku) for each in self.lines]))


class PurchaseRefundFailedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.purchase.refund-failed.v1"
    purchase_id: str
    reservation_id: str
    refund: Annotated[int, Meta(le=10000, ge=0)]
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    refund_id: Annotated[str, Meta(max_length=255, min_length=1)] | None = None
    amount: MoneyStruct
    lines: Annotated[tuple[RefundLineStruct, ...], Meta(max_length=20)]
    code: Annotated[str, Meta(max_length=100, min_length=1)]

    def matches(self) -> bool:
        return bool(_match_5(self.purchase_id) and _match_5(self.reservation_id) and _match_2(self.amount.currency) and all([_match_1(each.sku) for each in self.lines]))


class PurchaseDisputeOpenedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.purchase.dispute-opened.v1"
    purchase_id: str
    reservation_id: str
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    dispute_id: Annotated[str, Meta(max_length=255, min_length=1)]
    status: Literal["inquiry", "chargeback"]
    amount: MoneyStruct
    reason: Annotated[str, Meta(max_length=100, min_length=1)]
    evidence_due_by: Annotated[datetime, Meta(tz=True)] | None = None

    def matches(self) -> bool:
        return bool(_match_5(self.purchase_id) and _match_5(self.reservation_id) and _match_2(self.amount.currency))

    def __post_init__(self) -> None:
        if self.evidence_due_by is not None and self.evidence_due_by.tzinfo is not UTC:
            raise ValueError("a time with an offset")


class PurchaseDisputeClosedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.purchase.dispute-closed.v1"
    purchase_id: str
    reservation_id: str
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    dispute_id: Annotated[str, Meta(max_length=255, min_length=1)]
    status: Literal["won", "lost", "withdrawn"]
    amount: MoneyStruct
    lines: Annotated[tuple[RefundLineStruct, ...], Meta(max_length=20)]

    def matches(self) -> bool:
        return bool(_match_5(self.purchase_id) and _match_5(self.reservation_id) and _match_2(self.amount.currency) and all([_match_1(each.sku) for each in self.lines]))


class PaymentRefundedStruct(ValueStruct, frozen=True, kw_only=True):
    TYPE: ClassVar[str] = "shop.payment.refunded.v1"
    reservation_id: str
    payment_intent_id: Annotated[str, Meta(max_length=255, min_length=1)]
    refund_id: Annotated[str, Meta(max_length=255, min_length=1)]
    amount: MoneyStruct
    reason: Literal["unconfirmable"]

    def matches(self) -> bool:
        return bool(_match_5(self.reservation_id) and _match_2(self.amount.currency))


class EnvelopeStruct(ValueStruct, Generic[Data], frozen=True, kw_only=True):
    specversion: Literal["1.0"]
    id: str
    source: str
    type: str
    subject: str
    time: Annotated[datetime, Meta(tz=True)]
    datacontenttype: Literal["application/json"]
    dataschema: str
    streamversion: Annotated[int, Meta(le=2147483647, ge=1)]
    partitionkey: str
    correlationid: Annotated[str, Meta(max_length=128, min_length=1)]
    causationid: Annotated[str, Meta(max_length=128, min_length=1)]
    awstraceheader: Annotated[str, Meta(max_length=256)] | None = None
    authtype: Annotated[str, Meta(max_length=32, min_length=1)] | None = None
    authid: Annotated[str, Meta(max_length=128, min_length=1)] | None = None
    data: Data

    def matches(self) -> bool:
        return bool(_match_5(self.id) and _match_6(self.subject) and self.data.matches())

    def __post_init__(self) -> None:
        if self.time.tzinfo is not UTC:
            raise ValueError("a time with an offset")
        if not self.matches():
            raise ValueError("a text that does not match")


EVENT_STRUCTS: Final = (
    ProductListedStruct,
    ProductRepricedStruct,
    StockReceivedStruct,
    StockAdjustedStruct,
    StockRedistributedStruct,
    ProductRetiredStruct,
    ProductRelistedStruct,
    ProductDescribedStruct,
    ReservationPlacedStruct,
    ReservationCancelledStruct,
    ReservationExpiredStruct,
    PaymentRequestedStruct,
    PaymentActionRequiredStruct,
    PaymentDeclinedStruct,
    PurchaseConfirmedStruct,
    PurchaseRefundRequestedStruct,
    PurchaseRefundedStruct,
    PurchaseRefundFailedStruct,
    PurchaseDisputeOpenedStruct,
    PurchaseDisputeClosedStruct,
    PaymentRefundedStruct,
)
"""A type that an upcaster puts in the words of a later version has no struct."""
