"""Disputes and the list of events, as the official Stripe client sees them, and each transition in the model alone."""

import time
from collections.abc import Callable
from typing import Any

import pytest
import stripe

from shop_payment_provider.stripe import MemoryStore, Stripe
from shop_payment_provider.stripe.disputes import ALLOWED_IN, INQUIRY, LOSING, NOT_REFUNDABLE, WINNING
from shop_payment_provider.stripe.records import EVENT_LIFETIME_SECONDS
from shop_payment_provider.stripe.wire import ApiError
from shop_payment_provider.testing import ProviderProcess

INTENT: Any = {"amount": 1_999, "currency": "eur", "payment_method_types": ["card"]}
WAIT_SECONDS_MAX = 120
STATUSES = (*INQUIRY, *NOT_REFUNDABLE, "won", "warning_closed")


def charged(client: stripe.StripeClient, card: str = "pm_card_visa") -> stripe.PaymentIntent:
    confirmed: Any = {**INTENT, "payment_method": card, "confirm": True}
    return client.v1.payment_intents.create(confirmed)


def disputed(client: stripe.StripeClient, card: str = "pm_card_createDispute") -> stripe.Dispute:
    intent = charged(client, card)
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not (found := client.v1.disputes.list({"payment_intent": intent.id}).data):
        assert time.monotonic() < deadline, "nobody disputes it"
        time.sleep(0.05)
    return found[0]


def events(client: stripe.StripeClient, dispute: stripe.Dispute) -> list[str]:
    """Returns what has happened to the dispute, the oldest first."""
    types = [f"charge.dispute.{name}" for name in ("created", "updated", "closed", "funds_withdrawn")]
    listed = client.v1.events.list({"types": [*types, "charge.dispute.funds_reinstated"], "limit": 100})
    found = [event.type for event in listed.auto_paging_iter() if event.data.object["id"] == dispute.id]
    return [name.removeprefix("charge.dispute.") for name in found[::-1]]


def test_a_card_that_disputes_is_charged_and_its_charge_then_disputed(client: stripe.StripeClient) -> None:
    dispute = disputed(client)
    assert (dispute.status, dispute.amount, dispute.is_charge_refundable) == ("needs_response", 1_999, False)
    assert dispute.evidence_details.due_by
    assert client.v1.charges.retrieve(str(dispute.charge)).disputed
    assert client.v1.disputes.retrieve(dispute.id) == dispute
    assert events(client, dispute) == ["created", "funds_withdrawn"]


@pytest.mark.parametrize(
    ("text", "status", "happened"),
    [(WINNING, "won", ["updated", "funds_reinstated", "closed"]), (LOSING, "lost", ["updated", "closed"])],
)
def test_the_evidence_of_a_test_decides_the_dispute(
    client: stripe.StripeClient, text: str, status: str, happened: list[str]
) -> None:
    dispute = disputed(client)
    decided = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": text}})
    assert (decided.status, decided.evidence_details.submission_count) == (status, 1)
    assert events(client, dispute)[2:] == happened


def test_a_dispute_can_be_given_up(client: stripe.StripeClient) -> None:
    dispute = disputed(client)
    assert client.v1.disputes.close(dispute.id).status == "lost"
    with pytest.raises(stripe.InvalidRequestError, match="status of lost"):
        client.v1.disputes.close(dispute.id)


def test_evidence_goes_to_the_bank_when_it_is_submitted(client: stripe.StripeClient) -> None:
    dispute = disputed(client)
    kept = client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": "A letter"}, "submit": False})
    assert (kept.status, kept.evidence_details.has_evidence) == ("needs_response", True)
    assert client.v1.disputes.update(dispute.id, {"submit": True}).status == "under_review"


@pytest.mark.parametrize("text", [None, WINNING, LOSING])
def test_a_charge_is_refunded_again_once_its_dispute_was_won(client: stripe.StripeClient, text: str | None) -> None:
    dispute = disputed(client)
    if text:
        client.v1.disputes.update(dispute.id, {"evidence": {"uncategorized_text": text}})
    refund: Any = {"payment_intent": dispute.payment_intent, "amount": 500}
    if text == WINNING:
        assert client.v1.refunds.create(refund).status == "succeeded"
        return
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.refunds.create(refund)
    assert refused.value.code == "charge_disputed"


def test_an_inquiry_takes_no_money_and_ends_when_everything_is_refunded(client: stripe.StripeClient) -> None:
    dispute = disputed(client, "pm_card_createDisputeInquiry")
    assert (dispute.status, dispute.is_charge_refundable) == ("warning_needs_response", True)
    assert dispute.balance_transactions == []
    client.v1.refunds.create({"payment_intent": str(dispute.payment_intent)})
    assert client.v1.disputes.retrieve(dispute.id).status == "warning_closed"
    assert events(client, dispute) == ["created", "closed"]


def test_what_was_refunded_is_not_disputed() -> None:
    account = Account()
    account.charged()
    account.stripe().request("POST", "/v1/refunds", b"payment_intent=pi_1&amount=999")
    assert account.stripe().payments.disputes.open("ch_1")["amount"] == 1_000
    with pytest.raises(ApiError, match="can't be disputed"):
        account.stripe().payments.disputes.open("ch_1")


