"""Loading streams and appending to them: one transaction, then publication."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import TypeVar, cast

from shop_command.application.request import Key, Request
from shop_command.domain import stock
from shop_command.domain.stream import Snapshot, Stream, fold, from_json, to_json
from shop_command.ports import Clock, Commit, EventIds, EventStore, Publisher, StoredState, Telemetry
from shop_shared.envelope import Envelope
from shop_shared.events import EventData
from shop_shared.registry import dataschema

State = TypeVar("State")
Event = TypeVar("Event", bound=EventData)


@dataclass(frozen=True)
class Journal:
    store: EventStore
    publisher: Publisher
    clock: Clock
    ids: EventIds
    telemetry: Telemetry

    def now(self) -> datetime:
        return self.clock.now()

    def load(self, stream: Stream[State, Event]) -> Snapshot[State]:
        return snapshot(stream, self.store.states([stream.id]).get(stream.id))

    def last(self, stream: Stream[State, Event], loaded: Snapshot[State]) -> Envelope:
        """The event that led to what was loaded."""
        return self.store.events(stream.id, loaded.version)[0]

    def append(
        self,
        stream: Stream[State, Event],
        loaded: Snapshot[State],
        decided: tuple[Event, ...],
        request: Request,
        *,
        now: datetime,
        key: Key | None = None,
        cause: str | None = None,
    ) -> "Envelope[Event]":
        """Commits the events, publishes what it can, and gives back the last one. Raises what EventStore.commit does.

        `key` remembers the idempotency key together with the last event's version.
        """
        self.telemetry.annotate(stream.id, decided[-1].TYPE)
        state = fold(stream, loaded.state, decided)
        events = tuple(
            self._envelope(stream.id, version, data, request=request, cause=cause, now=now)
            for version, data in enumerate(decided, loaded.version + 1)
        )
        self.store.commit(
            Commit(
                stream_id=stream.id,
                expected_version=loaded.version,
                events=events,
                state=to_json(stream, state),
                due_at=stream.due_at(state, now),
                stock=_stock(decided),
                key_use=key.used(stream.id, events[-1].streamversion) if key else None,
            )
        )
        self.telemetry.committed(events)
        # The command is done. What fails from here on leaves the events due, and changes nothing about the answer.
        published = self.publisher.publish(events)
        if published:
            self.store.mark_published(published)
        return cast("Envelope[Event]", events[-1])

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
            data=data,
        )


def first_of(data: type[Event], events: Iterable[Envelope]) -> "Envelope[Event] | None":
    return next((cast("Envelope[Event]", event) for event in events if isinstance(event.data, data)), None)


def snapshot(stream: Stream[State, Event], stored: StoredState | None) -> Snapshot[State]:
    if stored is None:
        return Snapshot(0, None)
    return Snapshot(stored.version, from_json(stream, stored.state))


def _stock(events: Iterable[EventData]) -> tuple[stock.BucketChange, ...]:
    return tuple(change for event in events for change in stock.changes(event))
