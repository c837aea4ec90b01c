"""Reads a request's query string. Whatever it does not take, it names, with what is allowed."""

import re
from collections.abc import Callable, Mapping
from datetime import date
from enum import StrEnum
from typing import Any, Final, TypeVar

from shop_query.application import values
from shop_query.application.errors import InvalidParameterError
from shop_shared import forms

LIMIT_DEFAULT: Final = 20
LIMIT_MAX: Final = 100
AMOUNT_MINOR_MAX: Final = 99_999_999
VERSION_MAX: Final = 2**31 - 1
# What is allowed, for the person who wrote the client. Written once, not for every request.
_LIMIT: Final = f"A whole number from 1 to {LIMIT_MAX}; {LIMIT_DEFAULT} by default."
_AMOUNT: Final = f"An amount in the currency's minor unit (cents): a whole number from 0 to {AMOUNT_MINOR_MAX}."
_SEARCH: Final = (
    f"1 to {values.SEARCH_CHARACTERS_MAX} characters, a letter or digit among them, none of them a control."
)
_CATEGORY: Final = f"A category is {forms.CATEGORY.description}."
# No sign, no space, no underscore, no digit of another script: int() takes them all.
_NUMBER = re.compile(r"[0-9]{1,10}")

Choice = TypeVar("Choice", bound=StrEnum)


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
        limit = self._number("limit", 1, LIMIT_MAX, _LIMIT)
        return LIMIT_DEFAULT if limit is None else limit

    def min_version(self) -> int | None:
        allowed = "The `stream_version` of a command's answer: a whole number from 1."
        return self._number("min_version", 1, VERSION_MAX, allowed)

    def amount_minor(self, name: str) -> int | None:
        return self._number(name, 0, AMOUNT_MINOR_MAX, _AMOUNT)

    def search(self) -> str | None:
        text = self._given.get("q")
        return self._checked("q", None if text is None else text.strip(" "), values.is_search, _SEARCH)

    def category(self) -> str | None:
        return self._checked("category", self._given.get("category"), forms.CATEGORY.matches, _CATEGORY)

    def currency(self) -> str | None:
        allowed = f"A currency is {forms.CURRENCY.description}."
        return self._checked("currency", self._given.get("currency"), forms.CURRENCY.matches, allowed)

    def flag(self, name: str) -> bool:
        text = self._given.get(name, "false")
        if text not in ("true", "false"):
            raise InvalidParameterError(name, "`true` or `false`; `false` by default.")
        return text == "true"

    def choice(self, name: str, choices: type[Choice]) -> Choice | None:
        text = self._given.get(name)
        if text is None:
            return None
        if text not in list(choices):
            raise InvalidParameterError(name, f"One of {', '.join(choices)}.")
        return choices(text)

    def day(self, name: str) -> date | None:
        text = self._given.get(name)
        if text is None:
            return None
        value = values.day(text)
        if value is None:
            raise InvalidParameterError(name, "A day that exists, written YYYY-MM-DD.")
        return value

    def _number(self, name: str, lowest: int, highest: int, allowed: str) -> int | None:
        text = self._given.get(name)
        if text is None:
            return None
        if not _NUMBER.fullmatch(text) or not lowest <= int(text) <= highest:
            raise InvalidParameterError(name, allowed)
        return int(text)

    @staticmethod
    def _checked(name: str, text: str | None, is_valid: Callable[[str], bool], allowed: str) -> str | None:
        if text is not None and not is_valid(text):
            raise InvalidParameterError(name, allowed)
        return text
