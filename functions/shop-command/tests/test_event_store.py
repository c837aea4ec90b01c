"""What every event store does: the one in memory, and DynamoDB's over moto and over the emulator.

test_event_store_repeats.py and test_event_store_due.py are the other two parts of this contract.
"""

from datetime import timedelta

import pytest

from shop_command.domain.stock import Bucket, BucketChange
from shop_command.ports import (
    Bookmark,
    EventStore,
    KeyUse,
    KeyUsedError,
    Level,
    StockShortError,
    StoredState,
    VersionConflictError,
)
from shop_command.testing.fakes import Counters
from shop_command.testing.stores import NOW, STREAM, StoreUnderTest, transaction

FIRST, SECOND = Bucket("MUG", 0), Bucket("MUG", 1)


def received(quantity: int = 5) -> tuple[BucketChange, ...]:
    return (BucketChange(FIRST, available=quantity), BucketChange(SECOND, available=quantity))


def test_what_was_committed_is_read_back(store: EventStore) -> None:
    committed = transaction(events=2)
    store.commit(committed)
    assert store.events(STREAM) == committed.events
    assert store.events(STREAM, 2) == committed.events[1:]
    assert store.events(STREAM, 3) == ()
    assert store.states([STREAM, "product-OTHER"]) == {STREAM: StoredState(2, committed.state)}


def test_a_stream_that_does_not_exist_is_empty(store: EventStore) -> None:
    assert store.events(STREAM) == ()
    assert store.states([STREAM]) == {}
    assert store.key_use("key") is None
    assert store.levels([FIRST]) == {FIRST: Level(0, 0)}


@pytest.mark.parametrize("event_id", ["evt_1", None])
def test_a_bookmark_is_read_back_as_it_was_set_last(store: EventStore, event_id: str | None) -> None:
    assert store.bookmark() is None
    store.set_bookmark(Bookmark("evt_0", NOW - timedelta(days=1), NOW))
    bookmark = Bookmark(event_id, NOW, NOW + timedelta(milliseconds=1))
    store.set_bookmark(bookmark)
    assert store.bookmark() == bookmark


def test_a_stream_grows_from_its_version(store: EventStore) -> None:
    store.commit(transaction())
    second = transaction(1, events=2)
    store.commit(second)
    assert [e.streamversion for e in store.events(STREAM)] == [1, 2, 3]
    assert store.states([STREAM])[STREAM] == StoredState(3, second.state)


def test_streams_do_not_meet(store: EventStore) -> None:
    store.commit(transaction(events=2))
    store.commit(transaction(stream_id="product-MUG-2"))
    assert [e.subject for e in store.events("product-MUG-2")] == ["product-MUG-2"]


@pytest.mark.parametrize("expected_version", [0, 1, 3, 9])
def test_a_stale_or_future_version_is_refused_and_leaves_nothing(store: EventStore, expected_version: int) -> None:
    store.commit(transaction(events=2))
    before = store.events(STREAM), store.states([STREAM])
    with pytest.raises(VersionConflictError):
        store.commit(transaction(expected_version, stock=received(), key_use=KeyUse("key", "body", STREAM, 1)))
    assert (store.events(STREAM), store.states([STREAM])) == before
    assert store.levels([FIRST]) == {FIRST: Level(0, 0)}
    assert store.key_use("key") is None


def test_a_key_is_remembered_with_what_it_led_to(store: EventStore) -> None:
    use = KeyUse("key", "body", STREAM, 1)
    assert store.state_and_key_use(STREAM, "key") == (None, None)
    committed = transaction(key_use=use)
    store.commit(committed)
    assert store.key_use("key") == use
    assert store.state_and_key_use(STREAM, "key") == (StoredState(1, committed.state), use)
    assert store.state_and_key_use("product-OTHER", "key") == (None, use)
    assert store.state_and_key_use(STREAM, "other") == (StoredState(1, committed.state), None)


def test_a_key_is_used_once_even_for_another_stream(store: EventStore) -> None:
    use = KeyUse("key", "body", STREAM, 1)
    store.commit(transaction(key_use=use))
    with pytest.raises(KeyUsedError):
        store.commit(transaction(stream_id="product-CUP", key_use=KeyUse("key", "other", "product-CUP", 1)))
    assert store.events("product-CUP") == ()
    assert store.key_use("key") == use


def test_a_repeat_is_recognized_by_its_key_and_not_taken_for_a_version_conflict(store: EventStore) -> None:
    use = KeyUse("key", "body", STREAM, 1)
    store.commit(transaction(key_use=use))
    with pytest.raises(KeyUsedError):
        store.commit(transaction(key_use=use))


def test_counters_move_together_with_the_events(tested: StoreUnderTest) -> None:
    store = tested.store
    store.commit(transaction(stock=received(5)))
    store.commit(transaction(1, stock=(BucketChange(FIRST, available=-3, held=3),)))
    store.commit(transaction(2, stock=(BucketChange(FIRST, held=-2, sold=2),)))
    assert tested.counters(FIRST) == Counters(2, 1, 2)
    assert store.levels([FIRST, SECOND]) == {FIRST: Level(2, 3), SECOND: Level(5, 1)}


@pytest.mark.parametrize(
    "taken",
    [
        BucketChange(FIRST, available=-6, held=6),
        BucketChange(FIRST, held=-1, sold=1),
        BucketChange(FIRST, sold=-1, available=1),
        BucketChange(FIRST, available=-1, held=-1),
        BucketChange(Bucket("MUG", 9), available=-1, held=1),
    ],
)
def test_no_counter_becomes_negative_and_the_bucket_is_named(store: EventStore, taken: BucketChange) -> None:
    store.commit(transaction(stock=received(5)))
    with pytest.raises(StockShortError) as refused:
        store.commit(transaction(1, stock=(BucketChange(SECOND, available=-1, held=1), taken)))
    assert refused.value.buckets == (taken.bucket,)
    assert store.levels([FIRST, SECOND]) == {FIRST: Level(5, 1), SECOND: Level(5, 1)}
    assert len(store.events(STREAM)) == 1


def test_a_version_conflict_hides_what_the_buckets_say(store: EventStore) -> None:
    store.commit(transaction())
    with pytest.raises(VersionConflictError):
        store.commit(transaction(stock=(BucketChange(FIRST, available=-1, held=1),)))


def test_a_transaction_holds_the_largest_reservation(store: EventStore) -> None:
    buckets = [Bucket("MUG", number) for number in range(64)] + [Bucket("CUP", number) for number in range(26)]
    store.commit(transaction(stock=tuple(BucketChange(bucket, available=1) for bucket in buckets)))
    taken = tuple(BucketChange(bucket, available=-1, held=1) for bucket in buckets)
    store.commit(transaction(1, stock=taken, key_use=KeyUse("key", "body", STREAM, 2)))
    assert set(store.levels(buckets).values()) == {Level(0, 2)}


def test_more_buckets_than_one_read_can_take_are_read(store: EventStore) -> None:
    buckets = [Bucket(f"MUG-{sku}", number) for sku in range(4) for number in range(64)]
    store.commit(transaction(stock=(BucketChange(buckets[-1], available=7),)))
    assert sum(level.available for level in store.levels(buckets).values()) == 7
