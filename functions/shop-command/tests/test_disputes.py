"""What a customer's bank does with a charge is recorded when a webhook tells of it, and asked of the provider."""

from datetime import UTC, datetime
from typing import Any

import pytest

from shop_command.adapters.dispute_answers import STATUSES
from shop_command.domain import reservation
from shop_command.domain.disputing import RecordDispute
from shop_command.domain.errors import DisputeKnownError, NotPurchasedError, PurchaseDisputedError
from shop_command.domain.refunding import RequestRefund
from shop_command.domain.reservation_states import GivenBack, KnownDispute, MadeRefund, Purchased, Refunded, Terms
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import slug
from shop_shared.events import EventData, PurchaseDisputeClosed, PurchaseDisputeOpened, PurchaseRefunded
from shop_shared.values import Allocation, DisputeStatus, Money, RefundLine, ReservationLine

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
ID = "6f1c8a52-3d0e-5b7a-9c44-e2d1f0a98b37"
TERMS = Terms(
    ID,
    "customer-1",
    tuple(
        ReservationLine(sku=sku, quantity=1, unit_price_minor=price, allocations=(Allocation(bucket=0, quantity=1),))
        for sku, price in (("MUG", 300), ("POT", 700))
    ),
    Money(amount_minor=1_000, currency="EUR"),
    NOW,
)
BOUGHT = Purchased(TERMS, 1, "pi_1")


@pytest.fixture
def purchased(stocked: Shop, reserved: str) -> str:
    assert stocked.purchase(reserved).status == 201
    return reserved


def recorded(shop: Shop, purchase_id: str) -> list[EventData]:
    return [event.data for event in shop.store.events(f"reservation-{purchase_id}")][3:]


def statuses(shop: Shop, purchase_id: str) -> list[str]:
    return [event.status for event in recorded(shop, purchase_id) if hasattr(event, "status")]


def seen(status: DisputeStatus, minor: int = 1_000, *, currency: str = "EUR", name: str = "du_1") -> RecordDispute:
    return RecordDispute(ID, name, status, Money(amount_minor=minor, currency=currency), "fraudulent", None)


def after(state: Any, *commands: RecordDispute) -> tuple[Any, list[Any]]:
    """Returns the state after the commands, and the events that the last one led to."""
    decided: list[Any] = []
    for command in commands:
        decided = list(reservation.decide(command, state, NOW))
        state = reservation.stream(ID).fold(state, decided)
    return state, decided


def lost(*lines: tuple[str, int]) -> tuple[RefundLine, ...]:
    return tuple(RefundLine(sku=sku, quantity=0, amount_minor=minor) for sku, minor in lines)


def test_an_opened_dispute_is_recorded_once_with_its_deadline(stocked: Shop, purchased: str) -> None:
    stocked.gateway.dispute("pi_1")
    for _ in range(3):
        assert stocked.money_webhook("charge.dispute.created").status == 200
    (event,) = recorded(stocked, purchased)
    assert isinstance(event, PurchaseDisputeOpened)
    assert (event.dispute_id, event.status, event.amount.amount_minor) == ("du_1", "chargeback", 1_000)
    assert (event.reason, event.evidence_due_by) == ("fraudulent", datetime(1970, 1, 10, tzinfo=UTC))
    assert stocked.totals() == Counters(8, 0, 2)


@pytest.mark.parametrize(("is_won", "status", "money"), [(True, "won", []), (False, "lost", [1_000])])
def test_a_decided_dispute_takes_the_money_only_where_it_is_lost(
    stocked: Shop, purchased: str, is_won: bool, status: str, money: list[int]
) -> None:
    dispute = stocked.gateway.dispute("pi_1")
    stocked.money_webhook("charge.dispute.created")
    stocked.gateway.disputes.decide(dispute, is_won=is_won)
    for _ in range(2):
        assert stocked.money_webhook("charge.dispute.closed").status == 200
    (_, event) = recorded(stocked, purchased)
    assert isinstance(event, PurchaseDisputeClosed)
    assert (event.status, [line.amount_minor for line in event.lines]) == (status, money)
    assert stocked.totals() == Counters(8, 0, 2)


def test_a_dispute_that_was_decided_unheard_is_opened_and_closed(stocked: Shop, purchased: str) -> None:
    stocked.gateway.disputes.decide(stocked.gateway.dispute("pi_1"), is_won=False)
    stocked.money_webhook("charge.dispute.closed")
    assert statuses(stocked, purchased) == ["chargeback", "lost"]


