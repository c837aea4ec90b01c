"""An administrator lists, reprices, stocks and retires products."""

from functools import partial
from typing import Annotated, Final, Literal

from pydantic import Field

from shop_command import bootstrap
from shop_command.domain import product
from shop_command.domain.errors import ProductNotFoundError
from shop_command.domain.product import ListProduct
from shop_command.domain.texts import Description, Name
from shop_command.handlers.function import Position, annotate, function, position, request_of
from shop_http.answers import Created, Done
from shop_http.body import Body
from shop_http.route import HttpRequest, Who
from shop_shared import forms
from shop_shared.values import (
    BUCKETS_MAX,
    BucketCount,
    Category,
    Currency,
    Price,
    Sku,
    StockQuantity,
    UnitPriceMinor,
)

_OF_A_PRODUCT: Final = ("not-found", "product-retired", "try-again")
_OF_A_PRICE: Final = ("unsupported-currency", "amount-not-payable")
_route = partial(function.route, tag="Catalogue administration", who=Who.ADMINISTRATOR, keyed=True)


class PriceBody(Body):
    amount_minor: UnitPriceMinor
    currency: Currency

    def price(self) -> Price:
        return Price(amount_minor=self.amount_minor, currency=self.currency)


class ProductBody(Body):
    sku: Sku
    name: Name
    description: Description
    price: PriceBody
    stock_buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1
    category: Category | None = None


class ListedProduct(Position):
    """It is listed."""

    sku: Sku
    name: Annotated[str, Field(min_length=1, max_length=200)]
    description: Annotated[str, Field(max_length=2_000)]
    category: Category | None
    price: Price
    stock_buckets: BucketCount


@_route("POST /products", problems=("product-exists", *_OF_A_PRICE, "try-again"))
def list_product(call: HttpRequest, body: ProductBody) -> Created[ListedProduct]:
    """Offers a new product.

    It has no stock yet. More `stock_buckets` let more customers reserve it at the same moment.
    """
    annotate(product.stream(body.sku))
    price = body.price.price()
    command = ListProduct(body.sku, body.name, body.description, price, body.stock_buckets, body.category)
    listed = bootstrap.application().products.list_product(request_of(call), command)
    data = listed.data
    answer: ListedProduct = {
        "sku": data.sku,
        "name": data.name,
        "description": data.description,
        "price": data.price,
        "stock_buckets": data.stock_buckets,
        "category": data.category,
        **position(listed),
    }
    return Created(answer, _location(data.sku))


class RepriceBody(Body):
    price: PriceBody
    allow_currency_change: Annotated[
        bool, Field(description="A price in another currency than the present one is refused without it.")
    ] = False


class RepricedProduct(Position):
    """The product has this price from now on."""

    sku: Sku
    price: Price


@_route("POST /products/{sku}/price", problems=(*_OF_A_PRODUCT, *_OF_A_PRICE, "currency-change"))
def reprice_product(call: HttpRequest, sku: str, body: RepriceBody) -> Created[RepricedProduct]:
    """Changes a product's price.

    What is reserved keeps the price that it was reserved at.
    """
    event = bootstrap.application().products.reprice(
        request_of(call), _known(sku), body.price.price(), allow_currency_change=body.allow_currency_change
    )
    return Created({"sku": sku, "price": event.data.price, **position(event)}, _location(sku))


class StockBody(Body):
    quantity: StockQuantity


class ReceivedStock(Position):
    """It can be reserved."""

    sku: Sku
    quantity: StockQuantity


@_route("POST /products/{sku}/stock", problems=_OF_A_PRODUCT)
def receive_stock(call: HttpRequest, sku: str, body: StockBody) -> Created[ReceivedStock]:
    """Adds stock.

    It is spread evenly over the product's buckets and can be reserved at once.
    """
    event = bootstrap.application().products.receive_stock(request_of(call), _known(sku), body.quantity)
    return Created({"sku": sku, "quantity": event.data.quantity, **position(event)}, _location(sku))


class BucketsBody(Body):
    stock_buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)]


class RedistributedStock(Position):
    """The stock is spread."""

    sku: Sku
    stock_buckets: BucketCount
    moved: Annotated[int, Field(ge=0, description="How many units changed their bucket.")]


@_route("POST /products/{sku}/buckets", problems=_OF_A_PRODUCT)
def redistribute_stock(call: HttpRequest, sku: str, body: BucketsBody) -> Created[RedistributedStock]:
    """Changes how many customers can reserve a product at the same moment.

    Available stock moves; what is held or sold stays where it was taken from. Nobody waits for it.
    """
    event = bootstrap.application().products.redistribute_stock(request_of(call), _known(sku), body.stock_buckets)
    moved = sum(allocation.quantity for allocation in event.data.allocations_from)
    buckets = event.data.stock_buckets
    return Created({"sku": sku, "stock_buckets": buckets, "moved": moved, **position(event)}, _location(sku))


class RetiredProduct(Position):
    """Nobody can reserve it any more."""

    sku: Sku
    status: Literal["retired"]


@_route("DELETE /products/{sku}", problems=_OF_A_PRODUCT)
def retire_product(call: HttpRequest, sku: str) -> Done[RetiredProduct]:
    """Stops selling a product.

    It is for good: its SKU is never used again. What is reserved can still be paid for.
    """
    event = bootstrap.application().products.retire(request_of(call), _known(sku))
    return Done({"sku": sku, "status": "retired", **position(event)}, _location(sku))


def _known(sku: str) -> str:
    """A path segment that no product can have needs no look into the store."""
    if not forms.SKU.matches(sku):
        raise ProductNotFoundError(sku)
    annotate(product.stream(sku))
    return sku


def _location(sku: str) -> str:
    return f"/products/{sku}"
