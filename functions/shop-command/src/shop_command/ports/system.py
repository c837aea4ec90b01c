"""Time and identity. (Chance is a `random.Random`, which a seed makes repeatable.)"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """In UTC, to the millisecond."""


class EventIds(Protocol):
    def next(self) -> str:
        """A new UUIDv7."""
