"""The decider of a product."""

from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Final, Literal, assert_never

from pydantic import Field, TypeAdapter

from shop_command.domain import stock
from shop_command.domain.errors import ProductAlreadyListedError, ProductNotFoundError, ProductRetiredError
from shop_command.domain.stream import Stream
from shop_shared.events import ProductListed, ProductRepriced, ProductRetired, StockReceived
from shop_shared.values import Price

ProductEvent = ProductListed | ProductRepriced | StockReceived | ProductRetired


@dataclass(frozen=True)
class Listed:
    sku: str
    name: str
    description: str
    price: Price
    stock_buckets: int
    status: Literal["listed"] = "listed"


@dataclass(frozen=True)
class Retired:
    sku: str
    status: Literal["retired"] = "retired"


Product = Listed | Retired
"""None stands for a product that was never listed."""


@dataclass(frozen=True)
class ListProduct:
    sku: str
    name: str
    description: str
    price: Price
    stock_buckets: int


@dataclass(frozen=True)
class ReceiveStock:
    sku: str
    quantity: int
    first_bucket: int
    """Chance's choice of where the remainder of an even spread goes; taken modulo the number of buckets."""


def decide(command: ListProduct | ReceiveStock, state: Product | None) -> tuple[ProductEvent, ...]:
    match command:
        case ListProduct():
            if state is not None:
                raise ProductAlreadyListedError(command.sku)
            return (
                ProductListed(
                    sku=command.sku,
                    name=command.name,
                    description=command.description,
                    price=command.price,
                    stock_buckets=command.stock_buckets,
                ),
            )
        case ReceiveStock():
            return (_receive(command, state),)
        case _:
            assert_never(command)


def evolve(state: Product | None, event: ProductEvent) -> Product | None:
    match event:
        case ProductListed():
            return Listed(event.sku, event.name, event.description, event.price, event.stock_buckets)
        case ProductRepriced():
            if not isinstance(state, Listed):
                return state
            return Listed(state.sku, state.name, state.description, event.price, state.stock_buckets)
        case StockReceived():
            return state
        case ProductRetired():
            return Retired(event.sku)
        case _:
            assert_never(event)


def stream(sku: str) -> Stream[Product, ProductEvent]:
    return Stream(f"product-{sku}", _STATES, evolve, _due_at)


def _receive(command: ReceiveStock, state: Product | None) -> StockReceived:
    match state:
        case None:
            raise ProductNotFoundError(command.sku)
        case Retired():
            raise ProductRetiredError(command.sku)
        case Listed(stock_buckets=buckets):
            allocations = stock.spread(command.quantity, buckets, command.first_bucket % buckets)
            return StockReceived(sku=command.sku, quantity=command.quantity, allocations=allocations)
        case _:
            assert_never(state)


def _due_at(_state: Product, _now: datetime) -> None:
    return None


_STATES: Final[TypeAdapter[Product]] = TypeAdapter(Annotated[Product, Field(discriminator="status")])
