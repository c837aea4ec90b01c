"""These fakes keep in memory what the ports need."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, TypeVar

from shop_command.adapters.dynamodb import table
from shop_command.domain import limits
from shop_command.domain.limits import CardAttempt, Closing, CustomerChange, CustomerCounts, Opening
from shop_command.domain.stock import Bucket
from shop_command.ports import (
    PUBLISH_GRACE_SECONDS,
    Bookmark,
    Commit,
    ContentionError,
    Due,
    DueEvent,
    DuePage,
    DueState,
    KeyUse,
    KeyUsedError,
    Level,
    StockShortError,
    StoredState,
    VersionConflictError,
)
from shop_shared.envelope import Envelope, decode, decode_as_written, encode

Item = TypeVar("Item")
Result = TypeVar("Result")
Aside = TypeVar("Aside")


@dataclass
class FakeClock:
    time: datetime = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)

    def now(self) -> datetime:
        return self.time

    def advance(self, seconds: float) -> None:
        self.time += timedelta(seconds=seconds)


@dataclass
class SequentialIds:
    count: int = 0

    def next(self) -> str:
        self.count += 1
        return f"01900000-0000-7000-8000-{self.count:012d}"


@dataclass
class Counters:
    available: int = 0
    held: int = 0
    sold: int = 0
    version: int = field(default=0, compare=False)


NOTHING: Final = CustomerCounts(frozenset(), {})


@dataclass
class InMemoryEventStore:
    """A transaction is applied whole or not at all, under the conditions of the real one. Never contended."""

    stored: dict[str, StoredState] = field(default_factory=dict)
    streams: dict[str, list[bytes]] = field(default_factory=dict)
    key_uses: dict[str, KeyUse] = field(default_factory=dict)
    buckets: dict[Bucket, Counters] = field(default_factory=dict)
    customers: dict[str, CustomerCounts] = field(default_factory=dict)
    attempts: dict[tuple[str, datetime], int] = field(default_factory=dict)
    """It counts each customer's attempts at cards in each window."""
    due_events: set[tuple[str, int]] = field(default_factory=set)
    marked: Bookmark | None = None
    done: set[str] = field(default_factory=set)
    before_commit: list[Callable[[], object]] = field(default_factory=list)
    """Each is run once, before a commit: what another command does just then, or an error that it raises."""

    def states(self, stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        return {stream_id: self.stored[stream_id] for stream_id in stream_ids if stream_id in self.stored}

    def events(self, stream_id: str, first_version: int = 1) -> Sequence[Envelope]:
        return tuple(decode(event) for event in self.streams.get(stream_id, [])[first_version - 1 :])

    def key_use(self, key_id: str) -> KeyUse | None:
        return self.key_uses.get(key_id)

    def state_and_key_use(self, stream_id: str, key_id: str) -> tuple[StoredState | None, KeyUse | None]:
        use = self.key_use(key_id)
        return self.states([stream_id]).get(stream_id), use

    def levels(self, buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        found = {bucket: self.buckets.get(bucket, Counters()) for bucket in buckets}
        return {bucket: Level(counters.available, counters.version) for bucket, counters in found.items()}

    def commit(self, transaction: Commit) -> None:
        if self.before_commit:
            self.before_commit.pop(0)()
        first = transaction.events[0]
        stored = self.streams.get(transaction.stream_id, [])[first.streamversion - 1 :][:1]
        if stored == [encode(first)]:
            return
        if first.id in self.done:
            raise ContentionError
        self._check(transaction)
        self.done.add(first.id)
        self.streams.setdefault(transaction.stream_id, []).extend(encode(event) for event in transaction.events)
        version = transaction.expected_version + len(transaction.events)
        self.stored[transaction.stream_id] = StoredState(
            version, transaction.state, transaction.due_at, transaction.unpublished
        )
        if transaction.unpublished is None:
            self.due_events |= {(event.subject, event.streamversion) for event in transaction.events}
        for change in transaction.stock:
            self.buckets[change.bucket] = self._changed(change.bucket, change.available, change.held, change.sold)
        self._count(transaction.customer)
        if transaction.key_use:
            self.key_uses[transaction.key_use.key_id] = transaction.key_use

    def mark_published(self, events: Sequence[Envelope]) -> None:
        self.due_events -= {(event.subject, event.streamversion) for event in events}

    @property
    def due_states(self) -> dict[str, datetime]:
        return {stream_id: stored.due_at for stream_id, stored in self.stored.items() if stored.due_at}

    def mark_settled(self, stream_id: str, version: int, due_at: datetime | None = None) -> None:
        stored = self.stored.get(stream_id)
        if stored is not None and stored.version == version:
            self.stored[stream_id] = StoredState(version, stored.state, due_at)

    def stop_counting(self, closing: Closing) -> bool:
        self._count(closing)
        return True

    def bookmark(self) -> Bookmark | None:
        return self.marked

    def set_bookmark(self, bookmark: Bookmark) -> None:
        self.marked = bookmark

    def due(self, shard: int, now: datetime, limit: int, after: Due | None = None) -> DuePage:
        events = (DueEvent(s, version, self._publish_by(s, version)) for s, version in self.due_events)
        states = (DueState(s, due_at) for s, due_at in self.due_states.items())
        every: list[Due] = [*events, *states]
        waiting = [due for due in every if due.due_at <= now and table.due_shard(due.stream_id) == str(shard)]
        behind = sorted((due for due in waiting if after is None or _order(due) > _order(after)), key=_order)
        return DuePage(tuple(behind[:limit]), len(behind) <= limit)

    def unpublished(self, due: Collection[DueEvent]) -> Sequence[Envelope]:
        return tuple(decode_as_written(self.streams[event.stream_id][event.version - 1]) for event in due)

    def _publish_by(self, stream_id: str, version: int) -> datetime:
        return decode(self.streams[stream_id][version - 1]).time + timedelta(seconds=PUBLISH_GRACE_SECONDS)

    def _check(self, transaction: Commit) -> None:
        if transaction.key_use and transaction.key_use.key_id in self.key_uses:
            raise KeyUsedError
        stored = self.stored.get(transaction.stream_id)
        if transaction.expected_version != (stored.version if stored else 0):
            raise VersionConflictError
        self._check_limits(transaction.customer)
        short = []
        for change in transaction.stock:
            after = self._changed(change.bucket, change.available, change.held, change.sold)
            if min(after.available, after.held, after.sold) < 0:
                short.append(change.bucket)
        if short:
            raise StockShortError(tuple(short))

    def _check_limits(self, change: CustomerChange | None) -> None:
        match change:
            case Opening():
                limits.check_opening(change, self.customers.get(change.customer_id, NOTHING))
            case CardAttempt():
                limits.check_attempt(change, self.attempts.get((change.customer_id, change.window), 0))

    def _count(self, change: CustomerChange | None) -> None:
        match change:
            case Opening() | Closing():
                before = self.customers.get(change.customer_id, NOTHING)
                sign = 1 if isinstance(change, Opening) else -1
                if sign < 0 and change.reservation_id not in before.open:
                    return
                held = {sku: before.held.get(sku, 0) + sign * units for sku, units in change.units.items()}
                held = {sku: units for sku, units in sorted({**before.held, **held}.items()) if units}
                self.customers[change.customer_id] = CustomerCounts(
                    frozenset(sorted(before.open ^ {change.reservation_id})), held
                )
            case CardAttempt():
                place = change.customer_id, change.window
                self.attempts[place] = self.attempts.get(place, 0) + 1

    def _changed(self, bucket: Bucket, available: int, held: int, sold: int) -> Counters:
        before = self.buckets.get(bucket, Counters())
        return Counters(before.available + available, before.held + held, before.sold + sold, before.version + 1)


def _order(due: Due) -> tuple[datetime, str, int]:
    return due.due_at, due.stream_id, due.version if isinstance(due, DueEvent) else 0


class OneByOne:
    """These workers do one thing after the other, in order."""

    def beside(self, aside: Callable[[], Aside], do: Callable[[], Result]) -> tuple[Aside, Result]:
        return aside(), do()

    def map(self, do: Callable[[Item], Result], items: Sequence[Item]) -> Iterable[Result]:
        return [do(item) for item in items]


@dataclass
class FakeHelpers:
    can_start: bool = False
    started: list[int] = field(default_factory=list)

    def start(self, shard: int) -> bool:
        if self.can_start:
            self.started.append(shard)
        return self.can_start


@dataclass
class FakePublisher:
    """Publishes all but what `fails` says; keeps what it published."""

    published: list[Envelope] = field(default_factory=list)
    fails: Callable[[Envelope], bool] = lambda _: False

    def publish(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        done = [event for event in events if not self.fails(event)]
        self.published += done
        return done
