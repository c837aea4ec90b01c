"""One contract runs for the fake and for the adapter, which talks to the mock provider over HTTP."""

import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from msgspec.structs import replace

from shop_command.adapters.payment import StripeGateway
from shop_command.adapters.secrets import Secret
from shop_command.ports import (
    ActionRequired,
    AskedIntent,
    Captured,
    Declined,
    EventPage,
    EventsForgotten,
    Hint,
    IntentCancelled,
    IntentCreated,
    IntentMissing,
    PaymentGateway,
    Processing,
    RefundOrder,
    RefundRefused,
    Refused,
    Returned,
    Unconfirmed,
    Unknown,
)
from shop_command.testing import FakeGateway
from shop_payment_provider.stripe import CARDS
from shop_payment_provider.testing import ProviderProcess, running_provider
from shop_shared.values import Money

AMOUNT = Money(amount_minor=1_999, currency="EUR")
KEY = "sk_test_local"
RETURN_URL = "https://shop.invalid/returned"
DECLINED = "pm_card_visa_chargeDeclined"
DECLINES = {
    name: Declined(card.decline.code, card.decline.decline_code)
    for name, card in CARDS.items()
    if card.decline and not card.fault
}
ANOTHER = Unknown("not what was asked for")
WAIT_SECONDS_MAX = 20


@dataclass(frozen=True)
class Slow:
    """A provider that takes its time over pm_card_slow: until `finish`."""

    gateway: PaymentGateway
    finish: Callable[[str], None]


def created(gateway: PaymentGateway, reservation_id: str, attempt: int = 1) -> AskedIntent:
    outcome = gateway.create(reservation_id, attempt, AMOUNT)
    assert isinstance(outcome, IntentCreated)
    return AskedIntent(outcome.payment_intent_id, reservation_id, AMOUNT)


def charged(gateway: PaymentGateway, reservation_id: str) -> AskedIntent:
    intent = created(gateway, reservation_id)
    assert gateway.confirm(intent, 1, "pm_card_visa") == Captured()
    return intent


