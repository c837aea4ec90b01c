"""A customer's bank wants to see its customer: who completes it, fails it, or walks away, and at any time."""

import uuid
from collections.abc import Callable
from typing import Any

import httpx
import pytest
import stripe

from shop_command.domain import reservation
from shop_command.domain.reservation import ATTEMPTS_MAX
from shop_command.ports import StoreUnavailableError
from shop_command.testing import Shop, http_event, invoke
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import raising, slug
from shop_http.testing import Answer
from shop_payment_provider.testing import ProviderProcess

CARD = "pm_card_authenticationRequired"
THEN_DECLINED = "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds"
FAILURE = "payment_intent_authentication_failure"
GIVEN_UP = (reservation.INTENT_CANCELED, reservation.GIVEN_UP)


def types(shop: Shop, reservation_id: str) -> list[str]:
    events = shop.store.events(f"reservation-{reservation_id}")
    return [event.type.removeprefix("shop.").removesuffix(".v1") for event in events[1:]]


def check_asked(answer: Answer, shop: Shop, reserved: str) -> None:
    intent = shop.gateway.intent("pi_1")
    assert answer.status == 202
    assert answer.headers["Location"] == f"/reservations/{reserved}"
    assert answer.headers["Retry-After"] == "2"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body == {
        "reservation_id": reserved,
        "status": "requires_action",
        "total": {"amount_minor": 1000, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "client_secret": intent["client_secret"],
        "next_action": {"type": "redirect_to_url", "url": intent["next_action"]["redirect_to_url"]["url"]},
        "stream_id": f"reservation-{reserved}",
        "stream_version": 2,
    }


def test_the_customer_is_asked_and_a_repeat_asks_again_with_the_secret_that_is_stored_nowhere(
    stocked: Shop, reserved: str
) -> None:
    check_asked(stocked.purchase(reserved, CARD), stocked, reserved)
    assert types(stocked, reserved) == ["payment.requested", "payment.action-required"]
    before = stocked.contents()
    again = stocked.purchase(reserved, CARD)
    check_asked(again, stocked, reserved)
    assert again.headers["Idempotent-Replayed"] == "true"
    assert stocked.contents() == before
    assert "_secret_" not in before
    assert stocked.totals() == Counters(8, 2, 0)


def test_without_a_page_to_come_back_to_the_customer_goes_through_it_with_stripes_script(
    stocked: Shop, reserved: str
) -> None:
    stocked.gateway._return_url = ""
    answer = stocked.purchase(reserved, CARD)
    assert answer.body["next_action"] == {"type": "use_stripe_sdk"}
    assert answer.body["client_secret"]


def by_repeat(shop: Shop, reserved: str, card: str) -> None:
    shop.purchase(reserved, card)


def by_webhook(shop: Shop, reserved: str, _: str) -> None:
    assert shop.webhook("payment_intent.succeeded", "pi_1", reserved).status == 200


def by_sweep(shop: Shop, _: str, __: str) -> None:
    shop.clock.advance(900)
    assert shop.sweep().settled == 1


EACH_WAY = pytest.mark.parametrize("learn", [by_repeat, by_webhook, by_sweep])
Learn = Callable[[Shop, str, str], None]


@EACH_WAY
def test_who_completes_it_has_bought(stocked: Shop, reserved: str, learn: Learn) -> None:
    stocked.purchase(reserved, CARD)
    stocked.clock.advance(800)
    stocked.gateway.authenticate("pi_1")
    learn(stocked, reserved, CARD)
    assert types(stocked, reserved)[-1] == "purchase.confirmed"
    assert stocked.purchase(reserved, CARD).status == 201
    assert stocked.totals() == Counters(8, 0, 2)


@pytest.mark.parametrize("learn", [by_repeat, by_webhook])
def test_who_fails_it_is_declined_and_another_card_pays_at_once(stocked: Shop, reserved: str, learn: Learn) -> None:
    stocked.purchase(reserved, CARD, key="first")
    stocked.gateway.fail_authentication("pi_1")
    if learn is by_webhook:
        by_webhook(stocked, reserved, CARD)
    answer = stocked.purchase(reserved, CARD, key="first")
    assert (answer.status, answer.body["code"], answer.body["decline_code"]) == (402, FAILURE, FAILURE)
    second = stocked.purchase(reserved, key="second")
    assert (second.status, second.body["payment_intent_id"]) == (201, "pi_1")


def test_who_completes_it_may_still_be_declined(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, THEN_DECLINED)
    stocked.gateway.authenticate("pi_1")
    answer = stocked.purchase(reserved, THEN_DECLINED)
    assert (answer.status, answer.body["code"], answer.body["decline_code"]) == (
        402,
        "card_declined",
        "insufficient_funds",
    )


def test_who_walks_away_is_cancelled_at_the_provider_when_the_time_is_over_and_not_before(
    stocked: Shop, reserved: str
) -> None:
    stocked.purchase(reserved, CARD)
    calls = list(stocked.gateway.calls)
    for seconds in (60, 60, 779):
        stocked.clock.advance(seconds)
        assert stocked.sweep().due == 0
    assert stocked.gateway.calls == calls
    stocked.clock.advance(1)
    report = stocked.sweep()
    assert report.settled == 1
    assert report.oldest_unsettled.total_seconds() <= 61, "a customer who takes time is no alarm"
    assert stocked.gateway.with_status("canceled") == ["pi_1"]
    assert stocked.sweep().expired == 1
    assert types(stocked, reserved)[-2:] == ["payment.declined", "reservation.expired"]
    assert stocked.totals() == Counters(10, 0, 0)


def test_who_completes_it_while_the_sweep_cancels_has_bought(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, CARD)
    stocked.clock.advance(900)
    stocked.gateway.meanwhile["cancel"] = [lambda: stocked.gateway.authenticate("pi_1")]
    assert stocked.sweep().settled == 1
    assert types(stocked, reserved)[-1] == "purchase.confirmed"


def test_who_pays_in_another_way_gives_it_up_first_and_is_charged_once(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, CARD, key="first")
    answer = stocked.purchase(reserved, key="second")
    assert (answer.status, answer.body["payment_intent_id"]) == (201, stocked.gateway.with_status("succeeded")[0])
    assert stocked.gateway.with_status("canceled") == ["pi_1"]
    declined = stocked.purchase(reserved, CARD, key="first")
    assert (declined.status, declined.body["code"], declined.body["decline_code"]) == (402, *GIVEN_UP)
    assert types(stocked, reserved)[2:] == ["payment.declined", "payment.requested", "purchase.confirmed"]
    assert stocked.purchase(reserved, key="second").body == answer.body
    assert stocked.totals() == Counters(8, 0, 2)


def test_who_asks_anew_with_the_same_card_is_asked_anew(stocked: Shop, reserved: str) -> None:
    first = stocked.purchase(reserved, CARD, key="first")
    second = stocked.purchase(reserved, CARD, key="second")
    assert (second.status, second.body["status"]) == (202, "requires_action")
    assert second.body["next_action"]["url"] != first.body["next_action"]["url"]
    assert stocked.gateway.with_status("requires_action") == [second.body["payment_intent_id"]]


def other_card(shop: Shop, reserved: str) -> Answer:
    return shop.purchase(reserved, key="second")


def cancelling(shop: Shop, reserved: str) -> Answer:
    return shop.cancel(reserved)


EACH_OTHER_WAY = pytest.mark.parametrize("other", [other_card, cancelling])
OtherWay = Callable[[Shop, str], Answer]


def test_who_gives_the_reservation_up_gives_its_payment_up(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, CARD, key="first")
    assert stocked.cancel(reserved).status == 200
    assert types(stocked, reserved)[2:] == ["payment.declined", "reservation.cancelled"]
    assert stocked.gateway.with_status("canceled") == ["pi_1"]
    assert stocked.totals() == Counters(10, 0, 0)
    assert stocked.sweep().due == 0


@EACH_OTHER_WAY
@pytest.mark.parametrize("moment", ["before", "while it is given up"])
def test_who_has_confirmed_it_has_bought_and_is_told_so(
    stocked: Shop, reserved: str, other: OtherWay, moment: str
) -> None:
    stocked.purchase(reserved, CARD, key="first")
    if moment == "before":
        stocked.gateway.authenticate("pi_1")
    else:
        stocked.gateway.meanwhile["cancel"] = [lambda: stocked.gateway.authenticate("pi_1")]
    answer = other(stocked, reserved)
    assert (answer.status, slug(answer), answer.body["purchase_id"]) == (409, "already-purchased", reserved)
    assert stocked.purchase(reserved, CARD, key="first").status == 201
    assert stocked.gateway.with_status("succeeded") == ["pi_1"]
    assert stocked.totals() == Counters(8, 0, 2)


@EACH_OTHER_WAY
@pytest.mark.parametrize("fault", ["unreachable", "lost"])
def test_a_giving_up_that_nobody_knows_the_end_of_begins_nothing_else_and_a_repeat_goes_on(
    stocked: Shop, reserved: str, other: OtherWay, fault: str
) -> None:
    stocked.purchase(reserved, CARD, key="first")
    getattr(stocked.gateway, fault).add("cancel")
    answer = other(stocked, reserved)
    assert (answer.status, slug(answer)) == (503, "try-again")
    assert types(stocked, reserved) == ["payment.requested", "payment.action-required"]
    getattr(stocked.gateway, fault).clear()
    assert other(stocked, reserved).status in (200, 201)


@EACH_OTHER_WAY
@pytest.mark.parametrize("quicker", ["webhook", "other card", "cancelling"])
def test_whoever_is_quicker_to_give_it_up_changes_nothing_about_the_end(
    stocked: Shop, reserved: str, other: OtherWay, quicker: str
) -> None:
    stocked.purchase(reserved, CARD, key="first")
    rivals: dict[str, Callable[[], object]] = {
        "webhook": lambda: stocked.webhook("payment_intent.canceled", "pi_1", reserved),
        "other card": lambda: stocked.purchase(reserved, key="third"),
        "cancelling": lambda: stocked.cancel(reserved),
    }
    stocked.store.before_commit.append(rivals[quicker])
    answer = other(stocked, reserved)
    assert len(stocked.gateway.with_status("succeeded")) == types(stocked, reserved).count("purchase.confirmed") <= 1
    assert stocked.gateway.with_status("requires_action") == []
    if quicker == "webhook":
        assert answer.status in (200, 201)
    else:
        assert types(stocked, reserved)[-1] == (
            "purchase.confirmed" if quicker == "other card" else "reservation.cancelled"
        )


@EACH_OTHER_WAY
def test_what_the_provider_works_on_is_not_given_up(stocked: Shop, reserved: str, other: OtherWay) -> None:
    stocked.purchase(reserved, CARD, key="first")
    stocked.gateway.records.put(stocked.gateway.intent("pi_1") | {"status": "processing"})
    answer = other(stocked, reserved)
    assert (answer.status, slug(answer)) == (409, "payment-in-progress")
    assert types(stocked, reserved) == ["payment.requested", "payment.action-required"]


@EACH_OTHER_WAY
def test_what_is_known_to_be_asked_for_only_by_the_bank_is_not_given_up(
    stocked: Shop, reserved: str, other: OtherWay
) -> None:
    """The confirmation of such a payment may still be under way."""
    stocked.store.before_commit += [lambda: None, raising(StoreUnavailableError())]
    stocked.purchase(reserved, CARD, key="first")
    calls = list(stocked.gateway.calls)
    assert slug(other(stocked, reserved)) == "payment-in-progress"
    assert stocked.gateway.calls == calls


@EACH_OTHER_WAY
def test_when_the_time_is_over_the_sweep_decides(stocked: Shop, reserved: str, other: OtherWay) -> None:
    stocked.purchase(reserved, CARD, key="first")
    calls = list(stocked.gateway.calls)
    stocked.clock.advance(900)
    assert slug(other(stocked, reserved)) == "payment-in-progress"
    assert stocked.gateway.calls == calls


def test_the_last_card_that_may_be_tried_is_not_given_up_for_one_that_may_not(stocked: Shop, reserved: str) -> None:
    for number in range(1, ATTEMPTS_MAX):
        stocked.purchase(reserved, "pm_card_visa_chargeDeclined", key=f"card-{number}")
    stocked.purchase(reserved, CARD, key="last")
    assert slug(stocked.purchase(reserved, key="one-more")) == "payment-in-progress"
    stocked.gateway.authenticate("pi_1")
    assert stocked.purchase(reserved, CARD, key="last").status == 201


@pytest.mark.parametrize("learn", [by_repeat, by_webhook])
def test_what_a_crash_left_unrecorded_is_recorded_by_whoever_looks(stocked: Shop, reserved: str, learn: Learn) -> None:
    stocked.store.before_commit += [lambda: None, raising(StoreUnavailableError())]
    check_asked(stocked.purchase(reserved, CARD), stocked, reserved)
    assert types(stocked, reserved) == ["payment.requested"]
    learn(stocked, reserved, CARD)
    assert types(stocked, reserved) == ["payment.requested", "payment.action-required"]


def test_the_sweep_finds_a_customer_who_is_asked_and_does_not_cancel(stocked: Shop, reserved: str) -> None:
    stocked.gateway.lost = {"confirm", "retrieve"}
    assert stocked.purchase(reserved, CARD).body["status"] == "paying"
    stocked.gateway.lost = set()
    stocked.clock.advance(60)
    assert stocked.sweep().left == 1
    assert types(stocked, reserved)[-1] == "payment.action-required"
    assert stocked.gateway.with_status("requires_action") == ["pi_1"]
    stocked.clock.advance(60)
    assert stocked.sweep().due == 0


def test_the_sweep_cancels_nobody_whose_state_it_could_not_read(stocked: Shop, reserved: str) -> None:
    stocked.store.before_commit += [lambda: None, raising(StoreUnavailableError())]
    check_asked(stocked.purchase(reserved, CARD), stocked, reserved)
    stocked.gateway.unreachable.add("retrieve")
    stocked.clock.advance(60)
    assert stocked.sweep().left == 1
    assert stocked.gateway.with_status("requires_action") == ["pi_1"]


def test_a_kept_answer_that_asks_is_not_believed_when_it_is_over(stocked: Shop, reserved: str) -> None:
    """The provider repeats for a day under its key that the customer has to act."""
    stocked.gateway.lost = {"confirm"}
    stocked.purchase(reserved, CARD)
    stocked.gateway.fail_authentication("pi_1")
    stocked.gateway.lost = set()
    answer = stocked.purchase(reserved, CARD)
    assert (answer.status, answer.body["code"]) == (402, FAILURE)


def test_a_webhook_that_records_it_first_gives_the_request_the_same_answer(stocked: Shop, reserved: str) -> None:
    stocked.store.before_commit += [
        lambda: None,
        lambda: stocked.webhook("payment_intent.requires_action", "pi_1", reserved),
    ]
    check_asked(stocked.purchase(reserved, CARD), stocked, reserved)
    assert types(stocked, reserved) == ["payment.requested", "payment.action-required"]


def test_while_the_provider_does_not_answer_a_repeat_says_only_that_it_is_open(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, CARD)
    stocked.gateway.unreachable.add("retrieve")
    answer = stocked.purchase(reserved, CARD)
    assert (answer.status, answer.body["status"]) == (202, "paying")
    assert "client_secret" not in answer.body


@pytest.mark.usefixtures("deployed")
@pytest.mark.parametrize(("button", "status"), [("complete", 201), ("fail", 402)])
def test_a_person_goes_through_it_in_a_browser_and_stripes_own_client_sees_the_same(
    provider: ProviderProcess, button: str, status: int
) -> None:
    price = {"amount_minor": 500, "currency": "EUR"}
    product = {"sku": "MUG", "name": "Mug", "description": "", "price": price}
    invoke(http_event("POST /products", product, groups="[admin]"))
    invoke(http_event("POST /products/{sku}/stock", {"quantity": 1}, groups="[admin]", sku="MUG"))
    key = str(uuid.uuid4())
    lines = {"lines": [{"sku": "MUG", "quantity": 1}]}
    reserved = invoke(http_event("POST /reservations", lines, key=key)).body["reservation_id"]
    body: dict[str, Any] = {"reservation_id": reserved, "payment_method": CARD}
    asked = invoke(http_event("POST /purchase", body, key=key))
    assert (asked.status, asked.body["status"]) == (202, "requires_action")

    page = httpx.URL(asked.body["next_action"]["url"])
    assert "Complete authentication" in httpx.get(page).text
    form = {"client_secret": asked.body["client_secret"], "result": button}
    back = httpx.post(page.copy_with(query=None), data=form)
    assert back.headers["Location"].startswith("https://shop.invalid/returned?payment_intent=pi_")

    assert invoke(http_event("POST /purchase", body, key=key)).status == status
    client = stripe.StripeClient(provider.api_key, base_addresses={"api": provider.url})
    intent = client.v1.payment_intents.retrieve(asked.body["payment_intent_id"])
    assert (intent.status, intent.amount_received) == (
        ("succeeded", 500) if button == "complete" else ("requires_payment_method", 0)
    )
