from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest

from shop_command.domain import errors, refunding, reservation
from shop_command.domain.placing import PlaceReservation, RequestedLine
from shop_command.domain.product import Listed, Product, Retired
from shop_command.domain.refunding import RecordRefund, RecordStrayRefund, RequestRefund
from shop_command.domain.reservation import (
    ATTEMPTS_MAX,
    INTENT_CANCELED,
    INTENT_MISSING,
    SETTLE_AFTER_SECONDS,
    CancelReservation,
    Command,
    ConfirmPurchase,
    DeclinePayment,
    ExpireReservation,
    RequestPayment,
    RequireAction,
    ReservationEvent,
)
from shop_command.domain.reservation_states import (
    Active,
    Cancelled,
    Expired,
    GivenBack,
    MadeRefund,
    Paying,
    Purchased,
    Refunded,
    Refunding,
    RequestedRefund,
    Reservation,
    Terms,
)
from shop_command.domain.stock import ALLOCATIONS_MAX
from shop_command.testing.deciders import Given
from shop_shared.events import (
    PaymentActionRequired,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRequested,
    PurchaseConfirmed,
    PurchaseRefunded,
    PurchaseRefundRequested,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
)
from shop_shared.values import Allocation, Money, Price, RefundLine, ReservationLine

ID = "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
EXPIRES = NOW + timedelta(minutes=15)
TAKEN = (Allocation(bucket=1, quantity=2),)
LINES = (ReservationLine(sku="MUG", quantity=2, unit_price_minor=500, allocations=TAKEN, name="MUG"),)
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
REFUND_LINES = (RefundLine(sku="MUG", quantity=2, amount_minor=1000, allocations=TAKEN),)
REFUND_REQUESTED = PurchaseRefundRequested(
    purchase_id=ID,
    reservation_id=ID,
    refund=1,
    payment_intent_id="pi_1",
    amount=TOTAL,
    lines=REFUND_LINES,
    reason="requested_by_customer",
)
REFUNDED = PurchaseRefunded(
    purchase_id=ID,
    reservation_id=ID,
    customer_id="customer-1",
    refund=1,
    payment_intent_id="pi_1",
    refund_id="re_1",
    amount=TOTAL,
    left_minor=0,
    lines=REFUND_LINES,
    reason="requested_by_customer",
)
ALL_BACK = GivenBack((MadeRefund(1, "re_1", REFUND_LINES),), 1)
NOTHING: Given[Reservation, ReservationEvent] = Given(None, reservation.evolve)


def requested(attempt: int = 1, intent: str = "pi_1") -> PaymentRequested:
    return PaymentRequested(reservation_id=ID, attempt=attempt, payment_intent_id=intent, amount=TOTAL)


def declined(attempt: int = 1) -> PaymentDeclined:
    return PaymentDeclined(
        reservation_id=ID, attempt=attempt, payment_intent_id="pi_1", code="card_declined", decline_code="lost_card"
    )


def canceled(attempt: int = 1) -> PaymentDeclined:
    """The attempt whose intent was cancelled at the provider: it is dead."""
    return PaymentDeclined(reservation_id=ID, attempt=attempt, payment_intent_id="pi_1", code=INTENT_CANCELED)