class Contract:
    @pytest.fixture
    def gateway(self) -> PaymentGateway:
        raise NotImplementedError

    @pytest.fixture
    def forget_keys(self) -> Callable[[], None]:
        """A day passes, after which the provider has forgotten what was sent under which key."""
        raise NotImplementedError

    @pytest.fixture
    def slow(self) -> Slow:
        raise NotImplementedError

    @pytest.fixture
    def reservation_id(self) -> str:
        return str(uuid.uuid4())

    def test_a_dispute_and_what_led_to_it_are_listed(self, slow: Slow, reservation_id: str) -> None:
        gateway = slow.gateway
        since = datetime(1970, 1, 1, tzinfo=UTC)
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, 1, "pm_card_createDispute") == Captured()
        assert gateway.disputes_of(intent.id) == []
        begun = gateway.events_since(since)
        assert isinstance(begun, EventPage)
        assert [event.hint for event in begun.events] == [Hint(intent.id, reservation_id)]
        slow.finish(intent.id)
        disputes = gateway.disputes_of(intent.id)
        assert isinstance(disputes, list)
        [dispute] = disputes
        assert (dispute.status, dispute.amount, dispute.reason) == ("chargeback", AMOUNT, "fraudulent")
        assert dispute.evidence_due_by
        later = gateway.events_after(begun.events[-1].id)
        assert isinstance(later, EventPage)
        assert {event.hint for event in later.events} == {Hint(intent.id)}
        assert later.is_last
        assert gateway.events_after("evt_none") == EventsForgotten()

    def test_an_attempt_has_one_intent_of_its_own(self, gateway: PaymentGateway, reservation_id: str) -> None:
        intents = [created(gateway, reservation_id, attempt) for attempt in (1, 1, 2, 2, 1)]
        first, second = intents[0], intents[2]
        assert intents == [first, first, second, second, first]
        assert len({first, second, created(gateway, str(uuid.uuid4()))}) == 3

    def test_a_new_intent_waits_for_its_confirmation(self, gateway: PaymentGateway, reservation_id: str) -> None:
        assert gateway.retrieve(created(gateway, reservation_id)) == Unconfirmed()

    @pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_mastercard"])
    def test_a_good_card_is_charged(self, gateway: PaymentGateway, reservation_id: str, card: str) -> None:
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, 1, card) == Captured()
        assert gateway.retrieve(intent) == Captured()

    @pytest.mark.parametrize(("card", "decline"), DECLINES.items())
    def test_a_decline_says_why_and_leaves_the_intent_to_another_card(
        self, gateway: PaymentGateway, reservation_id: str, card: str, decline: Declined
    ) -> None:
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, 1, card) == decline
        assert gateway.retrieve(intent) == Unconfirmed(decline.code, decline.decline_code)
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()

    def test_a_payment_method_that_does_not_exist_is_a_decline(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        assert gateway.confirm(intent, 1, "pm_none") == Declined("resource_missing")
        assert gateway.confirm(intent, 1, "pm_none") == Declined("resource_missing")
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()

    @pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_visa_chargeDeclined"])
    def test_a_repeated_attempt_has_the_same_outcome(
        self, gateway: PaymentGateway, reservation_id: str, card: str
    ) -> None:
        intent = created(gateway, reservation_id)
        first = gateway.confirm(intent, 1, card)
        assert gateway.confirm(intent, 1, card) == first

    def test_an_intent_that_was_charged_by_an_earlier_attempt_is_captured(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, 1, "pm_card_error_after_charge")
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()

    @pytest.mark.parametrize("card", ["pm_card_timeout_after_charge", "pm_card_error_after_charge"])
    def test_a_lost_answer_is_unknown_and_the_intent_tells_that_it_was_charged(
        self, gateway: PaymentGateway, reservation_id: str, card: str
    ) -> None:
        intent = created(gateway, reservation_id)
        assert isinstance(gateway.confirm(intent, 1, card), Unknown)
        assert gateway.retrieve(intent) == Captured()

    def test_an_error_before_the_charge_is_unknown_too_and_the_intent_tells_that_it_was_not_charged(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        for _ in range(2):
            assert isinstance(gateway.confirm(intent, 1, "pm_card_error_before_charge"), Unknown)
        assert gateway.retrieve(intent) == Unconfirmed()

    def test_an_intent_that_does_not_exist_is_missing_for_good(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        none = AskedIntent("pi_none", reservation_id, AMOUNT)
        for outcome in (gateway.confirm(none, 1, "pm_card_visa"), gateway.retrieve(none), gateway.cancel(none)):
            assert outcome == IntentMissing()

    @pytest.mark.parametrize(
        "change",
        [
            {},
            {"amount": Money(amount_minor=1_998, currency="EUR")},
            {"amount": Money(amount_minor=1_999, currency="USD")},
        ],
    )
    def test_an_answer_about_another_reservation_amount_or_currency_counts_for_nothing(
        self, gateway: PaymentGateway, change: dict[str, Any]
    ) -> None:
        for card in ("pm_card_visa", DECLINED):
            wrong = replace(created(gateway, str(uuid.uuid4())), **(change or {"reservation_id": str(uuid.uuid4())}))
            assert gateway.retrieve(wrong) == ANOTHER
            assert gateway.confirm(wrong, 1, card) == ANOTHER
            assert gateway.confirm(wrong, 2, "pm_card_visa") == ANOTHER
            assert gateway.retrieve(wrong) == ANOTHER
            assert gateway.cancel(wrong) == ANOTHER

    @pytest.mark.parametrize("cards", [[], [DECLINED], ["pm_none"], ["pm_card_error_before_charge"]])
    def test_an_intent_that_was_not_charged_is_cancelled_for_good(
        self, gateway: PaymentGateway, reservation_id: str, cards: list[str]
    ) -> None:
        intent = created(gateway, reservation_id)
        for card in cards:
            gateway.confirm(intent, 1, card)
        assert gateway.cancel(intent) == IntentCancelled()
        assert gateway.cancel(intent) == IntentCancelled()
        assert gateway.retrieve(intent) == IntentCancelled()
        for _ in range(2):
            assert gateway.confirm(intent, 2, "pm_card_visa") == IntentCancelled()
        assert gateway.retrieve(intent) == IntentCancelled()

    @pytest.mark.parametrize("card", ["pm_card_visa", "pm_card_error_after_charge"])
    def test_a_cancellation_that_comes_too_late_shows_the_charge(
        self, gateway: PaymentGateway, reservation_id: str, card: str
    ) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, 1, card)
        assert gateway.cancel(intent) == Captured()
        assert gateway.retrieve(intent) == Captured()

    def test_after_a_cancellation_the_next_attempt_is_charged_to_an_intent_of_its_own(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        dead = created(gateway, reservation_id)
        assert gateway.cancel(dead) == IntentCancelled()
        intent = created(gateway, reservation_id, attempt=2)
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()
        assert gateway.retrieve(dead) == IntentCancelled()

    def test_a_repeat_of_a_declined_attempt_hears_of_a_cancellation_once_its_key_is_forgotten(
        self, gateway: PaymentGateway, reservation_id: str, forget_keys: Callable[[], None]
    ) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, 1, DECLINED)
        assert gateway.cancel(intent) == IntentCancelled()
        assert gateway.confirm(intent, 1, DECLINED) == DECLINES[DECLINED]
        forget_keys()
        assert gateway.confirm(intent, 1, DECLINED) == IntentCancelled()

    def test_an_attempt_that_was_charged_stays_so_when_its_key_is_forgotten(
        self, gateway: PaymentGateway, reservation_id: str, forget_keys: Callable[[], None]
    ) -> None:
        intent = charged(gateway, reservation_id)
        forget_keys()
        assert gateway.confirm(intent, 1, "pm_card_visa") == Captured()
        assert created(gateway, reservation_id) != intent

    def test_a_charge_is_refunded_once_however_often_and_late_it_is_asked_for(
        self, gateway: PaymentGateway, reservation_id: str, forget_keys: Callable[[], None]
    ) -> None:
        intent = charged(gateway, reservation_id)
        refunded = gateway.refund(whole(intent, reservation_id))
        assert isinstance(refunded, Returned)
        assert gateway.refund(whole(intent, reservation_id)) == refunded
        forget_keys()
        for _ in range(2):
            assert gateway.find_refund(whole(intent, reservation_id)) == refunded
            assert gateway.refund(whole(intent, reservation_id)) == RefundRefused("charge_already_refunded")
        other = str(uuid.uuid4())
        assert gateway.refund(whole(charged(gateway, other), other)) != refunded

    def test_a_refunded_charge_stays_captured(self, gateway: PaymentGateway, reservation_id: str) -> None:
        intent = charged(gateway, reservation_id)
        gateway.refund(whole(intent, reservation_id))
        assert gateway.retrieve(intent) == Captured()
        assert gateway.cancel(intent) == Captured()
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()

    def test_what_was_not_charged_is_not_refunded(self, gateway: PaymentGateway, reservation_id: str) -> None:
        waiting, declined, dead = (created(gateway, reservation_id, attempt) for attempt in (1, 2, 3))
        gateway.confirm(declined, 2, DECLINED)
        gateway.cancel(dead)
        for intent in (waiting, declined, dead):
            assert gateway.refund(whole(intent, reservation_id)) == RefundRefused("invalid_request_error")

    @pytest.mark.parametrize("card", ["pm_card_authenticationRequired", "pm_card_threeDSecure2Required"])
    def test_a_card_that_needs_3d_secure_waits_and_can_be_cancelled(
        self, gateway: PaymentGateway, reservation_id: str, card: str
    ) -> None:
        intent = created(gateway, reservation_id)
        asked = gateway.confirm(intent, 1, card)
        assert isinstance(asked, ActionRequired)
        assert asked.client_secret.startswith(f"{intent.id}_secret_")
        assert asked.url
        assert asked.client_secret in asked.url
        assert gateway.retrieve(intent) == asked
        assert gateway.confirm(intent, 1, card) == asked
        assert gateway.cancel(intent) == IntentCancelled()
        assert gateway.confirm(intent, 1, card) == IntentCancelled()

    def test_another_card_pays_what_waited_for_3d_secure(self, gateway: PaymentGateway, reservation_id: str) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, 1, "pm_card_authenticationRequired")
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()

    def test_parts_are_refunded_each_once_until_nothing_is_left(
        self, gateway: PaymentGateway, reservation_id: str, forget_keys: Callable[[], None]
    ) -> None:
        intent = charged(gateway, reservation_id)
        first, second = (replace(whole(intent, reservation_id, n), amount_minor=1_000) for n in (1, 2))
        assert gateway.find_refund(first) is None
        returned = gateway.refund(first)
        assert isinstance(returned, Returned)
        assert returned.amount == Money(amount_minor=1_000, currency="EUR")
        assert gateway.refund(second) == RefundRefused("invalid_request_error")
        assert gateway.refund(replace(second, refund=3, amount_minor=999)) != returned
        forget_keys()
        assert gateway.find_refund(first) == returned
        assert gateway.find_refund(second) is None

    def test_a_refund_that_takes_its_time_is_waited_for(self, slow: Slow, reservation_id: str) -> None:
        gateway = slow.gateway
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, 1, "pm_card_pendingRefund")
        order = whole(intent, reservation_id)
        assert gateway.refund(order) == gateway.find_refund(order) == Processing()

    def test_what_is_under_way_can_only_be_waited_for(self, slow: Slow, reservation_id: str) -> None:
        gateway = slow.gateway
        intent = created(gateway, reservation_id)
        assert isinstance(gateway.confirm(intent, 1, "pm_card_slow"), Processing | Unknown)
        wait_until(lambda: gateway.retrieve(intent) == Processing())
        assert gateway.cancel(intent) == Processing()
        assert isinstance(gateway.confirm(intent, 1, "pm_card_slow"), Processing | Unknown)
        assert gateway.confirm(intent, 2, "pm_card_visa") == Processing()
        assert gateway.retrieve(intent) == Processing()

        slow.finish(intent.id)
        assert gateway.retrieve(intent) == Captured()
        assert gateway.cancel(intent) == Captured()
        assert gateway.confirm(intent, 1, "pm_card_slow") == Captured()
        # This one's answer was that another one was under way, and the provider gives that answer for a day.
        assert gateway.confirm(intent, 2, "pm_card_visa") == Captured()


