"""The values that events are made of, with their limits. A limit may be raised in a minor version, never lowered."""

from typing import Annotated, Final, Self

from pydantic import BaseModel, ConfigDict, Field, ValidationInfo, model_validator
from pydantic_core import PydanticCustomError

from shop_shared import forms

LINES_MAX = 20
"""Lines of one reservation: with three actions a line and the events, one transaction stays under DynamoDB's 100."""
BUCKETS_MAX = 64

Sku = Annotated[str, Field(pattern=forms.SKU.anchored, examples=[forms.SKU.example])]
StreamId = Annotated[str, Field(pattern=r"^(product|reservation)-[A-Za-z0-9-]{1,60}$")]
Uuid = Annotated[str, Field(pattern=forms.UUID.anchored)]
AmountMinor = Annotated[int, Field(strict=True, ge=0, le=99_999_999_999)]
"""Money in the currency's minor unit (cents), as ISO 4217 counts it."""
UnitPriceMinor = Annotated[int, Field(strict=True, ge=1, le=99_999_999)]
"""At most eight digits: what Stripe charges at once."""
Currency = Annotated[
    str, Field(pattern=forms.CURRENCY.anchored, description="ISO 4217", examples=[forms.CURRENCY.example])
]
Category = Annotated[str, Field(pattern=forms.CATEGORY.anchored, examples=[forms.CATEGORY.example])]
Quantity = Annotated[int, Field(strict=True, ge=1, le=1_000)]
StockQuantity = Annotated[int, Field(strict=True, ge=1, le=1_000_000)]
BucketNumber = Annotated[int, Field(strict=True, ge=0, lt=BUCKETS_MAX)]
BucketCount = Annotated[int, Field(strict=True, ge=1, le=BUCKETS_MAX)]
Attempt = Annotated[int, Field(strict=True, ge=1, le=1_000)]


OPEN: Final = {"open": True}
"""The validation context of readers: fields of a later minor version are kept, and written out again."""


class Value(BaseModel):
    """Frozen, and closed to unknown fields unless it is validated in the context `OPEN`."""

    # Not extra="forbid" for writers and an override for readers: pydantic would then read the unknown fields, but drop
    # them when it serializes.
    # defer_build: each model is made ready at its first use, and no function uses all of them.
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


class Allocation(Value):
    """How much of a quantity came from, or went into, one stock bucket."""

    bucket: BucketNumber
    quantity: StockQuantity


class ReservationLine(Value):
    """What is held of one product, at the price of the moment of the reservation."""

    sku: Sku
    quantity: Quantity
    unit_price_minor: UnitPriceMinor
    allocations: Annotated[tuple[Allocation, ...], Field(min_length=1, max_length=BUCKETS_MAX)]

    def total_minor(self: Self) -> int:
        return self.quantity * self.unit_price_minor


Lines = Annotated[tuple[ReservationLine, ...], Field(min_length=1, max_length=LINES_MAX)]
