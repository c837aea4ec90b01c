from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shop_command.domain import errors, reservation
from shop_command.domain.product import Listed, Product, Retired
from shop_command.domain.reservation import (
    ATTEMPTS_MAX,
    TOTAL_MINOR_MAX,
    Active,
    Cancelled,
    Command,
    ConfirmPurchase,
    DeclinePayment,
    Expired,
    Paying,
    PlaceReservation,
    Purchased,
    Refunded,
    RequestedLine,
    RequestPayment,
    Reservation,
    ReservationEvent,
    Terms,
)
from shop_command.domain.stock import ALLOCATIONS_MAX
from shop_command.testing.deciders import Given
from shop_shared.events import (
    PaymentDeclined,
    PaymentRequested,
    PurchaseConfirmed,
    PurchaseRefunded,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
)
from shop_shared.values import Allocation, Money, Price, ReservationLine

ID = "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
EXPIRES = NOW + timedelta(minutes=15)
TAKEN = (Allocation(bucket=1, quantity=2),)
LINES = (ReservationLine(sku="MUG", quantity=2, unit_price_minor=500, allocations=TAKEN),)
TOTAL = Money(amount_minor=1000, currency="EUR")
TERMS = Terms(ID, "customer-1", LINES, TOTAL, EXPIRES)

PLACED = ReservationPlaced(reservation_id=ID, customer_id="customer-1", lines=LINES, total=TOTAL, expires_at=EXPIRES)
CANCELLED = ReservationCancelled(reservation_id=ID, lines=LINES, reason="customer")
EXPIRED = ReservationExpired(reservation_id=ID, lines=LINES)
CONFIRMED = PurchaseConfirmed(
    purchase_id=ID,
    reservation_id=ID,
    customer_id="customer-1",
    attempt=1,
    payment_intent_id="pi_1",
    lines=LINES,
    total=TOTAL,
)
REFUNDED = PurchaseRefunded(
    purchase_id=ID,
    reservation_id=ID,
    customer_id="customer-1",
    refund_id="re_1",
    reason="requested_by_customer",
    lines=LINES,
    total=TOTAL,
)
NOTHING: Given[Reservation, ReservationEvent] = Given(None, reservation.evolve)


def requested(attempt: int = 1) -> PaymentRequested:
    return PaymentRequested(reservation_id=ID, attempt=attempt, payment_intent_id="pi_1", amount=TOTAL)


def declined(attempt: int = 1) -> PaymentDeclined:
    return PaymentDeclined(
        reservation_id=ID, attempt=attempt, payment_intent_id="pi_1", code="card_declined", decline_code="lost_card"
    )


def command(to_decide: Command, now: datetime = NOW) -> Callable[[Reservation | None], tuple[ReservationEvent, ...]]:
    return lambda state: reservation.decide(to_decide, state, now)


def listed(sku: str, price_minor: int = 500, currency: str = "EUR") -> Listed:
    return Listed(sku, sku, "", Price(amount_minor=price_minor, currency=currency), 64)


def line(sku: str = "MUG", quantity: int = 2, product: Product | None = None, buckets: int = 1) -> RequestedLine:
    taken = tuple(Allocation(bucket=bucket + 1, quantity=quantity) for bucket in range(buckets))
    return RequestedLine(sku, quantity, product, taken)


def place(*lines: RequestedLine) -> Callable[[Reservation | None], tuple[ReservationEvent, ...]]:
    return command(PlaceReservation(ID, "customer-1", lines, EXPIRES))


REQUEST = RequestPayment("pi_1")
DECLINE = DeclinePayment(1, "card_declined", "lost_card")


def test_a_reservation_is_placed_at_the_products_prices() -> None:
    NOTHING.when(place(line(product=listed("MUG")))).then(PLACED)


def test_a_reservation_is_not_placed_twice() -> None:
    rejected = NOTHING.given(PLACED).when(place(line(product=listed("MUG"))))
    rejected.then_rejected(errors.ReservationExistsError, reservation_id=ID)


def test_all_products_that_are_not_for_sale_are_named() -> None:
    asked = place(line("OLD", product=Retired("OLD")), line(product=listed("MUG")), line("NEVER"))
    NOTHING.when(asked).then_rejected(errors.UnknownProductsError, skus=("OLD", "NEVER"))


def test_a_reservation_has_one_currency() -> None:
    asked = place(line("CUP", product=listed("CUP", currency="USD")), line(product=listed("MUG")))
    NOTHING.when(asked).then_rejected(errors.MixedCurrenciesError, currencies=("EUR", "USD"))


def test_a_reservation_costs_no_more_than_can_be_charged_at_once() -> None:
    asked = place(line("GOLD", 2, listed("GOLD", TOTAL_MINOR_MAX)))
    rejected = NOTHING.when(asked)
    rejected.then_rejected(errors.TotalTooLargeError, total_minor=2 * TOTAL_MINOR_MAX, total_minor_max=TOTAL_MINOR_MAX)


