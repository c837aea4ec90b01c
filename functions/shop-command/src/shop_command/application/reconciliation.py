"""Walks the provider's list of events, so that a change whose webhook never came is found as well.

It may crash anywhere, and run twice at once: the bookmark moves on only when everything before it was worked off, and
an event that is worked off twice changes nothing the second time.
"""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Final

from msgspec import Struct, field
from msgspec.structs import replace

from shop_command import ports
from shop_command.application.journal import Journal, snapshot
from shop_command.application.settling import Settlement
from shop_command.domain import reservation
from shop_command.domain.refunding import Sold
from shop_command.ports import Bookmark, EventPage, Hint

SINCE_PAGES_MAX: Final = 100
"""So many pages are read backwards to find the oldest event, where there is none to go on from. With more, nothing is
done: none is ever skipped."""
OVERLAP: Final = timedelta(minutes=10)
"""The provider may list an event a while after its time. Events that are not older than this are read again."""


class ReconciliationReport(Struct):
    events: int = 0
    """So many were read, also those that are no news."""
    behind: timedelta = timedelta()
    """The last run that came to the end of the provider's list began so long ago."""
    failures: list[tuple[Hint, Exception]] = field(default_factory=list)


class Reconciliation(Struct, frozen=True):
    journal: Journal
    settlement: Settlement
    gateway: ports.PaymentGateway

    def run(self, seconds: float) -> ReconciliationReport:
        """Begins nothing after so many seconds. What one event raises is reported; it stops no other, but the bookmark.

        Raises ContentionError and StoreUnavailableError where the store gives no bookmark or no states.
        """
        started, report = self.journal.now(), ReconciliationReport()
        bookmark = self.journal.store.bookmark() or Bookmark(None, started - OVERLAP, started)
        is_complete = False
        for page in self._pages(bookmark):
            if not self._work_off(page, started + timedelta(seconds=seconds), report):
                break
            if not report.failures:
                bookmark, is_complete = _moved(bookmark, page, started - OVERLAP), page.is_last
                self.journal.store.set_bookmark(bookmark)
        if is_complete and not report.failures:
            bookmark = replace(bookmark, complete_at=started)
        self.journal.store.set_bookmark(bookmark)
        report.behind = self.journal.now() - bookmark.complete_at
        return report

    def _pages(self, bookmark: Bookmark) -> Iterator[EventPage]:
        """Yields the oldest page first, and none any more where the provider does not answer."""
        after = bookmark.event_id
        while after is not None:
            page = self.gateway.events_after(after)
            match page:
                case EventPage(events=events, is_last=is_last):
                    yield page
                    if is_last or not events:
                        return
                    after = events[-1].id
                case ports.EventsForgotten():
                    after = None  # it is older than what the provider keeps, and nothing has happened since
                case ports.Unknown():
                    return
        yield from self._pages_since(bookmark.reached)

    def _pages_since(self, time: datetime) -> Iterator[EventPage]:
        pages: list[EventPage] = []
        while len(pages) < SINCE_PAGES_MAX:
            page = self.gateway.events_since(time, pages[-1].events[0].id if pages else None)
            if isinstance(page, ports.Unknown):
                return
            pages.append(page)
            if page.is_last or not page.events:
                break
        for page in reversed(pages) if pages[-1].is_last else ():
            yield replace(page, is_last=page is pages[0])

    def _work_off(self, page: EventPage, ends: datetime, report: ReconciliationReport) -> bool:
        """Returns whether there was time for all of it."""
        # The page was read before, so one look at an intent sees what all of its events are about.
        hints = dict.fromkeys(event.hint for event in page.events if event.hint)
        ids = {hint.reservation_id for hint in hints if hint.reservation_id}
        states = self.journal.store.states([reservation.stream(each).id for each in ids])
        for hint in hints:
            if self.journal.now() >= ends:
                return False
            try:
                if not _is_known(hint, states):
                    self.settlement.follow(hint)
            except Exception as error:  # noqa: BLE001 - whatever it is, it stops no other
                report.failures.append((hint, error))
        report.events += len(page.events)
        return True


def _is_known(hint: Hint, states: Mapping[str, ports.StoredState]) -> bool:
    """Most events are of payments that became purchases, of which the provider has not to be asked again."""
    if hint.reservation_id is None:
        return False
    stream = reservation.stream(hint.reservation_id)
    state = snapshot(stream, states.get(stream.id)).state
    return isinstance(state, Sold) and state.payment_intent_id == hint.payment_intent_id


def _moved(bookmark: Bookmark, page: EventPage, old: datetime) -> Bookmark:
    for event in reversed(page.events):
        if event.created <= old:
            return replace(bookmark, event_id=event.id, reached=event.created)
    return bookmark
