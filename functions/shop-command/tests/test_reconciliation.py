"""What has happened at the provider is found without any webhook, once and in its order of pages."""

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest

from shop_command.adapters import provider_events
from shop_command.application import reconciliation
from shop_command.application.reconciliation import OVERLAP
from shop_command.handlers import sweep
from shop_command.ports import StoreUnavailableError
from shop_command.testing import Shop
from shop_command.testing.shop import LambdaContext, raising
from shop_payment_provider.stripe.records import EVENT_LIFETIME_SECONDS

OLD = OVERLAP + timedelta(seconds=1)


@pytest.fixture
def watched(stocked: Shop) -> Shop:
    """Somebody has reconciled before anything happened."""
    let_pass(stocked, 0)
    stocked.reconcile()
    return stocked


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(provider_events, "EVENTS_PER_PAGE", 2)


def let_pass(shop: Shop, seconds: float) -> None:
    """Time passes for the shop and for the provider."""
    shop.clock.advance(seconds)
    shop.gateway.now = shop.clock.now().timestamp()


def bought(shop: Shop, key: str = "reserve", card: str = "pm_card_visa") -> str:
    reservation_id = shop.reserve(("MUG", 1), key=key).body["reservation_id"]
    assert shop.purchase(reservation_id, card, key=f"purchase-{key}").status == 201
    return str(reservation_id)


def types(shop: Shop, reservation_id: str) -> list[str]:
    later = shop.store.events(f"reservation-{reservation_id}")[3:]
    return [event.type.removeprefix("shop.purchase.") for event in later]


def listed(shop: Shop) -> int:
    return shop.gateway.calls.count("list events")


def test_a_refund_and_a_dispute_whose_webhooks_never_came_are_found(watched: Shop) -> None:
    refunded, disputed = bought(watched), bought(watched, "other")
    watched.gateway.refund_elsewhere("pi_1", 100)
    watched.gateway.disputes.decide(watched.gateway.dispute("pi_2"), is_won=False)
    let_pass(watched, 60)
    report = watched.reconcile()
    assert (report.failures, report.behind) == ([], timedelta())
    assert types(watched, refunded) == ["refunded.v2"]
    assert types(watched, disputed) == ["dispute-opened.v1", "dispute-closed.v1"]
    before = watched.store.streams.copy()
    watched.reconcile()
    assert watched.store.streams == before


def test_a_payment_that_nobody_has_heard_of_is_recorded(watched: Shop) -> None:
    reservation_id = watched.reserve(("MUG", 1)).body["reservation_id"]
    assert watched.purchase(reservation_id, "pm_card_error_after_charge").status == 202
    watched.reconcile()
    assert watched.purchase(reservation_id, "pm_card_error_after_charge").status == 201


def test_a_purchase_that_is_known_is_not_asked_for_again(watched: Shop) -> None:
    bought(watched)
    watched.gateway.calls.clear()
    watched.reconcile()
    assert watched.gateway.calls == ["list events"]


def test_a_young_event_is_read_again_and_an_old_one_is_not(watched: Shop) -> None:
    bought(watched)
    assert [watched.reconcile().events for _ in range(2)] == [1, 1]
    let_pass(watched, OLD.total_seconds())
    assert [watched.reconcile().events for _ in range(2)] == [1, 0]
    bought(watched, "other")
    assert watched.reconcile().events == 1


def test_an_event_that_is_listed_late_is_found(watched: Shop) -> None:
    bought(watched)
    late = bought(watched, "other")
    watched.gateway.refund_elsewhere("pi_2", 100)
    hidden = watched.gateway.records.all("event")[-1]
    watched.gateway.records.remove("event", hidden["id"])
    let_pass(watched, 300)
    watched.reconcile()
    assert types(watched, late) == []
    watched.gateway.records.put(hidden)
    let_pass(watched, 200)
    watched.reconcile()
    assert types(watched, late) == ["refunded.v2"]


@pytest.mark.usefixtures("small_pages")
def test_a_run_comes_to_the_end_however_much_has_happened(watched: Shop) -> None:
    first = bought(watched)
    for _ in range(50):
        watched.gateway.refund_elsewhere("pi_1", 1)
    last = bought(watched, "other")
    watched.gateway.refund_elsewhere("pi_2", 1)
    report = watched.reconcile()
    assert (report.events, report.behind) == (len(watched.gateway.records.all("event")), timedelta())
    assert len(types(watched, first)) == 50
    assert types(watched, last) == ["refunded.v2"]


@pytest.mark.usefixtures("small_pages")
def test_without_a_bookmark_the_oldest_page_is_worked_off_first(watched: Shop) -> None:
    names = [bought(watched, f"reserve-{number}") for number in range(3)]
    for number in range(3):
        watched.gateway.refund_elsewhere(f"pi_{number + 1}", 100)
    let_pass(watched, OLD.total_seconds())
    worked_off: list[str] = []
    watched.store.before_commit += [lambda: worked_off.extend(find(watched, names)) for _ in range(3)]
    assert watched.reconcile().events == 6
    assert worked_off == [*names[:1], *names[:2]]
    assert all(types(watched, name) == ["refunded.v2"] for name in names)


def find(shop: Shop, names: list[str]) -> list[str]:
    return [name for name in names if types(shop, name)]


