"""What the scheduled function pays, what it leaves, and that neither a crash nor a second sweep does harm."""

from collections.abc import Collection, Sequence
from datetime import timedelta
from threading import Barrier

import pytest
from msgspec.structs import replace

from shop_command.adapters.dynamodb import table
from shop_command.adapters.threads import Threads
from shop_command.application import sweeping
from shop_command.application.sweeping import PAGE_ITEMS, Report
from shop_command.ports import DUE_SHARDS, Due, DueEvent, StoreUnavailableError, deadline
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.gateway import Call
from shop_command.testing.shop import raising
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentDeclined


def types(shop: Shop, reservation_id: str) -> list[str]:
    return [event.type for event in shop.store.events(f"reservation-{reservation_id}")]


def done(report: Report) -> dict[str, int]:
    counts = {name: getattr(report, name) for name in ("published", "expired", "settled", "refunded", "left")}
    return {name: count for name, count in counts.items() if count} | (
        {"failed": len(report.failures)} if report.failures else {}
    )


def stays_clean(shop: Shop) -> None:
    before, calls = shop.contents(), list(shop.gateway.calls)
    assert done(shop.sweep()) == {}
    assert shop.contents() == before
    assert shop.gateway.calls == calls


def test_where_nothing_is_due_nothing_is_done(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved)
    stocked.clock.advance(3_600)
    assert stocked.sweep() == Report()
    stays_clean(stocked)


# The sweep publishes.


def test_what_was_not_published_is_published_in_the_streams_order(stocked: Shop) -> None:
    stocked.publisher.fails = lambda _: True
    reserved = stocked.reserve().body["reservation_id"]
    stocked.purchase(reserved)
    stocked.publisher.fails = lambda _: False
    assert done(stocked.sweep()) == {}, "the request that made them still has its time to publish them"
    stocked.clock.advance(10)
    report = stocked.sweep()
    assert done(report) == {"published": 3}
    assert report.oldest_unpublished.total_seconds() == 10
    assert [event.streamversion for event in stocked.publisher.published[-3:]] == [1, 2, 3]
    stays_clean(stocked)


def test_what_the_stream_still_refuses_stays_due_and_holds_up_nothing(stocked: Shop, reserved: str) -> None:
    stocked.publisher.fails = lambda event: event.type == "shop.payment.requested.v1"
    stocked.purchase(reserved)
    stocked.reserve(key="another")
    stocked.clock.advance(900)
    assert done(stocked.sweep()) == {"published": 1, "expired": 1, "left": 1}
    stocked.publisher.fails = lambda _: False
    assert done(stocked.sweep()) == {"published": 2}
    requested, confirmed = stocked.publisher.published[-2:]
    assert (requested.type, confirmed.type) == ("shop.payment.requested.v1", "shop.purchase.confirmed.v1")
    stays_clean(stocked)


def test_more_than_a_page_of_each_shard_is_published(stocked: Shop) -> None:
    stocked.publisher.fails = lambda _: True
    for n in range(120 * DUE_SHARDS):
        stocked.receive(quantity=1, key=f"receive-{n}")  # all of one stream, so in one shard
    stocked.publisher.fails = lambda _: False
    stocked.clock.advance(10)
    assert done(stocked.sweep()) == {"published": 120 * DUE_SHARDS}
    versions = [event.streamversion for event in stocked.publisher.published[2:]]
    assert versions == sorted(versions)


@pytest.mark.parametrize(("events", "broken"), [(2, {4}), (3, {4}), (4, {3, 5})])
def test_an_event_that_cannot_be_read_stops_no_other(
    stocked: Shop, monkeypatch: pytest.MonkeyPatch, events: int, broken: set[int]
) -> None:
    stocked.publisher.fails = lambda _: True
    for n in range(events):
        stocked.receive(quantity=1, key=f"receive-{n}")
    stocked.publisher.fails = lambda _: False
    stocked.clock.advance(10)
    unpublished = stocked.store.unpublished

    def poisoned(due: Collection[DueEvent]) -> Sequence[Envelope]:
        if any(item.version in broken for item in due):
            raise ValueError("not JSON")
        return unpublished(due)

    monkeypatch.setattr(stocked.store, "unpublished", poisoned)
    report = stocked.sweep()
    assert done(report) == {"published": events - len(broken), "left": len(broken), "failed": len(broken)}
    assert [failure.stream_id for failure in report.failures] == ["product-MUG"] * len(broken)


