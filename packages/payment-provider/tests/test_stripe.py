"""The model alone: no HTTP, no file, and the clock stands where a test puts it."""

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlencode

import pytest

from shop_payment_provider.stripe import MemoryStore, Reply, Stripe
from shop_payment_provider.stripe.api import KEY_LIFETIME_SECONDS
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
    assert account.events() == ["succeeded"]


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
