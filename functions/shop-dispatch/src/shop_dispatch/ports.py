"""What dispatch needs of the outside."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Protocol, TypeVar

from shop_dispatch.domain.rebuild import Missing, Phase, Progress, Source
from shop_dispatch.domain.records import Event, Parked

Result = TypeVar("Result")


class RefusedError(Exception):
    """A rule of the tables refuses what an event says, and will again: the event is to be parked. A bug, here or there.

    `cause` names the rule and never a value, which may be a customer's.
    """

    def __init__(self, cause: str) -> None:
        super().__init__(cause)
        self.cause = cause


class Transaction(Protocol):
    """One transaction on the read model. Each call is a fixed number of statements, however much it is given."""

    def lock_heads(self, stream_ids: Sequence[str]) -> dict[str, int]:
        """The heads, 0 for a new stream, by stream id in order. Until the end no other transaction gets past this for
        any of these streams."""

    def held_back(self, heads: Mapping[str, int]) -> dict[tuple[str, int], bytes]:
        """The logged events above the heads, by stream and version."""

    def log(self, events: Sequence[Event]) -> None:
        """Adds events that are not logged yet. What comes after it only writes: nothing of it is waited for."""

    def advance_heads(self, heads: Mapping[str, int]) -> None: ...

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        """Applies what the projection of this table folded."""

    def withdraw(self, stream_id: str, stream_version: int) -> None:
        """Takes an event that is not applied out of the log again."""

    def park(self, parked: Sequence[Parked]) -> None:
        """Keeps each payload once."""


class ReadModel(Protocol):
    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """All or nothing. `work` may be called twice: the first connection may turn out to be dead.

        Raises RefusedError, and anything else for infrastructure failures, after which the batch is delivered again.
        """


Place = tuple[str, int, str]
"""In the list of parked records."""
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
    """Up to which its stream is applied."""
    waiting: int
    """Events of its stream that are logged and wait."""

    @property
    def place(self) -> Place:
        return self.stream_id or "~", self.stream_version or 0, self.parked_id


class ParkedRecords(Protocol):
    """Those that were not dropped. Raises for infrastructure failures; a retry may help."""

    def read(self, parked_ids: Sequence[str] | None, *, after: Place, limit: int) -> list[ParkedRecord]:
        """In the order of streams and versions, those of no known stream at the end. No ids: all."""

    def resolve(self, keys: Mapping[str, tuple[str, int]]) -> list[str]:
        """Takes those off the list whose event, by parked id, is in the log by now."""

    def drop(self, parked_id: str, reason: str) -> bool:
        """Takes it off the list and keeps it with the reason. False when it was not on the list."""


class Archive(Protocol):
    def put(self, lines: Sequence[bytes]) -> None:
        """Hands over every line, some perhaps twice. Raises ArchiveError when some are left after the retries."""


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
    """From here the source goes on after this batch; JSON that only the source understands. None: this is the last."""


class EventSource(Protocol):
    """Where a rebuild reads every event from, some perhaps twice."""

    def batches(self, checkpoint: Any) -> Iterator[SourceBatch]:
        """Those after the checkpoint; None: all. One at least, and it may have no records."""


class Shadow(ReadModel, Protocol):
    """A second read model, made beside the live one. What it parks is not kept: the live one parks it, too."""

    def claimed(self) -> AbstractContextManager[object]:
        """Within it nobody else works on this. Raises BusyError when somebody does. Ends with the process, too."""

    def progress(self) -> Progress: ...

    def begin(self, source: Source) -> None:
        """Makes its tables, and from then on notes what is added to the live log."""

    def whole(self) -> AbstractContextManager[object]:
        """What is done within it is done as a whole, or not at all."""

    def loaded(self, checkpoint: Any, records: int, unreadable: int) -> None: ...

    def enter(self, phase: Phase) -> None: ...

    def make_next_index(self) -> bool:
        """False when there is none left to make."""

    def tidy(self) -> None:
        """Tells PostgreSQL's planner what is in the tables: nobody waits for it after the swap."""

    def note_what_is_not_archived_yet(self) -> None:
        """Of what was received shortly before the rebuild began: the archive is late by design."""

    def take_noted(self, events_max: int) -> tuple[int, list[bytes]]:
        """How many notes it took, and the live events that they are of: one that was parked since has none."""

    def missing(self) -> Missing:
        """Reads both logs from end to end."""

    def behind(self) -> Missing:
        """Compares the heads alone."""

    def hold_projections(self) -> None:
        """Until the end of the whole. Raises BusyError."""

    def swap(self) -> None:
        """Puts the tables in the place of the live ones, and keeps those. Raises BusyError."""

    def drop_old(self) -> bool:
        """False when there were none."""

    def abandon(self) -> None: ...
