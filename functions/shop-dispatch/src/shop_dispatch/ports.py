"""Dispatch reaches everything outside of itself through these ports."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from shop_dispatch.domain.rebuild import EventSource, Missing, Phase, Progress
from shop_dispatch.domain.records import Event, Key, Parked

Result = TypeVar("Result")


@dataclass(eq=False)
class RefusedError(Exception):
    """A rule of the tables refuses what an event says, and will again: the event is to be parked. A bug, here or there.

    `cause` names the rule and never a value, which may be a customer's.
    """

    cause: str


class Transaction(Protocol):
    """One transaction on the read model. Each call is a fixed number of statements, however much it is given."""

    def lock_heads(self, ends: Mapping[str, int]) -> tuple[dict[str, int], dict[Key, bytes]]:
        """Returns the heads of the streams that were known, and their logged events above these. The head of a new
        stream is where `ends` says. No other transaction gets past this call for any of these streams until this one
        ends."""

    def logged_ids(self, keys: Sequence[Key]) -> dict[Key, str]:
        """Returns the ids of the events that the log has in these places."""

    def log(self, events: Sequence[Event]) -> None:
        """Adds events that are not logged yet. Later calls only write, and the first of them waits until these are
        added; no other is waited for on its own."""

    def advance_heads(self, heads: Mapping[str, int]) -> None: ...

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        """Applies the changes that the projection of this table folded."""

    def withdraw(self, stream_id: str, stream_version: int) -> None:
        """Removes an event that is not applied from the log."""

    def park(self, parked: Sequence[Parked]) -> None:
        """Stores each payload once, however often it is parked."""


class ReadModel(Protocol):
    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """Runs `work` as a whole or not at all, twice where the first connection turns out to be dead.

        Raises RefusedError, and anything else for infrastructure failures, after which the batch is delivered again.
        """


Place = tuple[str, int, str]
"""This orders the list of parked records: stream id, stream version, parked id."""
BEGINNING: Final[Place] = ("", 0, "")


@dataclass(frozen=True)
class ParkedRecord:
    parked_id: str
    cause: str
    stream_id: str | None
    stream_version: int | None
    received_at: datetime
    payload: bytes
    applied_version: int | None
    """The read model has applied its stream up to this version."""
    waiting: int
    """So many events of its stream are logged and wait for it."""
    logged_id: str | None
    """The log has this event in its place, which may be another event than this one."""

    @property
    def place(self) -> Place:
        return self.stream_id or "~", self.stream_version or 0, self.parked_id


class ParkedRecords(Protocol):
    """The list holds every parked record that was not dropped. Its calls raise for infrastructure failures; a retry
    may help."""

    def read(self, parked_ids: Sequence[str] | None, *, after: Place, limit: int) -> list[ParkedRecord]:
        """Reads in the order of streams and versions; records of no stream come last. Without ids it reads all."""

    def resolve(self, events: Mapping[str, Event]) -> list[str]:
        """Takes each record off the list whose event is in the log by now, and returns the ids of those. A record
        stays if the log has another event in its place."""

    def drop(self, parked_id: str, reason: str, actor: str) -> bool:
        """Takes a record off the list and keeps it with the reason and who gave it. Returns False when it was not on
        the list."""


class Archive(Protocol):
    def put(self, lines: Sequence[bytes]) -> None:
        """Stores every line, some perhaps twice. Raises ArchiveError when some are left after the retries."""


class ArchiveError(Exception):
    """The archive took only a part. Delivering the batch again helps."""

    def __init__(self, refused: int, cause: str) -> None:
        super().__init__(f"{refused} records refused: {cause}")
        self.refused = refused
        self.cause = cause


@dataclass(frozen=True)
class SourceBatch:
    records: Sequence[bytes]
    checkpoint: Any
    """The source goes on from here after this batch. It is JSON for the source alone, and None after the last."""


class EventReader(Protocol):
    """A rebuild reads every event from here, some perhaps twice."""

    def batches(self, checkpoint: Any) -> Iterator[SourceBatch]:
        """Yields the batches after the checkpoint, or all without one. It yields at least one, perhaps an empty one."""


class Shadow(ReadModel, Protocol):
    """A second read model is made beside the live one. It keeps no parked records, because the live one parks them."""

    def claimed(self) -> AbstractContextManager[object]:
        """Keeps every other process from this rebuild, until the context or the process ends. Raises BusyError when
        another one is at work."""

    def progress(self) -> Progress: ...

    def begin(self, source: EventSource) -> None:
        """Makes its tables, and from then on notes every event that is added to the live log."""

    def whole(self) -> AbstractContextManager[object]:
        """Commits everything that is done within it, or nothing."""

    def loaded(self, checkpoint: Any, records: int, unreadable: int) -> None: ...

    def enter(self, phase: Phase) -> None: ...

    def make_next_index(self) -> bool:
        """Returns False when no index is left to make."""

    def tidy(self) -> None:
        """Gives PostgreSQL's planner its statistics before the swap, so that no query has to wait for them."""

    def note_what_is_not_archived_yet(self) -> None:
        """Notes the events received shortly before the rebuild began, because the archive is late by design."""

    def take_noted(self, events_max: int) -> tuple[int, list[bytes]]:
        """Returns how many notes it took, and their live events. An event that was parked since is not among them."""

    def missing(self) -> Missing:
        """Compares the events of both logs from end to end."""

    def behind(self) -> Missing:
        """Compares the heads alone."""

    def hold_projections(self) -> None:
        """Keeps projections from writing until `whole` ends. Raises BusyError."""

    def swap(self) -> None:
        """Puts the tables in the place of the live ones, and keeps those. Raises BusyError."""

    def drop_old(self) -> bool:
        """Returns False when there were no old tables."""

    def abandon(self) -> None: ...
