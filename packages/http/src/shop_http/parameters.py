"""The parameters of a query string: each is described and checked by the same declaration."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any, Final, Generic, TypeVar

from shop_http.problem import invalid_parameter
from shop_shared.forms import Form

Value = TypeVar("Value")
Default = TypeVar("Default")
Choice = TypeVar("Choice", bound=StrEnum)
# int() takes signs, spaces, underscores and the digits of other scripts, too.
_NUMBER: Final = re.compile(r"[0-9]{1,10}")
# Python's own parser takes more forms than this.
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class Parameter(Generic[Value]):
    name: str
    description: str
    allowed: str
    """A person reads this where a value was refused."""
    schema: Mapping[str, Any]
    """It is a JSON Schema."""
    example: str | int | bool | list[str]
    parse: Callable[[str], Value]
    """Raises ValueError for a value that is not allowed."""
    default: Value

    def read(self, text: str) -> Value:
        """Raises a problem for a value that is not allowed."""
        try:
            return self.parse(text)
        except ValueError:
            raise invalid_parameter(self.name, self.allowed) from None


def number(
    name: str, description: str, lowest: int, highest: int, *, example: int, default: Default
) -> Parameter[int | Default]:
    def parse(text: str) -> int:
        if not _NUMBER.fullmatch(text) or not lowest <= int(text) <= highest:
            raise ValueError(text)
        return int(text)

    by_default = "" if default is None else f"; {default} by default"
    schema = {"type": "integer", "minimum": lowest, "maximum": highest}
    if default is not None:
        schema["default"] = default
    allowed = f"A whole number from {lowest} to {highest}{by_default}."
    return Parameter(name, description, allowed, schema, example, parse, default)


def flag(name: str, description: str) -> Parameter[bool]:
    def parse(text: str) -> bool:
        if text not in ("true", "false"):
            raise ValueError(text)
        return text == "true"

    schema = {"type": "boolean", "default": False}
    return Parameter(name, description, "`true` or `false`; `false` by default.", schema, True, parse, False)


def choice(name: str, description: str, choices: type[Choice], example: Choice) -> Parameter[Choice | None]:
    schema = {"type": "string", "enum": [it.value for it in choices]}
    return Parameter(name, description, f"One of {', '.join(choices)}.", schema, example.value, choices, None)


def day(name: str, description: str) -> Parameter[date | None]:
    def parse(text: str) -> date:
        if not _DAY.fullmatch(text):
            raise ValueError(text)
        return date.fromisoformat(text)

    allowed = "A day that exists, written YYYY-MM-DD."
    return Parameter(name, description, allowed, {"type": "string", "format": "date"}, "2026-11-23", parse, None)


def formed(name: str, description: str, form: Form) -> Parameter[str | None]:
    """The parameter takes one id or code."""

    def parse(text: str) -> str:
        if not form.matches(text):
            raise ValueError(text)
        return text

    schema = {"type": "string", "pattern": form.anchored}
    return Parameter(name, description, f"It is {form.description}.", schema, form.example, parse, None)


def list_of(name: str, description: str, form: Form, items_max: int) -> Parameter[tuple[str, ...]]:
    """The parameter takes ids or codes in one text with commas between them, as API Gateway joins repeated ones."""

    def parse(text: str) -> tuple[str, ...]:
        items = tuple(text.split(","))
        if len(items) > items_max or not all(map(form.matches, items)):
            raise ValueError(text)
        return items

    schema = {
        "type": "array",
        "items": {"type": "string", "pattern": form.anchored},
        "minItems": 1,
        "maxItems": items_max,
    }
    allowed = f"At most {items_max}, with commas between them. Each is {form.description}."
    return Parameter(name, description, allowed, schema, [form.example], parse, ())
