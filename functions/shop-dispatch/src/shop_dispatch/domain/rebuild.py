"""A rebuild of the read model reports how far it is, and why it can't go on."""

from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any


class EventSource(StrEnum):
    LOG = "log"
    STORE = "store"
    ARCHIVE = "archive"


class Phase(StrEnum):
    NONE = "none"
    LOADING = "loading"
    """Every event of the source is projected into the shadow tables."""
    INDEXING = "indexing"
    CATCHING_UP = "catching-up"
    """The events that arrived meanwhile are projected, too."""
    READY = "ready"
    SWAPPED = "swapped"
    """The old tables are still there."""


@dataclass(frozen=True)
class Progress:
    phase: Phase
    source: EventSource | None = None
    events: int = 0
    """So many records were read from the source."""
    total: int = 0
    """The live log had so many events at the beginning, so that many records are expected."""
    unreadable: int = 0
    behind: int = 0
    """So many live events arrived since and are not projected yet."""
    started_at: datetime | None = None
    checkpoint: Any = field(default=None, repr=False)
    """The source goes on from here. It writes and reads this JSON itself, and nobody else uses it."""
    same_release: bool = field(default=True, repr=False)
    """Code and schema are the same as when the rebuild began."""


@dataclass(frozen=True)
class Missing:
    """The live tables have so many events or streams that the shadow tables lack, or have other events for."""

    count: int
    example: str
    replaced: int = 0
    """So many places of streams have another event in the shadow tables."""
    replaced_example: str | None = None


class RebuildError(Exception):
    """The caller asked for a step that is impossible now. Nothing has changed."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class BusyError(RebuildError):
    """Others hold what the step needs. A retry helps in a moment."""

    def __init__(self, message: str) -> None:
        super().__init__("busy", message)
