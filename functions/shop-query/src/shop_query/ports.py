"""What the queries need of the read model, whatever holds it."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Protocol


class Query(StrEnum):
    """Every question that is put to the read model. The adapter has one statement for each, of the same name."""

    PRODUCTS = "products"
    PRODUCT = "product"
    RESERVATION = "reservation"
    PURCHASES = "purchases"
    DAILY_SALES = "daily_sales"
    DAILY_SALES_OF_PRODUCT = "daily_sales_of_product"


Parameters = Mapping[str, str | int | date | None]


@dataclass(frozen=True)
class Page:
    """`items` is a JSON array as text. `last_key` is the sort key of its last item, or None when no item follows."""

    items: str
    last_key: tuple[str, ...] | None


class ReadModel(Protocol):
    """Both raise ReadModelUnavailableError. Documents are JSON as text: nobody on the way parses or rebuilds them."""

    def document(self, query: Query, parameters: Parameters) -> str | None: ...

    def page(self, query: Query, parameters: Parameters) -> Page: ...


class ReadModelUnavailableError(Exception):
    """No answer now. The same read may succeed a little later."""

    def __init__(self, query: Query, cause: str) -> None:
        super().__init__(f"{query}: {cause}")
        self.query = query
        self.cause = cause


class ReadModelTimeoutError(ReadModelUnavailableError):
    """The read took longer than its bound. It was given up, and repeating it at once would only add to the load."""
