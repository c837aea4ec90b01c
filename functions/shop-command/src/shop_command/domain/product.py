"""The product's decider says which events its commands lead to."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Annotated, Any, Final, Literal, assert_never

from msgspec import Struct
from msgspec.structs import asdict
from pydantic import ConfigDict, Field, TypeAdapter

from shop_command.domain import prices, stock, texts
from shop_command.domain.errors import (
    CurrencyChangeError,
    ProductAlreadyListedError,
    ProductNotFoundError,
    ProductNotRetiredError,
    ProductRetiredError,
)
from shop_command.domain.stream import Stream
from shop_shared.events import (
    ProductDescribed,
    ProductListed,
    ProductRelisted,
    ProductRepriced,
    ProductRetired,
    StockAdjusted,
    StockReceived,
    StockRedistributed,
)
from shop_shared.values import Allocation, Image, Price

ProductEvent = (
    ProductListed
    | ProductRepriced
    | ProductDescribed
    | StockReceived
    | StockAdjusted
    | StockRedistributed
    | ProductRetired
    | ProductRelisted
)


@dataclass(frozen=True)
class Listed:
    sku: str
    name: str
    description: str
    price: Price
    stock_buckets: int
    """New stock goes to these buckets, and blind choices look for it in them."""
    buckets_ever: int = 0
    """It never had more than this: what was held while it had them returns there. Older states have 0."""
    status: Literal["listed"] = "listed"

    def bucket_numbers(self) -> range:
        """Stock can be in all of these buckets."""
        return range(max(self.stock_buckets, self.buckets_ever))


@dataclass(frozen=True)
class Retired:
    sku: str
    before: Listed | None = None
    """It is relisted as this. Older states lack it, and then its events have it."""
    status: Literal["retired"] = "retired"


Product = Listed | Retired
"""A product that was never listed has the state None."""


class ListProduct(Struct, frozen=True):
    sku: str
    name: str
    description: str
    price: Price
    stock_buckets: int
    category: str | None = None
    images: tuple[Image, ...] = ()


class Describe(Struct, frozen=True):
    """The product has exactly these from now on."""

    sku: str
    name: str
    description: str
    category: str | None = None
    images: tuple[Image, ...] = ()


class Reprice(Struct, frozen=True):
    sku: str
    price: Price
    allow_currency_change: bool = False


class ReceiveStock(Struct, frozen=True):
    sku: str
    quantity: int
    first_bucket: int
    """The remainder of an even spread goes here, to a number chosen at random, modulo the number of buckets."""


class AdjustStock(Struct, frozen=True):
    sku: str
    quantity_change: int
    reason: str
    first_bucket: int
    """A surplus is spread as received stock is, and its remainder begins here."""
    taken: tuple[Allocation, ...] = ()
    """A shortfall comes out of these buckets. The transaction fails where one of them no longer has so much."""


class RedistributeStock(Struct, frozen=True):
    sku: str
    stock_buckets: int
    available: Mapping[int, int]
    """Each bucket that stock can be in has so much."""
    halvings: int = 0
    """`stock.even_out` explains it."""


class Retire(Struct, frozen=True):
    sku: str


class Relist(Struct, frozen=True):
    sku: str


Command = ListProduct | Describe | Reprice | ReceiveStock | AdjustStock | RedistributeStock | Retire | Relist


def decide(command: Command, state: Product | None) -> tuple[ProductEvent, ...]:
    match command:
        case ListProduct():
            if state is not None:
                raise ProductAlreadyListedError(command.sku)
            prices.require_payable(command.price)
            return (ProductListed(**{**asdict(command), **_shown(command)}),)
        case Describe(sku=sku, category=category):
            listed(sku, state)
            return (ProductDescribed(sku=sku, category=category, **_shown(command)),)
        case Reprice(sku=sku, price=price):
            currency = listed(sku, state).price.currency
            prices.require_payable(price)
            if price.currency != currency and not command.allow_currency_change:
                raise CurrencyChangeError(sku, currency, price.currency)
            return (ProductRepriced(sku=sku, price=price),)
        case ReceiveStock(sku=sku, quantity=quantity):
            buckets = listed(sku, state).stock_buckets
            allocations = stock.spread(quantity, buckets, command.first_bucket % buckets)
            return (StockReceived(sku=sku, quantity=quantity, allocations=allocations),)
        case AdjustStock(sku=sku, quantity_change=change):
            buckets = listed(sku, state).stock_buckets
            more = stock.spread(change, buckets, command.first_bucket % buckets) if change > 0 else ()
            reason = texts.name(command.reason)
            return (StockAdjusted(sku=sku, quantity_change=change, reason=reason, allocations=more or command.taken),)
        case RedistributeStock(sku=sku, stock_buckets=buckets):
            listed(sku, state)
            taken, given = stock.even_out(command.available, buckets, command.halvings)
            return (StockRedistributed(sku=sku, stock_buckets=buckets, allocations_from=taken, allocations_to=given),)
        case Retire(sku=sku):
            listed(sku, state)
            return (ProductRetired(sku=sku),)
        case Relist(sku=sku):
            _require_retired(sku, state)
            return (ProductRelisted(sku=sku),)
        case _:
            assert_never(command)


def evolve(state: Product | None, event: ProductEvent) -> Product | None:
    match event:
        case ProductListed(stock_buckets=buckets):
            return Listed(event.sku, event.name, event.description, event.price, buckets, buckets)
        case ProductRepriced(price=price):
            return replace(state, price=price) if isinstance(state, Listed) else state
        case StockRedistributed(stock_buckets=buckets):
            if not isinstance(state, Listed):
                return state
            return replace(state, stock_buckets=buckets, buckets_ever=max(buckets, len(state.bucket_numbers())))
        case ProductDescribed(name=name, description=description):
            return replace(state, name=name, description=description) if isinstance(state, Listed) else state
        case StockReceived() | StockAdjusted():
            return state
        case ProductRetired():
            return Retired(event.sku, state) if isinstance(state, Listed) else state
        case ProductRelisted():
            return state.before if isinstance(state, Retired) else state
        case _:
            assert_never(event)


def _shown(command: ListProduct | Describe) -> dict[str, Any]:
    name, description = texts.name(command.name), texts.description(command.description)
    return {"name": name, "description": description, "images": command.images or None}


def listed(sku: str, state: Product | None) -> Listed:
    """Returns the product if it is for sale; raises why it is not."""
    match state:
        case None:
            raise ProductNotFoundError(sku)
        case Retired():
            raise ProductRetiredError(sku)
        case Listed():
            return state
        case _:
            assert_never(state)


def _require_retired(sku: str, state: Product | None) -> None:
    if state is None:
        raise ProductNotFoundError(sku)
    if isinstance(state, Listed):
        raise ProductNotRetiredError(sku)


def stream(sku: str) -> Stream[Product, ProductEvent]:
    return Stream(f"product-{sku}", _STATES, evolve, due_at=lambda _state, _now: None)


_STATES: Final[TypeAdapter[Product]] = TypeAdapter(
    Annotated[Product, Field(discriminator="status")], config=ConfigDict(defer_build=True)
)
