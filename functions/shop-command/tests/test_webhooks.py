"""The payment provider's webhooks: a hint to look, believed only with its signature, and never in what it says."""

import pytest

from shop_command.ports import AskedIntent, StoreUnavailableError
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import raising, slug
from shop_http.testing import Answer
from shop_shared.values import Money

SUCCEEDED = "payment_intent.succeeded"
FAILED = "payment_intent.payment_failed"
CANCELED = "payment_intent.canceled"
TOTAL = Money(amount_minor=1_000, currency="EUR")
TYPES = (SUCCEEDED, FAILED, CANCELED)


def check_received(answer: Answer) -> None:
    assert (answer.status, answer.body) == (200, {"received": True})


def types(shop: Shop, reservation_id: str) -> list[str]:
    return [event.type for event in shop.store.events(f"reservation-{reservation_id}")]


def test_a_charge_whose_answer_was_lost_is_settled_at_once(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    check_received(stocked.webhook(SUCCEEDED, "pi_1", reserved))
    assert types(stocked, reserved)[-1] == "shop.purchase.confirmed.v1"
    assert stocked.totals() == Counters(8, 0, 2)
    assert stocked.purchase(reserved, "pm_card_error_after_charge").status == 201


def test_it_continues_the_story_of_the_request_that_paid(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.webhook(SUCCEEDED, "pi_1", reserved)
    requested, confirmed = stocked.store.events(f"reservation-{reserved}")[1:]
    assert (confirmed.causationid, confirmed.correlationid) == (requested.id, requested.correlationid)


@pytest.mark.parametrize("type_", TYPES)
def test_a_repeated_one_changes_nothing(stocked: Shop, reserved: str, type_: str) -> None:
    stocked.purchase(reserved)
    before = stocked.contents()
    for _ in range(3):
        check_received(stocked.webhook(type_, "pi_1", reserved))
    assert stocked.contents() == before


def test_what_it_says_is_not_believed(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved)
    before = stocked.contents()
    for type_ in TYPES:
        check_received(stocked.webhook(type_, "pi_1", reserved))
    assert stocked.contents() == before
    assert "cancel" not in stocked.gateway.calls, "the confirmation may still be on its way"


def test_an_intent_that_was_cancelled_at_the_provider_is_declined(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved)
    stocked.gateway.cancel(AskedIntent("pi_1", reserved, TOTAL))
    check_received(stocked.webhook(CANCELED, "pi_1", reserved))
    assert types(stocked, reserved)[-1] == "shop.payment.declined.v1"


@pytest.mark.parametrize("forgery", [{"secret": "whsec_other"}, {"age_seconds": 301}, {"age_seconds": -301}])
def test_a_forged_or_old_one_changes_nothing(stocked: Shop, reserved: str, forgery: dict[str, str]) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    answer = stocked.webhook(SUCCEEDED, "pi_1", reserved, **forgery)  # type: ignore[arg-type]
    assert (answer.status, slug(answer)) == (400, "signature-invalid")
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


@pytest.mark.parametrize("reservation_id", ["0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f", "none"])
def test_one_about_somebody_elses_business_is_received_and_forgotten(stocked: Shop, reservation_id: str) -> None:
    before = stocked.contents()
    check_received(stocked.webhook(SUCCEEDED, "pi_9", reservation_id))
    check_received(stocked.webhook("charge.refunded", "pi_9", reservation_id))
    assert stocked.contents() == before


@pytest.mark.parametrize("end", ["cancelled", "purchased"])
def test_a_charge_that_no_purchase_can_come_of_is_given_back_once(stocked: Shop, reserved: str, end: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved, key="first")
    stocked.gateway.unreachable.clear()
    stocked.clock.advance(60)
    stocked.sweep()
    if end == "cancelled":
        stocked.cancel(reserved)
    else:
        stocked.purchase(reserved, key="second")
    stocked.gateway.charge_anyway("pi_1")
    for _ in range(3):
        check_received(stocked.webhook(SUCCEEDED, "pi_1", reserved))
    assert types(stocked, reserved).count("shop.payment.refunded.v1") == 1
    assert stocked.gateway.refunds("pi_1") == ["re_1"]
    assert stocked.totals() == (Counters(10, 0, 0) if end == "cancelled" else Counters(8, 0, 2))


def test_each_charge_that_no_purchase_can_come_of_is_given_back(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved, key="first")
    stocked.gateway.unreachable.clear()
    stocked.clock.advance(60)
    stocked.sweep()  # cancels the first intent, so that the next attempt has another one
    stocked.purchase(reserved, "pm_card_visa_chargeDeclined", key="second")
    stocked.cancel(reserved)
    for intent in ("pi_1", "pi_2"):
        stocked.gateway.charge_anyway(intent)
        check_received(stocked.webhook(SUCCEEDED, intent, reserved))
        assert len(stocked.gateway.refunds(intent)) == 1
    assert types(stocked, reserved).count("shop.payment.refunded.v1") == 2


def test_one_that_comes_while_its_own_request_records_the_outcome_changes_nothing(stocked: Shop, reserved: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit += [
        lambda: None,
        lambda: answers.append(stocked.webhook(SUCCEEDED, "pi_1", reserved)),
    ]
    answers.append(stocked.purchase(reserved))
    assert [answer.status for answer in answers] == [200, 201]
    assert types(stocked, reserved).count("shop.purchase.confirmed.v1") == 1


def test_one_that_somebody_is_quicker_than_is_received(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.store.before_commit.append(lambda: stocked.purchase(reserved, "pm_card_error_after_charge"))
    check_received(stocked.webhook(SUCCEEDED, "pi_1", reserved))
    assert types(stocked, reserved).count("shop.purchase.confirmed.v1") == 1


def test_one_that_cannot_be_recorded_now_is_asked_for_again(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.store.before_commit.append(raising(StoreUnavailableError()))
    assert stocked.webhook(SUCCEEDED, "pi_1", reserved).status == 503
    check_received(stocked.webhook(SUCCEEDED, "pi_1", reserved))
    assert types(stocked, reserved)[-1] == "shop.purchase.confirmed.v1"
