"""The journal loads streams, runs commands, and appends events: one transaction, then their publication."""

from collections.abc import Callable, Iterable, Sequence
from datetime import datetime, timedelta
from functools import partial
from typing import Any, Final, Generic, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from shop_command import ports
from shop_command.application.request import Key, Request
from shop_command.domain import limits, stock
from shop_command.domain.errors import DomainError
from shop_command.domain.limits import Closing, Limits
from shop_command.domain.stream import Snapshot, Stream
from shop_shared.envelope import Envelope
from shop_shared.events import EventData
from shop_shared.registry import dataschema

ROUNDS_MAX: Final = 5
"""A command is decided anew at most this often because another one was quicker."""
CARRYING_SECONDS: Final = 60
"""A state that the sweep looks at so soon is due for its events as well."""
OVERTAKEN: Final[tuple[type[Exception], ...]] = (ports.VersionConflictError, ports.KeyUsedError)

State = TypeVar("State")
Event = TypeVar("Event", bound=EventData)
Result = TypeVar("Result")


class Decided(Struct, frozen=True):
    events: tuple[EventData, ...]
    now: datetime


class Committed(Struct, Generic[State], frozen=True):
    events: tuple[Envelope, ...]
    after: Snapshot[State]
    """This is the stream as the events have left it."""
    due_at: datetime | None
    """Then the stream has to be looked at again, if all events are published."""
    closing: Closing | None = None
    """This was not in the transaction, and is to be done before the state is due no more."""


class Handled(Struct, Generic[State], frozen=True):
    event: "Envelope[Any]"
    before: State | None = None
    """The state that the command was decided on. A repeat of an earlier request is not decided, and has none."""
    committed: Committed[State] | None = None
    """A repeat has committed nothing."""


