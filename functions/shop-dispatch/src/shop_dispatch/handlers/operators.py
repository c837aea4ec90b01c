"""Operators invoke some functions by the `shop` command, which says who they are."""

from collections.abc import Mapping
from typing import Any, Final

CHARACTERS_MAX: Final = 300


def actor(event: Mapping[str, Any]) -> str:
    """Returns what the log is told: Lambda gives a function no proof of who has invoked it. CloudTrail has that."""
    return str(event.get("actor") or "unknown")[:CHARACTERS_MAX]
