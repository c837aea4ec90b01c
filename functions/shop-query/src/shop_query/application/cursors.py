"""Cursors: where a page ended, opaque to the client. A cursor names its list, so none is taken for another's.

It is neither signed nor secret: it holds sort keys of rows that the caller was shown, and what it asks for is checked
anew on every request. Forging one gains nothing but another place in the same list.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from shop_query.application.errors import InvalidParameterError
from shop_query.application.values import is_currency, is_day, is_instant, is_sku, is_uuid

CURSOR_CHARACTERS_MAX: Final = 256
_ALLOWED: Final = "Send the `next_cursor` of this list's last page, or none."


@dataclass(frozen=True)
class Order:
    """The sort key of a list: the name of each column, and what its values look like."""

    name: str
    columns: dict[str, Callable[[str], bool]]

    def encode(self, key: tuple[str, ...] | None) -> str | None:
        if key is None:
            return None
        text = json.dumps([self.name, *key], separators=(",", ":"))
        return urlsafe_b64encode(text.encode()).decode().rstrip("=")

    def decode(self, cursor: str | None) -> dict[str, str | None]:
        """The query's parameters `after_<column>`: all None at the start of the list."""
        if cursor is None:
            return {f"after_{column}": None for column in self.columns}
        key = tuple(_texts(cursor)[1:])
        if self.encode(key) != cursor or len(key) != len(self.columns):
            raise InvalidParameterError("cursor", _ALLOWED)
        after = dict(zip(self.columns, key, strict=True))
        if not all(is_valid(after[column]) for column, is_valid in self.columns.items()):
            raise InvalidParameterError("cursor", _ALLOWED)
        return {f"after_{column}": value for column, value in after.items()}


PRODUCTS: Final = Order("products", {"sku": is_sku})
PURCHASES: Final = Order("purchases", {"purchased_at": is_instant, "purchase_id": is_uuid})
DAILY_SALES: Final = Order("daily-sales", {"day": is_day, "sku": is_sku, "currency": is_currency})


def _texts(cursor: str) -> list[str]:
    """Nothing of whatever is no list of texts."""
    if len(cursor) > CURSOR_CHARACTERS_MAX:
        return []
    try:
        parsed = json.loads(urlsafe_b64decode(cursor + "=" * (-len(cursor) % 4)))
    except ValueError:
        return []
    return parsed if isinstance(parsed, list) and all(isinstance(part, str) for part in parsed) else []