def test_nothing_is_refunded_while_a_dispute_is_open_or_after_it_was_lost(stocked: Shop, purchased: str) -> None:
    dispute = stocked.gateway.dispute("pi_1")
    stocked.money_webhook("charge.dispute.created")
    refused = stocked.refund(purchased)
    assert (refused.status, slug(refused)) == (409, "purchase-disputed")
    assert (refused.body["dispute_id"], refused.body["dispute_status"]) == ("du_1", "chargeback")
    assert "refund" not in stocked.gateway.calls
    stocked.gateway.disputes.decide(dispute, is_won=False)
    stocked.money_webhook("charge.dispute.closed")
    assert stocked.refund(purchased).body["dispute_status"] == "lost"
    stocked.gateway.disputes.decide(dispute, is_won=True)
    stocked.money_webhook("charge.dispute.closed")
    assert statuses(stocked, purchased) == ["chargeback", "lost", "won"]
    assert stocked.refund(purchased).body["total"]["amount_minor"] == 1_000


def test_a_dispute_that_the_shop_has_not_heard_of_is_refused_by_the_provider(stocked: Shop, purchased: str) -> None:
    stocked.gateway.dispute("pi_1")
    refused = stocked.refund(purchased)
    assert (refused.status, slug(refused), refused.body["code"]) == (409, "refund-refused", "charge_disputed")


def test_an_inquiry_holds_no_refund_up_and_ends_with_it(stocked: Shop, purchased: str) -> None:
    stocked.gateway.dispute("pi_1", is_inquiry=True)
    stocked.money_webhook("charge.dispute.created")
    assert stocked.refund(purchased).status == 201
    stocked.money_webhook("charge.dispute.closed")
    assert statuses(stocked, purchased) == ["inquiry", "withdrawn"]


def test_an_inquiry_that_becomes_a_chargeback_is_opened_again(stocked: Shop, purchased: str) -> None:
    dispute = stocked.gateway.dispute("pi_1", is_inquiry=True)
    stocked.money_webhook("charge.dispute.created")
    stocked.gateway.disputes.escalate(dispute)
    stocked.money_webhook("charge.dispute.updated")
    assert statuses(stocked, purchased) == ["inquiry", "chargeback"]
    assert slug(stocked.refund(purchased)) == "purchase-disputed"


def test_what_was_refunded_before_is_recorded_before_what_the_dispute_takes(stocked: Shop, purchased: str) -> None:
    stocked.gateway.refund_elsewhere("pi_1", 400)
    stocked.gateway.disputes.decide(stocked.gateway.dispute("pi_1"), is_won=False)
    stocked.money_webhook("charge.dispute.closed")
    refund, opened, closed = recorded(stocked, purchased)
    assert isinstance(refund, PurchaseRefunded)
    assert isinstance(opened, PurchaseDisputeOpened)
    assert isinstance(closed, PurchaseDisputeClosed)
    assert (refund.left_minor, opened.amount.amount_minor) == (600, 600)
    assert [line.amount_minor for line in closed.lines] == [600]


def test_a_refund_under_way_is_refused_when_the_dispute_was_quicker(stocked: Shop, purchased: str) -> None:
    stocked.gateway.unreachable.add("refund")
    assert stocked.refund(purchased).status == 202
    stocked.gateway.unreachable.clear()
    dispute = stocked.gateway.dispute("pi_1")
    stocked.money_webhook("charge.dispute.created")
    stocked.clock.advance(120)
    assert stocked.sweep().settled == 1
    assert slug(stocked.refund(purchased)) == "refund-refused"
    stocked.gateway.disputes.decide(dispute, is_won=True)
    stocked.money_webhook("charge.dispute.closed")
    assert stocked.refund(purchased, key="again").status == 201


