"""Operators invoke some functions by the `shop` command, which says who they are."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Final

import psycopg

CHARACTERS_MAX: Final = 300
DATA_EXCEPTIONS: Final = "22"
"""This class of SQLSTATE is for values that do not fit their type, which the message quotes."""


class RefusedByDatabaseError(Exception):
    """Says what PostgreSQL refused, without a value."""


@contextmanager
def errors_without_values() -> Iterator[None]:
    """Lambda's runtime logs the message of what leaves a handler, besides handing it to the operator. PostgreSQL's has
    a detail, which quotes the row that is refused.

    Raises RefusedByDatabaseError for an error of the database.
    """
    try:
        yield
    except psycopg.Error as error:
        raise RefusedByDatabaseError(_described(error)) from None


def _described(error: psycopg.Error) -> str:
    code = error.sqlstate or ""
    message = getattr(error, "log_reason", None) or error.diag.message_primary
    words = [code, type(error).__name__, *([message] if message and not code.startswith(DATA_EXCEPTIONS) else [])]
    return " ".join(filter(None, words))


def actor(event: Mapping[str, Any]) -> str:
    """Returns what the log is told: Lambda gives a function no proof of who has invoked it. CloudTrail has that."""
    return str(event.get("actor") or "unknown")[:CHARACTERS_MAX]
