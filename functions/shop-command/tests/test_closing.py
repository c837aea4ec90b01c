"""When a reservation that is over stops to count towards its customer's limits, and who sees to it after a failure."""

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shop_command.domain.limits import CardAttempt, Closing, Opening
from shop_command.ports import PUBLISH_GRACE_SECONDS, Commit
from shop_command.testing import Shop
from shop_command.testing.fakes import NOTHING

CUSTOMER = "customer-1"


def is_counted(shop: Shop) -> bool:
    return shop.store.customers[CUSTOMER] != NOTHING


def unpublished(shop: Shop, reservation_id: str) -> int | None:
    return shop.store.stored[f"reservation-{reservation_id}"].unpublished


def expire(shop: Shop, _: str) -> None:
    shop.clock.advance(900)
    shop.sweep()


def cancel_after_the_end(shop: Shop, reservation_id: str) -> None:
    shop.clock.advance(900)
    shop.cancel(reservation_id)


def cancel_in_the_last_seconds(shop: Shop, reservation_id: str) -> None:
    shop.clock.advance(895)
    shop.cancel(reservation_id)


def cancel_after_a_declined_card(shop: Shop, reservation_id: str) -> None:
    shop.purchase(reservation_id, "pm_card_visa_chargeDeclined")
    shop.cancel(reservation_id)


CARRYING: dict[str, Callable[[Shop, str], object]] = {
    "purchased": lambda shop, name: shop.purchase(name),
    "expired in the sweep": expire,
    "met when it was over": cancel_after_the_end,
    "cancelled in the last seconds": cancel_in_the_last_seconds,
    "cancelled after a declined card": cancel_after_a_declined_card,
}
"""These ends leave a state that the sweep looks at soon."""
each_end = pytest.mark.parametrize("end", CARRYING.values(), ids=CARRYING)


@pytest.fixture
def calls(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Lists each call that changes the store, as long as it succeeds."""
    made: list[str] = []
    for name in ("commit", "stop_counting", "mark_settled"):
        right = getattr(stocked.store, name)

        def noted(*args: Any, name: str = name, right: Callable[..., Any] = right) -> Any:
            result = right(*args)
            made.append(name)
            return result

        monkeypatch.setattr(stocked.store, name, noted)
    return made


@pytest.fixture
def commits(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> list[Commit]:
    made: list[Commit] = []
    right = stocked.store.commit

    def commit(transaction: Commit) -> None:
        right(transaction)
        made.append(transaction)

    monkeypatch.setattr(stocked.store, "commit", commit)
    return made


@pytest.fixture
def closes(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Says whether closing works from now on, does nothing, or works and has its answer lost."""
    right = stocked.store.stop_counting

    def from_now_on(how: str) -> None:
        def stop_counting(closing: Closing) -> bool:
            if how != "failed":
                right(closing)
            return how == "works"

        monkeypatch.setattr(stocked.store, "stop_counting", stop_counting)

    return from_now_on


@each_end
def test_it_stops_to_count_before_its_state_is_marked(
    stocked: Shop, reserved: str, calls: list[str], end: Callable[[Shop, str], object]
) -> None:
    end(stocked, reserved)
    assert calls[-3:] == ["commit", "stop_counting", "mark_settled"]
    assert not is_counted(stocked)
    assert unpublished(stocked, reserved) is None


def test_where_the_sweep_looks_at_no_state_soon_it_stops_in_the_transaction(
    stocked: Shop, reserved: str, commits: list[Commit], calls: list[str]
) -> None:
    stocked.cancel(reserved)
    assert [commit.customer for commit in commits] == [Closing(CUSTOMER, reserved, {"MUG": 2})]
    assert calls == ["commit"]
    assert not is_counted(stocked)


def test_what_opens_and_what_is_tried_stays_in_the_transaction(stocked: Shop, commits: list[Commit]) -> None:
    stocked.purchase(stocked.reserve().body["reservation_id"])
    opening, attempt, closing = (commit.customer for commit in commits)
    assert isinstance(opening, Opening)
    assert isinstance(attempt, CardAttempt)
    assert closing is None


@each_end
@pytest.mark.parametrize("how", ["failed", "lost"])
def test_a_closing_that_fails_changes_no_answer_and_is_left_to_the_sweep(
    stocked: Shop,
    reserved: str,
    closes: Callable[[str], None],
    end: Callable[[Shop, str], object],
    *,
    how: str,
) -> None:
    closes(how)
    end(stocked, reserved)
    state = stocked.store.stored[f"reservation-{reserved}"]
    assert state.unpublished == state.version
    assert state.due_at is not None
    assert state.due_at <= stocked.clock.now() + timedelta(seconds=PUBLISH_GRACE_SECONDS)
    closes("works")
    stocked.clock.advance(PUBLISH_GRACE_SECONDS)
    stocked.sweep()
    assert not is_counted(stocked)
    assert unpublished(stocked, reserved) is None
    assert stocked.publisher.published[-1].streamversion == state.version


def test_a_purchase_is_answered_although_its_reservation_still_counts(
    stocked: Shop, reserved: str, closes: Callable[[str], None]
) -> None:
    closes("failed")
    assert stocked.purchase(reserved).status == 201
    assert is_counted(stocked)


def test_a_sweep_that_cannot_close_marks_nothing_and_the_next_one_does(
    stocked: Shop, reserved: str, closes: Callable[[str], None], calls: list[str]
) -> None:
    closes("failed")
    stocked.purchase(reserved)
    stocked.clock.advance(PUBLISH_GRACE_SECONDS)
    report = stocked.sweep()
    assert (report.published, report.left) == (1, 1)
    assert "mark_settled" not in calls
    closes("works")
    report = stocked.sweep()
    assert (report.published, report.left) == (1, 0)
    assert not is_counted(stocked)
    before = stocked.contents()
    stocked.sweep()
    assert stocked.contents() == before


def test_what_the_stream_refuses_holds_up_no_closing(stocked: Shop, reserved: str) -> None:
    stocked.publisher.fails = lambda _: True
    stocked.purchase(reserved)
    assert not is_counted(stocked)
    assert unpublished(stocked, reserved) == 2


def test_a_refund_carries_on_that_its_purchase_is_still_counted(
    stocked: Shop, reserved: str, closes: Callable[[str], None]
) -> None:
    closes("failed")
    stocked.purchase(reserved)
    closes("works")
    assert stocked.refund(reserved).status == 201
    assert unpublished(stocked, reserved) == 3
    assert is_counted(stocked)
    stocked.clock.advance(PUBLISH_GRACE_SECONDS)
    stocked.sweep()
    assert not is_counted(stocked)
    assert unpublished(stocked, reserved) is None


def test_the_sweep_gives_nothing_back_for_what_is_still_open(stocked: Shop, reserved: str) -> None:
    stocked.publisher.fails = lambda _: True
    stocked.purchase(reserved, "pm_card_visa_chargeDeclined")
    stocked.publisher.fails = lambda _: False
    stocked.clock.advance(PUBLISH_GRACE_SECONDS)
    stocked.sweep()
    assert unpublished(stocked, reserved) is None
    assert is_counted(stocked)
