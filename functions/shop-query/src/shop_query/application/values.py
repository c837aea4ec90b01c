"""The forms that keys have. Nothing reaches the read model that does not match: no NUL, no lone surrogate."""

import re
from datetime import date, datetime
from typing import Final

_SKU = re.compile(r"[A-Z0-9][A-Z0-9-]{0,39}")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_CURRENCY = re.compile(r"[A-Z]{3}")
# Python's own parsers take more forms than these, PostgreSQL's other ones again.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_INSTANT = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}\.[0-9]{6}Z")

SKU_FORM: Final = "1 to 40 capital letters, digits and hyphens"


def is_sku(text: str) -> bool:
    return _SKU.fullmatch(text) is not None


def is_uuid(text: str) -> bool:
    return _UUID.fullmatch(text) is not None


def is_currency(text: str) -> bool:
    return _CURRENCY.fullmatch(text) is not None


def day(text: str) -> date | None:
    """None for anything but a day that exists, written YYYY-MM-DD."""
    try:
        return date.fromisoformat(text) if _DAY.fullmatch(text) else None
    except ValueError:
        return None


def is_day(text: str) -> bool:
    return day(text) is not None


def is_instant(text: str) -> bool:
    try:
        return _INSTANT.fullmatch(text) is not None and datetime.fromisoformat(text) is not None
    except ValueError:
        return False