def whole(intent: AskedIntent, reservation_id: str, refund: int = 1) -> RefundOrder:
    return RefundOrder(intent.id, reservation_id, refund, "EUR", 1_999)


def wait_until(is_so: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not is_so():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.02)


class TestFakeGateway(Contract):
    @pytest.fixture
    def fake(self) -> FakeGateway:
        return FakeGateway()

    @pytest.fixture
    def gateway(self, fake: FakeGateway) -> PaymentGateway:
        return fake

    @pytest.fixture
    def forget_keys(self, fake: FakeGateway) -> Callable[[], None]:
        return fake.forget_keys

    @pytest.fixture
    def slow(self, fake: FakeGateway) -> Slow:
        def finish(payment_intent_id: str) -> None:
            intent = fake.intent(payment_intent_id)
            fake.finish(payment_intent_id if intent["status"] == "processing" else intent["latest_charge"])

        return Slow(fake, finish)


class TestStripeGateway(Contract):
    @pytest.fixture
    def gateway(self, provider: ProviderProcess) -> PaymentGateway:
        return StripeGateway(
            provider.url, Secret(lambda: (provider.api_key,)), return_url=RETURN_URL, read_timeout_seconds=1.0
        )

    @pytest.fixture
    def forget_keys(self, provider: ProviderProcess) -> Callable[[], None]:
        def forget() -> None:
            with provider.database() as database:
                database.execute("DELETE FROM object WHERE kind = 'idempotency_key'")

        return forget

    @pytest.fixture
    def slow(self) -> Iterator[Slow]:
        with running_provider(slow_seconds=3_600) as provider:

            def finish(_intent: str) -> None:
                provider.kill()
                provider.start()  # it ends first what it had begun

            yield Slow(
                StripeGateway(provider.url, Secret(lambda: (provider.api_key,)), read_timeout_seconds=1.0), finish
            )

    def test_a_slow_card_is_charged_although_nobody_waits_for_it(
        self, gateway: PaymentGateway, provider: ProviderProcess, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        impatient = StripeGateway(
            provider.url, Secret(lambda: (provider.api_key,)), return_url=RETURN_URL, read_timeout_seconds=0.1
        )
        assert impatient.confirm(intent, 1, "pm_card_slow") == Unknown("ReadTimeoutError")
        wait_until(lambda: gateway.retrieve(intent) == Captured())
        assert gateway.confirm(intent, 1, "pm_card_slow") == Captured()

    def test_the_provider_records_the_amount_and_whose_reservation_it_is(
        self, gateway: PaymentGateway, provider: ProviderProcess, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        headers = {"Authorization": f"Bearer {provider.api_key}"}
        found = httpx.get(f"{provider.url}/v1/payment_intents/{intent.id}", headers=headers).json()
        assert (found["amount"], found["currency"]) == (1_999, "eur")
        assert found["metadata"] == {"reservation_id": reservation_id}

    def test_the_provider_returns_all_of_the_money_once(
        self,
        gateway: PaymentGateway,
        provider: ProviderProcess,
        reservation_id: str,
        forget_keys: Callable[[], None],
    ) -> None:
        intent = charged(gateway, reservation_id)
        refunded = gateway.refund(whole(intent, reservation_id))
        forget_keys()
        gateway.refund(whole(intent, reservation_id))
        headers = {"Authorization": f"Bearer {provider.api_key}"}
        (found,) = httpx.get(f"{provider.url}/v1/refunds?payment_intent={intent.id}", headers=headers).json()["data"]
        assert (Returned(found["id"], AMOUNT), found["amount"], found["currency"]) == (refunded, 1_999, "eur")
        assert found["metadata"] == {"reservation_id": reservation_id, "refund": "1"}

    def test_an_amount_that_is_never_taken_is_refused(self, gateway: PaymentGateway, reservation_id: str) -> None:
        too_much = Money(amount_minor=100_000_000, currency="EUR")
        assert gateway.create(reservation_id, 1, too_much) == Refused("amount_too_large")

    @pytest.mark.parametrize(
        ("price", "amount"), [((500, "JPY"), 500), ((5, "ISK"), 500), ((500, "MGA"), 5), ((5_120, "KWD"), 5_120)]
    )
    def test_the_provider_is_asked_for_the_amount_in_its_own_unit(
        self, gateway: PaymentGateway, provider: ProviderProcess, price: tuple[int, str], amount: int
    ) -> None:
        outcome = gateway.create(str(uuid.uuid4()), 1, Money(amount_minor=price[0], currency=price[1]))
        assert isinstance(outcome, IntentCreated)
        headers = {"Authorization": f"Bearer {provider.api_key}"}
        url = f"{provider.url}/v1/payment_intents/{outcome.payment_intent_id}"
        found = httpx.get(url, headers=headers).json()
        assert (found["amount"], found["currency"]) == (amount, price[1].lower())

    def test_a_key_that_was_used_for_something_else_leaves_the_outcome_open(
        self, gateway: PaymentGateway, reservation_id: str
    ) -> None:
        intent = created(gateway, reservation_id)
        gateway.confirm(intent, 1, "pm_card_visa_chargeDeclined")
        assert isinstance(gateway.confirm(intent, 1, "pm_card_visa"), Unknown)
        assert isinstance(gateway.create(reservation_id, 1, Money(amount_minor=1, currency="EUR")), Unknown)
