"""The catalogue has one row for each product stream."""

import json
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from shop_shared.envelope import Envelope
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
from shop_shared.values import Image, Images

MOVING: Final = (ProductListed.TYPE, ProductDescribed.TYPE, ProductRetired.TYPE, ProductRelisted.TYPE)
"""Such an event may change how many products of a category are for sale."""
NO_CATEGORY: Final = ""
"""The product has no category any more, where None says that it has the one it had."""


class ProductChange(NamedTuple):
    sku: str
    version: int
    name: str | None = None
    description: str | None = None
    price_minor: int | None = None
    currency: str | None = None
    status: str | None = None
    listed_at: datetime | None = None
    category: str | None = None
    images: str | None = None


class MovedProduct(NamedTuple):
    sku: str


def moved_products(events: Iterable[Envelope]) -> list[MovedProduct]:
    moved = {event.subject.removeprefix("product-") for event in events if event.data.TYPE in MOVING}
    return [MovedProduct(sku) for sku in sorted(moved)]


def product_changes(events: Iterable[Envelope]) -> list[ProductChange]:
    changes: dict[str, ProductChange] = {}
    for event in events:
        if fold := _FOLDS.get(event.data.TYPE):
            sku = event.subject.removeprefix("product-")
            earlier = changes.get(sku) or ProductChange(sku, 0)
            changes[sku] = fold(earlier._replace(version=event.streamversion), event, event.data)
    return sorted(changes.values())


def _listed(change: ProductChange, event: Envelope, data: ProductListed) -> ProductChange:
    return ProductChange(
        change.sku,
        change.version,
        data.name,
        data.description,
        data.price.amount_minor,
        data.price.currency,
        "listed",
        event.time,
        data.category,
        _json(data.images),
    )


def _described(change: ProductChange, _: Envelope, data: ProductDescribed) -> ProductChange:
    return change._replace(
        name=data.name,
        description=data.description,
        category=data.category or NO_CATEGORY,
        images=_json(data.images),
    )


def _json(images: Images | None) -> str:
    return json.dumps([{name: getattr(image, name) for name in Image.model_fields} for image in images or ()])


def _repriced(change: ProductChange, _: Envelope, data: ProductRepriced) -> ProductChange:
    return change._replace(price_minor=data.price.amount_minor, currency=data.price.currency)


def _longer(change: ProductChange, *_: object) -> ProductChange:
    return change


_FOLDS: Final[dict[str, Callable[[ProductChange, Envelope, Any], ProductChange]]] = {
    ProductListed.TYPE: _listed,
    ProductDescribed.TYPE: _described,
    ProductRepriced.TYPE: _repriced,
    ProductRetired.TYPE: lambda change, *_: change._replace(status="retired"),
    ProductRelisted.TYPE: lambda change, *_: change._replace(status="listed"),
    StockReceived.TYPE: _longer,
    StockAdjusted.TYPE: _longer,
    StockRedistributed.TYPE: _longer,
}