def test_a_dispute_of_a_payment_that_is_still_open_is_recorded_with_the_purchase(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.gateway.dispute("pi_1")
    assert stocked.money_webhook("charge.dispute.created").status == 200
    assert [event.TYPE for event in recorded(stocked, reserved)] == [PurchaseDisputeOpened.TYPE]


def test_a_dispute_of_a_payment_whose_outcome_is_not_answered_has_to_be_told_again(
    stocked: Shop, reserved: str
) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.gateway.dispute("pi_1")
    stocked.gateway.afterwards["retrieve"] = [lambda: stocked.gateway.unreachable.add("retrieve")]
    assert stocked.money_webhook("charge.dispute.created").status == 503
    stocked.gateway.unreachable.clear()
    assert stocked.money_webhook("charge.dispute.created").status == 200
    assert statuses(stocked, reserved) == ["chargeback"]


@pytest.mark.parametrize("call", ["retrieve", "list disputes"])
def test_without_the_providers_answer_the_webhook_has_to_come_again(stocked: Shop, purchased: str, call: Any) -> None:
    stocked.gateway.dispute("pi_1")
    stocked.gateway.unreachable.add(call)
    before = stocked.contents()
    assert stocked.money_webhook("charge.dispute.created").status == 503
    assert stocked.contents() == before
    stocked.gateway.unreachable.clear()
    assert stocked.money_webhook("charge.dispute.created").status == 200
    assert len(recorded(stocked, purchased)) == 1


@pytest.mark.parametrize("status", sorted(STATUSES))
def test_each_status_of_the_provider_is_news_once(stocked: Shop, purchased: str, status: str) -> None:
    stocked.gateway.dispute("pi_1")
    stocked.gateway.records.put(stocked.gateway.disputes.find("dispute", "du_1") | {"status": status})
    for _ in range(2):
        assert stocked.money_webhook("charge.dispute.updated").status == 200
    # A chargeback that was prevented with money that is gone is lost.
    wanted = "lost" if status == "prevented" else STATUSES[status]
    assert statuses(stocked, purchased)[-1] == wanted
    assert statuses(stocked, purchased).count(wanted) == 1


def test_an_unknown_status_alerts_an_operator_and_holds_nothing_up(
    stocked: Shop, purchased: str, caplog: pytest.LogCaptureFixture
) -> None:
    stocked.gateway.dispute("pi_1")
    stocked.gateway.records.put(stocked.gateway.disputes.find("dispute", "du_1") | {"status": "of_next_year"})
    assert stocked.money_webhook("charge.dispute.updated").status == 200
    assert recorded(stocked, purchased) == []
    [alert] = [vars(record) for record in caplog.records if "needs an operator" in record.message]
    assert (alert["reason"], alert["payment_intent_id"]) == ("a dispute that can't be read", "pi_1")


def test_a_lost_dispute_takes_money_in_proportion_and_at_most_what_is_left() -> None:
    for command, minor, lines in (
        (seen("lost", 500), 500, lost(("MUG", 150), ("POT", 350))),
        (seen("lost", 1_200), 1_200, lost(("MUG", 300), ("POT", 700))),
        (seen("lost", 7, currency="USD"), 1_000, lost(("MUG", 300), ("POT", 700))),
    ):
        state, (_, closed) = after(BOUGHT, command)
        assert (closed.lines, closed.amount) == (lines, Money(amount_minor=minor, currency="EUR"))
        assert (type(state), state.given_back.disputes) == (Purchased, (KnownDispute("du_1", "lost", lines),))


@pytest.mark.parametrize(
    ("status", "opened"), [("withdrawn", "inquiry"), ("won", "chargeback"), ("lost", "chargeback")]
)
def test_what_was_decided_unheard_began_as_its_end_says(status: DisputeStatus, opened: str) -> None:
    _, events = after(BOUGHT, seen(status))
    assert [event.status for event in events] == [opened, status]


def test_what_was_lost_comes_back_when_it_is_won_after_all() -> None:
    state, (won,) = after(BOUGHT, seen("chargeback"), seen("lost"), seen("won"))
    assert won.lines == lost(("MUG", 300), ("POT", 700))
    assert state.given_back.disputes == (KnownDispute("du_1", "won"),)
    _, (again,) = after(state, seen("lost"))
    assert again.lines == won.lines


def test_a_second_dispute_is_one_of_its_own() -> None:
    state, _ = after(BOUGHT, seen("withdrawn", 300), seen("chargeback", 700, name="du_2"))
    assert [(it.dispute_id, it.status) for it in state.given_back.disputes] == [
        ("du_1", "withdrawn"),
        ("du_2", "chargeback"),
    ]


def test_a_refunded_purchase_can_lose_nothing_more_and_stays_refunded() -> None:
    state = Refunded(TERMS, "re_1", "pi_1")
    after_it, (_, closed) = after(state, seen("lost"))
    assert closed.lines == ()
    assert isinstance(after_it, Refunded)
    assert after_it.given_back.refunds[0].refund_id == "re_1"


def test_what_is_known_is_no_news_and_only_a_purchase_can_be_disputed() -> None:
    state, _ = after(BOUGHT, seen("chargeback"))
    with pytest.raises(DisputeKnownError):
        after(state, seen("chargeback"))
    with pytest.raises(NotPurchasedError):
        after(None, seen("chargeback"))
    with pytest.raises(PurchaseDisputedError):
        reservation.decide(RequestRefund(ID), state, NOW)


def test_a_state_of_before_there_were_disputes_is_read() -> None:
    given_back = GivenBack((MadeRefund(1, "re_1", lost(("MUG", 300))),), 1)
    stream = reservation.stream(ID)
    text = stream.to_json(Purchased(TERMS, 1, "pi_1", given_back)).replace(',"disputes":[]', "")
    assert "disputes" not in text
    assert stream.from_json(text) == Purchased(TERMS, 1, "pi_1", given_back)
