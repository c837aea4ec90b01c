"""The sweep publishes, expires and settles what is due. It may crash anywhere, and run twice at once."""

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from random import Random
from typing import Final

from shop_command import ports
from shop_command.application.expiring import expire
from shop_command.application.journal import Journal
from shop_command.application.request import Request
from shop_command.application.settling import Settlement
from shop_command.domain import reservation
from shop_shared.envelope import Envelope

PAGE_ITEMS: Final = 100
PAGES_SHARE: Final = 0.5
"""All that needs no provider gets this share of the time. The rest is for payments, where each call may last until it
times out."""


@dataclass(frozen=True)
class Failure:
    stream_id: str
    error: Exception
    last: Envelope | None = None
    """This is the stream's last event, if it could be read."""


@dataclass
class Report:
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


@dataclass(frozen=True)
class Sweep:
    journal: Journal
    settlement: Settlement
    randomness: Random

    def run(self, seconds: float) -> Report:
        """Begins nothing after so many seconds. What one item raises is reported, and stops no other."""
        started = self.journal.now()
        ends, pages_end = started + timedelta(seconds=seconds), started + timedelta(seconds=seconds * PAGES_SHARE)
        report, unsettled = Report(), list[Envelope]()
        pages = self._pages(started, report)
        self._pay(pages, pages_end, report, unsettled)
        # They are settled in no order: otherwise a few payments that the provider never answers for would keep all
        # others waiting.
        self.randomness.shuffle(unsettled)
        while unsettled and self.journal.now() < ends:
            self._settle(unsettled.pop(), report)
        self._pay(pages, ends, report, unsettled)
        report.left += len(unsettled)
        return report

    def _pages(self, now: datetime, report: Report) -> Iterator[Sequence[ports.Due]]:
        """Yields the oldest page of each shard first, then the next page of each."""
        waiting: deque[tuple[int, ports.Due | None]] = deque((shard, None) for shard in range(ports.DUE_SHARDS))
        while waiting:
            shard, after = waiting.popleft()
            try:
                page = self.journal.store.due(shard, now, PAGE_ITEMS, after)
            except (ports.ContentionError, ports.StoreUnavailableError) as error:
                report.failures.append(Failure(f"due shard {shard}", error))
                continue
            report.due += len(page.items)
            if page.items and not page.is_last:
                waiting.append((shard, page.items[-1]))
            yield page.items

    def _pay(
        self, pages: Iterator[Sequence[ports.Due]], ends: datetime, report: Report, unsettled: list[Envelope]
    ) -> None:
        """Does everything that is due but payments, of which it collects the streams' last events."""
        while self.journal.now() < ends and (page := next(pages, None)) is not None:
            events = sorted(
                (due for due in page if isinstance(due, ports.DueEvent)), key=lambda due: (due.due_at, due.version)
            )
            if events:
                age = self.journal.now() - events[0].due_at + timedelta(seconds=ports.PUBLISH_GRACE_SECONDS)
                report.oldest_unpublished = max(report.oldest_unpublished, age)
                self._publish(events, report)
            for due in page:
                if isinstance(due, ports.DueState):
                    self._expire(due, ends, report, unsettled)

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
        with self.journal.telemetry.for_all() as events_of_traces:
            published = self.journal.publisher.publish(events)
            self.journal.store.mark_published(published)
            events_of_traces.extend(published)
        report.published += len(published)
        report.left += len(events) - len(published)

    def _expire(self, due: ports.DueState, ends: datetime, report: Report, unsettled: list[Envelope]) -> None:
        if self.journal.now() >= ends:
            report.left += 1
            return
        last: Envelope | None = None
        try:
            stream = reservation.stream(reservation.id_of(due.stream_id))
            loaded = self.journal.load(stream)
            if loaded.state is None:
                return
            last = self.journal.last(stream, loaded)
            now = self.journal.now()
            due_at = stream.due_at(loaded.state, last.time)
            if due_at is None or due_at > now:
                return  # the index showed what was due a moment ago
            if reservation.is_overdue(loaded.state, now):
                with self.journal.telemetry.following(last):
                    expire(self.journal, Request.following(last), reservation.id_of(due.stream_id), loaded)
                report.expired += 1
            else:
                # A customer who goes through 3-D Secure has time until the reservation expires, and is no delay.
                since = max(last.time, due_at - timedelta(seconds=reservation.SETTLE_AFTER_SECONDS))
                report.oldest_unsettled = max(report.oldest_unsettled, now - since)
                unsettled.append(last)
        except ports.VersionConflictError:
            return  # somebody else was at it, and whatever it owes now is due anew
        except Exception as error:  # noqa: BLE001 - whatever it is, it stops no other
            report.failures.append(Failure(due.stream_id, error, last))
            report.left += 1

    def _settle(self, last: Envelope, report: Report) -> None:
        """`last` is what its stream's last event was when it was found due."""
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
