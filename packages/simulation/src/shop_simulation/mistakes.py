"""Each function here is a mistake that somebody could write; `bugs` says what it replaces."""

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import datetime
from typing import Any

from msgspec import structs

from shop_command.application.journal import Journal
from shop_command.application.purchases import Pending, PurchaseOutcome, Purchases
from shop_command.application.reconciliation import Reconciliation, ReconciliationReport
from shop_command.application.refunds import Refunds
from shop_command.application.request import CUSTOMER, Request
from shop_command.application.reservations import Reservations
from shop_command.application.settling import Progress, Settlement
from shop_command.application.stock_search import StockSearch
from shop_command.application.sweeping import Report, Sweep
from shop_command.domain import refunding, reservation
from shop_command.domain.errors import AlreadyPayingError, TooManyCardAttemptsError, TooManyReservationsError
from shop_command.domain.limits import Closing, CustomerChange
from shop_command.domain.refunding import LineLeft, RequestRefund
from shop_command.domain.reservation_states import (
    Active,
    Cancelled,
    Paying,
    Purchased,
    Refunding,
    Reservation,
)
from shop_command.ports import (
    ActionRequired,
    AskedIntent,
    Bookmark,
    Captured,
    Commit,
    Declined,
    EventPage,
    IntentCancelled,
    ListedDispute,
    ListedRefund,
    PaymentGateway,
    Processing,
    RefundOrder,
    RefundOutcome,
    Returned,
    StoreUnavailableError,
    Unconfirmed,
    Unknown,
)
from shop_dispatch.domain.projections import Projection
from shop_observability.logs import logger
from shop_shared.envelope import Envelope
from shop_shared.events import ReservationCancelled, StockAdjusted
from shop_shared.values import Money, RefundLines
from shop_simulation.planting import Around, Original, changed_arguments, with_fields
from shop_simulation.store import SimulatedStore


def nobody_named(event: Envelope) -> Envelope:
    return event.model_copy(update={"authid": None})


def customers_named(event: Envelope) -> Envelope:
    return event.model_copy(update={"authid": event.authid or getattr(event.data, "customer_id", None)})


def recorded_for_a_customer(right: Original) -> Original:
    def record(journal: Journal, request: Request, *args: Any, **named: Any) -> Any:
        return right(journal, structs.replace(request, actor=CUSTOMER), *args, **named)

    return record


def publishing_first(self: Journal) -> dict[str, Any]:
    def commit(transaction: Commit) -> None:
        self.publisher.publish(transaction.events)
        self.store.commit(transaction)

    return {"store": Around(self.store, commit=commit)}


def hoping(self: Journal) -> dict[str, Any]:
    def commit(transaction: Commit) -> None:
        with suppress(StoreUnavailableError):
            self.store.commit(transaction)

    return {"store": Around(self.store, commit=commit)}


def fifty_cents(amount: Money) -> Money:
    return Money(amount_minor=50, currency=amount.currency)


def unknown_is(outcome: Captured | Declined) -> Callable[[Original], Original]:
    def change(self: Purchases, request: Request, attempt: Any, found: Any, **_: Any) -> tuple[Any, ...]:
        return self, request, attempt, outcome if isinstance(found, Unknown) else found

    return changed_arguments(change)


def pending_for_any_key(right: Original) -> Original:
    def purchase(self: Purchases, request: Request, reservation_id: str, payment_method: str) -> PurchaseOutcome:
        try:
            outcome: PurchaseOutcome = right(self, request, reservation_id, payment_method)
        except AlreadyPayingError:
            loaded = self.journal.load(reservation.stream(reservation_id))
            if not isinstance(loaded.state, Paying):
                raise
            return Pending(reservation_id, loaded.state.payment_intent_id, loaded.state.terms.total, loaded.version)
        return outcome

    return purchase


def without_stock_of(event_type: type) -> Callable[[Original], Original]:
    return lambda right: lambda event: () if isinstance(event, event_type) else right(event)


def taken_from_held(right: Original) -> Original:
    def changes(event: Any) -> Any:
        changed = right(event)
        if isinstance(event, StockAdjusted) and event.quantity_change < 0:
            first, *others = changed
            return (structs.replace(first, available=first.available + 1, held=-1), *others)
        return changed

    return changes