def test_what_was_refunded_during_an_inquiry_is_not_charged_back() -> None:
    account = Account()
    account.charged()
    disputes = account.stripe().payments.disputes
    disputes.open("ch_1", is_inquiry=True)
    account.stripe().request("POST", "/v1/refunds", b"payment_intent=pi_1&amount=999")
    [moved] = disputes.escalate("du_1")["balance_transactions"]
    assert moved["amount"] == -1_000


def test_what_was_refunded_before_its_bank_could_dispute_it_is_left_alone() -> None:
    account = Account()
    account.charged("pm_card_createDispute")
    account.stripe().request("POST", "/v1/refunds", b"payment_intent=pi_1")
    account.stripe().payments.settle("ch_1")
    assert account.store.all("dispute") == []


def test_money_goes_and_comes_back_as_its_status_says() -> None:
    account = Account()
    account.charged()
    disputes = account.stripe().payments.disputes
    disputes.open("ch_1", is_inquiry=True)
    assert disputes.escalate("du_1")["status"] == "needs_response"
    assert disputes.decide("du_1", is_won=False)["status"] == "lost"
    appealed = disputes.decide("du_1", is_won=True)
    assert [moved["amount"] for moved in appealed["balance_transactions"]] == [-1_999, 1_999]


@pytest.mark.parametrize("status", STATUSES)
@pytest.mark.parametrize("transition", ALLOWED_IN)
def test_a_transition_begins_only_in_the_statuses_of_the_table(status: str, transition: str) -> None:
    account = Account()
    account.charged()
    disputes = account.stripe().payments.disputes
    account.store.put(disputes.open("ch_1") | {"status": status})
    run: dict[str, Callable[[], object]] = {
        "escalate": lambda: disputes.escalate("du_1"),
        "update": lambda: disputes.update("du_1", {}),
        "close": lambda: disputes.close("du_1"),
        "decide": lambda: disputes.decide("du_1", is_won=True),
    }
    before = dict(account.store.records)
    if status in ALLOWED_IN[transition]:
        run[transition]()
        assert account.store.records != before
        return
    with pytest.raises(ApiError, match=f"You cannot {transition} this dispute"):
        run[transition]()
    assert account.store.records == before


def test_events_are_listed_by_type_in_both_directions(
    own_provider: ProviderProcess, connect: Callable[..., stripe.StripeClient]
) -> None:
    client = connect(own_provider)
    names = []
    for _ in range(5):
        intent = charged(client)
        names.append(intent.id)
        client.v1.payment_intents.create(INTENT)
        client.v1.refunds.create({"payment_intent": intent.id})
    listed = client.v1.events.list({"types": ["payment_intent.succeeded"], "limit": 2})
    assert [event.data.object["id"] for event in listed.auto_paging_iter()] == names[::-1]
    oldest = list(listed.auto_paging_iter())[-1]
    newer = client.v1.events.list({"types": ["payment_intent.succeeded"], "limit": 2, "ending_before": oldest.id})
    assert ([event.data.object["id"] for event in newer.data], newer.has_more) == ([names[2], names[1]], True)
    after = newer.data[0].id
    later = client.v1.events.list({"types": ["payment_intent.succeeded"], "limit": 2, "ending_before": after})
    assert ([event.data.object["id"] for event in later.data], later.has_more) == ([names[4], names[3]], False)
    assert client.v1.events.retrieve(oldest.id).type == "payment_intent.succeeded"
    assert client.v1.events.list({"created": {"gte": int(time.time()) + 3_600}}).data == []
    assert len(client.v1.events.list({"created": {"lte": int(time.time())}, "limit": 100}).data) == 10
    own_provider.kill()
    own_provider.start()
    assert len(client.v1.events.list({"limit": 100}).data) == 10
    with pytest.raises(stripe.InvalidRequestError) as refused:
        client.v1.events.list({"ending_before": "evt_none"})
    assert (refused.value.code, refused.value.param) == ("resource_missing", "ending_before")


def test_an_event_is_kept_for_thirty_days() -> None:
    account = Account()
    account.charged()
    listed = "/v1/events", b"types[]=payment_intent.succeeded"
    assert len(account.stripe(EVENT_LIFETIME_SECONDS).request("GET", *listed).body["data"]) == 1
    assert account.stripe(EVENT_LIFETIME_SECONDS + 1).request("GET", *listed).body["data"] == []
    assert account.stripe(EVENT_LIFETIME_SECONDS + 1).request("GET", "/v1/events/evt_1").status == 404


class Account:
    """The model alone, whose clock stands where a test puts it."""

    def __init__(self) -> None:
        self.store = MemoryStore()

    def stripe(self, now: float = 0) -> Stripe:
        return Stripe(self.store, now=now, new_id=self.store.new_id)

    def charged(self, card: str = "pm_card_visa") -> None:
        form = f"amount=1999&currency=eur&payment_method_types[]=card&payment_method={card}&confirm=true"
        assert self.stripe().request("POST", "/v1/payment_intents", form.encode()).status == 200