def test_a_reservation_takes_from_no_more_buckets_than_a_transaction_can_hold() -> None:
    asked = place(line("A", product=listed("A"), buckets=60), line("B", product=listed("B"), buckets=31))
    rejected = NOTHING.when(asked)
    rejected.then_rejected(errors.StockScatteredError, buckets_needed=91, buckets_max=ALLOCATIONS_MAX)


def test_a_payment_is_requested_for_the_total_of_the_reservation() -> None:
    NOTHING.given(PLACED).when(command(REQUEST)).then(requested())


def test_after_a_decline_the_same_intent_is_tried_as_the_next_attempt() -> None:
    NOTHING.given(PLACED, requested(), declined()).when(command(REQUEST)).then(requested(attempt=2))


def test_no_payment_is_requested_from_the_moment_of_expiry_on() -> None:
    just_before = EXPIRES - timedelta(milliseconds=1)
    NOTHING.given(PLACED).when(command(REQUEST, just_before)).then(requested())
    expired = NOTHING.given(PLACED).when(command(REQUEST, EXPIRES))
    expired.then_rejected(errors.ReservationExpiredError, reservation_id=ID)


def test_no_payment_is_requested_while_another_is_under_way() -> None:
    rejected = NOTHING.given(PLACED, requested()).when(command(REQUEST))
    rejected.then_rejected(errors.AlreadyPayingError, reservation_id=ID)


def test_a_bounded_number_of_cards_is_tried() -> None:
    tried = [event for n in range(1, ATTEMPTS_MAX + 1) for event in (requested(n), declined(n))]
    rejected = NOTHING.given(PLACED, *tried).when(command(REQUEST))
    rejected.then_rejected(errors.TooManyAttemptsError, reservation_id=ID, attempts_max=ATTEMPTS_MAX)


@pytest.mark.parametrize(
    ("end", "error"),
    [
        ((requested(), CONFIRMED), errors.AlreadyPurchasedError),
        ((requested(), CONFIRMED, REFUNDED), errors.AlreadyPurchasedError),
        ((CANCELLED,), errors.ReservationCancelledError),
        ((EXPIRED,), errors.ReservationExpiredError),
    ],
)
def test_no_payment_is_requested_after_the_end(
    end: tuple[ReservationEvent, ...], error: type[errors.DomainError]
) -> None:
    NOTHING.given(PLACED, *end).when(command(REQUEST)).then_rejected(error, reservation_id=ID)


def test_a_captured_payment_confirms_the_purchase() -> None:
    NOTHING.given(PLACED, requested()).when(command(ConfirmPurchase(1))).then(CONFIRMED)


def test_a_reservation_being_paid_is_confirmed_however_late_the_outcome_comes() -> None:
    days_later = NOW + timedelta(days=3)
    NOTHING.given(PLACED, requested()).when(command(ConfirmPurchase(1), days_later)).then(CONFIRMED)


def test_a_declined_payment_is_recorded() -> None:
    NOTHING.given(PLACED, requested()).when(command(DECLINE)).then(declined())


@pytest.mark.parametrize("outcome", [ConfirmPurchase(1), DECLINE])
@pytest.mark.parametrize(
    "history",
    [(PLACED,), (PLACED, requested(), declined()), (PLACED, requested(), declined(), requested(2)), (PLACED, EXPIRED)],
)
def test_the_outcome_of_an_attempt_that_is_not_under_way_is_refused(
    outcome: Command, history: tuple[ReservationEvent, ...]
) -> None:
    rejected = NOTHING.given(*history).when(command(outcome))
    rejected.then_rejected(errors.NotPayingError, reservation_id=ID)


@pytest.mark.parametrize(
    ("history", "state"),
    [
        ((PLACED,), Active(TERMS)),
        ((PLACED, requested()), Paying(TERMS, 1, "pi_1")),
        ((PLACED, requested(), declined()), Active(TERMS, 1, "pi_1")),
        ((PLACED, requested(), CONFIRMED), Purchased(TERMS, 1, "pi_1")),
        ((PLACED, requested(), CONFIRMED, REFUNDED), Refunded(TERMS, "re_1")),
        ((PLACED, CANCELLED), Cancelled(TERMS)),
        ((PLACED, EXPIRED), Expired(TERMS)),
        ((CONFIRMED,), None),
    ],
)
def test_every_event_has_its_state(history: tuple[ReservationEvent, ...], state: Reservation | None) -> None:
    assert NOTHING.given(*history).state == state


@pytest.mark.parametrize(
    ("state", "due_at"),
    [
        (Active(TERMS), EXPIRES),
        (Paying(TERMS, 1, "pi_1"), NOW + timedelta(seconds=reservation.SETTLE_AFTER_SECONDS)),
        (Purchased(TERMS, 1, "pi_1"), None),
        (Cancelled(TERMS), None),
        (Expired(TERMS), None),
        (Refunded(TERMS, "re_1"), None),
    ],
)
def test_what_expires_or_must_be_settled_is_due_and_what_has_ended_is_not(
    state: Reservation, due_at: datetime | None
) -> None:
    assert reservation.stream(ID).due_at(state, NOW) == due_at
