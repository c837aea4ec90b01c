"""Giving up a reservation as its owner sees it, and its races with whatever else ends it."""

import pytest

from shop_command.ports import StoreUnavailableError
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import raising, slug
from shop_http.testing import Answer


def types(shop: Shop, reservation_id: str) -> list[str]:
    return [event.type for event in shop.store.events(f"reservation-{reservation_id}")]


def test_a_cancelled_reservation_gives_its_stock_back(stocked: Shop, reserved: str) -> None:
    answer = stocked.cancel(reserved)
    assert answer.status == 200
    assert answer.body == {
        "reservation_id": reserved,
        "lines": [{"sku": "MUG", "quantity": 2, "unit_price_minor": 500, "name": "Product MUG"}],
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "status": "cancelled",
        "stream_id": f"reservation-{reserved}",
        "stream_version": 2,
    }
    assert stocked.totals() == Counters(10, 0, 0)
    assert f"reservation-{reserved}" not in stocked.store.due_states


def test_cancelling_again_is_answered_alike_for_ever_and_changes_nothing(stocked: Shop, reserved: str) -> None:
    first = stocked.cancel(reserved)
    before = stocked.contents()
    stocked.clock.advance(365 * 24 * 3600)
    assert stocked.cancel(reserved) == first
    assert stocked.contents() == before


@pytest.mark.parametrize("reservation_id", ["0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f", "none", "RESERVATION"])
def test_nobody_has_a_reservation_that_was_never_placed(stocked: Shop, reservation_id: str) -> None:
    answer = stocked.cancel(reservation_id)
    assert (answer.status, slug(answer)) == (404, "not-found")


def test_somebody_elses_reservation_is_not_there(stocked: Shop, reserved: str) -> None:
    before = stocked.contents()
    assert slug(stocked.cancel(reserved, subject="customer-2")) == "not-found"
    assert stocked.contents() == before


def test_what_is_paid_for_is_not_cancelled(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    before = stocked.contents()
    answer = stocked.cancel(reserved)
    assert (answer.status, slug(answer), answer.body["purchase_id"]) == (409, "already-purchased", reserved)
    assert stocked.contents() == before


def test_what_is_being_paid_for_is_not_cancelled(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    before = stocked.contents()
    answer = stocked.cancel(reserved)
    assert (answer.status, slug(answer), answer.headers["Retry-After"]) == (409, "payment-in-progress", "2")
    assert stocked.contents() == before


def test_a_cancellation_that_comes_too_late_records_that_the_reservation_has_expired(
    stocked: Shop, reserved: str
) -> None:
    stocked.clock.advance(900)
    for _ in range(2):
        assert slug(stocked.cancel(reserved)) == "reservation-expired"
    assert types(stocked, reserved)[1:] == ["shop.reservation.expired.v1"]
    assert stocked.totals() == Counters(10, 0, 0)


def test_a_cancelled_reservation_is_neither_paid_for_nor_expires(stocked: Shop, reserved: str) -> None:
    stocked.cancel(reserved)
    assert slug(stocked.purchase(reserved)) == "reservation-cancelled"
    stocked.clock.advance(3_600)
    assert stocked.sweep().due == 0
    assert types(stocked, reserved)[1:] == ["shop.reservation.cancelled.v1"]


def test_of_two_cancellations_at_once_one_takes_effect_and_both_are_answered_alike(
    stocked: Shop, reserved: str
) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.cancel(reserved)))
    answers.append(stocked.cancel(reserved))
    assert answers[0] == answers[1]
    assert stocked.totals() == Counters(10, 0, 0)


def test_a_purchase_that_is_first_wins_over_a_cancellation(stocked: Shop, reserved: str) -> None:
    stocked.store.before_commit.append(lambda: stocked.purchase(reserved))
    assert slug(stocked.cancel(reserved)) == "already-purchased"
    assert stocked.totals() == Counters(8, 0, 2)


def test_a_cancellation_that_is_first_wins_over_a_purchase_and_no_money_moves(stocked: Shop, reserved: str) -> None:
    stocked.store.before_commit.append(lambda: stocked.cancel(reserved))
    assert slug(stocked.purchase(reserved)) == "reservation-cancelled"
    assert "confirm" not in stocked.gateway.calls
    assert stocked.totals() == Counters(10, 0, 0)


@pytest.mark.parametrize("command", ["cancel", "purchase"])
def test_the_sweep_that_is_first_expires_and_the_other_is_told_so(stocked: Shop, reserved: str, command: str) -> None:
    def time_is_over() -> None:
        stocked.clock.advance(900)
        stocked.sweep()

    stocked.store.before_commit.append(time_is_over)
    answer = stocked.cancel(reserved) if command == "cancel" else stocked.purchase(reserved)
    assert slug(answer) == "reservation-expired"
    assert types(stocked, reserved)[1:] == ["shop.reservation.expired.v1"]
    assert stocked.totals() == Counters(10, 0, 0)


def test_a_store_that_does_not_answer_asks_for_a_repeat(stocked: Shop, reserved: str) -> None:
    stocked.store.before_commit.append(raising(StoreUnavailableError()))
    answer = stocked.cancel(reserved)
    assert (answer.status, slug(answer)) == (503, "try-again")
    assert stocked.cancel(reserved).status == 200
