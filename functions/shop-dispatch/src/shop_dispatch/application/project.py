"""Applies a batch of records to the read model: each event once, whatever is delivered twice or out of order."""

from collections.abc import Sequence
from dataclasses import dataclass

from shop_dispatch.domain.projections import PROJECTIONS
from shop_dispatch.domain.records import Event, Parked, Trace, read
from shop_dispatch.domain.streams import contiguous_runs
from shop_dispatch.ports import ReadModel, Transaction


@dataclass(frozen=True)
class Projected:
    records: int
    applied: int
    """Those held back by earlier batches included."""
    waiting: int
    """Events of this batch's streams that wait for a missing version."""
    duplicates: int
    parked: int
    traces: tuple[Trace, ...]
    """Of the applied events."""


class Project:
    def __init__(self, read_model: ReadModel) -> None:
        self._read_model = read_model

    def __call__(self, records: Sequence[bytes]) -> Projected:
        """Only an infrastructure failure raises, and nothing is applied then."""
        read_records = [read(record) for record in records]
        events = [record for record in read_records if isinstance(record, Event)]
        parked = [record for record in read_records if isinstance(record, Parked)]
        return self._read_model.transact(lambda transaction: _apply(transaction, events, parked))


def _apply(transaction: Transaction, events: Sequence[Event], parked: Sequence[Parked]) -> Projected:
    # Everything rests on this lock. Whoever holds a stream's head is the only one to log and apply its events, so what
    # is read below it stays true: an event at or below the head, or among those held back, has been here before.
    heads = transaction.lock_heads(sorted({event.envelope.subject for event in events}))
    held_back = transaction.held_back(heads)
    fresh = {
        event.key: event
        for event in events
        if event.envelope.streamversion > heads[event.envelope.subject] and event.key not in held_back
    }
    transaction.log(list(fresh.values()))

    # One that can't be read any more (its type was known to a release that was rolled back) waits like a gap.
    readable = [record for record in map(read, held_back.values()) if isinstance(record, Event)]
    applied = contiguous_runs(heads, [*fresh.values(), *readable])
    transaction.advance_heads(dict(event.key for event in applied))
    envelopes = [event.envelope for event in applied]
    for projection in PROJECTIONS:
        transaction.change(projection.table, projection.fold(envelopes))
    transaction.park(parked)
    return Projected(
        records=len(events) + len(parked),
        applied=len(applied),
        waiting=len(held_back) + len(fresh) - len(applied),
        duplicates=len(events) - len(fresh),
        parked=len(parked),
        traces=tuple(event.trace for event in applied),
    )
