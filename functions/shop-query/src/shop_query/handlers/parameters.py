"""Reads a request's query string. Whatever it does not take, it names, with what is allowed."""

import re
from collections.abc import Mapping
from datetime import date
from typing import Any, Final

from shop_query.application.errors import InvalidParameterError
from shop_query.application.values import day

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
# No sign, no space, no underscore, no digit of another script: int() takes them all.
_LIMIT = re.compile(r"[0-9]{1,9}")


class QueryString:
    """The parameters that a route knows. Any other is refused: a misspelt filter must not look like an answer to it."""

    def __init__(self, event: Mapping[str, Any], *known: str) -> None:
        # API Gateway leaves the field out when the query string is empty, and joins repeated parameters by commas.
        self._given: Mapping[str, str] = event.get("queryStringParameters") or {}
        for name in self._given:
            if name not in known:
                allowed = ", ".join(known) or "none"
                raise InvalidParameterError(name[:100], f"There is no such parameter here. Allowed: {allowed}.")

    def text(self, name: str) -> str | None:
        return self._given.get(name)

    def limit(self) -> int:
        text = self._given.get("limit")
        if text is None:
            return LIMIT_DEFAULT
        if not _LIMIT.fullmatch(text) or not 1 <= int(text) <= LIMIT_MAX:
            raise InvalidParameterError("limit", f"A whole number from 1 to {LIMIT_MAX}; {LIMIT_DEFAULT} by default.")
        return int(text)

    def day(self, name: str) -> date | None:
        text = self._given.get(name)
        if text is None:
            return None
        value = day(text)
        if value is None:
            raise InvalidParameterError(name, "A day that exists, written YYYY-MM-DD.")
        return value
