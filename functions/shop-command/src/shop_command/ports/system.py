"""Time and identity. (Chance is a `random.Random`, which a seed makes repeatable.)"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC, to the millisecond."""


class EventIds(Protocol):
    def next(self) -> str:
        """A new UUIDv7."""


class TraceHeader(Protocol):
    def __call__(self) -> str | None:
        """The trace that the current request belongs to, as the next hop continues it."""