def never_adjusted(right: Original) -> Original:
    def fold(events: Iterable[Envelope]) -> Sequence[tuple[Any, ...]]:
        return [change._replace(adjusted=0) for change in right(events)]

    return fold


def torn(right: Original) -> Original:
    def commit(self: SimulatedStore, transaction: Commit) -> None:
        before = self.stored.get(transaction.stream_id)
        right(self, transaction)
        if before:
            self.stored[transaction.stream_id] = before

    return commit


def twice_sold(right: Original) -> Original:
    def fold(events: Iterable[Envelope]) -> Sequence[tuple[Any, ...]]:
        return [change._replace(sold=2 * change.sold) for change in right(events)]

    return fold


def projections(table: str, wrong: Callable[[Original], Original]) -> Callable[[Any], Any]:
    return lambda right: tuple(Projection(p.table, wrong(p.fold) if p.table == table else p.fold) for p in right)


def never_due(right: Original) -> Original:
    def commit(self: SimulatedStore, transaction: Commit) -> None:
        right(self, transaction)
        self.mark_published(transaction.events)

    return commit


def only_marked(self: Sweep, due: Any, _: Report) -> None:
    self.journal.store.mark_published(self.journal.store.unpublished(due))


def only_settled(self: Sweep, loaded: Any, events: Any, due_at: Any, _: Report) -> Any:
    self.journal.store.mark_settled(events[0].subject, loaded.version, due_at)
    return structs.replace(loaded, unpublished=None)


def twice_returned(right: Original) -> Original:
    return lambda event: right(event) * (2 if isinstance(event, ReservationCancelled) else 1)


def held_too(status: type[Paying | Cancelled]) -> Callable[[Original], Original]:
    return lambda right: lambda name, state: Active(state.terms) if isinstance(state, status) else right(name, state)


def overdue_too(status: type[Paying | Cancelled]) -> Callable[[Original], Original]:
    def wrong(right: Original) -> Original:
        return lambda state, now: right(Active(state.terms) if isinstance(state, status) else state, now)

    return wrong


def due_when_purchased(right: Original) -> Original:
    def due_at(state: Reservation, now: datetime) -> datetime | None:
        found: datetime | None = now if isinstance(state, Purchased) else right(state, now)
        return found

    return due_at


def gateway_with(methods: Callable[[Any], dict[str, Any]]) -> Callable[[Original], Original]:
    """`methods` makes the replaced methods from the original gateway."""
    return with_fields(lambda self: {"gateway": Around(self.gateway, **methods(self.gateway))})


def only_looking(gateway: Any) -> dict[str, Any]:
    def cancel(intent: AskedIntent) -> Any:
        found = gateway.retrieve(intent)
        return IntentCancelled() if found == Unconfirmed() else found

    return {"cancel": cancel}


def hoping_that_it_is_closed(gateway: Any) -> dict[str, Any]:
    def cancel(intent: AskedIntent) -> IntentCancelled:
        gateway.cancel(intent)
        return IntentCancelled()

    return {"cancel": cancel}


def paid_back_first(self: Refunds, _: Request, command: RequestRefund, **_sent: Any) -> None:
    state = self.journal.load(reservation.stream(command.reservation_id)).state
    if isinstance(state, Purchased):
        asked = refunding.request_refund(command, state)
        amount = asked.amount
        self.gateway.refund(
            RefundOrder(
                state.payment_intent_id,
                command.reservation_id,
                asked.refund,
                amount.currency,
                amount.amount_minor,
                asked.reason,
            )
        )


def sent_again_unseen(gateway: PaymentGateway, order: RefundOrder) -> RefundOutcome:
    return gateway.refund(order)


def pending_is_done(right: Original) -> Original:
    def returned(order: RefundOrder, found: RefundOutcome) -> Any:
        amount = Money(amount_minor=order.amount_minor or 1, currency=order.currency)
        return right(order, Returned("re_1", amount) if isinstance(found, Processing) else found)

    return returned


