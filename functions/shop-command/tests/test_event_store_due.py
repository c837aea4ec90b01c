"""What is due, in every event store: the index that the sweep works through, and what leaves it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

import pytest

from shop_command.ports import (
    DUE_SHARDS,
    PUBLISH_GRACE_SECONDS,
    Commit,
    Due,
    DueEvent,
    DueState,
    EventStore,
    StoredState,
)
from shop_command.testing.stores import NOW, STREAM, StoreUnderTest, transaction

GRACE = timedelta(seconds=PUBLISH_GRACE_SECONDS)
LATER = NOW + timedelta(hours=1)
PAGES_MAX = 100


def all_due(store: EventStore, now: datetime = LATER) -> list[Due]:
    return [due for shard in range(DUE_SHARDS) for due in paged(store, shard, now)]


def paged(store: EventStore, shard: int, now: datetime = LATER, limit: int = 100) -> Iterator[Due]:
    after = None
    for _ in range(PAGES_MAX):
        page = store.due(shard, now, limit, after)
        assert len(page.items) <= limit
        yield from page.items
        if page.is_last:
            return
        after = page.items[-1]
    raise AssertionError("the pages do not end")


def shards(store: EventStore) -> dict[str, int]:
    """The one that each stream is due in."""
    found = {(due.stream_id, shard) for shard in range(DUE_SHARDS) for due in paged(store, shard)}
    assert len({stream_id for stream_id, _ in found}) == len(found), found
    return dict(found)


def streams_of_one_shard(store: EventStore) -> tuple[int, list[Commit]]:
    """Committed, each a second later than the one before it, and the last one first."""
    made = [transaction(stream_id=f"product-{n}", time=NOW + timedelta(seconds=n)) for n in range(3 * DUE_SHARDS)]
    for each in reversed(made):
        store.commit(each)
    found = shards(store)
    shard = found[made[0].stream_id]
    together = [each for each in made if found[each.stream_id] == shard]
    assert len(together) > 1
    return shard, together


def test_events_are_due_until_they_are_published(tested: StoreUnderTest) -> None:
    store, committed = tested.store, transaction(events=2)
    store.commit(committed)
    assert tested.due() == {(STREAM, "event#0000000001"), (STREAM, "event#0000000002")}
    store.mark_published(committed.events[:1])
    assert tested.due() == {(STREAM, "event#0000000002")}
    assert store.events(STREAM) == committed.events


def test_a_state_is_due_until_it_is_followed_by_one_that_is_not(tested: StoreUnderTest) -> None:
    store, first, second = tested.store, transaction(due_at=NOW), transaction(1)
    store.commit(first)
    store.mark_published(first.events)
    assert tested.due() == {(STREAM, "state")}
    store.commit(second)
    store.mark_published(second.events)
    assert tested.due() == set()


def test_nothing_is_due_before_its_time(store: EventStore) -> None:
    store.commit(transaction(due_at=NOW + timedelta(minutes=15)))
    millisecond = timedelta(milliseconds=1)
    event, state = DueEvent(STREAM, 1, NOW + GRACE), DueState(STREAM, NOW + timedelta(minutes=15))
    assert all_due(store, event.due_at - millisecond) == []
    assert all_due(store, event.due_at) == [event]
    assert all_due(store, state.due_at - millisecond) == [event]
    assert all_due(store, state.due_at) == [event, state]


def test_a_stream_is_due_in_one_shard_with_all_that_it_owes(store: EventStore) -> None:
    streams = [f"reservation-{n}" for n in range(2 * DUE_SHARDS)]
    for stream_id in streams:
        store.commit(transaction(events=2, stream_id=stream_id, due_at=NOW))
    assert len(set(shards(store).values())) > DUE_SHARDS / 2
    found = all_due(store)
    assert len(found) == len(set(found)) == 3 * len(streams)


def test_the_oldest_is_due_first(store: EventStore) -> None:
    shard, committed = streams_of_one_shard(store)
    streams = [each.stream_id for each in committed]
    assert [due.stream_id for due in paged(store, shard)] == streams
    assert [due.stream_id for due in store.due(shard, LATER, 1).items] == streams[:1]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
def test_a_page_goes_on_behind_the_one_before_although_what_was_on_that_has_left(store: EventStore, limit: int) -> None:
    """The five events have become due at the same moment, so their moments alone do not say where to go on."""
    committed = transaction(events=5)
    store.commit(committed)
    found = []
    for due in paged(store, shards(store)[STREAM], limit=limit):
        assert isinstance(due, DueEvent)
        found.append(due.version)
        store.mark_published([committed.events[due.version - 1]])
    assert sorted(found) == [1, 2, 3, 4, 5]
    assert all_due(store) == []


def test_what_stays_due_is_passed_by_once_and_shown_again_from_the_start(store: EventStore) -> None:
    shard, streams = streams_of_one_shard(store)
    found = []
    for due in paged(store, shard, limit=1):
        found.append(due.stream_id)
        if due.stream_id != streams[0].stream_id:
            store.mark_published(next(each.events for each in streams if each.stream_id == due.stream_id))
    assert found == [each.stream_id for each in streams]
    assert [due.stream_id for due in paged(store, shard)] == found[:1]


def test_what_becomes_due_behind_a_page_is_on_a_later_one(store: EventStore) -> None:
    store.commit(transaction())
    shard = shards(store)[STREAM]
    page = store.due(shard, LATER, 1)
    store.commit(transaction(1, time=NOW + timedelta(seconds=1)))
    assert [due for due in store.due(shard, LATER, 1, page.items[-1]).items if isinstance(due, DueEvent)] == [
        DueEvent(STREAM, 2, NOW + timedelta(seconds=1) + GRACE)
    ]


def test_unpublished_events_are_given_in_the_order_in_which_they_are_named(store: EventStore) -> None:
    first, second = transaction(events=60), transaction(events=40, stream_id="product-CUP")
    for each in (first, second):
        store.commit(each)
    events = [*reversed(first.events), *second.events]
    named = [DueEvent(event.subject, event.streamversion, LATER) for event in events]
    assert list(store.unpublished(named)) == events
    assert list(store.unpublished([])) == []


def test_a_settled_state_is_no_longer_due_and_otherwise_as_it_was(tested: StoreUnderTest) -> None:
    store, committed = tested.store, transaction(due_at=NOW)
    store.commit(committed)
    store.mark_published(committed.events)
    store.mark_settled(STREAM, 1)
    assert tested.due() == set()
    assert store.states([STREAM]) == {STREAM: StoredState(1, committed.state)}
    store.commit(transaction(1, due_at=NOW))
    assert (STREAM, "state") in tested.due()


def test_a_state_is_due_for_events_that_are_not_due_themselves(tested: StoreUnderTest) -> None:
    store, committed = tested.store, transaction(events=2, due_at=NOW, unpublished=1)
    store.commit(committed)
    assert tested.due() == {(STREAM, "state")}
    assert store.states([STREAM]) == {STREAM: StoredState(2, committed.state, NOW, 1)}
    store.mark_settled(STREAM, 2, LATER)
    assert all_due(store) == [DueState(STREAM, LATER)]
    assert store.states([STREAM]) == {STREAM: StoredState(2, committed.state, LATER)}
    store.mark_settled(STREAM, 2)
    assert tested.due() == set()
    assert store.states([STREAM]) == {STREAM: StoredState(2, committed.state)}


@pytest.mark.parametrize("version", [1, 3])
def test_a_state_that_was_settled_at_another_version_stays_due(tested: StoreUnderTest, version: int) -> None:
    store = tested.store
    store.commit(transaction(due_at=NOW))
    store.commit(transaction(1, due_at=NOW))
    store.mark_settled(STREAM, version)
    assert DueState(STREAM, NOW) in all_due(store)


def test_settling_what_does_not_exist_leaves_nothing_behind(tested: StoreUnderTest) -> None:
    tested.store.mark_settled(STREAM, 1)
    assert tested.due() == set()
    assert tested.store.states([STREAM]) == {}
