"""The catalogue has one row for each product stream."""

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

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
from shop_shared.values import Images

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


def product_changes(events: Iterable[Envelope]) -> list[ProductChange]:
    changes: dict[str, ProductChange] = {}
    for event in events:
        match event.data:
            case ProductListed() as data:
                changes[data.sku] = ProductChange(
                    data.sku,
                    event.streamversion,
                    data.name,
                    data.description,
                    data.price.amount_minor,
                    data.price.currency,
                    "listed",
                    event.time,
                    data.category,
                    _json(data.images),
                )
            case ProductDescribed() as data:
                changes[data.sku] = _earlier(changes, data.sku)._replace(
                    version=event.streamversion,
                    name=data.name,
                    description=data.description,
                    category=data.category or NO_CATEGORY,
                    images=_json(data.images),
                )
            case ProductRepriced(sku=sku, price=price):
                changes[sku] = _earlier(changes, sku)._replace(
                    version=event.streamversion, price_minor=price.amount_minor, currency=price.currency
                )
            case ProductRetired(sku=sku):
                changes[sku] = _earlier(changes, sku)._replace(version=event.streamversion, status="retired")
            case ProductRelisted(sku=sku):
                changes[sku] = _earlier(changes, sku)._replace(version=event.streamversion, status="listed")
            case StockReceived(sku=sku) | StockAdjusted(sku=sku) | StockRedistributed(sku=sku):
                changes[sku] = _earlier(changes, sku)._replace(version=event.streamversion)
            case _:
                pass  # another projection folds it
    return sorted(changes.values())


def _json(images: Images | None) -> str:
    return json.dumps([image.model_dump() for image in images or ()])


def _earlier(changes: dict[str, ProductChange], sku: str) -> ProductChange:
    return changes.get(sku) or ProductChange(sku, 0)