def test_events_that_cannot_be_read_now_are_left_and_their_age_is_the_oldests(
    stocked: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked.publisher.fails = lambda _: True
    for n in range(2):
        stocked.receive(quantity=1, key=f"receive-{n}")
        stocked.clock.advance(10)
    monkeypatch.setattr(stocked.store, "unpublished", lambda _: raising(StoreUnavailableError())())
    report = stocked.sweep()
    assert done(report) == {"left": 2, "failed": 1}
    assert report.oldest_unpublished == timedelta(seconds=20)


def test_a_shard_that_cannot_be_read_stops_no_other(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    for n in range(10):
        assert stocked.reserve(("MUG", 1), key=f"n-{n}").status == 201
    stocked.clock.advance(900)
    read = stocked.store.due
    pages = {shard: read(shard, stocked.clock.now(), 100) for shard in range(DUE_SHARDS)}
    broken = next(shard for shard, page in pages.items() if page.items)

    def due(shard: int, *rest: object) -> object:
        if shard == broken:
            raise StoreUnavailableError
        return read(shard, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(stocked.store, "due", due)
    assert done(stocked.sweep()) == {"expired": 10 - len(pages[broken].items), "failed": 1}


# The sweep expires reservations.


def test_what_has_expired_gives_its_stock_back_once(stocked: Shop, reserved: str) -> None:
    stocked.clock.advance(899)
    assert done(stocked.sweep()) == {}
    stocked.clock.advance(1)
    assert done(stocked.sweep()) == {"expired": 1}
    assert stocked.totals() == Counters(10, 0, 0)
    placed, expired = stocked.store.events(f"reservation-{reserved}")
    assert expired.type == "shop.reservation.expired.v1"
    assert (expired.causationid, expired.correlationid) == (placed.id, placed.correlationid)
    assert expired.awstraceheader == placed.awstraceheader
    assert stocked.publisher.published[-1] == expired
    stays_clean(stocked)


def test_one_that_cannot_be_expired_stops_no_other(stocked: Shop) -> None:
    for n in range(5):
        stocked.reserve(("MUG", 1), key=f"n-{n}")
    stocked.clock.advance(900)
    stocked.store.before_commit += [lambda: None, lambda: None, raising(RuntimeError("a bug"))]
    report = stocked.sweep()
    assert done(report) == {"expired": 4, "left": 1, "failed": 1}
    assert isinstance(report.failures[0].error, RuntimeError)
    assert done(stocked.sweep()) == {"expired": 1}


def test_two_sweeps_at_once_expire_each_once(stocked: Shop) -> None:
    for n in range(4):
        stocked.reserve(("MUG", 1), key=f"n-{n}")
    stocked.clock.advance(900)
    reports: list[Report] = []
    stocked.store.before_commit.append(lambda: reports.append(stocked.sweep()))
    reports.append(stocked.sweep())
    assert [done(report) for report in reports] == [{"expired": 4}, {}]
    assert stocked.totals() == Counters(10, 0, 0)


def test_a_reservation_that_is_being_paid_for_never_expires(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_slow")
    stocked.clock.advance(24 * 3600)
    assert done(stocked.sweep()) == {"left": 1}
    assert types(stocked, reserved)[-1] == "shop.payment.requested.v1"
    stocked.gateway.finish("pi_1")
    assert done(stocked.sweep()) == {"settled": 1}
    assert types(stocked, reserved)[-1] == "shop.purchase.confirmed.v1"


# The sweep settles payments.


@pytest.mark.parametrize("card", ["pm_card_error_after_charge", "pm_card_timeout_after_charge"])
def test_a_charge_whose_answer_was_lost_becomes_a_purchase(stocked: Shop, reserved: str, card: str) -> None:
    assert stocked.purchase(reserved, card).status == 202
    stocked.clock.advance(59)
    assert done(stocked.sweep()) == {}, "its request may still be under way"
    stocked.clock.advance(1)
    report = stocked.sweep()
    assert done(report) == {"settled": 1}
    assert report.oldest_unsettled.total_seconds() == 60
    assert stocked.totals() == Counters(8, 0, 2)
    requested, confirmed = stocked.store.events(f"reservation-{reserved}")[1:]
    assert (confirmed.type, confirmed.causationid) == ("shop.purchase.confirmed.v1", requested.id)
    assert stocked.purchase(reserved, card).status == 201
    stays_clean(stocked)


def test_a_confirmation_that_never_arrived_is_made_impossible_before_it_is_declined(
    stocked: Shop, reserved: str
) -> None:
    stocked.gateway.unreachable.add("confirm")
    assert stocked.purchase(reserved).status == 202
    stocked.gateway.unreachable.clear()
    stocked.clock.advance(60)
    assert done(stocked.sweep()) == {"settled": 1}
    assert stocked.gateway.with_status("canceled") == ["pi_1"]
    declined = stocked.store.events(f"reservation-{reserved}")[-1].data
    assert isinstance(declined, PaymentDeclined)
    assert declined.code == "intent_canceled"
    repeated = stocked.purchase(reserved)
    assert (repeated.status, repeated.body["code"]) == (402, "intent_canceled")
    again = stocked.purchase(reserved, key="again")
    assert (again.status, again.body["payment_intent_id"]) == (201, "pi_2")
    assert stocked.gateway.with_status("succeeded") == ["pi_2"]


def test_a_charge_that_is_quicker_than_the_sweeps_cancellation_wins(stocked: Shop, reserved: str) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved)
    stocked.gateway.unreachable.clear()
    stocked.clock.advance(60)
    stocked.gateway.meanwhile["cancel"] = [lambda: stocked.purchase(reserved)]
    assert done(stocked.sweep()) == {}
    assert types(stocked, reserved)[-1] == "shop.purchase.confirmed.v1"
    assert stocked.gateway.with_status("succeeded") == ["pi_1"]


def test_an_unknown_outcome_of_an_overdue_reservation_is_declined_and_then_expires(
    stocked: Shop, reserved: str
) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved)
    stocked.clock.advance(900)
    assert done(stocked.sweep()) == {"settled": 1}
    assert done(stocked.sweep()) == {"expired": 1}
    assert stocked.totals() == Counters(10, 0, 0)
    stays_clean(stocked)


def test_two_sweeps_at_once_settle_each_once_and_say_so(stocked: Shop) -> None:
    for n in range(2):
        reserved = stocked.reserve(("MUG", 1), key=f"n-{n}").body["reservation_id"]
        stocked.purchase(reserved, "pm_card_error_after_charge", key=f"n-{n}")
    stocked.clock.advance(60)
    reports: list[Report] = []
    stocked.gateway.meanwhile["retrieve"] = [lambda: reports.append(stocked.sweep())]
    reports.append(stocked.sweep())
    assert [done(report) for report in reports] == [{"settled": 2}, {}]
    assert stocked.totals() == Counters(8, 0, 2)


def test_an_intent_that_does_not_exist_is_given_up_and_the_stock_is_free_when_the_time_is_over(
    stocked: Shop, reserved: str
) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved)
    stocked.gateway.records.remove("payment_intent", "pi_1")
    stocked.clock.advance(900)
    assert done(stocked.sweep()) == {"settled": 1}
    assert done(stocked.sweep()) == {"expired": 1}
    assert types(stocked, reserved)[-2:] == ["shop.payment.declined.v1", "shop.reservation.expired.v1"]
    assert stocked.totals() == Counters(10, 0, 0)
    stays_clean(stocked)


def test_a_missing_intent_of_an_ended_reservation_is_closed(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_visa_chargeDeclined")
    stocked.cancel(reserved)
    stocked.gateway.records.remove("payment_intent", "pi_1")
    assert done(stocked.sweep()) == {"settled": 1}
    stays_clean(stocked)


@pytest.mark.parametrize(("seconds", "call"), [(60, "retrieve"), (60, "cancel"), (900, "cancel")])
def test_while_the_provider_does_not_answer_nothing_is_decided(
    stocked: Shop, reserved: str, seconds: int, call: Call
) -> None:
    stocked.gateway.unreachable.add("confirm")
    stocked.purchase(reserved)
    stocked.clock.advance(seconds)
    stocked.gateway.unreachable.add(call)
    before = stocked.contents()
    assert done(stocked.sweep()) == {"left": 1}
    assert stocked.contents() == before


def test_the_payments_of_every_page_are_settled(stocked: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sweeping, "PAGE_ITEMS", 1)
    for n in range(DUE_SHARDS + 1):  # so one shard has two pages
        reserved = stocked.reserve(("MUG", 1), key=f"n-{n}").body["reservation_id"]
        stocked.purchase(reserved, "pm_card_error_after_charge", key=f"n-{n}")
    stocked.clock.advance(60)
    assert done(stocked.sweep()) == {"settled": DUE_SHARDS + 1}


def test_payments_without_an_answer_do_not_keep_the_others_waiting_for_ever(stocked: Shop) -> None:
    for n in range(5):
        reserved = stocked.reserve(("MUG", 1), key=f"n-{n}").body["reservation_id"]
        stocked.purchase(reserved, "pm_card_error_after_charge", key=f"n-{n}")
    stocked.clock.advance(60)
    for _ in range(60):
        # One of them alone fills the time of a sweep: which one is first is left to randomness.
        stocked.gateway.meanwhile["retrieve"] = [lambda: stocked.clock.advance(50)]
        stocked.sweep()
    assert stocked.totals() == Counters(5, 0, 5)


def test_the_intent_that_a_declined_card_left_behind_is_closed_when_the_reservation_has_ended(
    stocked: Shop, reserved: str
) -> None:
    stocked.purchase(reserved, "pm_card_visa_chargeDeclined")
    stocked.cancel(reserved)
    assert done(stocked.sweep()) == {"settled": 1}
    assert stocked.gateway.with_status("canceled") == ["pi_1"]
    assert types(stocked, reserved)[-1] == "shop.reservation.cancelled.v1"
    stays_clean(stocked)


@pytest.mark.parametrize("trouble", ["none", "unreachable", "lost"])
def test_a_charge_that_no_purchase_can_come_of_is_given_back_once(stocked: Shop, reserved: str, trouble: str) -> None:
    stocked.purchase(reserved, "pm_card_visa_chargeDeclined")
    stocked.cancel(reserved)
    stocked.gateway.charge_anyway("pi_1")
    if trouble != "none":
        getattr(stocked.gateway, trouble).add("refund")
        assert done(stocked.sweep()) == {"left": 1}
        getattr(stocked.gateway, trouble).clear()
    assert done(stocked.sweep()) == {"refunded": 1}
    assert types(stocked, reserved)[-1] == "shop.payment.refunded.v1"
    assert stocked.gateway.refunds("pi_1") == ["re_1"]
    assert stocked.totals() == Counters(10, 0, 0)
    stays_clean(stocked)


# Time


def test_without_time_nothing_is_begun(stocked: Shop, reserved: str) -> None:
    stocked.clock.advance(900)
    before = stocked.contents()
    assert done(stocked.sweep(seconds=0)) == {}
    assert stocked.contents() == before


def test_what_the_time_is_not_enough_for_is_left_to_the_next_sweep(stocked: Shop) -> None:
    for n in range(4):
        stocked.reserve(("MUG", 1), key=f"n-{n}")
    stocked.clock.advance(900)
    stocked.store.before_commit += [lambda: stocked.clock.advance(30)] * 4
    first = stocked.sweep(seconds=50)
    assert 0 < first.expired < 4
    assert first.left == 4 - first.expired
    stocked.store.before_commit.clear()
    assert done(stocked.sweep()) == {"expired": 4 - first.expired}


def test_an_index_that_shows_what_was_due_before_does_no_harm(
    stocked: Shop, reserved: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stocked.clock.advance(899)
    late = {shard: stocked.store.due(shard, stocked.clock.now().replace(year=2027), 100) for shard in range(DUE_SHARDS)}
    assert stocked.purchase(reserved, "pm_card_error_after_charge").status == 202

    def stale(shard: int, _now: object, _limit: int, _after: Due | None) -> object:
        return late[shard]

    stocked.clock.advance(2)
    monkeypatch.setattr(stocked.store, "due", stale)
    before, calls = stocked.contents(), list(stocked.gateway.calls)
    assert done(stocked.sweep()) == {}
    assert stocked.contents() == before
    assert stocked.gateway.calls == calls


# The sweep does several things at once.


def test_several_are_done_at_once_and_a_failure_of_one_is_its_own(stocked: Shop) -> None:
    meeting = Barrier(4, timeout=60)
    for n in range(5):
        stocked.reserve(("MUG", 1), key=f"n-{n}")
    stocked.clock.advance(900)
    stocked.store.before_commit += [raising(RuntimeError("a bug")), *[meeting.wait] * 4]
    several = replace(stocked.application.sweep, workers=Threads(4))
    # Fewer than four at once would wait at the barrier for ever, and break it.
    assert done(several.run(seconds=3_600)) == {"expired": 4, "left": 1, "failed": 1}
    assert stocked.totals() == Counters(9, 1, 0)


def test_payments_that_the_provider_does_not_answer_for_are_asked_about_at_once(stocked: Shop) -> None:
    for n in range(4):
        reserved = stocked.reserve(("MUG", 1), key=f"n-{n}").body["reservation_id"]
        stocked.purchase(reserved, "pm_card_error_after_charge", key=f"n-{n}")
    stocked.clock.advance(60)
    meeting = Barrier(4, timeout=60)
    stocked.gateway.meanwhile["retrieve"] = [lambda: meeting.wait() and None] * 4
    several = replace(stocked.application.sweep, workers=Threads(4))
    assert done(several.run(seconds=3_600)) == {"settled": 4}


def test_something_aside_is_done_at_the_same_time_and_what_it_raises_is_not_lost() -> None:
    meeting = Barrier(2, timeout=60)
    assert sorted(Threads(2).beside(meeting.wait, meeting.wait)) == [0, 1]
    assert Threads(2).beside(lambda: "aside", lambda: "done") == ("aside", "done")
    with pytest.raises(RuntimeError, match="a bug"):
        Threads(2).beside(raising(RuntimeError("a bug")), lambda: "done")


def test_threads_know_when_the_invocation_ends() -> None:
    def too_late(_: int) -> bool:
        try:
            deadline.require(10)
        except deadline.OutOfTimeError:
            return True
        return False

    with deadline.ending_in(5):
        assert list(Threads(2).map(too_late, range(3))) == [True] * 3
    assert list(Threads(2).map(too_late, range(3))) == [False] * 3


@pytest.fixture
def crowded(stocked: Shop) -> Shop:
    """Each shard has more than a page that is due, and each page takes longer than a sweep works alone."""
    stocked.publisher.fails = lambda _: True
    for n in range(DUE_SHARDS):
        sku = next(sku for sku in (f"S-{n}-{i}" for i in range(999)) if table.due_shard(f"product-{sku}") == str(n))
        stocked.list_product(sku)
        for delivery in range(PAGE_ITEMS):
            stocked.receive(sku, 1, key=f"{sku}-{delivery}")
    stocked.publisher.fails = lambda _: False
    stocked.clock.advance(10)
    return stocked


def slowly(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    publish = shop.publisher.publish

    def published(events: Sequence[Envelope]) -> Sequence[Envelope]:
        shop.clock.advance(2)
        return publish(events)

    monkeypatch.setattr(shop.publisher, "publish", published)


def test_shards_that_are_too_much_for_one_get_sweeps_of_their_own(
    crowded: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    slowly(crowded, monkeypatch)
    crowded.helpers.can_start = True
    assert crowded.sweep().published == PAGE_ITEMS * DUE_SHARDS
    assert crowded.helpers.started == [*range(DUE_SHARDS)]
    for shard in range(DUE_SHARDS):
        assert done(crowded.application.sweep.run(50, [shard])) == {"published": 1}
    assert len(crowded.helpers.started) == DUE_SHARDS, "those start no others"
    stays_clean(crowded)


def test_what_no_other_sweep_takes_is_done_by_the_first_one(crowded: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    slowly(crowded, monkeypatch)
    assert crowded.sweep(seconds=200).published == (PAGE_ITEMS + 1) * DUE_SHARDS


def test_a_sweep_that_is_quick_enough_starts_no_other(crowded: Shop) -> None:
    crowded.helpers.can_start = True
    assert crowded.sweep().published == (PAGE_ITEMS + 1) * DUE_SHARDS
    assert crowded.helpers.started == []
