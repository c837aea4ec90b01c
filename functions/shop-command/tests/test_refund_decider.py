"""Refunds in parts: never more money than was paid, nor more units than were bought."""

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given as for_all
from hypothesis import strategies as st

from shop_command.application.settling import news, ordered
from shop_command.domain import errors, refunding, reservation
from shop_command.domain.refunding import (
    REFUNDS_MAX,
    RecordLateFailure,
    RecordRefund,
    RecordRefundElsewhere,
    RecordRefundFailure,
    RequestRefund,
)
from shop_command.domain.reservation_states import (
    Expired,
    GivenBack,
    MadeRefund,
    Purchased,
    Refunded,
    Refunding,
    RequestedRefund,
    Reservation,
    Terms,
)
from shop_command.ports import ListedRefund, RefundOrder
from shop_command.testing.fakes import FakeClock
from shop_shared.events import PurchaseRefunded, PurchaseRefundFailed, PurchaseRefundRequested
from shop_shared.values import Allocation, Money, RefundLine, ReservationLine

ID = "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f"
NOW = FakeClock().time
MUGS = ReservationLine(
    sku="MUG",
    quantity=3,
    unit_price_minor=500,
    allocations=(Allocation(bucket=1, quantity=2), Allocation(bucket=4, quantity=1)),
)
POTS = ReservationLine(sku="POT", quantity=1, unit_price_minor=700, allocations=(Allocation(bucket=0, quantity=1),))
TERMS = Terms(ID, "customer-1", (MUGS, POTS), Money(amount_minor=2_200, currency="EUR"), NOW)
PURCHASED = Purchased(TERMS, 1, "pi_1")


def asked(state: Reservation, **wanted: Any) -> PurchaseRefundRequested:
    (event,) = reservation.decide(RequestRefund(ID, **wanted), state, NOW)
    assert isinstance(event, PurchaseRefundRequested)
    return event


def after(state: Reservation, **wanted: Any) -> Reservation:
    """Returns the state in which this refund was asked for and made."""
    event = asked(state, **wanted)
    under_way = reservation.evolve(state, event)
    (made,) = reservation.decide(RecordRefund(ID, event.refund, f"re_{event.refund}"), under_way, NOW)
    found = reservation.evolve(under_way, made)
    assert found is not None
    return found


def line(sku: str, quantity: int, amount_minor: int, *allocations: tuple[int, int]) -> RefundLine:
    taken = tuple(Allocation(bucket=bucket, quantity=units) for bucket, units in allocations)
    return RefundLine(sku=sku, quantity=quantity, amount_minor=amount_minor, allocations=taken)


MADE = MadeRefund(1, "re_made", (line("MUG", 0, 400),))
FAILED = MadeRefund(1, "re_failed", (line("MUG", 0, 0),))
EUR_400 = Money(amount_minor=400, currency="EUR")
EUR_500 = Money(amount_minor=500, currency="EUR")
UNDER_WAY = Refunding(
    TERMS, "pi_1", RequestedRefund(2, 400, (line("POT", 0, 400),), "duplicate"), GivenBack((MADE, FAILED), 2)
)


