"""Refunds of the provider's dashboard, and refunds that fail later, are recorded when their webhook arrives."""

from typing import Any

import pytest

from shop_command.adapters.refund_answers import listed
from shop_command.ports import ListedRefund
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import slug
from shop_shared.events import EventData, PurchaseRefunded, PurchaseRefundFailed
from shop_shared.values import Money


@pytest.fixture
def purchased(stocked: Shop, reserved: str) -> str:
    assert stocked.purchase(reserved).status == 201
    return reserved


@pytest.mark.parametrize(
    ("answered", "status"),
    [("succeeded", "succeeded"), ("failed", "failed"), ("canceled", "failed"), ("pending", "open"), ("new", "open")],
)
@pytest.mark.parametrize(("given", "reason"), [("fraudulent", "fraudulent"), ("a_new_one", None), (None, None)])
def test_the_list_is_read_in_the_shops_words(answered: str, status: str, given: str | None, reason: str | None) -> None:
    refund = {"id": "re_1", "payment_intent": "pi_1", "amount": 400, "currency": "eur", "status": answered}
    money = Money(amount_minor=400, currency="EUR")
    assert listed("pi_1", "r-1", refund | {"reason": given, "metadata": {"reservation_id": "r-1", "refund": "3"}}) == (
        ListedRefund("re_1", 3, money, status, reason, answered)  # type: ignore[arg-type]
    )
    assert listed("pi_2", "r-1", refund) is None


def recorded(shop: Shop, purchase_id: str) -> list[EventData]:
    return [event.data for event in shop.store.events(f"reservation-{purchase_id}")][3:]


def refused(answer: Any) -> tuple[int, str]:
    return answer.status, slug(answer)


def test_a_refund_at_the_dashboard_is_recorded_once_and_moves_no_stock(stocked: Shop, purchased: str) -> None:
    refund_id = stocked.gateway.refund_elsewhere("pi_1", 400)
    for _ in range(3):
        assert stocked.money_webhook().status == 200
    (event,) = recorded(stocked, purchased)
    assert isinstance(event, PurchaseRefunded)
    assert (event.refund, event.refund_id, event.origin, event.left_minor) == (1, refund_id, "provider", 600)
    assert [(line.quantity, line.amount_minor, line.allocations) for line in event.lines] == [(0, 400, ())]
    assert stocked.totals() == Counters(8, 0, 2)
    rest = stocked.refund(purchased)
    assert (rest.status, rest.body["total"]["amount_minor"]) == (201, 600)
    assert stocked.totals() == Counters(10, 0, 0)


def test_when_everything_was_refunded_there_nothing_is_left(stocked: Shop, purchased: str) -> None:
    stocked.gateway.refund_elsewhere("pi_1", 700)
    stocked.gateway.refund_elsewhere("pi_1", 300)
    stocked.money_webhook()
    assert [getattr(event, "left_minor", None) for event in recorded(stocked, purchased)] == [300, 0]
    assert refused(stocked.refund(purchased)) == (409, "already-refunded")


def test_a_refund_there_while_the_shops_own_is_under_way_changes_nothing_about_that(
    stocked: Shop, purchased: str
) -> None:
    stocked.gateway.unreachable.add("refund")
    assert stocked.refund(purchased, {"amount_minor": 300}).status == 202
    stocked.gateway.unreachable.clear()
    stocked.gateway.refund_elsewhere("pi_1", 500)
    stocked.money_webhook()
    assert stocked.refund(purchased, {"amount_minor": 300}).status == 201
    refunds = [event for event in recorded(stocked, purchased) if isinstance(event, PurchaseRefunded)]
    assert [(event.refund, event.origin, event.left_minor) for event in refunds] == [
        (2, "provider", 500),
        (1, "shop", 200),
    ]
    assert stocked.refund(purchased, key="rest").body["total"]["amount_minor"] == 200


