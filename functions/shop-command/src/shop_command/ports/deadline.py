"""No adapter begins a call that could end after the time that the current invocation has left.

Every call has a bound of its own, but a purchase makes seven in a row. Were several slow, Lambda would end the function
in the middle, and the caller would get the gateway's bare 503 instead of an answer that says what happened and what to
do.
"""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from math import inf
from typing import Final

ANSWER_SECONDS: Final = 1.0
"""So much of Lambda's time is left for the answer itself."""
AWS_CALL_SECONDS_MAX: Final = 9.0
"""`bootstrap.AWS_CONFIG` allows two tries to connect and to read, with a pause between them."""

_ends_at: ContextVar[float] = ContextVar("ends_at", default=inf)


class OutOfTimeError(Exception):
    """The call was not begun."""


@contextmanager
def ending_in(seconds: float) -> Iterator[None]:
    token = _ends_at.set(time.monotonic() + seconds - ANSWER_SECONDS)
    try:
        yield
    finally:
        _ends_at.reset(token)


def require(seconds: float) -> None:
    """Raises OutOfTimeError when a call of up to so many seconds would take too long."""
    if _ends_at.get() - time.monotonic() < seconds:
        raise OutOfTimeError