@pytest.mark.parametrize(
    ("listed", "expected"),
    [
        (ListedRefund("re_made", 1, EUR_400, "succeeded"), None),
        (ListedRefund("re_made", 1, EUR_400, "failed", code="no"), RecordLateFailure(ID, "re_made", "no")),
        (ListedRefund("re_failed", 1, EUR_400, "failed", code="expired_card"), None),
        (ListedRefund("re_own", 2, EUR_400, "succeeded"), RecordRefund(ID, 2, "re_own")),
        (ListedRefund("re_own", 2, EUR_500, "succeeded"), None),
        (ListedRefund("re_own", 2, EUR_400, "open"), None),
        (ListedRefund("re_own", 2, EUR_400, "failed", code="no"), RecordRefundFailure(ID, 2, "pi_1", "no", "re_own")),
        (
            ListedRefund("re_2", None, EUR_500, "succeeded", "duplicate"),
            RecordRefundElsewhere(ID, "re_2", 500, "duplicate"),
        ),
        (ListedRefund("re_other", None, EUR_500, "open"), None),
        (ListedRefund("re_other", None, EUR_500, "failed"), None),
        (ListedRefund("re_other", None, Money(amount_minor=500, currency="USD"), "succeeded"), None),
        (ListedRefund("re_other", 7, EUR_400, "succeeded"), RecordRefundElsewhere(ID, "re_other", 400, None)),
    ],
)
def test_the_providers_list_tells_what_the_stream_does_not_have(
    listed: ListedRefund, expected: refunding.Command | None
) -> None:
    assert news(UNDER_WAY, listed) == expected


def test_nothing_said_gives_everything_back() -> None:
    event = asked(PURCHASED)
    assert event.lines == (line("MUG", 3, 1_500, (1, 2), (4, 1)), line("POT", 1, 700, (0, 1)))
    assert (event.refund, event.amount, event.reason) == (1, TERMS.total, "requested_by_customer")


def test_an_amount_is_spread_over_the_lines_and_moves_no_stock() -> None:
    # The mugs' share of the 1000 is 681.8, and the pot's is 318.2: the larger remainder is rounded up.
    assert asked(PURCHASED, amount_minor=1_000).lines == (line("MUG", 0, 682), line("POT", 0, 318))
    assert asked(PURCHASED, amount_minor=1).lines == (line("MUG", 0, 1),)
    # The mugs' share of 2 is 1.36, and the pot's is 0.64, which is the larger remainder.
    assert asked(PURCHASED, amount_minor=2).lines == (line("MUG", 0, 1), line("POT", 0, 1))


def test_units_go_back_to_their_buckets_or_stay_sold() -> None:
    assert asked(PURCHASED, lines=(("MUG", 1),)).lines == (line("MUG", 1, 500, (1, 1)),)
    assert asked(PURCHASED, lines=(("MUG", 3),), restock=False).lines == (line("MUG", 3, 1_500),)
    second = asked(after(PURCHASED, lines=(("MUG", 2),)), lines=(("MUG", 1),))
    assert second.lines == (line("MUG", 1, 500, (4, 1)),)
    assert second.refund == 2


def test_units_cost_what_is_left_of_them() -> None:
    less = after(PURCHASED, amount_minor=1_000)
    assert asked(less, lines=(("MUG", 3),)).lines == (line("MUG", 3, 818, (1, 2), (4, 1)),)


def test_what_is_left_is_given_back_with_all_units_that_are_left() -> None:
    left = after(after(PURCHASED, lines=(("MUG", 1),)), amount_minor=300)
    event = asked(left)
    assert event.amount.amount_minor == 1_400
    assert [(each.sku, each.quantity) for each in event.lines] == [("MUG", 2), ("POT", 1)]
    assert isinstance(after(left), Refunded)


@pytest.mark.parametrize(
    "wanted",
    [
        {"amount_minor": 2_201},
        {"lines": (("MUG", 4),)},
        {"lines": (("CUP", 1),)},
        {"lines": (("MUG", 1), ("POT", 2))},
    ],
)
def test_more_than_is_left_is_refused(wanted: dict[str, Any]) -> None:
    with pytest.raises(errors.RefundTooLargeError) as refused:
        asked(PURCHASED, **wanted)
    assert [(it.sku, it.quantity, it.amount_minor) for it in refused.value.left] == [("MUG", 3, 1_500), ("POT", 1, 700)]


def test_units_without_money_left_are_refused() -> None:
    penniless = after(PURCHASED, lines=(("MUG", 3),), restock=False)
    for wanted in ({"lines": (("MUG", 1),)}, {"amount_minor": 701}):
        with pytest.raises(errors.RefundTooLargeError):
            asked(penniless, **wanted)