def stray(intent: str) -> PaymentRefunded:
    return PaymentRefunded(
        reservation_id=ID, payment_intent_id=intent, refund_id="re_1", amount=TOTAL, reason="unconfirmable"
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


REQUEST = RequestPayment(ID, "pi_1")
DECLINE = DeclinePayment(ID, 1, "card_declined", "lost_card")
CANCEL, EXPIRE = CancelReservation(ID), ExpireReservation(ID)
JUST_BEFORE = EXPIRES - timedelta(milliseconds=1)
HISTORIES: dict[str, tuple[ReservationEvent, ...]] = {
    "none": (),
    "active": (PLACED,),
    "declined": (PLACED, requested(), declined()),
    "dead intent": (PLACED, requested(), canceled()),
    "paying": (PLACED, requested()),
    "purchased": (PLACED, requested(), CONFIRMED),
    "refunding": (PLACED, requested(), CONFIRMED, REFUND_REQUESTED),
    "refunded": (PLACED, requested(), CONFIRMED, REFUND_REQUESTED, REFUNDED),
    "cancelled": (PLACED, CANCELLED),
    "cancelled after a decline": (PLACED, requested(), declined(), CANCELLED),
    "expired": (PLACED, EXPIRED),
    "expired after a decline": (PLACED, requested(), declined(), EXPIRED),
}
"""One that ends in each state."""


def after(name: str) -> Given[Reservation, ReservationEvent]:
    return NOTHING.given(*HISTORIES[name])


def test_a_reservation_is_placed_at_the_products_prices_and_with_their_names() -> None:
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
    rejected = NOTHING.when(place(line("GOLD", 2, listed("GOLD", 99_999_999))))
    rejected.then_rejected(errors.TotalTooLargeError, total_minor=199_999_998, total_minor_max=99_999_999)
    (event,) = NOTHING.when(place(line("GOLD", 1, listed("GOLD", 99_999_999)))).run()
    assert isinstance(event, ReservationPlaced)


@pytest.mark.parametrize(
    ("quantity", "unit_price_minor", "currency", "minimum"),
    [(1, 49, "EUR", 50), (1, 29, "GBP", 30), (4, 10, "USD", 50), (1, 999, "MXN", 1_000), (1, 17_499, "HUF", 17_500)],
)
def test_a_reservation_costs_no_less_than_can_be_charged(
    quantity: int, unit_price_minor: int, currency: str, minimum: int
) -> None:
    asked = place(line("PIN", quantity, listed("PIN", unit_price_minor, currency)))
    total = quantity * unit_price_minor
    NOTHING.when(asked).then_rejected(errors.TotalTooSmallError, total_minor=total, total_minor_min=minimum)


def test_cheap_units_can_be_reserved_together() -> None:
    [placed] = place(line("PIN", 5, listed("PIN", 10, "USD")))(None)
    assert isinstance(placed, ReservationPlaced)
    assert placed.total == Money(amount_minor=50, currency="USD")


@pytest.mark.parametrize("currency", ["ZZZ", "XXX", "DEM"])
def test_a_product_that_was_listed_in_no_currency_of_today_is_not_reserved(currency: str) -> None:
    asked = place(line("OLD", product=listed("OLD", currency=currency)))
    NOTHING.when(asked).then_rejected(errors.UnsupportedCurrencyError, currency=currency)


def test_a_price_that_was_listed_with_a_digit_too_many_is_not_reserved() -> None:
    rejected = NOTHING.when(place(line("OIL", 1, listed("OIL", 5_123, "KWD"))))
    limits = {"multiple_of": 10, "amount_minor_max": 99_999_999}
    rejected.then_rejected(errors.AmountNotPayableError, amount_minor=5_123, currency="KWD", **limits)


def test_a_reservation_takes_from_no_more_buckets_than_a_transaction_can_hold() -> None:
    asked = place(line("A", product=listed("A"), buckets=60), line("B", product=listed("B"), buckets=31))
    rejected = NOTHING.when(asked)
    rejected.then_rejected(errors.StockScatteredError, buckets_needed=91, buckets_max=ALLOCATIONS_MAX)


def test_a_payment_is_requested_for_the_total_of_the_reservation() -> None:
    NOTHING.given(PLACED).when(command(REQUEST)).then(requested())


def test_after_a_decline_the_same_intent_is_tried_as_the_next_attempt() -> None:
    NOTHING.given(PLACED, requested(), declined()).when(command(REQUEST)).then(requested(attempt=2))


def test_no_payment_is_requested_from_the_moment_of_expiry_on() -> None:
    NOTHING.given(PLACED).when(command(REQUEST, JUST_BEFORE)).then(requested())
    expired = NOTHING.given(PLACED).when(command(REQUEST, EXPIRES))
    expired.then_rejected(errors.ReservationExpiredError, reservation_id=ID)


def test_after_a_dead_intent_the_next_attempt_has_an_intent_of_its_own() -> None:
    active = after("dead intent")
    assert active.state == Active(TERMS, attempts=1, payment_intent_id=None)
    active.when(command(RequestPayment(ID, "pi_2"))).then(requested(attempt=2, intent="pi_2"))
    assert active.given(requested(2, "pi_2")).state == Paying(TERMS, 2, "pi_2")


def test_a_missing_intent_is_dead_too() -> None:
    missing = canceled().model_copy(update={"code": INTENT_MISSING})
    assert NOTHING.given(PLACED, requested(), missing).state == Active(TERMS, attempts=1, payment_intent_id=None)


def test_a_customer_who_is_asked_for_3d_secure_has_time_until_the_reservation_expires() -> None:
    paying = NOTHING.given(PLACED, requested())
    asked = PaymentActionRequired(reservation_id=ID, attempt=1, payment_intent_id="pi_1")
    paying.when(command(RequireAction(ID, 1))).then(asked)
    waiting = paying.given(asked)
    assert waiting.state == Paying(TERMS, 1, "pi_1", action_required=True)
    stream = reservation.stream(ID)
    assert paying.state
    assert waiting.state
    assert stream.due_at(paying.state, NOW) == NOW + timedelta(seconds=SETTLE_AFTER_SECONDS)
    assert stream.due_at(waiting.state, NOW) == EXPIRES
    waiting.when(command(ConfirmPurchase(ID, 1), EXPIRES)).then(CONFIRMED)
    waiting.when(command(DeclinePayment(ID, 1, "card_declined", "lost_card"))).then(declined())
    waiting.when(command(REQUEST)).then_rejected(errors.AlreadyPayingError, reservation_id=ID)
    waiting.when(command(ExpireReservation(ID), EXPIRES)).then_rejected(errors.AlreadyPayingError, reservation_id=ID)
    for again in (RequireAction(ID, 1), RequireAction(ID, 2)):
        waiting.when(command(again)).then_rejected(errors.NotPayingError, reservation_id=ID)
    assert waiting.given(declined()).state == Active(TERMS, 1, "pi_1")


def test_a_payment_that_was_stored_before_there_was_3d_secure_is_still_read() -> None:
    stream = reservation.stream(ID)
    stored = stream.to_json(Paying(TERMS, 1, "pi_1")).replace('"action_required":false,', "")
    assert "action_required" not in stored
    assert stream.from_json(stored) == Paying(TERMS, 1, "pi_1")


def test_a_dead_intent_counts_as_an_attempt() -> None:
    tried = [event for n in range(1, ATTEMPTS_MAX + 1) for event in (requested(n), canceled(n))]
    rejected = NOTHING.given(PLACED, *tried).when(command(REQUEST))
    rejected.then_rejected(errors.TooManyAttemptsError, reservation_id=ID, attempts_max=ATTEMPTS_MAX)


def test_a_bounded_number_of_cards_is_tried() -> None:
    tried = [event for n in range(1, ATTEMPTS_MAX + 1) for event in (requested(n), declined(n))]
    rejected = NOTHING.given(PLACED, *tried).when(command(REQUEST))
    rejected.then_rejected(errors.TooManyAttemptsError, reservation_id=ID, attempts_max=ATTEMPTS_MAX)


def test_a_captured_payment_confirms_the_purchase() -> None:
    NOTHING.given(PLACED, requested()).when(command(ConfirmPurchase(ID, 1))).then(CONFIRMED)


def test_a_reservation_being_paid_is_confirmed_however_late_the_outcome_comes() -> None:
    days_later = NOW + timedelta(days=3)
    NOTHING.given(PLACED, requested()).when(command(ConfirmPurchase(ID, 1), days_later)).then(CONFIRMED)


def test_a_declined_payment_is_recorded() -> None:
    NOTHING.given(PLACED, requested()).when(command(DECLINE)).then(declined())


def test_a_cancelled_intent_is_recorded_as_a_decline() -> None:
    after("paying").when(command(DeclinePayment(ID, 1, INTENT_CANCELED, None))).then(canceled())


@pytest.mark.parametrize("outcome", [ConfirmPurchase(ID, 1), DECLINE])
def test_the_outcome_of_an_earlier_attempt_is_refused(outcome: Command) -> None:
    rejected = NOTHING.given(PLACED, requested(), declined(), requested(2)).when(command(outcome))
    rejected.then_rejected(errors.NotPayingError, reservation_id=ID)


@pytest.mark.parametrize("name", ["active", "declined", "dead intent"])
def test_a_held_reservation_is_cancelled_until_it_expires_and_expired_from_then_on(name: str) -> None:
    after(name).when(command(CANCEL, JUST_BEFORE)).then(CANCELLED)
    after(name).when(command(EXPIRE, JUST_BEFORE)).then_rejected(errors.ReservationHeldError, reservation_id=ID)
    after(name).when(command(EXPIRE, EXPIRES)).then(EXPIRED)
    after(name).when(command(CANCEL, EXPIRES)).then_rejected(errors.ReservationExpiredError, reservation_id=ID)


def test_a_reservation_being_paid_never_expires() -> None:
    days_later = NOW + timedelta(days=3)
    for ending in (CANCEL, EXPIRE):
        rejected = after("paying").when(command(ending, days_later))
        rejected.then_rejected(errors.AlreadyPayingError, reservation_id=ID)


def test_a_refund_is_requested_for_all_that_was_paid() -> None:
    after("purchased").when(command(RequestRefund(ID))).then(REFUND_REQUESTED)


def test_a_refund_that_the_provider_made_is_recorded_with_what_it_gives_back() -> None:
    after("refunding").when(command(RecordRefund(ID, 1, "re_1"))).then(REFUNDED)


STRAYS: dict[str, tuple[str, ...]] = {
    "none": (),
    "active": ("pi_1", "pi_2"),
    "declined": ("pi_2",),
    "dead intent": ("pi_1", "pi_2"),
    "paying": ("pi_2",),
    "purchased": ("pi_2",),
    "refunding": ("pi_2",),
    "refunded": ("pi_2",),
    "cancelled": ("pi_1", "pi_2"),
    "cancelled after a decline": ("pi_1", "pi_2"),
    "expired": ("pi_1", "pi_2"),
    "expired after a decline": ("pi_1", "pi_2"),
}
"""Whose charge is given back: pi_1 is the intent of each history that has one, pi_2 is another."""


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("intent", ["pi_1", "pi_2"])
def test_a_charge_is_stray_if_no_purchase_was_or_may_still_be_paid_with_it(name: str, intent: str) -> None:
    is_stray = intent in STRAYS[name]
    assert refunding.is_stray(after(name).state, intent) == is_stray
    decided = after(name).when(command(RecordStrayRefund(ID, intent, "re_1", TOTAL)))
    if is_stray:
        decided.then(stray(intent))
    else:
        decided.then_rejected(errors.NotStrayError, reservation_id=ID)


OK = None
EXISTS, MISSING, HELD = errors.ReservationExistsError, errors.ReservationNotFoundError, errors.ReservationHeldError
BUSY, SOLD, NOT_PAYING = errors.AlreadyPayingError, errors.AlreadyPurchasedError, errors.NotPayingError
GONE, LATE = errors.ReservationCancelledError, errors.ReservationExpiredError
NO_PURCHASE, UNSOLD = errors.PurchaseNotFoundError, errors.NotPurchasedError
RETURNED, NO_REFUND = errors.AlreadyRefundedError, errors.NotRefundingError
RETURNING = errors.RefundInProgressError
COMMANDS: tuple[Command, ...] = (
    PlaceReservation(ID, "customer-1", (line(product=listed("MUG")),), EXPIRES),
    REQUEST,
    ConfirmPurchase(ID, 1),
    DECLINE,
    CANCEL,
    EXPIRE,
    RequestRefund(ID),
    RecordRefund(ID, 1, "re_1"),
)
REFUSALS: dict[str, tuple[type[errors.DomainError] | None, ...]] = {
    "none": (OK, MISSING, NOT_PAYING, NOT_PAYING, MISSING, MISSING, NO_PURCHASE, NO_REFUND),
    "active": (EXISTS, OK, NOT_PAYING, NOT_PAYING, OK, HELD, UNSOLD, NO_REFUND),
    "declined": (EXISTS, OK, NOT_PAYING, NOT_PAYING, OK, HELD, UNSOLD, NO_REFUND),
    "dead intent": (EXISTS, OK, NOT_PAYING, NOT_PAYING, OK, HELD, UNSOLD, NO_REFUND),
    "paying": (EXISTS, BUSY, OK, OK, BUSY, BUSY, UNSOLD, NO_REFUND),
    "purchased": (EXISTS, SOLD, NOT_PAYING, NOT_PAYING, SOLD, SOLD, OK, NO_REFUND),
    "refunding": (EXISTS, SOLD, NOT_PAYING, NOT_PAYING, SOLD, SOLD, RETURNING, OK),
    "refunded": (EXISTS, SOLD, NOT_PAYING, NOT_PAYING, SOLD, SOLD, RETURNED, NO_REFUND),
    "cancelled": (EXISTS, GONE, NOT_PAYING, NOT_PAYING, GONE, GONE, UNSOLD, NO_REFUND),
    "cancelled after a decline": (EXISTS, GONE, NOT_PAYING, NOT_PAYING, GONE, GONE, UNSOLD, NO_REFUND),
    "expired": (EXISTS, LATE, NOT_PAYING, NOT_PAYING, LATE, LATE, UNSOLD, NO_REFUND),
    "expired after a decline": (EXISTS, LATE, NOT_PAYING, NOT_PAYING, LATE, LATE, UNSOLD, NO_REFUND),
}
"""Each state refuses these of COMMANDS a while before the expiry, for these reasons."""


@pytest.mark.parametrize("name", HISTORIES)
@pytest.mark.parametrize("number", range(len(COMMANDS)), ids=[type(each).__name__ for each in COMMANDS])
def test_each_state_takes_its_commands_and_refuses_the_others(name: str, number: int) -> None:
    decided, error = after(name).when(command(COMMANDS[number])), REFUSALS[name][number]
    if error is None:
        (event,) = decided.run()
        assert after(name).given(event).state != after(name).state
    else:
        decided.then_rejected(error, reservation_id=ID)


REFUNDING = Refunding(
    TERMS,
    "pi_1",
    RequestedRefund(1, 1000, REFUND_LINES, "requested_by_customer"),
    GivenBack(last_refund=1),
    1,
)
SETTLE_AT = NOW + timedelta(seconds=reservation.SETTLE_AFTER_SECONDS)


@pytest.mark.parametrize(
    ("name", "state", "due_at"),
    [
        ("active", Active(TERMS), EXPIRES),
        ("declined", Active(TERMS, 1, "pi_1"), EXPIRES),
        ("dead intent", Active(TERMS, 1), EXPIRES),
        ("paying", Paying(TERMS, 1, "pi_1"), SETTLE_AT),
        ("purchased", Purchased(TERMS, 1, "pi_1"), None),
        ("refunding", REFUNDING, SETTLE_AT),
        ("refunded", Refunded(TERMS, "re_1", "pi_1", ALL_BACK, 1), None),
        ("cancelled", Cancelled(TERMS), None),
        ("cancelled after a decline", Cancelled(TERMS, "pi_1"), NOW),
        ("expired", Expired(TERMS), None),
        ("expired after a decline", Expired(TERMS, "pi_1"), NOW),
    ],
)
def test_a_state_is_due_while_it_holds_stock_or_money_may_move(
    name: str, state: Reservation, due_at: datetime | None
) -> None:
    assert after(name).state == state
    stream = reservation.stream(ID)
    assert stream.due_at(state, NOW) == due_at
    assert stream.from_json(stream.to_json(state)) == state


def test_an_event_of_no_reservation_leaves_no_state() -> None:
    for name, history in HISTORIES.items():
        for event in history[1:]:
            assert NOTHING.given(event).state is None, name


@pytest.mark.parametrize("name", ["cancelled", "expired"])
def test_an_ended_reservation_is_due_until_its_charge_is_given_back(name: str) -> None:
    stream, ended = reservation.stream(ID), after(f"{name} after a decline")
    other = ended.given(stray("pi_2"))
    assert other.state == ended.state
    settled = other.given(stray("pi_1"))
    assert settled.state == after(name).state
    assert settled.state is not None
    assert stream.due_at(settled.state, NOW) is None


@pytest.mark.parametrize("name", [name for name in HISTORIES if HISTORIES[name]])
def test_a_stray_charge_that_was_given_back_changes_nothing_else(name: str) -> None:
    assert after(name).given(stray("pi_2")).state == after(name).state


def test_a_refund_of_before_it_was_requested_first_is_still_read() -> None:
    assert after("purchased").given(REFUNDED).state == Refunded(TERMS, "re_1", "pi_1", ALL_BACK, 1)


@pytest.mark.parametrize("name", HISTORIES)
def test_what_is_held_is_overdue_from_the_moment_of_expiry_on(name: str) -> None:
    state = after(name).state
    assert not reservation.is_overdue(state, JUST_BEFORE)
    assert reservation.is_overdue(state, EXPIRES) == (name in ("active", "declined", "dead intent"))


def test_a_stream_is_named_after_its_reservation() -> None:
    assert reservation.id_of(reservation.stream(ID).id) == ID
