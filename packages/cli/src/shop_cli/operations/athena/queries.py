"""A named query says in its leading comment what it answers, and its parameters stand in braces."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final

from shop_cli.errors import ShopError

DAYS_BY_DEFAULT: Final = 30
_PLACEHOLDER: Final = re.compile(r"\{([a-z_]+)\}")
_DAY: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


@dataclass(frozen=True)
class QueryParameter:
    meaning: str
    pattern: re.Pattern[str]
    """A value must match this. It stands between quotes in the query, so no pattern may match a quote or a brace."""
    default_days_ago: int | None = None
    """Only a day has a default."""

    def takes(self, value: str) -> bool:
        if not self.pattern.fullmatch(value):
            return False
        try:
            return self.pattern is not _DAY or bool(date.fromisoformat(value))
        except ValueError:
            return False


PARAMETERS: Final[Mapping[str, QueryParameter]] = {
    "stream": QueryParameter(
        "a stream's id, product-<sku> or reservation-<id>", re.compile(r"[a-z]+-[A-Za-z0-9._-]{1,60}")
    ),
    "administrator": QueryParameter(
        "the `authid` of the administrator's events, a token's `sub`", re.compile(r"[A-Za-z0-9._:-]{1,128}")
    ),
    "from": QueryParameter(
        f"the first day, such as 2026-11-01; {DAYS_BY_DEFAULT} days ago if not given", _DAY, DAYS_BY_DEFAULT
    ),
    "to": QueryParameter("the last day, such as 2026-11-30; today if not given", _DAY, 0),
}
# Somebody may save another query in the same workgroup; its parameters are checked against this.
ANY_OTHER: Final = QueryParameter("a word or a number", re.compile(r"[A-Za-z0-9 ._:@/-]{1,200}"))


@dataclass(frozen=True)
class NamedQuery:
    name: str
    text: str
    database: str

    @property
    def answers(self) -> str:
        comment = []
        for line in self.text.splitlines():
            if not line.startswith("-- "):
                break
            comment.append(line.removeprefix("-- ").strip())
        return " ".join(comment)

    @property
    def parameters(self) -> dict[str, QueryParameter]:
        """The parameters come in the order in which the query first uses them."""
        return {name: PARAMETERS.get(name, ANY_OTHER) for name in _PLACEHOLDER.findall(self.text)}

    def values(self, given: Sequence[str]) -> dict[str, str]:
        """Parses `key=value` texts; a parameter that is not given gets its default. Raises ShopError."""
        values: dict[str, str] = {}
        for each in given:
            key, separator, value = each.partition("=")
            if not separator or key in values:
                raise ShopError(f"--param takes key=value, each key once, and not {each}", exit_code=2)
            values[key] = value
        if unknown := values.keys() - self.parameters:
            takes = ", ".join(self.parameters) or "no parameters"
            raise ShopError(
                f"The query {self.name} has no parameter {sorted(unknown)[0]}; it takes {takes}", exit_code=2
            )
        complete = {name: self._value(name, parameter, values.get(name)) for name, parameter in self.parameters.items()}
        if {"from", "to"} <= complete.keys() and complete["from"] > complete["to"]:
            raise ShopError(f"The first day, {complete['from']}, is after the last one, {complete['to']}", exit_code=2)
        return complete

    def filled(self, values: Mapping[str, str]) -> str:
        """Returns the text to run. Only `values` of `self.values` are safe here."""
        return _PLACEHOLDER.sub(lambda match: values[match[1]], self.text)

    def _value(self, name: str, parameter: QueryParameter, given: str | None) -> str:
        if given is None and parameter.default_days_ago is not None:
            return (datetime.now(UTC).date() - timedelta(days=parameter.default_days_ago)).isoformat()
        if given is None:
            wanted = f"--param {name}=...: {parameter.meaning}"
            raise ShopError(f"The query {self.name} needs {wanted}", exit_code=2)
        if not parameter.takes(given):
            raise ShopError(f"{name} is {parameter.meaning}. It cannot be {given!r:.80}", exit_code=2)
        return given
