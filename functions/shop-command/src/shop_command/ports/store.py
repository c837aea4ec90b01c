"""The event store: one transaction a command, holding its events, the new state, the stock and the idempotency key.

Errors of `commit`, none of which leaves anything behind:

KeyUsedError          the idempotency key was used before: answer from its use
VersionConflictError  the stream has moved on: load it again and decide again
StockShortError       a bucket has less than the transaction takes: read the buckets again
ContentionError       others kept touching the same items: a later retry helps
and StoreUnavailableError, after which the transaction may or may not have happened: a repeat of the command finds out.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from shop_command.domain.stock import Bucket, BucketChange
from shop_shared.envelope import Envelope

DUE_SHARDS: Final = 8
"""What is due is spread over so many partitions: each takes 1,000 writes a second, and a command makes about four."""
PUBLISH_GRACE_SECONDS: Final = 10
"""An event is due only this long after its time: until then the request that made it publishes it."""


@dataclass(frozen=True)
class StoredState:
    """The fold of a stream as JSON, at a version."""

    version: int
    state: str


@dataclass(frozen=True)
class KeyUse:
    """An idempotency key was used, with this body, and led to this event."""

    key_id: str
    body_digest: str
    stream_id: str
    version: int


@dataclass(frozen=True)
class Level:
    """What can be reserved from a bucket, and how often the bucket has changed."""

    available: int
    version: int


@dataclass(frozen=True)
class Commit:
    """Events follow `expected_version` without a gap; the first one's id identifies the transaction for ever.

    `due_at` is the moment at which the new state must be looked at again.
    """

    stream_id: str
    expected_version: int
    events: tuple[Envelope, ...]
    state: str
    due_at: datetime | None = None
    stock: tuple[BucketChange, ...] = ()
    key_use: KeyUse | None = None


@dataclass(frozen=True)
class DueEvent:
    """It has not been published, as far as the store knows."""

    stream_id: str
    version: int
    due_at: datetime


@dataclass(frozen=True)
class DueState:
    """Somebody has to look at what has become of this stream."""

    stream_id: str
    due_at: datetime


Due = DueEvent | DueState


@dataclass(frozen=True)
class DuePage:
    items: Sequence[Due]
    is_last: bool


class VersionConflictError(Exception):
    """Another command has extended the stream first."""


class KeyUsedError(Exception):
    """A command with the same idempotency key was first: most likely the same one, sent twice at once."""


@dataclass(eq=False)
class StockShortError(Exception):
    buckets: tuple[Bucket, ...]


class ContentionError(Exception):
    """Given up after the bounded number of tries. Nothing has changed."""


class StoreUnavailableError(Exception):
    """No answer, or the store's own failure. Whether the call took effect is unknown."""


class EventStore(Protocol):
    """All reads but `due` are consistent: they see every transaction that was committed before."""

    def states(self, stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        """Reads at most 100. Streams that do not exist are left out."""

    def events(self, stream_id: str, first_version: int = 1) -> Sequence[Envelope]: ...

    def key_use(self, key_id: str) -> KeyUse | None: ...

    def levels(self, buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        """Each as it was at some moment of the call, not all at the same one. Two calls with equal answers prove that
        all of them were so at once, between the two. What has never received anything is at 0, version 0."""

    def commit(self, transaction: Commit) -> None:
        """A transaction that was committed before, its answer lost, succeeds again without a second effect."""

    def mark_published(self, events: Sequence[Envelope]) -> None:
        """They are no longer due. Never raises: what stays due by mistake is published again, which readers expect."""

    def mark_settled(self, stream_id: str, version: int) -> None:
        """The state at this version is no longer due; a later one is left alone. Never raises, as `mark_published`."""

    def due(self, shard: int, now: datetime, limit: int, after: Due | None = None) -> DuePage:
        """What is due by `now` in one of DUE_SHARDS, oldest first, from behind `after` on. May show what was done a
        moment ago, and not yet what has just become due: look at the item itself before acting on it."""

    def unpublished(self, due: Collection[DueEvent]) -> Sequence[Envelope]:
        """The events themselves, at most 100, in the order in which they are named."""
