"""What the queries need of the outside: the read model, whatever holds it, and a clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Final, Protocol


class Query(StrEnum):
    """Every question that is put to the read model. The adapter has one statement for each, of the same name."""

    PRODUCTS = "products"
    PRODUCT_BROWSE = "product_browse"
    PRODUCT_SEARCH = "product_search"
    PRODUCT = "product"
    CATEGORIES = "categories"
    RESERVATIONS = "reservations"
    RESERVATION = "reservation"
    PURCHASES = "purchases"
    PURCHASE = "purchase"
    DAILY_SALES = "daily_sales"
    DAILY_SALES_OF_PRODUCT = "daily_sales_of_product"
    TOP_SALES = "top_sales"
    TOP_SALES_OF_DAY = "top_sales_of_day"
    TOP_SALES_OF_MONTH = "top_sales_of_month"
    ACTIVITY = "activity"
    ANOTHERS = "anothers"
    """It finds a reservation or purchase by its id that is another customer's, and shows nothing of it."""
    CURSOR_KEY = "cursor_key"


Parameters = Mapping[str, str | int | bool | date | None]


@dataclass(frozen=True)
class Document:
    """`text` is JSON. `version` is that of the stream that it shows."""

    text: str
    version: int


@dataclass(frozen=True)
class Page:
    """`items` is a JSON array as text. `last_key` is the sort key of its last item, or None when no item follows.
    `total` is how many items all pages hold, where that was asked for; beyond the query's `total_max`, one more."""

    items: str
    last_key: tuple[str, ...] | None
    total: int | None = None


class ReadModel(Protocol):
    """All raise ReadModelUnavailableError. Documents are JSON as text: nobody on the way parses or rebuilds them."""

    def document(self, query: Query, parameters: Parameters) -> Document | None: ...

    def page(self, query: Query, parameters: Parameters) -> Page: ...

    def cursor_key(self) -> bytes: ...


class Clock(Protocol):
    def today(self) -> date:
        """The day in UTC, as the read model counts days."""

    def seconds(self) -> float:
        """Returns the seconds since a fixed moment; it never goes back."""

    def sleep(self, seconds: float) -> None: ...


RETRY_SECONDS: Final = 2
"""A read model that has broken off is back after so long, as a rule."""


class ReadModelUnavailableError(Exception):
    """The read model gave no answer. The same read may succeed after `retry_seconds`."""

    def __init__(self, query: Query, cause: str, retry_seconds: int = RETRY_SECONDS) -> None:
        super().__init__(f"{query}: {cause}")
        self.query = query
        self.cause = cause
        self.retry_seconds = retry_seconds


class ReadModelTimeoutError(ReadModelUnavailableError):
    """The read took longer than its bound. It was given up, and repeating it at once would only add to the load."""
