"""Parses search texts and days: nothing else that a caller writes reaches the read model, no NUL and no surrogate."""

import re
from datetime import date
from typing import Final

# Python's own parser takes more forms than this.
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_UNFIT_FOR_A_SEARCH = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]")

SEARCH_CHARACTERS_MAX: Final = 100


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
