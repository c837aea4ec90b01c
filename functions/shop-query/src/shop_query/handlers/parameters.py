"""The query parameters of shop-query's routes."""

import re
import unicodedata
from enum import StrEnum
from typing import Any, Final

from shop_http.parameters import Parameter, choice, day, flag, formed, list_of, number
from shop_query.application.catalogue import TOTAL_MAX, Sort
from shop_query.application.queries import DAYS_MAX
from shop_query.application.waiting import AHEAD_MAX, FOR_ANYONE, FOR_CUSTOMERS
from shop_shared import forms

SEARCH_CHARACTERS_MAX: Final = 100
AMOUNT_MINOR_MAX: Final = 99_999_999
SKUS_MAX: Final = 20
"""A reservation has at most so many lines, and a page has so many products unless `limit` says otherwise."""
# PostgreSQL's text cannot hold NUL, and a lone surrogate is no UTF-8.
_UNFIT_FOR_A_SEARCH: Final = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")


class TopBy(StrEnum):
    UNITS = "units"
    REVENUE = "revenue"


def _search(text: str) -> str:
    """A text without a letter or digit would have PostgreSQL read its whole index of trigrams."""
    text = unicodedata.normalize("NFC", text).strip(" ")  # as names are written
    if len(text) > SEARCH_CHARACTERS_MAX or _UNFIT_FOR_A_SEARCH.search(text) or not any(map(str.isalnum, text)):
        raise ValueError(text)
    return text


def _amount(name: str, description: str) -> Parameter[int | None]:
    return number(name, description, 0, AMOUNT_MINOR_MAX, example=1000, default=None)


Q: Final[Parameter[str | None]] = Parameter(
    "q",
    "Words to look for in SKU, name, category and description, the last of which may be unfinished; a misspelt one "
    "finds names that look alike.",
    f"1 to {SEARCH_CHARACTERS_MAX} characters, a letter or digit among them, none of them a control.",
    {"type": "string", "minLength": 1, "maxLength": SEARCH_CHARACTERS_MAX},
    "blue mug",
    _search,
    None,
)
SKUS: Final = list_of("sku", "Only these products; an unknown or retired one is left out.", forms.SKU, SKUS_MAX)
CATEGORY: Final = formed("category", "Only this category.", forms.CATEGORY)
CURRENCY: Final = formed("currency", "Only prices in this currency, by ISO 4217.", forms.CURRENCY)
SKU: Final = formed("sku", "Only this product.", forms.SKU)
PRICE_MIN: Final = _amount("price_min", "Only prices from this one, in minor units.")
PRICE_MAX: Final = _amount("price_max", "Only prices up to this one, in minor units.")
IN_STOCK: Final = flag("in_stock", "Only what can be reserved.")
SORT: Final = choice(
    "sort",
    "By default `relevance` where there is a `q`, else `sku`. `relevance` needs a `q`. A `-` reverses.",
    Sort,
    Sort.PRICE,
)
TOP_BY: Final = choice("sort", "`units` by default; `revenue` needs a `currency`.", TopBy, TopBy.UNITS)
TOTAL: Final = flag("total", f"Count the items of all pages, up to {TOTAL_MAX:,}, which takes longer.")
LIMIT: Final = number("limit", "How many items at most.", 1, 100, example=20, default=20)
CURSOR: Final[Parameter[str | None]] = Parameter(
    "cursor",
    "The `next_cursor` of the page before, unchanged and with the same other parameters.",
    "Any text; the list itself checks it.",
    {"type": "string"},
    "dGhpcyBpcyBvcGFxdWU",
    str,
    None,
)
FROM: Final = day("from", "The first day (UTC); by default 29 days before `to`.")
TO: Final = day("to", f"The last day (UTC), {DAYS_MAX} days from the first at most; today by default.")


def _min_version(waits: str) -> Parameter[int | None]:
    description = f"Read your own write: the `stream_version` of the command's answer. The read waits for it, {waits}."
    return number("min_version", description, 1, 2**31 - 1, example=1, default=None)


MIN_VERSION: Final = _min_version(f"{FOR_CUSTOMERS.seconds_max:g} s at most")
MIN_VERSION_OF_PRODUCT: Final = _min_version(
    f"{FOR_ANYONE.seconds_max:g} s at most, if the product is known and the version at most {AHEAD_MAX} ahead"
)

PRODUCTS: Final[tuple[Parameter[Any], ...]] = (
    *(Q, SKUS, CATEGORY, CURRENCY, PRICE_MIN, PRICE_MAX, IN_STOCK),
    *(SORT, TOTAL, LIMIT, CURSOR),
)
