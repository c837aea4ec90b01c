"""The model alone: no HTTP, no file, and the clock stands where a test puts it."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from shop_payment_provider.stripe import MemoryStore, Reply, Stripe, amounts
from shop_payment_provider.stripe.api import KEY_LIFETIME_SECONDS
from shop_payment_provider.stripe.payments import ALLOWED_IN, WAITING
from shop_payment_provider.stripe.wire import ApiError

INTENT = {"amount": "1999", "currency": "eur", "payment_method_types[]": "card"}


@dataclass
class Account:
    store: MemoryStore = field(default_factory=MemoryStore)
    now: float = 1_000.0

    @property
    def stripe(self) -> Stripe:
        return Stripe(self.store, now=self.now, new_id=self.store.new_id)

    def post(self, path: str, key: str | None = None, **fields: str) -> Reply:
        return self.stripe.request("POST", f"/v1/{path}", urlencode(fields).encode(), key)

    def get(self, path: str) -> dict[str, Any]:
        return self.stripe.request("GET", f"/v1/{path}").body

    def confirmed(self, card: str) -> Reply:
        return self.post("payment_intents", payment_method=card, confirm="true", **INTENT)

    def events(self) -> list[str]:
        return [event["type"].removeprefix("payment_intent.") for event in self.store.all("event")]


@pytest.fixture
def account() -> Account:
    return Account()


def test_an_intent_that_requires_action_is_charged_when_the_customer_is_authenticated(account: Account) -> None:
    intent = account.confirmed("pm_card_authenticationRequired").body
    assert (intent["status"], account.get("charges")["data"]) == ("requires_action", [])
    assert account.stripe.payments.authenticate("pi_1").body["status"] == "succeeded"
    (charge,) = account.get("charges")["data"]
    assert charge["payment_method_details"]["card"]["three_d_secure"] == {"result": "authenticated"}
    assert account.events() == ["requires_action", "succeeded"]


def test_a_failed_authentication_leaves_the_intent_to_another_card(account: Account) -> None:
    account.confirmed("pm_card_authenticationRequired")
    intent = account.stripe.payments.fail_authentication("pi_1").body
    assert (intent["status"], intent["next_action"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["code"] == "payment_intent_authentication_failure"
    assert account.events() == ["requires_action", "payment_failed"]
    assert account.get("charges")["data"] == []
    with pytest.raises(ApiError, match="You cannot authenticate this PaymentIntent"):
        account.stripe.payments.authenticate("pi_1")
    again = account.post("payment_intents/pi_1/confirm", payment_method="pm_card_visa").body
    assert (again["status"], again["last_payment_error"]) == ("succeeded", None)


def test_a_card_may_be_declined_after_its_customer_was_authenticated(account: Account) -> None:
    account.confirmed("pm_card_authenticationRequiredChargeDeclinedInsufficientFunds")
    assert account.stripe.payments.authenticate("pi_1").status == 402
    intent = account.get("payment_intents/pi_1")
    assert (intent["status"], intent["next_action"]) == ("requires_payment_method", None)
    assert intent["last_payment_error"]["decline_code"] == "insufficient_funds"


def test_what_the_customer_has_to_do_is_said_as_long_as_it_has_to_be_done(account: Account) -> None:
    back = {"return_url": "https://shop.example/paid"}
    intent = account.post(
        "payment_intents", payment_method="pm_card_threeDSecure2Required", confirm="true", **INTENT, **back
    ).body
    url = f"https://hooks.stripe.invalid/3d-secure/pi_1?client_secret={intent['client_secret']}"
    assert intent["next_action"] == {"type": "redirect_to_url", "redirect_to_url": {**back, "url": url}}
    assert account.post("payment_intents/pi_1/cancel").body["next_action"] is None
    assert account.confirmed("pm_card_authenticationRequired").body["next_action"]["type"] == "use_stripe_sdk"


EVERY_STATUS = (*WAITING, "processing", "succeeded", "canceled")


@pytest.mark.parametrize("status", EVERY_STATUS)
@pytest.mark.parametrize("transition", ["confirm", "cancel", "authenticate", "fail_authentication"])
def test_a_transition_begins_only_in_the_statuses_of_the_table(account: Account, status: str, transition: str) -> None:
    account.post("payment_intents", **INTENT)
    account.store.put(
        (account.store.get("payment_intent", "pi_1") or {}) | {"status": status, "payment_method": "pm_card_visa"}
    )
    payments = account.stripe.payments
    run: dict[str, Callable[[], Reply]] = {
        "confirm": lambda: payments.confirm("pi_1", {"payment_method": "pm_card_visa"}, None),
        "cancel": lambda: payments.cancel("pi_1", {}),
        "authenticate": lambda: payments.authenticate("pi_1"),
        "fail_authentication": lambda: payments.fail_authentication("pi_1"),
    }
    if status in ALLOWED_IN[transition]:
        assert run[transition]().status == 200
        return
    before = dict(account.store.records)
    with pytest.raises(ApiError) as refused:
        run[transition]()
    assert refused.value.reply.body["error"]["code"] == "payment_intent_unexpected_state"
    assert account.store.records == before


@pytest.mark.parametrize("action", ["confirm", "cancel"])
def test_an_intent_that_requires_action_may_be_paid_by_another_card_or_cancelled(account: Account, action: str) -> None:
    account.confirmed("pm_card_authenticationRequired")
    fields = {"payment_method": "pm_card_visa"} if action == "confirm" else {}
    status = account.post(f"payment_intents/pi_1/{action}", **fields).body["status"]
    assert status == ("succeeded" if action == "confirm" else "canceled")


@pytest.mark.parametrize(
    ("card", "status", "event"),
    [
        ("pm_card_processing", "succeeded", "succeeded"),
        ("pm_card_processing_declined", "requires_payment_method", "payment_failed"),
    ],
)
def test_what_is_processing_is_settled_later_and_its_key_keeps_the_first_answer(
    account: Account, card: str, status: str, event: str
) -> None:
    form = {**INTENT, "payment_method": card, "confirm": "true"}
    first = account.post("payment_intents", "key", **form)
    assert (first.body["status"], first.pending, account.events()) == ("processing", "pi_1", [])
    assert account.stripe.pending(since=999) == []
    assert account.stripe.pending(since=1_000) == ["pi_1"]
    account.stripe.payments.settle("pi_1")
    assert account.get("payment_intents/pi_1")["status"] == status
    assert (account.stripe.pending(), account.events()) == ([], [event])
    assert account.post("payment_intents", "key", **form).body == first.body


def test_a_slow_answer_keeps_its_key_in_use_until_it_is_settled(account: Account) -> None:
    form = {**INTENT, "payment_method": "pm_card_slow", "confirm": "true"}
    account.post("payment_intents", "key", **form)
    assert account.post("payment_intents", "key", **form).status == 409
    settled = account.stripe.payments.settle("pi_1")
    repeat = account.post("payment_intents", "key", **form)
    assert (repeat.status, repeat.body, repeat.original_request) == (200, settled.body, "")


def test_a_pending_refund_succeeds_when_it_is_settled(account: Account) -> None:
    account.confirmed("pm_card_pendingRefund")
    refund = account.post("refunds", payment_intent="pi_1")
    assert (refund.body["status"], refund.pending) == ("pending", "re_1")
    account.stripe.payments.settle("re_1")
    assert account.get("refunds/re_1")["status"] == "succeeded"


@pytest.mark.parametrize(("seconds", "intents"), [(KEY_LIFETIME_SECONDS - 1, 1), (KEY_LIFETIME_SECONDS, 2)])
def test_a_key_is_kept_for_a_day(account: Account, seconds: int, intents: int) -> None:
    account.post("payment_intents", "key", **INTENT)
    account.now += seconds
    account.post("payment_intents", "key", **INTENT)
    assert len(account.get("payment_intents")["data"]) == intents


def test_what_is_not_processing_cannot_be_settled_nor_authenticated(account: Account) -> None:
    account.confirmed("pm_card_visa")
    with pytest.raises(ApiError, match="No such pending"):
        account.stripe.payments.settle("pi_1")
    with pytest.raises(ApiError, match="You cannot authenticate this PaymentIntent"):
        account.stripe.payments.authenticate("pi_1")


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(1_999, "eur", "19.99 EUR"), (500, "jpy", "500 JPY"), (5_120, "kwd", "5.120 KWD"), (500, "isk", "5.00 ISK")],
)
def test_an_amount_is_written_in_the_currencys_units(amount: int, currency: str, text: str) -> None:
    assert amounts.written(amount, currency) == text
