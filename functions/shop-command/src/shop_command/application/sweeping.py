"""The sweep publishes, expires and settles what is due. It may crash anywhere, and run twice at once.

It reads a page of each shard at a time, and does several items at once. Shards that have more than one function does in
HELP_AFTER get a sweep of their own.
"""

from collections.abc import Callable, Collection, Sequence
from datetime import datetime, timedelta
from functools import partial
from random import Random
from typing import Final, TypeVar

from msgspec import Struct, field
from msgspec.structs import asdict, replace

from shop_command import ports
from shop_command.application.expiring import expire
from shop_command.application.journal import Journal
from shop_command.application.request import Request
from shop_command.application.settling import Settlement
from shop_command.domain import reservation
from shop_command.domain.reservation_states import Reservation
from shop_command.domain.stream import Snapshot
from shop_shared.envelope import Envelope

PAGE_ITEMS: Final = 100
PAGES_SHARE: Final = 0.5
"""All that needs no provider gets this share of the time. The rest is for payments, where each call may last until it
times out."""
HELP_AFTER: Final = timedelta(seconds=10)
EVERY_SHARD: Final = range(ports.DUE_SHARDS)

Item = TypeVar("Item")
Result = TypeVar("Result")


class Failure(Struct, frozen=True):
    stream_id: str
    error: Exception
    last: Envelope | None = None
    """This is the stream's last event, if it could be read."""


class Report(Struct):
    due: int = 0
    """The sweep found so much due. With more than the time is enough for, there is more that was not even looked at."""
    published: int = 0
    expired: int = 0
    settled: int = 0
    refunded: int = 0
    left: int = 0
    """So much is still due: the provider or the stream did not do its part, or there was no time."""
    oldest_unpublished: timedelta = timedelta()
    """The oldest event that was found due happened so long ago."""
    oldest_unsettled: timedelta = timedelta()
    """The oldest payment or refund that was found due was requested so long ago."""
    failures: list[Failure] = field(default_factory=list)

    def add(self, other: "Report") -> None:
        for name, value in asdict(other).items():
            mine = getattr(self, name)
            setattr(self, name, max(mine, value) if isinstance(value, timedelta) else mine + value)


Unread = dict[int, ports.Due | None]
"""The shards that have more that is due, each with the last item that was read of it."""