@pytest.mark.usefixtures("small_pages")
def test_more_than_can_be_read_backwards_skips_nothing(watched: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    name = bought(watched)
    for _ in range(4):
        watched.gateway.refund_elsewhere("pi_1", 1)
    monkeypatch.setattr(reconciliation, "SINCE_PAGES_MAX", 2)
    before = watched.store.marked
    let_pass(watched, OLD.total_seconds())
    assert (watched.reconcile().events, watched.store.marked, types(watched, name)) == (0, before, [])
    monkeypatch.setattr(reconciliation, "SINCE_PAGES_MAX", 3)
    assert watched.reconcile().events == 5


def test_where_the_provider_has_forgotten_the_bookmark_it_goes_on_by_time(watched: Shop) -> None:
    bought(watched)
    let_pass(watched, OLD.total_seconds())
    watched.reconcile()
    assert watched.store.marked
    assert watched.store.marked.event_id
    let_pass(watched, EVENT_LIFETIME_SECONDS)
    name = bought(watched, "other")
    watched.gateway.refund_elsewhere("pi_2", 100)
    report = watched.reconcile()
    assert (report.events, report.failures, types(watched, name)) == (2, [], ["refunded.v2"])


def test_what_is_none_of_the_shops_is_left_alone_and_is_no_failure(
    watched: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    for metadata in ("", "&metadata[reservation_id]=6f1c8a52-3d0e-5b7a-9c44-e2d1f0a98b37"):
        form = f"amount=100&currency=eur&payment_method_types[]=card&payment_method=pm_card_visa&confirm=true{metadata}"
        assert watched.gateway._stripe().request("POST", "/v1/payment_intents", form.encode()).status == 200
    watched.gateway.refund_elsewhere("pi_1", 50)
    watched.gateway.dispute("pi_2")
    before = watched.store.streams.copy()
    caplog.clear()
    report = watched.reconcile()
    assert (report.events, report.failures, caplog.records) == (5, [], [])
    assert watched.store.streams == before


@pytest.mark.parametrize("call", ["list events", "retrieve", "list disputes", "list refunds"])
def test_where_the_provider_does_not_answer_the_bookmark_stays_and_the_delay_shows(watched: Shop, call: Any) -> None:
    name = bought(watched)
    watched.gateway.refund_elsewhere("pi_1", 100)
    watched.gateway.unreachable.add(call)
    before = watched.store.marked
    let_pass(watched, OLD.total_seconds())
    assert watched.reconcile().behind == OLD
    assert watched.store.marked == before
    watched.gateway.unreachable.clear()
    assert watched.reconcile().behind == timedelta()
    assert types(watched, name) == ["refunded.v2"]


def test_one_event_that_fails_stops_no_other_but_the_bookmark(watched: Shop) -> None:
    broken, fine = bought(watched), bought(watched, "other")
    watched.gateway.refund_elsewhere("pi_1", 100)
    watched.gateway.refund_elsewhere("pi_2", 100)
    let_pass(watched, OLD.total_seconds())
    before = watched.store.marked
    watched.store.before_commit.append(raising(RuntimeError("a bug")))
    report = watched.reconcile()
    assert [hint.payment_intent_id for hint, _ in report.failures] == ["pi_1"]
    assert (types(watched, broken), types(watched, fine)) == ([], ["refunded.v2"])
    assert (watched.store.marked, report.behind) == (before, OLD)
    assert watched.reconcile().failures == []
    assert types(watched, broken) == ["refunded.v2"]


class CrashError(BaseException):
    """No handler goes on after it."""


def crash(*_: object) -> None:
    raise CrashError


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize("when", ["before the work", "after the work"])
def test_a_crash_loses_no_event(watched: Shop, when: str, monkeypatch: pytest.MonkeyPatch) -> None:
    name = bought(watched)
    watched.gateway.refund_elsewhere("pi_1", 100)
    let_pass(watched, OLD.total_seconds())
    if when == "before the work":
        watched.store.before_commit.append(crash)
    else:
        monkeypatch.setattr(watched.store, "set_bookmark", crash)
    with pytest.raises(CrashError):
        watched.reconcile()
    monkeypatch.undo()
    watched.reconcile()
    assert types(watched, name) == ["refunded.v2"]


def test_what_the_time_is_not_enough_for_is_left_to_the_next_run(watched: Shop) -> None:
    names = [bought(watched), bought(watched, "other")]
    for intent in ("pi_1", "pi_2"):
        watched.gateway.refund_elsewhere(intent, 100)
    slow: Callable[[], object] = lambda: watched.clock.advance(60)  # noqa: E731
    watched.gateway.afterwards["list refunds"] = [slow]
    assert watched.reconcile().behind == timedelta(seconds=60)
    assert [types(watched, name) for name in names] == [["refunded.v2"], []]
    watched.reconcile()
    assert types(watched, names[1]) == ["refunded.v2"]


def test_without_the_store_nothing_is_asked_of_the_provider(watched: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watched.store, "bookmark", raising(StoreUnavailableError()))
    calls = listed(watched)
    with pytest.raises(StoreUnavailableError):
        watched.reconcile()
    assert listed(watched) == calls


def test_the_schedules_task_answers_logs_and_measures_how_far_it_is(
    watched: Shop, capsys: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    bought(watched)
    watched.gateway.refund_elsewhere("pi_1", 100)
    watched.gateway.unreachable.add("list refunds")
    let_pass(watched, 75)
    capsys.readouterr()
    answer = sweep.handler({"task": "reconcile"}, LambdaContext())
    assert answer == {"events": 2, "failed": 1, "behind_seconds": 75.0}
    [metrics] = [json.loads(line) for line in capsys.readouterr().out.splitlines() if "_aws" in line]
    assert metrics["ReconciliationBehindSeconds"] == [75.0]
    assert "DueCount" not in metrics
    failure, report = (vars(record) for record in caplog.records[-2:])
    assert (failure["message"], failure["payment_intent_id"]) == ("could not be reconciled", "pi_1")
    assert report["message"] == "reconciliation"
    assert {name: report[name] for name in answer} == answer
