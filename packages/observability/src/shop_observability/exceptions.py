"""Exceptions as text that holds no data: their types and codes, and where they were raised. Messages hold values, such
as the input that pydantic refused or the row that PostgreSQL did, and so do notes."""

import traceback
from collections.abc import Iterator
from typing import Any, Final

CAUSES_MAX: Final = 10
FRAMES_MAX: Final = 50


def describe(error: BaseException) -> str:
    """The innermost call comes last, as Python has it; what an exception was caused by comes after it."""
    return "\ncaused by ".join(map(_describe_one, _chain(error)))


def code_of(error: BaseException) -> str | None:
    """Returns PostgreSQL's SQLSTATE or an AWS service's error code, from the first in the chain that has one."""
    return next(filter(None, map(_code, _chain(error))), None)


def reason_of(error: BaseException) -> str | None:
    """Returns the first `log_reason` in the chain: an exception has it only if it holds no data."""
    reasons: Iterator[Any] = (getattr(one, "log_reason", None) for one in _chain(error))
    return next((reason for reason in reasons if isinstance(reason, str)), None)


def name_of(kind: type[BaseException]) -> str:
    return f"{kind.__module__}.{kind.__qualname__}".removeprefix("builtins.")


def _describe_one(error: BaseException) -> str:
    frames = traceback.extract_tb(error.__traceback__, limit=-FRAMES_MAX)
    lines = (f"  {frame.filename}:{frame.lineno} in {frame.name}: {frame.line}" for frame in frames)
    code = _code(error)
    return "\n".join([name_of(type(error)) + (f" ({code})" if code else ""), *lines])


def _code(error: BaseException) -> str | None:
    """The drivers that raise these are not imported, because each import takes longer than the rest of a start."""
    match getattr(error, "response", None):
        case {"Error": {"Code": str(code)}}:
            return code
    sqlstate: Any = getattr(error, "sqlstate", None)
    return sqlstate if isinstance(sqlstate, str) else None


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    for _ in range(CAUSES_MAX):
        if error is None:
            return
        yield error
        error = error.__cause__ or (None if error.__suppress_context__ else error.__context__)
