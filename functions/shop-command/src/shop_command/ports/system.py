"""Time and identity. (Randomness is a `random.Random`, which a seed makes repeatable.)"""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """Returns the time in UTC, to the millisecond."""


class EventIds(Protocol):
    def next(self) -> str:
        """Makes a new UUIDv7."""
