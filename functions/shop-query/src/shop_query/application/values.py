"""The forms that keys and texts have. Nothing reaches the read model that does not match: no NUL, no lone surrogate."""

import re
from datetime import date
from typing import Final

_SKU = re.compile(r"[A-Z0-9][A-Z0-9-]{0,39}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CURRENCY = re.compile(r"[A-Z]{3}")
_CATEGORY = re.compile(r"[a-z0-9][a-z0-9-]{0,39}")
# Python's own parser takes more forms than this.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNFIT_FOR_A_SEARCH = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

SKU_FORM: Final = "1 to 40 capital letters, digits and hyphens"
CATEGORY_FORM: Final = "1 to 40 small letters, digits and hyphens"
SEARCH_CHARACTERS_MAX: Final = 100


def is_sku(text: str) -> bool:
    return _SKU.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def is_currency(text: str) -> bool:
    return _CURRENCY.fullmatch(text) is not None


def is_category(text: str) -> bool:
    return _CATEGORY.fullmatch(text) is not None


def is_search(text: str) -> bool:
    """Something to look for, and no more work than a person's words make: a text without a letter or digit would have
    PostgreSQL read its whole index of trigrams."""
    if len(text) > SEARCH_CHARACTERS_MAX or _UNFIT_FOR_A_SEARCH.search(text):
        return False
    return any(map(str.isalnum, text))


def day(text: str) -> date | None:
    """None for anything but a day that exists, written YYYY-MM-DD."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None
