"""Applies a batch of records to the read model: each event once, whatever is delivered twice or out of order."""

from collections.abc import Container, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial

from shop_dispatch.domain.projections import PROJECTIONS
from shop_dispatch.domain.records import Event, Key, Parked, Trace, read
from shop_dispatch.ports import ReadModel, RefusedError, Transaction


@dataclass(frozen=True)
class Projected:
    records: int = 0
    applied: int = 0
    """Events that earlier batches held back count, too."""
    waiting: int = 0
    """Events of this batch's streams that wait for a missing version."""
    duplicates: int = 0
    parked: int = 0
    conflicts: int = 0
    """Events whose stream version another event has. They are parked, too, and hold up no stream."""
    traces: tuple[Trace, ...] = ()
    """Only events that were newly applied have theirs here."""
    oldest: datetime | None = None
    """The earliest of the applied events happened at this time."""

    def __add__(self, other: "Projected") -> "Projected":
        return Projected(
            self.records + other.records,
            self.applied + other.applied,
            self.waiting + other.waiting,
            self.duplicates + other.duplicates,
            self.parked + other.parked,
            self.conflicts + other.conflicts,
            self.traces + other.traces,
            min((time for time in (self.oldest, other.oldest) if time), default=None),
        )


@dataclass(frozen=True)
class Project:
    read_model: ReadModel

    def __call__(self, records: Sequence[bytes]) -> Projected:
        """Takes one transaction, and more only where the tables refuse an event, which is then parked.

        Only an infrastructure failure raises. Events applied by then are duplicates when the batch is delivered again.
        """
        read_records = [read(record) for record in records]
        events = [record for record in read_records if isinstance(record, Event)]
        parked = [record for record in read_records if isinstance(record, Parked)]
        return self._project(events, parked)

    def _project(self, events: Sequence[Event], parked: Sequence[Parked]) -> Projected:
        try:
            return self.read_model.transact(lambda transaction: _apply(transaction, events, parked))
        except RefusedError:
            streams = sorted({event.envelope.subject for event in events})
            if not streams:
                raise
        # The batch is halved until the stream with the refused event is alone. Each half is a transaction of its own,
        # not a savepoint: locks are taken in order within each, so no two batches wait for each other in a circle.
        if len(streams) > 1:
            left = set(streams[: len(streams) // 2])
            return self._project([event for event in events if event.envelope.subject in left], parked) + self._project(
                [event for event in events if event.envelope.subject not in left], ()
            )
        in_order = sorted(events, key=lambda event: event.key)
        return sum(map(self._log, in_order), self._project((), parked)) + self._apply_singly(streams[0])

    def _log(self, event: Event) -> Projected:
        try:
            return self.read_model.transact(lambda transaction: _log(transaction, event))
        except RefusedError as error:
            refused = Parked(event.record, error.cause, *event.key)
            self.read_model.transact(lambda transaction: transaction.park([refused]))
            return Projected(records=1, parked=1)

    def _apply_singly(self, stream_id: str) -> Projected:
        """Applies the stream's logged events, one in each transaction, until one is refused, which is then parked."""
        outcome = Projected()
        while True:
            event, waiting = self.read_model.transact(partial(_following, stream_id))
            if event is None:
                return outcome + Projected(waiting=waiting)
            try:
                outcome += self.read_model.transact(partial(_apply_one, event))
            except RefusedError as error:
                return outcome + self.read_model.transact(partial(_set_aside, event, error.cause))


def _apply(transaction: Transaction, events: Sequence[Event], parked: Sequence[Parked]) -> Projected:
    # Everything rests on this lock. Whoever holds a stream's head is the only one to log and apply its events, so what
    # is read below it stays true: the version of an event at or below the head, or held back, is known.
    ends = _ends(events)
    known, held_back = transaction.lock_heads(ends)
    heads = dict.fromkeys(ends, 0) | known
    fresh, conflicts = _sort_out(transaction, heads, held_back, events)
    transaction.log(fresh)

    # An event that can't be read any more (only a release that was rolled back knew its type) waits like a gap.
    readable = [record for record in map(read, held_back.values()) if isinstance(record, Event)]
    applied = contiguous_runs(heads, [*fresh, *readable])
    _change(transaction, applied, ends | known)
    transaction.park([*parked, *conflicts])
    return Projected(
        records=len(events) + len(parked),
        waiting=len(held_back) + len(fresh) - len(applied),
        duplicates=len(events) - len(fresh) - len(conflicts),
        parked=len(parked),
        conflicts=len(conflicts),
    ) + _outcome(applied)


def _ends(events: Iterable[Event]) -> dict[str, int]:
    """Returns, by stream, up to which version its events follow each other from the first one on, as they came."""
    ends: dict[str, int] = {}
    for event in events:
        stream_id, version = event.key
        if version == ends.setdefault(stream_id, 0) + 1:
            ends[stream_id] = version
    return dict(sorted(ends.items()))


def _sort_out(
    transaction: Transaction, heads: Mapping[str, int], held_back: Container[Key], events: Iterable[Event]
) -> tuple[list[Event], list[Parked]]:
    """Returns the events whose versions are new, and those whose versions another event has. The rest are duplicates.

    The first event of a version stays, however the deliveries are cut into batches.
    """
    fresh: dict[Key, Event] = {}
    again: list[Event] = []
    for event in events:
        stream_id, version = key = event.key
        if version <= heads[stream_id] or key in held_back or key in fresh:
            again.append(event)
        else:
            fresh[key] = event
    ids = {event.key: fresh[event.key].envelope.id for event in again if event.key in fresh}
    if logged := {event.key for event in again} - fresh.keys():  # nearly no batch takes a statement for this
        ids |= transaction.logged_ids(sorted(logged))
    # The ids of versions that were dropped from the log are not known any more.
    others = [event for event in again if ids.get(event.key, event.envelope.id) != event.envelope.id]
    return list(fresh.values()), [_conflict(event, ids[event.key]) for event in others]


def _conflict(event: Event, known_id: str) -> Parked:
    cause = f"ConflictingEventError: its version is event {known_id} already, and this is event {event.envelope.id}"
    return Parked(event.record, cause, *event.key)


def contiguous_runs(heads: Mapping[str, int], events: Iterable[Event]) -> list[Event]:
    """Returns each stream's events after its head, in order, up to the first gap. Streams keep the order of `heads`."""
    by_key = {event.key: event for event in events}
    runs: list[Event] = []
    for stream_id, head in heads.items():
        version = head + 1
        while event := by_key.get((stream_id, version)):
            runs.append(event)
            version += 1
    return runs


def _log(transaction: Transaction, event: Event) -> Projected:
    new = {event.envelope.subject: 0}
    known, held_back = transaction.lock_heads(new)
    fresh, conflicts = _sort_out(transaction, new | known, held_back, [event])
    transaction.log(fresh)
    transaction.park(conflicts)
    return Projected(records=1, duplicates=1 - len(fresh) - len(conflicts), conflicts=len(conflicts))


def _following(stream_id: str, transaction: Transaction) -> tuple[Event | None, int]:
    """Returns the logged event after the head, if it can be read, and how many events the stream holds back."""
    known, held_back = transaction.lock_heads({stream_id: 0})
    following = held_back.get((stream_id, known.get(stream_id, 0) + 1))
    event = read(following) if following else None
    return event if isinstance(event, Event) else None, len(held_back)


def _apply_one(event: Event, transaction: Transaction) -> Projected:
    following, _ = _following(event.envelope.subject, transaction)
    if following is None or following.envelope.id != event.envelope.id:
        return Projected()  # the same batch, delivered twice at once, was quicker
    _change(transaction, [event], {})
    return _outcome([event])


def _set_aside(event: Event, cause: str, transaction: Transaction) -> Projected:
    """Moves the event from the log to the parked records, if it still is the next one. Its stream waits for it then."""
    following, held_back = _following(event.envelope.subject, transaction)
    if following is None or following.envelope.id != event.envelope.id:
        return Projected(waiting=held_back)
    transaction.withdraw(*event.key)
    transaction.park([Parked(event.record, cause, *event.key)])
    return Projected(parked=1, waiting=held_back - 1)


def _change(transaction: Transaction, applied: Sequence[Event], heads: Mapping[str, int]) -> None:
    # All is folded before the first of these calls, because that one waits until the server has logged the events.
    envelopes = [event.envelope for event in applied]
    changes = {fold: fold(envelopes) for fold in dict.fromkeys(projection.fold for projection in PROJECTIONS)}
    ends = dict(event.key for event in applied)
    transaction.advance_heads({stream_id: end for stream_id, end in ends.items() if heads.get(stream_id) != end})
    for projection in PROJECTIONS:
        transaction.change(projection.table, changes[projection.fold])


def _outcome(applied: Sequence[Event]) -> Projected:
    return Projected(
        applied=len(applied),
        traces=tuple(event.trace for event in applied),
        oldest=min((event.envelope.time for event in applied), default=None),
    )
