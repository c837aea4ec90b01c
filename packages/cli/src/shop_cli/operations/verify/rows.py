"""Values of the read model in the form in which the folds have them."""

from collections.abc import Mapping
from datetime import UTC, date, datetime
from typing import Any


def instant(text: str) -> str:
    """One way to write a moment, so that equal ones are equal texts."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()


def plain(row: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _plain(value) for name, value in row.items()}


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case _:
            return value