def test_a_purchase_has_a_bounded_number_of_refunds() -> None:
    many = Purchased(TERMS, 1, "pi_1", GivenBack(last_refund=REFUNDS_MAX))
    with pytest.raises(errors.TooManyRefundsError):
        asked(many)


def test_a_refused_refund_makes_its_amount_refundable_again_under_another_ordinal() -> None:
    event = asked(PURCHASED, lines=(("MUG", 1),))
    under_way = reservation.evolve(PURCHASED, event)
    (failed,) = reservation.decide(RecordRefundFailure(ID, 1, "pi_1", "charge_disputed", "re_9"), under_way, NOW)
    assert isinstance(failed, PurchaseRefundFailed)
    assert failed.refund_id == "re_9"
    again = reservation.evolve(under_way, failed)
    assert again == Purchased(TERMS, 1, "pi_1", GivenBack(last_refund=1))
    assert (asked(again).amount, asked(again).refund) == (TERMS.total, 2)


@pytest.mark.parametrize("ordinal", [2, 3])
def test_the_outcome_of_another_refund_is_not_taken_for_this_ones(ordinal: int) -> None:
    under_way = reservation.evolve(PURCHASED, asked(PURCHASED))
    for command in (RecordRefund(ID, ordinal, "re_1"), RecordRefundFailure(ID, ordinal, "pi_1", "failed")):
        with pytest.raises(errors.NotRefundingError):
            reservation.decide(command, under_way, NOW)


def test_states_of_before_refunds_had_parts_are_read() -> None:
    """They are as release 1.3 of the events wrote them."""
    stream = reservation.stream(ID)
    terms = stream.to_json(PURCHASED).partition(',"attempt"')[0]
    old = stream.from_json(f'{terms},"attempt":1,"payment_intent_id":"pi_1","status":"purchased"}}')
    assert old == PURCHASED
    refunding_state = stream.from_json(f'{terms},"payment_intent_id":"pi_1","status":"refunding"}}')
    assert isinstance(refunding_state, Refunding)
    assert refunding.requested_of(refunding_state).amount_minor == 2_200
    (made,) = reservation.decide(RecordRefund(ID, 1, "re_1"), refunding_state, NOW)
    assert isinstance(made, PurchaseRefunded)
    assert (made.amount, made.left_minor) == (TERMS.total, 0)
    assert isinstance(reservation.evolve(refunding_state, made), Refunded)
    (failure,) = reservation.decide(RecordRefundFailure(ID, 1, "pi_1", "failed"), refunding_state, NOW)
    assert reservation.evolve(refunding_state, failure) == Purchased(TERMS, 0, "pi_1", GivenBack(last_refund=1))
    refunded = stream.from_json(f'{terms},"refund_id":"re_1","payment_intent_id":"pi_1","status":"refunded"}}')
    with pytest.raises(errors.AlreadyRefundedError):
        asked(refunded)
    assert isinstance(refunded, Refunded)
    whole = (line("MUG", 3, 1_500, (1, 2), (4, 1)), line("POT", 1, 700, (0, 1)))
    assert refunding.given_back_of(refunded) == GivenBack((MadeRefund(1, "re_1", whole),), 1)


def test_a_state_of_a_later_minor_version_is_read() -> None:
    stream = reservation.stream(ID)
    later = stream.from_json(stream.to_json(PURCHASED).replace('"sku":"MUG"', '"sku":"MUG","engraving":"Ada"', 1))
    assert isinstance(later, Purchased)
    assert [each.sku for each in later.terms.lines] == ["MUG", "POT"]


