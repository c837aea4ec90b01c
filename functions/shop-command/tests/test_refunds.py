"""Refunds as an administrator sees them: the money goes back once, and the stock is for sale again."""

import pytest

from shop_command.ports import ContentionError, StoreUnavailableError
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import raising, slug
from shop_http.testing import Answer


@pytest.fixture
def purchased(stocked: Shop, reserved: str) -> str:
    assert stocked.purchase(reserved).status == 201
    return reserved


def types(shop: Shop, purchase_id: str) -> list[str]:
    return [event.type for event in shop.store.events(f"reservation-{purchase_id}")][3:]


def test_a_refund_returns_money_and_stock(stocked: Shop, purchased: str) -> None:
    answer = stocked.refund(purchased)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/purchases/{purchased}"
    assert answer.body == {
        "purchase_id": purchased,
        "refund_id": "re_1",
        "status": "refunded",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "stream_id": f"reservation-{purchased}",
        "stream_version": 5,
    }
    assert types(stocked, purchased) == ["shop.purchase.refund-requested.v1", "shop.purchase.refunded.v1"]
    assert stocked.totals() == Counters(10, 0, 0)
    assert f"reservation-{purchased}" not in stocked.store.due_states


def test_it_is_recorded_as_wanted_before_the_provider_is_asked(stocked: Shop, purchased: str) -> None:
    seen: list[list[str]] = []
    stocked.gateway.meanwhile["refund"] = [lambda: seen.append(types(stocked, purchased))]
    stocked.refund(purchased)
    assert seen == [["shop.purchase.refund-requested.v1"]]


def test_the_same_refund_gets_the_same_answer_for_ever(stocked: Shop, purchased: str) -> None:
    first = stocked.refund(purchased)
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    stocked.clock.advance(365 * 24 * 3600)
    assert stocked.refund(purchased) == first
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


def test_another_refund_of_the_same_purchase_is_refused(stocked: Shop, purchased: str) -> None:
    stocked.refund(purchased)
    before = stocked.contents()
    answer = stocked.refund(purchased, key="another")
    assert (answer.status, slug(answer)) == (409, "already-refunded")
    assert stocked.contents() == before


def test_the_same_key_for_another_purchase_is_refused(stocked: Shop, purchased: str) -> None:
    stocked.refund(purchased)
    other = str(stocked.reserve(key="other").body["reservation_id"])
    stocked.purchase(other, key="other")
    assert slug(stocked.refund(other)) == "idempotency-key-reused"


@pytest.mark.parametrize("groups", [None, "[staff]"])
def test_only_an_administrator_refunds(stocked: Shop, purchased: str, groups: str | None) -> None:
    before = stocked.contents()
    answer = stocked.refund(purchased, groups=groups)
    assert (answer.status, slug(answer)) == (403, "forbidden")
    assert stocked.contents() == before


@pytest.mark.parametrize("purchase_id", ["0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f", "none"])
def test_what_was_never_purchased_is_not_there(stocked: Shop, purchase_id: str) -> None:
    answer = stocked.refund(purchase_id)
    assert (answer.status, slug(answer)) == (404, "not-found")


def test_what_is_not_paid_for_is_not_refunded(stocked: Shop, reserved: str) -> None:
    before = stocked.contents()
    answer = stocked.refund(reserved)
    assert (answer.status, slug(answer)) == (409, "not-purchased")
    assert stocked.contents() == before


def check_pending(answer: Answer, purchased: str) -> None:
    assert answer.status == 202
    assert answer.headers["Retry-After"] == "2"
    assert answer.body["status"] == "refunding"
    assert answer.body["stream_version"] == 4
    assert answer.body["purchase_id"] == purchased


@pytest.mark.parametrize("trouble", ["unreachable", "lost"])
@pytest.mark.parametrize("repair", ["repeat", "sweep"])
def test_a_refund_that_nobody_knows_the_end_of_is_ended_by_a_repeat_or_the_sweep(
    stocked: Shop, purchased: str, trouble: str, repair: str
) -> None:
    getattr(stocked.gateway, trouble).add("refund")
    check_pending(stocked.refund(purchased), purchased)
    check_pending(stocked.refund(purchased), purchased)
    assert stocked.totals() == Counters(8, 0, 2)
    getattr(stocked.gateway, trouble).clear()
    if repair == "sweep":
        stocked.clock.advance(60)
        assert stocked.sweep().refunded == 1
    answer = stocked.refund(purchased)
    assert (answer.status, answer.body["refund_id"]) == (201, "re_1")
    assert stocked.totals() == Counters(10, 0, 0)
    assert types(stocked, purchased) == ["shop.purchase.refund-requested.v1", "shop.purchase.refunded.v1"]


@pytest.mark.parametrize("error", [ContentionError(), StoreUnavailableError()])
def test_a_refund_that_cannot_be_recorded_is_pending_and_the_sweep_records_it(
    stocked: Shop, purchased: str, error: Exception
) -> None:
    stocked.store.before_commit += [lambda: None, raising(error)]
    check_pending(stocked.refund(purchased), purchased)
    stocked.clock.advance(60)
    assert stocked.sweep().refunded == 1
    assert stocked.refund(purchased).status == 201


def test_two_equal_refunds_at_once_return_the_money_once_and_get_the_same_answer(stocked: Shop, purchased: str) -> None:
    for delay in range(2):
        shop_answers: list[Answer] = []
        stocked.store.before_commit += [lambda: None] * delay
        stocked.store.before_commit.append(lambda answers=shop_answers: answers.append(stocked.refund(purchased)))  # type: ignore[misc]
        shop_answers.append(stocked.refund(purchased))
        stocked.store.before_commit.clear()
        assert shop_answers[0] == shop_answers[-1]
        assert shop_answers[0].status == 201
    assert stocked.totals() == Counters(10, 0, 0)


def test_of_two_different_refunds_at_once_one_is_refused(stocked: Shop, purchased: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.refund(purchased, key="quicker")))
    answers.append(stocked.refund(purchased))
    assert [answer.status for answer in answers] == [201, 409]
    assert stocked.gateway.calls.count("refund") == 1