def always_news(right: Original) -> Original:
    def news(state: Any, listed: ListedRefund) -> Any:
        return right(replace(state, given_back=replace(state.given_back, refunds=())), listed)

    return news


def never_failing(right: Original) -> Original:
    return lambda state, listed: None if listed.status == "failed" else right(state, listed)


def undisputed(right: Original) -> Original:
    return lambda state, listed: None if isinstance(listed, ListedDispute) else right(state, listed)


def bookmarked_first(right: Original) -> Original:
    def work_off(self: Reconciliation, page: EventPage, ends: datetime, report: ReconciliationReport) -> bool:
        if page.events:
            last = page.events[-1]
            self.journal.store.set_bookmark(Bookmark(last.id, last.created, self.journal.now()))
        done: bool = right(self, page, ends, report)
        return done

    return work_off


def any_number_of_units(right: Original) -> Original:
    def units(wanted: dict[str, int], left: Sequence[LineLeft], **named: Any) -> RefundLines:
        plenty = [structs.replace(line, quantity=wanted.get(line.sku, 0)) for line in left]
        lines: RefundLines = right(wanted, plenty, **named)
        return lines

    return units


def never_refunding(right: Original) -> Original:
    def settle(self: Settlement, name: str, loaded: Any) -> Progress:
        progress: Progress = "open" if isinstance(loaded.state, Refunding) else right(self, name, loaded)
        return progress

    return settle


def stopped_by_failures(right: Original) -> Original:
    def expire(self: Sweep, ends: datetime, due: Any, report: Report) -> Envelope | None:
        last: Envelope | None = right(self, ends, due, report)
        if report.failures:
            raise report.failures[0].error
        return last

    return expire


def limits_checked_first(self: Reservations, request: Request, _: object) -> None:
    """The store is read behind the seam, where no rival can come between."""
    counts = _store_of(self.journal).customers.get(request.caller)
    if counts and len(counts.open) >= self.journal.limits.open_reservations_max:
        raise TooManyReservationsError(self.journal.limits.open_reservations_max)


def attempts_checked_first(self: Purchases, request: Request, *_: object) -> None:
    attempts = _store_of(self.journal).attempts
    if max((count for (who, _), count in attempts.items() if who == request.caller), default=0) >= (
        self.journal.limits.card_attempts_max
    ):
        raise TooManyCardAttemptsError(self.journal.limits.card_attempts_max, 1)


def _store_of(journal: Journal) -> SimulatedStore:
    store: SimulatedStore = vars(journal.store)["_target"]
    return store


def never_closing(right: Original) -> Original:
    def change(*args: Any) -> CustomerChange | None:
        found: CustomerChange | None = right(*args)
        return None if isinstance(found, Closing) else found

    return change


def closing_surely(self: Journal) -> dict[str, Any]:
    return {"store": Around(self.store, stop_counting=lambda closing: self.store.stop_counting(closing) or True)}


def seen_once(right: Original) -> Original:
    def read(self: StockSearch, skus: Collection[str]) -> Mapping[Any, Any]:
        seen: Mapping[Any, Any] = vars(self).setdefault("seen", None) or right(self, skus)
        vars(self)["seen"] = seen
        return seen

    return read


def cancelled_at_once(self: Settlement, paying: Paying) -> Any:
    intent = AskedIntent(paying.payment_intent_id, paying.terms.reservation_id, paying.terms.total)
    return self.gateway.cancel(intent)


def due_after_a_minute(right: Original) -> Original:
    def due_at(state: Reservation, now: datetime) -> datetime | None:
        found: datetime | None = right(
            replace(state, action_required=False) if isinstance(state, Paying) else state, now
        )
        return found

    return due_at


def telling_the_secret(_self: Purchases, _request: Request, _attempt: Any, found: Any, **_: Any) -> None:
    if isinstance(found, ActionRequired):
        logger().info(found.client_secret)


def secret_as_code(
    self: Purchases, request: Request, attempt: Any, found: Any, **_: Any
) -> tuple[Purchases, Request, Any, Any]:
    wrong = Declined(found.client_secret) if isinstance(found, ActionRequired) else found
    return self, request, attempt, wrong
