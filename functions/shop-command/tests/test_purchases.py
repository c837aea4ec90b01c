"""Purchases as customers see them, over fakes: answers, effects, repeats and races."""

from collections.abc import Callable
from threading import Barrier
from typing import Any

import pytest

from shop_command import bootstrap
from shop_command.adapters.threads import Threads
from shop_command.ports import ContentionError, IntentCreated, Refused, StoreUnavailableError, Unknown
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import raising, slug
from shop_http.testing import Answer
from shop_shared.values import Money


def test_a_purchase_ends_the_reservation(stocked: Shop, reserved: str) -> None:
    answer = stocked.purchase(reserved)
    assert answer.status == 201
    assert answer.headers["Location"] == f"/purchases/{reserved}"
    assert answer.body == {
        "purchase_id": reserved,
        "reservation_id": reserved,
        "status": "purchased",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "stream_id": f"reservation-{reserved}",
        "stream_version": 3,
    }
    assert stocked.totals() == Counters(8, 0, 2)
    assert stocked.gateway.intent("pi_1")["amount"] == 1000
    assert stocked.gateway.intent("pi_1")["currency"] == "eur"
    assert f"reservation-{reserved}" not in stocked.store.due_states


def test_the_payment_is_recorded_before_it_is_confirmed(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    assert stocked.purchase(reserved).status == 202
    requested = stocked.store.events(f"reservation-{reserved}")[-1]
    assert requested.type == "shop.payment.requested.v1"
    assert stocked.store.due_states[f"reservation-{reserved}"] > stocked.clock.now()


def test_the_payment_is_published_while_the_provider_is_asked_to_confirm_it(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, meeting = Shop(workers=Threads(2)), Barrier(2, timeout=60)
    monkeypatch.setattr(bootstrap, "application", lambda: shop.application)
    shop.list_product()
    shop.receive()
    reserved = shop.reserve().body["reservation_id"]
    # Were one of them to wait for the other, the barrier would break.
    shop.gateway.meanwhile["confirm"] = [meeting.wait]
    shop.publisher.fails = lambda event: event.type == "shop.payment.requested.v1" and meeting.wait() < 0
    assert shop.purchase(reserved).status == 201
    assert [
        event.streamversion for event in shop.publisher.published if event.subject == f"reservation-{reserved}"
    ] == [
        1,
        2,
        3,
    ]


def test_what_the_provider_has_said_is_recorded_although_the_stream_has_moved_on(stocked: Shop, reserved: str) -> None:
    def acted() -> None:
        assert stocked.webhook("payment_intent.requires_action", "pi_1", reserved).status == 200
        stocked.gateway.authenticate("pi_1")

    stocked.gateway.afterwards["confirm"] = [acted]
    answer = stocked.purchase(reserved, "pm_card_authenticationRequired")
    assert (answer.status, answer.body["stream_version"]) == (201, 4)


def test_a_declined_card_leaves_the_reservation_to_another_card(stocked: Shop, reserved: str) -> None:
    answer = stocked.purchase(reserved, "pm_card_visa_chargeDeclinedInsufficientFunds", key="first")
    assert (answer.status, slug(answer)) == (402, "card-declined")
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["decline_code"] == "insufficient_funds"
    assert answer.body["code"] == "card_declined"
    assert answer.body["stream_id"] == f"reservation-{reserved}"
    assert answer.body["stream_version"] == 3
    assert stocked.totals() == Counters(8, 2, 0)
    second = stocked.purchase(reserved, key="second")
    assert second.status == 201
    assert second.body["payment_intent_id"] == answer.body["payment_intent_id"]
    assert second.body["stream_version"] == 5


def test_a_payment_method_that_does_not_exist_is_a_decline_and_not_a_reservation_that_is_stuck(
    stocked: Shop, reserved: str
) -> None:
    answer = stocked.purchase(reserved, "pm_none", key="first")
    assert (answer.status, answer.body["decline_code"]) == (402, "resource_missing")
    assert stocked.purchase(reserved, key="second").status == 201


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
def test_a_repeated_purchase_gets_the_same_answer_for_ever(stocked: Shop, reserved: str, card: str) -> None:
    first = stocked.purchase(reserved, card, key="first")
    stocked.purchase(reserved, "pm_card_mastercard", key="second")
    stocked.clock.advance(30 * 24 * 3600)
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    assert stocked.purchase(reserved, card, key="first") == first
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


def test_the_same_key_with_another_card_or_reservation_is_refused(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    other = stocked.reserve(key="another").body["reservation_id"]
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    for reservation, card in ((reserved, "pm_card_mastercard"), (other, "pm_card_visa")):
        answer = stocked.purchase(reservation, card)
        assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


def test_a_purchased_reservation_is_not_purchased_again(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    before = stocked.contents()
    answer = stocked.purchase(reserved, key="again")
    assert (answer.status, slug(answer)) == (409, "already-purchased")
    assert stocked.contents() == before


def test_a_purchase_that_comes_too_late_records_that_the_reservation_has_expired(stocked: Shop, reserved: str) -> None:
    stocked.clock.advance(900)
    for key in ("first", "second"):
        answer = stocked.purchase(reserved, key=key)
        assert (answer.status, slug(answer)) == (409, "reservation-expired")
    assert [event.type for event in stocked.store.events(f"reservation-{reserved}")[1:]] == [
        "shop.reservation.expired.v1"
    ]
    assert stocked.totals() == Counters(10, 0, 0)
    assert stocked.gateway.calls == []


def test_a_reservation_that_expires_while_the_intent_is_made_is_not_purchased(stocked: Shop, reserved: str) -> None:
    create = stocked.gateway.create

    def slow(reservation_id: str, attempt: int, amount: Money) -> IntentCreated | Refused | Unknown:
        stocked.clock.advance(900)
        return create(reservation_id, attempt, amount)

    stocked.gateway.create = slow  # type: ignore[method-assign]
    assert slug(stocked.purchase(reserved)) == "reservation-expired"
    assert stocked.totals().held == 0
    assert "confirm" not in stocked.gateway.calls


def test_a_provider_that_cannot_be_reached_before_money_moves_changes_nothing(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("create")
    before = stocked.contents()
    answer = stocked.purchase(reserved)
    assert (answer.status, slug(answer)) == (503, "payment-unavailable")
    assert answer.headers["Retry-After"] == "2"
    assert stocked.contents() == before
    stocked.gateway.unreachable.clear()
    assert stocked.purchase(reserved).status == 201


def test_too_many_cards(stocked: Shop, reserved: str) -> None:
    for n in range(10):
        assert stocked.purchase(reserved, "pm_card_visa_chargeDeclined", key=f"card-{n}").status == 402
    before = stocked.contents()
    assert slug(stocked.purchase(reserved, key="card-11")) == "too-many-attempts"
    assert stocked.contents() == before


def check_pending(answer: Answer, reserved: str) -> None:
    assert answer.status == 202
    assert answer.headers["Location"] == f"/reservations/{reserved}"
    assert answer.headers["Retry-After"] == "2"
    assert answer.body == {
        "reservation_id": reserved,
        "status": "paying",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "stream_id": f"reservation-{reserved}",
        "stream_version": 2,
    }


def test_an_unknown_outcome_is_settled_by_a_repeat(stocked: Shop, reserved: str) -> None:
    check_pending(stocked.purchase(reserved, "pm_card_error_after_charge"), reserved)
    assert stocked.totals() == Counters(8, 2, 0)
    stocked.clock.advance(3_600)
    assert stocked.purchase(reserved, "pm_card_error_after_charge").status == 201
    assert stocked.totals() == Counters(8, 0, 2)
    assert stocked.gateway.with_status("succeeded") == ["pi_1"]


@pytest.mark.parametrize(("card", "status"), [("pm_card_visa", 201), ("pm_card_visa_chargeDeclined", 402)])
def test_a_confirmation_that_never_arrived_is_repeated(stocked: Shop, reserved: str, card: str, status: int) -> None:
    stocked.gateway.unreachable.add("confirm")
    check_pending(stocked.purchase(reserved, card), reserved)
    stocked.gateway.unreachable.clear()
    answer = stocked.purchase(reserved, card)
    assert answer.status == status
    assert answer.body["stream_version"] == 3


def test_what_stays_unknown_stays_pending(stocked: Shop, reserved: str) -> None:
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge"), reserved)
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge"), reserved)
    stocked.gateway.unreachable.add("retrieve")
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge"), reserved)


def test_while_one_request_pays_another_key_is_refused_and_remembers_nothing(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_before_charge", key="first")
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    answer = stocked.purchase(reserved, "pm_card_mastercard", key="second")
    assert (answer.status, slug(answer)) == (409, "payment-in-progress")
    assert answer.headers["Retry-After"] == "2"
    assert stocked.gateway.calls == calls
    assert stocked.contents() == before
    check_pending(stocked.purchase(reserved, "pm_card_error_before_charge", key="first"), reserved)


def test_an_intent_that_does_not_exist_ends_the_payment_and_the_next_one_is_made_anew(
    stocked: Shop, reserved: str
) -> None:
    stocked.gateway.unreachable.add("confirm")
    check_pending(stocked.purchase(reserved, key="first"), reserved)
    stocked.gateway.unreachable.clear()
    stocked.gateway.records.remove("payment_intent", "pi_1")
    answer = stocked.purchase(reserved, key="first")
    assert (answer.status, answer.body["code"]) == (402, "intent_missing")
    again = stocked.purchase(reserved, key="second")
    assert (again.status, again.body["payment_intent_id"]) == (201, stocked.gateway.with_status("succeeded")[0])


@pytest.mark.parametrize("change", [{"amount": 999}, {"currency": "usd"}, {"metadata": {"reservation_id": "other"}}])
def test_a_charge_that_is_not_what_was_asked_for_buys_nothing_and_stays_due(
    stocked: Shop, reserved: str, change: dict[str, Any]
) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.gateway.records.put(stocked.gateway.intent("pi_1") | change)
    check_pending(stocked.purchase(reserved, "pm_card_error_after_charge"), reserved)
    stocked.webhook("payment_intent.succeeded", "pi_1", reserved)
    stocked.clock.advance(3_600)
    assert stocked.sweep().left == 1
    assert [event.type for event in stocked.store.events(f"reservation-{reserved}")][-1] == "shop.payment.requested.v1"
    assert stocked.totals() == Counters(8, 2, 0)


def test_of_two_purchases_at_once_one_pays(stocked: Shop, reserved: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.purchase(reserved, key="first")))
    answers.append(stocked.purchase(reserved, "pm_card_mastercard", key="second"))
    assert [answer.status for answer in answers] == [201, 409]
    assert stocked.gateway.calls.count("confirm") == 1


def test_two_equal_purchases_at_once_pay_once_and_get_the_same_answer(stocked: Shop, reserved: str) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.purchase(reserved)))
    answers.append(stocked.purchase(reserved))
    assert answers[0] == answers[1]
    assert answers[0].status == 201


@pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
def test_a_repeat_that_records_the_outcome_first_gives_both_the_same_answer(
    stocked: Shop, reserved: str, card: str
) -> None:
    answers: list[Answer] = []
    stocked.purchase(reserved, "pm_card_visa_chargeDeclinedLostCard", key="before")  # whose outcome is another one
    stocked.store.before_commit += [lambda: None, lambda: answers.append(stocked.purchase(reserved, card))]
    answers.append(stocked.purchase(reserved, card))
    assert answers[0] == answers[1]
    assert len(stocked.store.events(f"reservation-{reserved}")) == 5


@pytest.mark.parametrize("error", [ContentionError(), StoreUnavailableError()])
def test_an_outcome_that_cannot_be_recorded_is_pending_and_a_repeat_records_it(
    stocked: Shop, reserved: str, error: Exception
) -> None:
    stocked.store.before_commit += [lambda: None, raising(error)]
    check_pending(stocked.purchase(reserved), reserved)
    assert stocked.purchase(reserved).status == 201


@pytest.mark.parametrize("error", [ContentionError(), StoreUnavailableError()])
def test_a_store_that_gives_up_asks_for_a_repeat(stocked: Shop, reserved: str, error: Exception) -> None:
    commands: list[Callable[[], Answer]] = [
        lambda: stocked.reserve(key="new"),
        stocked.receive,
        lambda: stocked.purchase(reserved),
    ]
    for command in commands:
        stocked.store.before_commit.append(raising(error))
        stocked.store.key_uses.clear()
        before = stocked.contents().partition("before_commit")[0]
        answer = command()
        assert (answer.status, slug(answer)) == (503, "try-again")
        assert answer.headers["Retry-After"] == "2"
        assert stocked.contents().partition("before_commit")[0] == before
        assert command().status == 201


def test_a_refused_amount(stocked: Shop, reserved: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stocked.gateway, "create", lambda *_: Refused("amount_too_small"))
    before = stocked.contents()
    answer = stocked.purchase(reserved)
    assert (answer.status, slug(answer), answer.body["code"]) == (422, "payment-refused", "amount_too_small")
    assert stocked.contents() == before
