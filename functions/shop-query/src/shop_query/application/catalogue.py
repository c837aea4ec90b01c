"""What can be asked of the catalogue: which products, in which order."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from shop_query.application.cursors import Order, Scope
from shop_query.application.errors import InvalidParameterError
from shop_query.ports import Parameters

TOTAL_MAX: Final = 10_000
"""Products that are counted for one answer. Nobody pages through more, and each takes as long as the one before."""
RANKED_MAX: Final = 2_000
"""Products that are ranked for one search. A word that more of them have says little about any."""
ALIKE_MAX: Final = 1_000
"""Products that are found because their name is spelt alike, where none has the words themselves."""


class Sort(StrEnum):
    SKU = "sku"
    NAME = "name"
    PRICE = "price"
    PRICE_DESCENDING = "-price"
    NEWEST = "newest"
    RELEVANCE = "relevance"


_COLUMNS: Final = {
    Sort.SKU: ("sku",),
    Sort.NAME: ("name", "sku"),
    # Amounts of two currencies do not compare: each currency is a list of its own.
    Sort.PRICE: ("currency", "price", "sku"),
    Sort.PRICE_DESCENDING: ("currency", "price", "sku"),
    Sort.NEWEST: ("listed_at", "sku"),
    Sort.RELEVANCE: ("rank", "sku"),
}
_ORDERS: Final = {sort: Order(f"products by {sort}", columns) for sort, columns in _COLUMNS.items()}
_EVERY_COLUMN: Final = Order("", tuple(dict.fromkeys(column for columns in _COLUMNS.values() for column in columns)))


@dataclass(frozen=True)
class Selection:
    """Which products, in which order: by relevance to `q` where there is one, else by SKU, unless `sort` says."""

    q: str | None = None
    skus: tuple[str, ...] = ()
    """Only these are found, where there are any."""
    category: str | None = None
    currency: str | None = None
    price_min: int | None = None
    price_max: int | None = None
    in_stock: bool = False
    sort: Sort | None = None

    def __post_init__(self) -> None:
        if self.sort is Sort.RELEVANCE and self.q is None:
            raise InvalidParameterError("sort", "`relevance` is an order of what `q` finds; send `q` too.")
        if self.price_min is not None and self.price_max is not None and self.price_min > self.price_max:
            raise InvalidParameterError("price_min", "`price_min` must not be above `price_max`.")

    @property
    def is_everything(self) -> bool:
        # Field by field, like `scope`: it is asked for every list, and dataclasses' own tools take ten times as long.
        return (
            self.order is Sort.SKU
            and self.q is None
            and not self.skus
            and self.category is None
            and self.currency is None
            and self.price_min is None
            and self.price_max is None
            and not self.in_stock
        )

    @property
    def order(self) -> Sort:
        return self.sort or (Sort.RELEVANCE if self.q is not None else Sort.SKU)

    def cursor_order(self) -> Order:
        return _ORDERS[self.order]

    def scope(self) -> Scope:
        return {
            "q": self.q,
            "skus": ",".join(self.skus) or None,
            "category": self.category,
            "currency": self.currency,
            "price_min": self.price_min,
            "price_max": self.price_max,
            "in_stock": self.in_stock,
            "sort": self.order.value,
        }

    def parameters(self) -> Parameters:
        bounds = {"ranked_max": RANKED_MAX, "alike_max": ALIKE_MAX, "total_max": TOTAL_MAX}
        return {**_EVERY_COLUMN.start(), **bounds, **self.scope()}