def test_a_refund_elsewhere_takes_what_no_refund_under_way_takes_as_long_as_there_is_enough() -> None:
    """The mugs have 1,100 left, and the pot has 700, of which 400 are under way."""
    (event,) = reservation.decide(RecordRefundElsewhere(ID, "re_2", 300, "duplicate"), UNDER_WAY, NOW)
    assert event == PurchaseRefunded(
        purchase_id=ID,
        reservation_id=ID,
        customer_id="customer-1",
        refund=3,
        payment_intent_id="pi_1",
        refund_id="re_2",
        amount=Money(amount_minor=300, currency="EUR"),
        left_minor=1_500,
        lines=(line("MUG", 0, 236), line("POT", 0, 64)),
        reason="duplicate",
        origin="provider",
    )
    (event,) = reservation.decide(RecordRefundElsewhere(ID, "re_2", 1_500, None), UNDER_WAY, NOW)
    assert isinstance(event, PurchaseRefunded)
    assert event.lines == (line("MUG", 0, 917), line("POT", 0, 583))


def test_a_refund_that_fails_later_is_the_shops_money_again_and_others_stay_made() -> None:
    other = MadeRefund(2, "re_other", (line("MUG", 1, 500),))
    state = replace(UNDER_WAY, given_back=GivenBack((MADE, other), 3))
    (event,) = reservation.decide(RecordLateFailure(ID, "re_made", "no"), state, NOW)
    assert isinstance(event, PurchaseRefundFailed)
    assert (event.refund, event.lines, event.amount) == (1, (line("MUG", 0, 400),), EUR_400)
    kept = replace(MADE, lines=(line("MUG", 0, 0),))
    assert reservation.evolve(state, event) == replace(state, given_back=GivenBack((kept, other), 3))
    with pytest.raises(errors.NotRefundingError):
        reservation.decide(RecordLateFailure(ID, "re_none", "no"), state, NOW)


def test_a_stray_charge_that_the_provider_does_not_give_back_is_recorded() -> None:
    (event,) = reservation.decide(RecordRefundFailure(ID, refunding.STRAY, "pi_1", "no"), Expired(TERMS, "pi_1"), NOW)
    assert isinstance(event, PurchaseRefundFailed)
    assert (event.refund, event.amount, event.lines) == (refunding.STRAY, TERMS.total, ())


WANTED: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.fixed_dictionaries({"amount_minor": st.integers(1, 2_300)}),
    st.fixed_dictionaries(
        {
            "lines": st.dictionaries(st.sampled_from(["MUG", "POT"]), st.integers(1, 4), min_size=1).map(
                lambda lines: tuple(lines.items())
            ),
            "restock": st.booleans(),
        }
    ),
    st.just({}),
)


@for_all(st.lists(WANTED, max_size=8))
def test_however_it_is_refunded_no_more_comes_back_than_was_paid_for(history: list[dict[str, Any]]) -> None:
    state: Reservation = PURCHASED
    for wanted in history:
        if not isinstance(state, Purchased):
            break
        before = sum(it.amount_minor for it in refunding.lines_left(TERMS, state.given_back))
        try:
            event = asked(state, **wanted)
        except errors.RefundTooLargeError:
            continue
        assert sum(it.amount_minor for it in event.lines) == event.amount.amount_minor <= before
        state = after(state, **wanted)
    assert isinstance(state, Purchased | Refunded)
    for bought, left in zip(TERMS.lines, refunding.lines_left(TERMS, state.given_back), strict=True):
        assert 0 <= left.quantity <= bought.quantity
        assert 0 <= left.amount_minor <= bought.total_minor()
        assert all(it.quantity > 0 for it in left.allocations)
        assert sum(it.quantity for it in left.allocations) >= left.quantity


def test_an_order_names_the_refund_that_was_asked_for() -> None:
    under_way = reservation.evolve(PURCHASED, asked(PURCHASED, amount_minor=700, reason="duplicate"))
    assert isinstance(under_way, Refunding)
    assert ordered(under_way) == RefundOrder("pi_1", ID, 1, "EUR", 700, "duplicate")
