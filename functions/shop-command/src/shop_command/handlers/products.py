"""An administrator lists, describes, reprices, stocks, retires and relists products."""

from functools import partial
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from shop_command import bootstrap
from shop_command.domain import product, texts
from shop_command.domain.errors import ProductNotFoundError
from shop_command.domain.product import Describe, ListProduct
from shop_command.domain.texts import Alternative, Description, Name, Reason
from shop_command.handlers.function import Position, annotate, function, position, request_of
from shop_http.answers import Created, Done
from shop_http.body import Body
from shop_http.route import HttpRequest, Who
from shop_shared import forms
from shop_shared.values import (
    BUCKETS_MAX,
    IMAGES_MAX,
    BucketCount,
    Category,
    Currency,
    Image,
    Images,
    MediaPath,
    Pixels,
    Price,
    ProductName,
    QuantityChange,
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


class ImageBody(Body):
    path: MediaPath
    width: Pixels
    height: Pixels
    alt: Alternative

    def image(self) -> Image:
        return Image(path=self.path, width=self.width, height=self.height, alt=texts.description(self.alt))


ImageBodies = Annotated[tuple[ImageBody, ...], Field(max_length=IMAGES_MAX)]


class ProductBody(Body):
    sku: Sku
    name: Name
    description: Description
    price: PriceBody
    stock_buckets: Annotated[int, Field(ge=1, le=BUCKETS_MAX)] = 1
    category: Category | None = None
    images: ImageBodies = ()


class ListedProduct(Position):
    """It is listed."""

    sku: Sku
    name: ProductName
    description: Annotated[str, Field(max_length=2_000)]
    category: Category | None
    images: Images
    price: Price
    stock_buckets: BucketCount


@_route("POST /products", problems=("product-exists", *_OF_A_PRICE, "try-again"))
def list_product(call: HttpRequest, body: ProductBody) -> Created[ListedProduct]:
    """Offers a new product.

    It has no stock yet. More `stock_buckets` let more customers reserve it at the same moment.
    """
    annotate(product.stream(body.sku))
    price = body.price.price()
    images = tuple(image.image() for image in body.images)
    command = ListProduct(body.sku, body.name, body.description, price, body.stock_buckets, body.category, images)
    listed = bootstrap.application().products.list_product(request_of(call), command)
    data = listed.data
    answer: ListedProduct = {
        "sku": data.sku,
        "name": data.name,
        "description": data.description,
        "price": data.price,
        "stock_buckets": data.stock_buckets,
        "category": data.category,
        "images": data.images or (),
        **position(listed),
    }
    return Created(answer, _location(data.sku))


class DetailsBody(Body):
    name: Name
    description: Description
    category: Category | None = None
    images: ImageBodies = ()


class DescribedProduct(Position):
    """The product has these from now on."""

    sku: Sku
    name: ProductName
    description: Annotated[str, Field(max_length=2_000)]
    category: Category | None
    images: Images


@_route("POST /products/{sku}/details", problems=_OF_A_PRODUCT)
def describe_product(call: HttpRequest, sku: str, body: DetailsBody) -> Created[DescribedProduct]:
    """Describes a product anew.

    The body replaces name, description, category and images together: what it leaves out, the product has no more. A
    retired product is relisted first.
    """
    images = tuple(image.image() for image in body.images)
    command = Describe(_known(sku), body.name, body.description, body.category, images)
    event = bootstrap.application().products.describe(request_of(call), command)
    data = event.data
    answer: DescribedProduct = {
        "sku": sku,
        "name": data.name,
        "description": data.description,
        "category": data.category,
        "images": data.images or (),
        **position(event),
    }
    return Created(answer, _location(sku))


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


def _not_zero(change: int) -> int:
    if change == 0:
        raise PydanticCustomError("no_change", "A change of 0 changes nothing")
    return change


class AdjustmentBody(Body):
    quantity_change: Annotated[
        QuantityChange,
        AfterValidator(_not_zero),
        Field(
            description="Negative where there is less than the shop knows of.", json_schema_extra={"not": {"const": 0}}
        ),
    ]
    reason: Reason


class AdjustedStock(Position):
    """The shop has so much more, or less, from now on."""

    sku: Sku
    quantity_change: QuantityChange
    reason: Annotated[str, Field(min_length=1, max_length=200)]


@_route("POST /products/{sku}/stock-adjustment", problems=(*_OF_A_PRODUCT, "adjustment-too-large"))
def adjust_stock(call: HttpRequest, sku: str, body: AdjustmentBody) -> Created[AdjustedStock]:
    """Corrects the stock after it was counted.

    Only what is available can be taken away: what customers hold or have bought stays theirs. All of it is taken away,
    or nothing.
    """
    products = bootstrap.application().products
    event = products.adjust_stock(request_of(call), _known(sku), body.quantity_change, body.reason)
    change, reason = event.data.quantity_change, event.data.reason
    return Created({"sku": sku, "quantity_change": change, "reason": reason, **position(event)}, _location(sku))


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

    Its SKU never names another product. What is reserved can still be paid for.
    """
    event = bootstrap.application().products.retire(request_of(call), _known(sku))
    return Done({"sku": sku, "status": "retired", **position(event)}, _location(sku))


class RelistedProduct(Position):
    """It can be reserved again."""

    sku: Sku
    status: Literal["listed"]


@_route("POST /products/{sku}/relist", problems=("not-found", "product-not-retired", "try-again"))
def relist_product(call: HttpRequest, sku: str) -> Done[RelistedProduct]:
    """Sells a retired product again.

    It has the name, price and stock that it was retired with.
    """
    event = bootstrap.application().products.relist(request_of(call), _known(sku))
    return Done({"sku": sku, "status": "listed", **position(event)}, _location(sku))


def _known(sku: str) -> str:
    """A path segment that no product can have needs no look into the store."""
    if not forms.SKU.matches(sku):
        raise ProductNotFoundError(sku)
    annotate(product.stream(sku))
    return sku


def _location(sku: str) -> str:
    return f"/products/{sku}"
