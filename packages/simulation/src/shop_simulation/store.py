"""An event store in memory that forgets, shows late or cannot read what DynamoDB may forget, show late or not read."""

from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import Final

from shop_command.adapters.dynamodb import table
from shop_command.ports import Bookmark, Commit, Due, DueEvent, DuePage, DueState, StoredState, StoreUnavailableError
from shop_command.testing import FakeClock, InMemoryEventStore
from shop_shared.envelope import Envelope

TOKEN_LIFE: Final = timedelta(minutes=10)
PAGE_ITEMS_MAX: Final = 2
"""A page of due items may always be smaller than asked for, and here it often is."""


class SimulatedStore(InMemoryEventStore):
    """Forgets the tokens of transactions after ten minutes, as DynamoDB does."""

    def __init__(self, clock: FakeClock) -> None:
        super().__init__()
        self.clock = clock
        self.marked = Bookmark(None, clock.now(), clock.now())  # the shop was reconciled before it was opened
        self.tokens: dict[str, datetime] = {}
        self.unreadable: set[str] = set()
        """These streams cannot be read, as if a release that was rolled back had written them."""
        self.shows_old = False
        """If it is true, the next page of due items also shows items that are no longer due."""
        self.watches: list[dict[str, int]] = []
        """Each watch keeps, for each product, the least stock that was available since it began."""

    def commit(self, transaction: Commit) -> None:
        now = self.clock.now()
        self.done = {token for token in self.done if now < self.tokens[token] + TOKEN_LIFE}
        super().commit(transaction)
        self.tokens.setdefault(transaction.events[0].id, now)
        available = self.available()
        for watch in self.watches:
            watch.update({sku: min(units, watch.get(sku, 0)) for sku, units in available.items()})

    def states(self, stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        if not self.unreadable.isdisjoint(stream_ids):
            raise StoreUnavailableError
        return super().states(stream_ids)

    def unpublished(self, due: Collection[DueEvent]) -> Sequence[Envelope]:
        if any(event.stream_id in self.unreadable for event in due):
            raise ValueError("simulated: an event that can't be decoded")
        return super().unpublished(due)

    def due(self, shard: int, now: datetime, limit: int, after: Due | None = None) -> DuePage:
        page = super().due(shard, now, min(limit, PAGE_ITEMS_MAX), after)
        if not self.shows_old:
            return page
        self.shows_old = False
        done: list[Due] = [
            DueEvent(name, version, now)
            for name, events in self.streams.items()
            for version in range(1, len(events) + 1)
            if (name, version) not in self.due_events
        ]
        settled = (name for name in self.stored if name.startswith("reservation-") and name not in self.due_states)
        done += [DueState(name, now) for name in settled]
        mine = [due for due in done if table.due_shard(due.stream_id) == str(shard)]
        return DuePage((*mine, *page.items), page.is_last)

    def available(self) -> dict[str, int]:
        units: dict[str, int] = {}
        for bucket, counters in self.buckets.items():
            units[bucket.sku] = units.get(bucket.sku, 0) + counters.available
        return units

    @contextmanager
    def watched(self) -> Iterator[dict[str, int]]:
        """Yields the least stock of each product that was available at any moment."""
        watch = self.available()
        self.watches.append(watch)
        try:
            yield watch
        finally:
            self.watches.pop()
