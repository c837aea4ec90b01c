"""What dispatch needs of the outside."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from shop_dispatch.domain.records import Event, Parked

Result = TypeVar("Result")


class Transaction(Protocol):
    """One transaction on the read model. Each call is a fixed number of statements, however much it is given."""

    def lock_heads(self, stream_ids: Sequence[str]) -> dict[str, int]:
        """The heads, 0 for a new stream, by stream id in order. Until the end no other transaction gets past this for
        any of these streams."""

    def held_back(self, heads: Mapping[str, int]) -> dict[tuple[str, int], bytes]:
        """The logged events above the heads, by stream and version."""

    def log(self, events: Sequence[Event]) -> None:
        """Adds events that are not logged yet."""

    def advance_heads(self, heads: Mapping[str, int]) -> None: ...

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        """Applies what the projection of this table folded."""

    def park(self, parked: Sequence[Parked]) -> None:
        """Keeps each payload once."""


class ReadModel(Protocol):
    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        """All or nothing. `work` may be called twice: the first connection may turn out to be dead.

        Raises for infrastructure failures, after which the batch is delivered again.
        """


class Archive(Protocol):
    def put(self, lines: Sequence[bytes]) -> None:
        """Hands over every line, some perhaps twice. Raises ArchiveError when some are left after the retries."""


class ArchiveError(Exception):
    """The archive took only a part. Delivering the batch again helps."""

    def __init__(self, refused: int, cause: str) -> None:
        super().__init__(f"{refused} records refused: {cause}")
        self.refused = refused
        self.cause = cause