def test_the_shops_own_refund_is_recorded_by_its_webhook_where_the_answer_was_lost(
    stocked: Shop, purchased: str
) -> None:
    stocked.gateway.lost.add("refund")
    assert stocked.refund(purchased).status == 202
    stocked.money_webhook()
    (_, event) = recorded(stocked, purchased)
    assert isinstance(event, PurchaseRefunded)
    assert (event.refund, event.origin) == (1, "shop")
    assert stocked.totals() == Counters(10, 0, 0)
    assert stocked.refund(purchased).status == 201


def test_a_refund_that_fails_later_is_money_to_give_back_again(stocked: Shop, reserved: str) -> None:
    assert stocked.purchase(reserved, "pm_card_refundFail").status == 201
    done = stocked.refund(reserved)
    assert done.status == 201
    stocked.gateway.finish("re_1")
    for _ in range(2):
        assert stocked.money_webhook("refund.failed").status == 200
    failure = recorded(stocked, reserved)[-1]
    assert isinstance(failure, PurchaseRefundFailed)
    assert (failure.refund, failure.refund_id, failure.amount.amount_minor) == (1, "re_1", 1_000)
    assert failure.code == "expired_or_canceled_card"
    assert len(recorded(stocked, reserved)) == 3
    assert stocked.totals() == Counters(10, 0, 0)  # the goods are back, whatever becomes of the money
    assert stocked.refund(reserved) == done
    again = stocked.refund(reserved, key="again")
    assert again.body["lines"] == [{"sku": "MUG", "quantity": 0, "amount_minor": 1_000}]
    assert stocked.totals() == Counters(10, 0, 0)


def test_a_refund_there_that_fails_later_is_taken_back(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_refundFail")
    refund_id = stocked.gateway.refund_elsewhere("pi_1", 1_000)
    stocked.money_webhook()
    stocked.gateway.finish(refund_id)
    stocked.money_webhook("refund.failed")
    assert [type(event) for event in recorded(stocked, reserved)] == [PurchaseRefunded, PurchaseRefundFailed]
    assert stocked.refund(reserved).body["total"]["amount_minor"] == 1_000


def test_a_webhook_that_another_one_is_quicker_than_is_received(stocked: Shop, purchased: str) -> None:
    stocked.gateway.refund_elsewhere("pi_1", 400)
    stocked.store.before_commit.append(stocked.money_webhook)
    assert stocked.money_webhook().status == 200
    assert len(recorded(stocked, purchased)) == 1


def test_money_that_a_failure_brought_back_is_refunded_anew_in_one_look(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_refundFail")
    failing = stocked.gateway.refund_elsewhere("pi_1", 1_000)
    stocked.money_webhook()
    stocked.gateway.finish(failing)
    stocked.gateway.refund_elsewhere("pi_1", 1_000)
    assert stocked.money_webhook("refund.failed").status == 200
    made, failed, anew = recorded(stocked, reserved)
    assert [type(event) for event in (made, failed, anew)] == [PurchaseRefunded, PurchaseRefundFailed, PurchaseRefunded]


@pytest.mark.parametrize("call", ["retrieve", "list refunds"])
def test_without_the_providers_answer_the_webhook_has_to_come_again(stocked: Shop, purchased: str, call: Any) -> None:
    stocked.gateway.refund_elsewhere("pi_1", 400)
    stocked.gateway.unreachable.add(call)
    before = stocked.contents()
    assert refused(stocked.money_webhook()) == (503, "try-again")
    assert stocked.contents() == before
    stocked.gateway.unreachable.clear()
    assert stocked.money_webhook().status == 200
    assert len(recorded(stocked, purchased)) == 1


def test_an_intent_of_somebody_else_is_none_of_the_shops_business(stocked: Shop) -> None:
    form = b"amount=100&currency=eur&payment_method_types[]=card&payment_method=pm_card_visa&confirm=true"
    assert stocked.gateway._stripe().request("POST", "/v1/payment_intents", form).status == 200
    stocked.gateway.refund_elsewhere("pi_1", 100)
    before = stocked.contents()
    assert stocked.money_webhook().status == 200
    assert stocked.contents() == before
