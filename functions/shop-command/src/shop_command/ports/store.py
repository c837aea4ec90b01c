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
from typing import Protocol

from shop_command.domain.stock import Bucket, StockChange
from shop_shared import Envelope


@dataclass(frozen=True)
class StoredState:
    """The fold of a stream as JSON, at a version."""

    version: int
    state: str


@dataclass(frozen=True)
class KeyUse:
    """That an idempotency key was used: by which body, and which event it led to."""

    key_id: str
    body_digest: str
    stream_id: str
    version: int


@dataclass(frozen=True)
class Transaction:
    """Events follow `expected_version` without a gap; the first one's id identifies the transaction for ever.

    `due_at` is the moment at which the new state must be looked at again.
    """

    stream_id: str
    expected_version: int
    events: tuple[Envelope, ...]
    state: str
    due_at: datetime | None = None
    stock: tuple[StockChange, ...] = ()
    key_use: KeyUse | None = None


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
    """All reads are consistent: they see every transaction that was committed before."""

    def states(self, stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        """At most 100. Streams that do not exist are left out."""

    def events(self, stream_id: str, first_version: int = 1) -> Sequence[Envelope]: ...

    def key_use(self, key_id: str) -> KeyUse | None: ...

    def available(self, buckets: Collection[Bucket]) -> Mapping[Bucket, int]:
        """What can be reserved from each; 0 for a bucket that has never received anything."""

    def commit(self, transaction: Transaction) -> None: ...

    def mark_published(self, events: Sequence[Envelope]) -> None:
        """They are no longer due. Never raises: what stays due by mistake is published again, which readers expect."""
