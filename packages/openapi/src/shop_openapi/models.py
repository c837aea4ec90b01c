"""The answers, as the functions give them. shop-query's JSON is made by PostgreSQL and its models exist only here."""

from datetime import date, datetime
from typing import Annotated, Literal

from pydantic import BaseModel, Field

from shop_query.application.catalogue import TOTAL_MAX
from shop_shared.values import (
    BucketCount,
    Category,
    Currency,
    Money,
    Price,
    Quantity,
    Sku,
    StockQuantity,
    StreamId,
    UnitPriceMinor,
    Uuid,
)

StreamVersion = Annotated[int, Field(ge=1, description="Of the stream's last event: what `min_version` takes.")]
Name = Annotated[str, Field(min_length=1, max_length=200)]
Description = Annotated[str, Field(max_length=2_000)]
PaymentIntentId = Annotated[str, Field(description="The payment's id at the provider.", examples=["pi_3OxAmple"])]


class Positioned(BaseModel):
    stream_id: StreamId
    stream_version: StreamVersion


class ReservedLine(BaseModel):
    sku: Sku
    quantity: Quantity
    unit_price_minor: UnitPriceMinor


class ListedProduct(Positioned):
    sku: Sku
    name: Name
    description: Description
    category: Category | None
    price: Price
    stock_buckets: BucketCount


class RepricedProduct(Positioned):
    sku: Sku
    price: Price


class ReceivedStock(Positioned):
    sku: Sku
    quantity: StockQuantity


class RedistributedStock(Positioned):
    sku: Sku
    stock_buckets: BucketCount
    moved: Annotated[int, Field(ge=0, description="How many units changed their bucket.")]


class RetiredProduct(Positioned):
    sku: Sku
    status: Literal["retired"]


class PlacedReservation(Positioned):
    reservation_id: Uuid
    status: Literal["active"]
    lines: list[ReservedLine]
    total: Money
    expires_at: datetime


class CancelledReservation(Positioned):
    reservation_id: Uuid
    status: Literal["cancelled"]
    lines: list[ReservedLine]
    total: Money


class ConfirmedPurchase(Positioned):
    purchase_id: Uuid
    reservation_id: Uuid
    status: Literal["purchased"]
    total: Money
    payment_intent_id: PaymentIntentId


class PendingPurchase(Positioned):
    reservation_id: Uuid
    status: Literal["paying"]
    total: Money
    payment_intent_id: PaymentIntentId


class Refund(Positioned):
    purchase_id: Uuid
    refund_id: Annotated[str, Field(description="The refund's id at the provider.")]
    status: Literal["refunded"]
    total: Money


class PendingRefund(Positioned):
    purchase_id: Uuid
    status: Literal["refunding"]
    total: Money


class WebhookReceipt(BaseModel):
    received: Literal[True]


Status = Literal["active", "paying", "purchased", "cancelled", "expired", "refunded"]
Cursor = Annotated[str | None, Field(description="What `cursor` takes for the next page; null on the last one.")]


class Product(BaseModel):
    sku: Sku
    name: Name
    description: Description
    category: Category | None
    price: Price
    available: Annotated[int, Field(ge=0, description="How many can be reserved, as far as is projected.")]
    status: Literal["listed", "retired"]
    version: StreamVersion


class ProductPage(BaseModel):
    items: list[Product]
    next_cursor: Cursor
    total: Annotated[
        int,
        Field(
            default_factory=int,
            ge=0,
            le=TOTAL_MAX,
            description=f"On all pages together, counted up to {TOTAL_MAX:,}; only where it was asked for.",
        ),
    ]
    total_is_exact: Annotated[
        bool,
        Field(
            default_factory=bool,
            description=f"With `total`: false where there are more than {TOTAL_MAX:,}, or perhaps more than a search"
            " looks at.",
        ),
    ]


class Moment(BaseModel):
    type: Annotated[
        str,
        Field(
            description="`placed`, `payment-requested`, `payment-declined`, `purchased`, `cancelled`, `expired`, "
            "`refund-requested`, `refunded`, `payment-refunded`, or one of a later release."
        ),
    ]
    time: datetime
    stream_version: StreamVersion


class Reservation(Positioned):
    reservation_id: Uuid
    status: Status
    lines: list[ReservedLine]
    total: Money
    placed_at: datetime
    expires_at: datetime


class ReservationWithTimeline(Reservation):
    timeline: list[Moment]


class ReservationPage(BaseModel):
    items: list[Reservation]
    next_cursor: Cursor


class Purchase(Positioned):
    purchase_id: Uuid
    reservation_id: Uuid
    status: Literal["purchased", "refunded"]
    lines: list[ReservedLine]
    total: Money
    payment_intent_id: PaymentIntentId
    purchased_at: datetime


class PurchaseWithTimeline(Purchase):
    timeline: list[Moment]


class PurchasePage(BaseModel):
    items: list[Purchase]
    next_cursor: Cursor


class Revenue(BaseModel):
    """Net of refunds, which count on the day they happen: it can be negative."""

    amount_minor: int
    currency: Currency


class ProductSales(BaseModel):
    sku: Sku
    units: Annotated[int, Field(description="Sold less refunded.")]
    revenue: Revenue


class DailySales(ProductSales):
    day: date


class DailySalesPage(BaseModel):
    items: list[DailySales]
    next_cursor: Cursor


class TopSales(BaseModel):
    items: list[ProductSales]
