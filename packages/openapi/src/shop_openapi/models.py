"""The answers of shop-query. PostgreSQL makes their JSON, so these models exist only for the document."""

from datetime import date, datetime
from typing import Annotated, Literal, NotRequired

from pydantic import Field
from typing_extensions import TypedDict

from shop_command.handlers.function import Position, StreamVersion
from shop_command.handlers.purchases import PaymentIntentId
from shop_command.handlers.reservations import ReservedLine
from shop_query.application.catalogue import TOTAL_MAX
from shop_shared.values import (
    Category,
    Currency,
    DisputeStatus,
    Image,
    Images,
    Money,
    Price,
    ProductName,
    RefundReason,
    Sku,
    Uuid,
)

Cursor = Annotated[str | None, Field(description="What `cursor` takes for the next page; null on the last one.")]


class Product(TypedDict):
    """This is the product."""

    sku: Sku
    name: ProductName
    description: Annotated[str, Field(max_length=2_000)]
    category: Category | None
    images: Images
    price: Price
    available: Annotated[int, Field(ge=0, description="How many can be reserved, as far as is projected.")]
    status: Literal["listed", "retired"]
    version: StreamVersion


class ProductPage(TypedDict):
    """This is a page of products."""

    items: list[Product]
    next_cursor: Cursor
    total: NotRequired[
        Annotated[
            int,
            Field(
                ge=0,
                le=TOTAL_MAX,
                examples=[98],
                description=f"On all pages together, counted up to {TOTAL_MAX:,}; only where it was asked for.",
            ),
        ]
    ]
    total_is_exact: NotRequired[
        Annotated[
            bool,
            Field(
                description=f"With `total`: false where there are more than {TOTAL_MAX:,}, or perhaps more than a "
                "search looks at."
            ),
        ]
    ]


class CategoryWithCount(TypedDict):
    category: Category
    products: Annotated[int, Field(ge=1, description="How many products of it are for sale, in stock or not.")]


class CategoryPage(TypedDict):
    """This is a page of categories."""

    items: list[CategoryWithCount]
    next_cursor: Cursor


class Moment(TypedDict):
    type: Annotated[
        str,
        Field(
            description="`placed`, `payment-requested`, `payment-action-required`, `payment-declined`, `purchased`, "
            "`cancelled`, `expired`, `refund-requested`, `refunded`, `refund-failed`, `payment-refunded`, "
            "`dispute-opened`, `dispute-closed`, or one of a later release."
        ),
    ]
    time: datetime
    stream_version: StreamVersion


class ShownLine(ReservedLine):
    image: Annotated[Image | None, Field(description="The product's first picture, as it is now.")]


class Reservation(Position):
    reservation_id: Uuid
    status: Annotated[
        Literal["active", "paying", "purchased", "cancelled", "expired", "refunded"], Field(examples=["purchased"])
    ]
    lines: list[ShownLine]
    total: Money
    placed_at: datetime
    expires_at: datetime


class ReservationWithTimeline(Reservation):
    """This is the reservation, with what has happened to it."""

    timeline: list[Moment]


class ReservationPage(TypedDict):
    """This is a page of reservations."""

    items: list[Reservation]
    next_cursor: Cursor


class Dispute(TypedDict):
    """The customer's bank questions the payment: an inquiry takes no money, a chargeback withholds it."""

    dispute_id: Annotated[str, Field(description="The dispute's id at the provider.")]
    status: Annotated[DisputeStatus, Field(description="`lost`: the money is back with the customer.")]
    amount: Money
    reason: Annotated[str, Field(examples=["fraudulent"], description="The provider's word for it.")]
    opened_at: datetime
    closed_at: datetime | None


class Purchase(Position):
    purchase_id: Uuid
    reservation_id: Uuid
    status: Literal["purchased", "refunded"]
    lines: list[ShownLine]
    total: Money
    refunded: Annotated[Money, Field(description="What was given back of the total.")]
    payment_intent_id: PaymentIntentId
    purchased_at: datetime
    dispute: Annotated[Dispute | None, Field(description="The last one, if there was any.")]


class PurchaseRefund(TypedDict):
    refund_id: Annotated[str, Field(description="The refund's id at the provider.")]
    amount: Money
    reason: RefundReason | None
    origin: Annotated[
        Literal["shop", "provider"], Field(description="`provider` for a refund that was made at its dashboard.")
    ]
    refunded_at: datetime


class PurchaseWithTimeline(Purchase):
    """This is the purchase, with what has happened to it."""

    refunds: list[PurchaseRefund]
    timeline: list[Moment]


class PurchasePage(TypedDict):
    """This is a page of purchases."""

    items: list[Purchase]
    next_cursor: Cursor


class Revenue(TypedDict):
    """Revenue is net of refunds, which count on the day they happen: it can be negative."""

    amount_minor: int
    currency: Currency


class ProductSales(TypedDict):
    sku: Sku
    units: Annotated[int, Field(description="Sold less refunded.")]
    revenue: Revenue


class DailySales(ProductSales):
    day: date


class DailySalesPage(TypedDict):
    """This is a page of sales."""

    items: list[DailySales]
    next_cursor: Cursor


class TopSales(TypedDict):
    """These are the products that were sold most; the most comes first."""

    items: list[ProductSales]


class Activity(TypedDict):
    stream_version: StreamVersion
    type: Annotated[str, Field(description="The event's type.", examples=["shop.product.repriced.v1"])]
    time: datetime
    authtype: Annotated[
        str | None,
        Field(
            description="`app_user`: an administrator or the customer of the purchase; `system`: the shop itself; null "
            "for events of before it was recorded.",
            examples=["app_user"],
        ),
    ]
    authid: Annotated[
        str | None,
        Field(
            description="The `sub` of the administrator's token; null where it was none.",
            examples=["a0e5a6e2-1f0f-4c58-8a7e-6a9d3f2b4c77"],
        ),
    ]


class ActivityPage(TypedDict):
    """This is a page of what has happened to one product or purchase."""

    items: list[Activity]
    next_cursor: Cursor


class OpenApiDocument(TypedDict):
    """The document follows OpenAPI 3.1. https://spec.openapis.org/oas/v3.1.1.html"""

    openapi: str
