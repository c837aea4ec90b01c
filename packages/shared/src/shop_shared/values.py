"""Events are made of these values. A limit may be raised in a minor version of the package, and never lowered."""

from typing import Annotated, Final, Literal, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from shop_shared import forms

LINES_MAX = 20
"""A reservation has at most so many lines: at three actions a line, one transaction stays under DynamoDB's 100."""
BUCKETS_MAX = 64
IMAGES_MAX = 8

Sku = Annotated[str, Field(pattern=forms.SKU.anchored, examples=[forms.SKU.example])]
StreamId = Annotated[str, Field(pattern=r"^(product|reservation)-[A-Za-z0-9._-]{1,60}$")]
Uuid = Annotated[str, Field(pattern=forms.UUID.anchored)]
AMOUNT_MINOR_MAX = 99_999_999_999
AmountMinor = Annotated[int, Field(strict=True, ge=0, le=AMOUNT_MINOR_MAX)]
"""Money in the currency's minor unit (cents), as ISO 4217 counts it."""
UnitPriceMinor = Annotated[int, Field(strict=True, ge=1, le=99_999_999)]
"""Stripe charges at most eight digits at once."""
Currency = Annotated[
    str, Field(pattern=forms.CURRENCY.anchored, description="ISO 4217", examples=[forms.CURRENCY.example])
]
ProductName = Annotated[str, Field(min_length=1, max_length=200)]
Category = Annotated[str, Field(pattern=forms.CATEGORY.anchored, examples=[forms.CATEGORY.example])]
MediaPath = Annotated[str, Field(pattern=forms.MEDIA_PATH.anchored, examples=[forms.MEDIA_PATH.example])]
Pixels = Annotated[int, Field(strict=True, ge=1, le=10_000)]
Alt = Annotated[str, Field(max_length=200, description="What a picture shows; empty for one that says nothing.")]
Quantity = Annotated[int, Field(strict=True, ge=1, le=1_000)]
StockQuantity = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
QuantityChange = Annotated[int, Field(strict=True, ge=-1_000_000, le=1_000_000)]
BucketNumber = Annotated[int, Field(strict=True, ge=0, lt=BUCKETS_MAX)]
BucketCount = Annotated[int, Field(strict=True, ge=1, le=BUCKETS_MAX)]
Attempt = Annotated[int, Field(strict=True, ge=1, le=1_000)]


OPEN: Final = {"open": True}
"""Readers validate in this context, which keeps fields of a later minor version and writes them out again."""


class Value(BaseModel):
    """Frozen, and closed to unknown fields unless it is validated in the context `OPEN`."""

    # With extra="forbid" for writers and an override for readers, pydantic would read the unknown fields, but drop them
    # when it serializes.
    # With defer_build a model is made ready at its first use, and no function uses all of them.
    model_config = ConfigDict(frozen=True, extra="allow", defer_build=True)

    @model_validator(mode="after")
    def _closed_to_writers(self: Self, info: ValidationInfo) -> Self:
        if self.model_extra and info.context is not OPEN:
            raise PydanticCustomError(
                "extra_forbidden", "unknown fields: {names}", {"names": ", ".join(self.model_extra)}
            )
        return self


class Money(Value):
    amount_minor: AmountMinor
    currency: Currency


class Price(Value):
    amount_minor: UnitPriceMinor
    currency: Currency


class Image(Value):
    """A picture of a product, which a browser gets from `path` beside the shop's pages."""

    path: MediaPath
    width: Pixels
    height: Pixels
    alt: Alt


Images = Annotated[tuple[Image, ...], Field(max_length=IMAGES_MAX)]


class Allocation(Value):
    """This part of a quantity came from one stock bucket, or went into it."""

    bucket: BucketNumber
    quantity: StockQuantity


class ReservationLine(Value):
    """A quantity of one product is held at the price that it had when the reservation was placed.

    `name` is what the product was called then. It is absent where the reservation is older than the field.
    """

    sku: Sku
    quantity: Quantity
    unit_price_minor: UnitPriceMinor
    allocations: Annotated[tuple[Allocation, ...], Field(min_length=1, max_length=BUCKETS_MAX)]
    name: ProductName | None = None

    def total_minor(self: Self) -> int:
        return self.quantity * self.unit_price_minor


class RefundLine(Value):
    """This much of one line of a purchase is given back: units, money, or both."""

    sku: Sku
    quantity: Annotated[int, Field(strict=True, ge=0, le=1_000, description="0 where only money is given back")]
    amount_minor: AmountMinor
    allocations: Annotated[
        tuple[Allocation, ...], Field(max_length=BUCKETS_MAX, description="The units that can be sold again")
    ] = ()


Lines = Annotated[tuple[ReservationLine, ...], Field(min_length=1, max_length=LINES_MAX)]
RefundLines = Annotated[tuple[RefundLine, ...], Field(max_length=LINES_MAX)]
RefundOrdinal = Annotated[int, Field(strict=True, ge=1, le=10_000)]
"""It counts the refunds of a purchase, those that failed included."""
RefundReason = Literal["duplicate", "fraudulent", "requested_by_customer"]
"""These are Stripe's. A text that somebody writes could hold personal data, which no event does."""