class Sweep(Struct, frozen=True):
    journal: Journal
    settlement: Settlement
    randomness: Random
    workers: ports.Workers
    helpers: ports.Helpers

    def run(self, seconds: float, shards: Collection[int] = EVERY_SHARD) -> Report:
        """Begins nothing after so many seconds. What one item raises is reported, and stops no other.

        With some of the shards only, it is itself one that helps, and starts no others.
        """
        started = self.journal.now()
        ends, pages_end = started + timedelta(seconds=seconds), started + timedelta(seconds=seconds * PAGES_SHARE)
        report, unread = Report(), Unread.fromkeys(shards)
        pay = partial(self._pay, started, unread, report)
        unsettled = pay(min(pages_end, started + HELP_AFTER))
        if len(shards) == ports.DUE_SHARDS:
            # The other sweep reads its shard from the beginning, and also finds what this one leaves.
            for shard in [shard for shard in unread if self.helpers.start(shard)]:
                del unread[shard]
        unsettled += pay(pages_end)
        # They are settled in no order: otherwise a few payments that the provider never answers for would keep all
        # others waiting.
        self.randomness.shuffle(unsettled)
        self._each(partial(self._settle, ends), unsettled, report)
        report.left += len(pay(ends))
        return report

    def _pay(self, now: datetime, unread: Unread, report: Report, ends: datetime) -> list[Envelope]:
        """Does everything that is due but payments, of which it returns the streams' last events."""
        unsettled: list[Envelope | None] = []
        while unread and self.journal.now() < ends:
            pages = self._each(partial(self._page, now), [*unread.items()], report)
            for shard, page in zip([*unread], pages, strict=True):
                if page.is_last or not page.items:
                    del unread[shard]
                else:
                    unread[shard] = page.items[-1]
            # Those of a page are published together, so that a stream's events are in their order.
            events = [[due for due in page.items if isinstance(due, ports.DueEvent)] for page in pages]
            self._each(self._publish_page, [each for each in events if each], report)
            states = [due for page in pages for due in page.items if isinstance(due, ports.DueState)]
            unsettled += self._each(partial(self._expire, ends), states, report)
        return [last for last in unsettled if last]

    def _each(self, do: Callable[[Item, Report], Result], items: Sequence[Item], report: Report) -> list[Result]:
        """Several items are done at once, and each fills a report of its own."""

        def reported(item: Item) -> tuple[Result, Report]:
            own = Report()
            return do(item, own), own

        results = []
        for result, own in self.workers.map(reported, items):
            report.add(own)
            results.append(result)
        return results

    def _page(self, now: datetime, place: tuple[int, ports.Due | None], report: Report) -> ports.DuePage:
        shard, after = place
        try:
            page = self.journal.store.due(shard, now, PAGE_ITEMS, after)
        except (ports.ContentionError, ports.StoreUnavailableError) as error:
            report.failures.append(Failure(f"due shard {shard}", error))
            return ports.DuePage((), is_last=True)
        report.due += len(page.items)
        return page

    def _publish_page(self, events: Sequence[ports.DueEvent], report: Report) -> None:
        ordered = sorted(events, key=lambda due: (due.due_at, due.version))
        report.oldest_unpublished = (
            self.journal.now() - ordered[0].due_at + timedelta(seconds=ports.PUBLISH_GRACE_SECONDS)
        )
        self._publish(ordered, report)

    def _publish(self, due: Sequence[ports.DueEvent], report: Report) -> None:
        try:
            events = self.journal.store.unpublished(due)
        except (ports.ContentionError, ports.StoreUnavailableError) as error:
            report.failures.append(Failure(due[0].stream_id, error))
            report.left += len(due)
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops no other
            if len(due) > 1:  # one of them can't be read: find out which
                for each in due:
                    self._publish([each], report)
                return
            report.failures.append(Failure(due[0].stream_id, error))
            report.left += 1
            return
        self._put(events, self.journal.store.mark_published, report)

    def _put(self, events: Sequence[Envelope], mark: Callable[[Sequence[Envelope]], None], report: Report) -> None:
        with self.journal.telemetry.for_all() as events_of_traces:
            published = self.journal.publisher.publish(events)
            mark(published)
            events_of_traces.extend(published)
        report.published += len(published)
        report.left += len(events) - len(published)

    def _expire(self, ends: datetime, due: ports.DueState, report: Report) -> Envelope | None:
        """Returns the stream's last event where it is a payment or refund that is due."""
        if self.journal.now() >= ends:
            report.left += 1
            return None
        last: Envelope | None = None
        try:
            stream = reservation.stream(reservation.id_of(due.stream_id))
            loaded = self.journal.load(stream)
            if loaded.state is None:
                return None
            carried = self.journal.carried(stream, loaded)
            last = carried[-1] if carried else self.journal.last(stream, loaded)
            due_at = stream.due_at(loaded.state, last.time)
            now = self.journal.now()
            if carried:
                report.oldest_unpublished = now - carried[0].time
                loaded = self._publish_carried(loaded, carried, due_at, report)
            if due_at is None or due_at > now:
                return None  # the state was due for its events alone, or the index showed what was due a moment ago
            if reservation.is_overdue(loaded.state, now):
                with self.journal.telemetry.following(last):
                    expire(self.journal, Request.following(last), reservation.id_of(due.stream_id), loaded)
                report.expired += 1
                return None
            # A customer who goes through 3-D Secure has time until the reservation expires, and is no delay.
            since = max(last.time, due_at - timedelta(seconds=reservation.SETTLE_AFTER_SECONDS))
            report.oldest_unsettled = now - since
        except ports.VersionConflictError:
            return None  # somebody else was at it, and whatever it owes now is due anew
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops no other
            report.failures.append(Failure(due.stream_id, error, last))
            report.left += 1
            return None
        return last

    def _publish_carried(
        self, loaded: Snapshot[Reservation], events: Sequence[Envelope], due_at: datetime | None, report: Report
    ) -> Snapshot[Reservation]:
        """Returns the stream with what is now left of what it carries."""
        left = loaded

        def mark(published: Sequence[Envelope]) -> None:
            nonlocal left
            if len(published) < len(events):
                return
            if not self.journal.close_carried(loaded):
                report.left += 1
                return
            self.journal.store.mark_settled(events[0].subject, loaded.version, due_at)
            left = replace(loaded, unpublished=None)

        self._put(events, mark, report)
        return left

    def _settle(self, ends: datetime, last: Envelope, report: Report) -> None:
        """`last` is what its stream's last event was when it was found due."""
        if self.journal.now() >= ends:
            report.left += 1
            return
        try:
            with self.journal.telemetry.following(last):
                loaded = self.journal.load(reservation.stream(reservation.id_of(last.subject)))
                if loaded.version != last.streamversion:
                    return  # somebody else was at it, and whatever it owes now is due anew
                progress = self.settlement.settle(loaded, last)
        except ports.VersionConflictError:
            return
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops no other
            report.failures.append(Failure(last.subject, error, last))
            report.left += 1
            return
        report.settled += progress == "settled"
        report.refunded += progress == "refunded"
        report.left += progress == "open"