class Journal(Struct, frozen=True):
    store: ports.EventStore
    publisher: ports.Publisher
    clock: ports.Clock
    ids: ports.EventIds
    telemetry: ports.Telemetry
    workers: ports.Workers
    limits: Limits = field(default_factory=Limits)

    def now(self) -> datetime:
        return self.clock.now()

    def load(self, stream: Stream[State, Event]) -> Snapshot[State]:
        return snapshot(stream, self.store.states([stream.id]).get(stream.id))

    def load_from_events(self, stream: Stream[State, Event]) -> Snapshot[State]:
        """Folds the whole stream, for a command that needs more than an older release kept in the state."""
        events = self.store.events(stream.id)
        return Snapshot(len(events), stream.fold(None, [event.data for event in events]) if events else None)

    def last(self, stream: Stream[State, Event], loaded: Snapshot[State]) -> Envelope:
        """Returns the event that led to what was loaded."""
        return self.store.events(stream.id, loaded.version)[0]

    def run(
        self,
        request: Request,
        stream: Stream[State, Event],
        decide: Callable[[Snapshot[State], int], Decided | Result],
        *,
        key: Key | None = None,
        load: Callable[[Stream[State, Event]], Snapshot[State]] | None = None,
        overtaken: tuple[type[Exception], ...] = OVERTAKEN,
        rounds_max: int = ROUNDS_MAX,
        publish: bool = True,
    ) -> Handled[State] | Result:
        """Runs one command: loads its stream, decides, appends, and decides anew where another command was quicker.

        `decide` is called with the stream and the number of rounds that were lost. Where it gives back anything but a
        decision, that is the result, and nothing is appended. Raises ContentionError after the last round. Without
        `publish`, the caller publishes what was committed: see `publish_beside`.
        """
        for rounds in range(rounds_max):
            use, loaded = self._read(stream, key, load)
            if key and use:
                key.check(use)
                request.repeated()
                return Handled(self.store.events(use.stream_id, use.version)[0])
            try:
                decided = decide(loaded, rounds)
                if not isinstance(decided, Decided):
                    return decided
                committed = self.commit(stream, loaded, decided.events, request, now=decided.now, key=key)
                if publish:
                    self.publish(committed)
                return Handled(committed.events[-1], loaded.state, committed)
            except overtaken:
                continue
            except DomainError:
                # The same request, sent twice at once, may have been quicker: then what it did is no reason to refuse.
                if key is None or self.store.key_use(key.id) is None:
                    raise
        raise ports.ContentionError

    def _read(
        self,
        stream: Stream[State, Event],
        key: Key | None,
        load: Callable[[Stream[State, Event]], Snapshot[State]] | None,
    ) -> tuple[ports.KeyUse | None, Snapshot[State]]:
        if key is None or load is not None:
            return self.store.key_use(key.id) if key else None, (load or self.load)(stream)
        stored, use = self.store.state_and_key_use(stream.id, key.id)
        return use, snapshot(stream, stored)

    def append(
        self,
        stream: Stream[State, Event],
        loaded: Snapshot[State],
        decided: tuple[EventData, ...],
        request: Request,
        *,
        now: datetime,
        cause: str | None = None,
    ) -> "Envelope[Any]":
        """Commits the events, publishes what it can, and gives back the last. Raises what EventStore.commit does."""
        committed = self.commit(stream, loaded, decided, request, now=now, cause=cause)
        self.publish(committed)
        return committed.events[-1]

    def commit(
        self,
        stream: Stream[State, Event],
        loaded: Snapshot[State],
        decided: tuple[EventData, ...],
        request: Request,
        *,
        now: datetime,
        key: Key | None = None,
        cause: str | None = None,
    ) -> Committed[State]:
        """`key` remembers the idempotency key together with the last event's version."""
        self.telemetry.annotate(stream.id, decided[-1].TYPE)
        state = stream.fold(loaded.state, decided)
        events = tuple(
            self._envelope(stream.id, version, data, request=request, cause=cause, now=now)
            for version, data in enumerate(decided, loaded.version + 1)
        )
        own_due_at, version = stream.due_at(state, now), events[-1].streamversion
        after = _carrying(loaded, Snapshot(version, state, own_due_at), now)
        customer = limits.change(self.limits, loaded.state, state, decided, now)
        closing = customer if after.unpublished is not None and isinstance(customer, Closing) else None
        self.store.commit(
            ports.Commit(
                stream_id=stream.id,
                expected_version=loaded.version,
                events=events,
                state=stream.to_json(state),
                due_at=after.due_at,
                unpublished=after.unpublished,
                stock=tuple(change for data in decided for change in stock.changes(data)),
                customer=None if closing else customer,
                key_use=key.used(stream.id, version) if key else None,
            )
        )
        self.telemetry.committed(events)
        return Committed(events, after, own_due_at, closing)

    def publish(self, committed: Committed[State]) -> None:
        """Never raises: the command is done. What fails here leaves the events due, and changes nothing about the
        answer."""
        self.nothing_follows(committed, self._publish(committed))

    def publish_beside(self, committed: Committed[State], do: Callable[[], Result]) -> tuple[Result, Snapshot[State]]:
        """Publishes what was committed while it does something that relies on the commit alone.

        Returns also the stream as this leaves it. A state that is due for its events stays so, because what is
        committed next needs that as well. Call `nothing_follows` if there is nothing to commit.
        """
        left, result = self.workers.beside(partial(self._publish, committed), do)
        return result, left

    def nothing_follows(self, committed: Committed[State], left: Snapshot[State]) -> None:
        """Ends that the state is due for its events, if nothing is left of what it carries. Never raises."""
        if committed.after.unpublished is not None and left.unpublished is None:
            self.store.mark_settled(committed.events[0].subject, left.version, committed.due_at)

    def _publish(self, committed: Committed[State]) -> Snapshot[State]:
        """Returns the stream with what is now left of what it carries."""
        after, publish, is_closed = committed.after, partial(self.publisher.publish, committed.events), True
        if committed.closing is None:
            published = publish()
        else:
            is_closed, published = self.workers.beside(partial(self.store.stop_counting, committed.closing), publish)
        if after.unpublished is None:
            if published:
                self.store.mark_published(published)
        elif is_closed and len(published) == len(committed.events) and after.unpublished == published[0].streamversion:
            return replace(after, unpublished=None)
        return after

    def close_carried(self, loaded: Snapshot[State]) -> bool:
        """Repeats what the request may not have come to. Returns whether it is done now."""
        closing = limits.closing(loaded.state)
        return closing is None or self.store.stop_counting(closing)

    def carried(self, stream: Stream[State, Event], loaded: Snapshot[State]) -> Sequence[Envelope]:
        """Reads the events for which the state is due, up to the last one, as they were written."""
        if loaded.unpublished is None or loaded.due_at is None:
            return ()
        versions = range(loaded.unpublished, loaded.version + 1)
        return self.store.unpublished([ports.DueEvent(stream.id, version, loaded.due_at) for version in versions])

    def _envelope(
        self, stream_id: str, version: int, data: EventData, *, request: Request, cause: str | None, now: datetime
    ) -> Envelope:
        return Envelope(
            id=self.ids.next(),
            type=data.TYPE,
            subject=stream_id,
            time=now,
            dataschema=dataschema(type(data)),
            streamversion=version,
            partitionkey=stream_id,
            correlationid=request.correlation_id,
            causationid=cause or request.request_id,
            awstraceheader=self.telemetry.header(),
            authtype=request.actor.authtype,
            authid=request.actor.authid,
            data=data,
        )


def first_of(events: Iterable[Envelope], *types: type[EventData]) -> "Envelope[Any] | None":
    return next((event for event in events if isinstance(event.data, types)), None)


def _carrying(loaded: Snapshot[Any], after: Snapshot[State], now: datetime) -> Snapshot[State]:
    """Makes the state due for its events where the sweep looks at it about as soon as it would at them.

    What carries its events also carries that what they have ended counts no more towards its customer's limits: that
    is done after the transaction, in which it would cost twice as much, and is left to the sweep where the events are.
    An entry in the index that is early enough stays as it is, so that it costs nothing.
    """
    publish_at = now + timedelta(seconds=ports.PUBLISH_GRACE_SECONDS)
    is_due_before = loaded.unpublished is not None or (loaded.due_at is not None and loaded.due_at <= publish_at)
    is_due_soon = after.due_at is not None and after.due_at <= now + timedelta(seconds=CARRYING_SECONDS)
    if not (is_due_before or is_due_soon):
        return after
    due_at = min(moment for moment in (loaded.due_at, after.due_at, publish_at) if moment)
    return replace(after, due_at=due_at, unpublished=loaded.unpublished or loaded.version + 1)


def snapshot(stream: Stream[State, Event], stored: ports.StoredState | None) -> Snapshot[State]:
    if stored is None:
        return Snapshot(0, None)
    return Snapshot(stored.version, stream.from_json(stored.state), stored.due_at, stored.unpublished)
