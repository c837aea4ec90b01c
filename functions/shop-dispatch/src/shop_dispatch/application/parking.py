"""Operators replay parked records once the cause is gone."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from shop_dispatch.application.project import Project
from shop_dispatch.domain.records import Event, Trace, read
from shop_dispatch.ports import BEGINNING, ParkedRecords, Place

REPLAYED_MAX: Final = 50
"""One step replays so many: each may have a megabyte, and needs several times that while it is read."""


@dataclass(frozen=True)
class Replayed:
    resolved: Sequence[str]
    """These ids are off the list."""
    still_parked: Sequence[str]
    """These ids stay on the list, perhaps with another cause."""
    applied: int
    """The events that waited behind the replayed ones count, too."""
    traces: Sequence[Trace]
    last: Place | None
    """The next step begins after this place, which is that of the last record read."""


@dataclass(frozen=True)
class Replay:
    parked: ParkedRecords
    project: Project

    def __call__(self, parked_ids: Sequence[str] | None, after: Place = BEGINNING) -> Replayed:
        """Replays the next REPLAYED_MAX records, of all records when there are no ids, in the order of their streams.

        A repeat is safe: an event that is applied already is a duplicate. A crash in between leaves a record on the
        list whose event is applied, and the next replay takes it off.
        """
        records = self.parked.read(parked_ids, after=after, limit=REPLAYED_MAX)
        payloads = {record.parked_id: record.payload for record in records}
        projected = self.project(list(payloads.values()))
        events = {parked_id: read(payload) for parked_id, payload in payloads.items()}
        readable = {parked_id: event for parked_id, event in events.items() if isinstance(event, Event)}
        resolved = set(self.parked.resolve(readable))
        return Replayed(
            resolved=[parked_id for parked_id in payloads if parked_id in resolved],
            still_parked=[parked_id for parked_id in payloads if parked_id not in resolved],
            applied=projected.applied,
            traces=projected.traces,
            last=records[-1].place if records else None,
        )
