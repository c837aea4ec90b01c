"""A rebuild of the read model: where it stands, and why it can't go on."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class Source(StrEnum):
    LOG = "log"
    STORE = "store"
    ARCHIVE = "archive"


class Phase(StrEnum):
    NONE = "none"
    LOADING = "loading"
    """Every event of the source is projected into the shadow tables."""
    INDEXING = "indexing"
    CATCHING_UP = "catching-up"
    """With the events that arrived meanwhile."""
    READY = "ready"
    SWAPPED = "swapped"
    """The tables of before are still there."""


@dataclass(frozen=True)
class Progress:
    phase: Phase
    source: Source | None = None
    events: int = 0
    """Records that were read of the source."""
    total: int = 0
    """As many are about to come: what the live log had at the beginning."""
    unreadable: int = 0
    behind: int = 0
    """Live events that arrived since, and are to be caught up with."""
    started_at: datetime | None = None
    checkpoint: Any = field(default=None, repr=False)
    """After which the source goes on; JSON that only the source understands."""
    same_release: bool = field(default=True, repr=False)
    """Whether code and schema are those that it was begun with."""


@dataclass(frozen=True)
class Missing:
    """What the live tables know and the shadow tables don't."""

    count: int
    example: str


class RebuildError(Exception):
    """An answer, not a failure: nothing has changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BusyError(RebuildError):
    """The same again helps, in a moment."""

    def __init__(self, message: str) -> None:
        super().__init__("busy", message)
