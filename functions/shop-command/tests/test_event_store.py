"""One contract for the fake and for DynamoDB (moto)."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest

from shop_command.adapters.dynamodb import DynamoDbEventStore, table
from shop_command.domain.stock import Bucket, StockChange
from shop_command.ports import (
    EventStore,
    KeyUse,
    KeyUsedError,
    StockShortError,
    StoredState,
    Transaction,
    VersionConflictError,
)
from shop_command.testing import InMemoryEventStore
from shop_command.testing.fakes import Counters
from shop_shared import Envelope
from shop_shared.events import StockReceived
from shop_shared.registry import dataschema
from shop_shared.values import Allocation

TABLE_NAME = "shop-test"
STREAM = "product-MUG"
NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
FIRST, SECOND = Bucket("MUG", 0), Bucket("MUG", 1)


def event(version: int, stream_id: str = STREAM) -> Envelope:
    data = StockReceived(sku="MUG", quantity=1, allocations=(Allocation(bucket=0, quantity=1),))
    return Envelope(
        id=f"01900000-0000-7000-8000-{random.getrandbits(48):012x}",
        type=data.TYPE,
        subject=stream_id,
        time=NOW,
        dataschema=dataschema(type(data)),
        streamversion=version,
        partitionkey=stream_id,
        correlationid="correlation",
        causationid="cause",
        data=data,
    )


def transaction(expected_version: int = 0, events: int = 1, stream_id: str = STREAM, **parts: Any) -> Transaction:
    made = tuple(event(expected_version + n + 1, stream_id) for n in range(events))
    state = f'{{"version": {expected_version + events}}}'
    return Transaction(stream_id=stream_id, expected_version=expected_version, events=made, state=state, **parts)


def received(quantity: int = 5) -> tuple[StockChange, ...]:
    return (StockChange(FIRST, available=quantity), StockChange(SECOND, available=quantity))


class Contract:
    @pytest.fixture
    def store(self) -> EventStore:
        raise NotImplementedError

    def counters(self, store: Any, bucket: Bucket) -> Counters:
        raise NotImplementedError

    def due(self, store: Any) -> set[tuple[str, str]]:
        """Stream and sort key of all that is due."""
        raise NotImplementedError

    def test_what_was_committed_is_read_back(self, store: EventStore) -> None:
        committed = transaction(events=2)
        store.commit(committed)
        assert store.events(STREAM) == committed.events
        assert store.events(STREAM, 2) == committed.events[1:]
        assert store.events(STREAM, 3) == ()
        assert store.states([STREAM, "product-OTHER"]) == {STREAM: StoredState(2, committed.state)}

    def test_a_stream_that_does_not_exist_is_empty(self, store: EventStore) -> None:
        assert store.events(STREAM) == ()
        assert store.states([STREAM]) == {}
        assert store.key_use("key") is None
        assert store.available([FIRST]) == {FIRST: 0}

    def test_a_stream_grows_from_its_version(self, store: EventStore) -> None:
        store.commit(transaction())
        second = transaction(1, events=2)
        store.commit(second)
        assert [e.streamversion for e in store.events(STREAM)] == [1, 2, 3]
        assert store.states([STREAM])[STREAM] == StoredState(3, second.state)

    def test_streams_do_not_meet(self, store: EventStore) -> None:
        store.commit(transaction(events=2))
        store.commit(transaction(stream_id="product-MUG-2"))
        assert [e.subject for e in store.events("product-MUG-2")] == ["product-MUG-2"]

    @pytest.mark.parametrize("expected_version", [0, 1, 3, 9])
    def test_a_stale_or_future_version_is_refused_and_leaves_nothing(
        self, store: EventStore, expected_version: int
    ) -> None:
        store.commit(transaction(events=2))
        before = store.events(STREAM), store.states([STREAM])
        with pytest.raises(VersionConflictError):
            store.commit(transaction(expected_version, stock=received(), key_use=KeyUse("key", "body", STREAM, 1)))
        assert (store.events(STREAM), store.states([STREAM])) == before
        assert store.available([FIRST]) == {FIRST: 0}
        assert store.key_use("key") is None

    def test_a_key_is_remembered_with_what_it_led_to(self, store: EventStore) -> None:
        use = KeyUse("key", "body", STREAM, 1)
        store.commit(transaction(key_use=use))
        assert store.key_use("key") == use

    def test_a_key_is_used_once_even_for_another_stream(self, store: EventStore) -> None:
        use = KeyUse("key", "body", STREAM, 1)
        store.commit(transaction(key_use=use))
        with pytest.raises(KeyUsedError):
            store.commit(transaction(stream_id="product-CUP", key_use=KeyUse("key", "other", "product-CUP", 1)))
        assert store.events("product-CUP") == ()
        assert store.key_use("key") == use

    def test_a_repeat_is_recognized_by_its_key_and_not_taken_for_a_version_conflict(self, store: EventStore) -> None:
        use = KeyUse("key", "body", STREAM, 1)
        store.commit(transaction(key_use=use))
        with pytest.raises(KeyUsedError):
            store.commit(transaction(key_use=use))

    def test_counters_move_together_with_the_events(self, store: EventStore) -> None:
        store.commit(transaction(stock=received(5)))
        store.commit(transaction(1, stock=(StockChange(FIRST, available=-3, held=3),)))
        store.commit(transaction(2, stock=(StockChange(FIRST, held=-2, sold=2),)))
        assert self.counters(store, FIRST) == Counters(2, 1, 2)
        assert store.available([FIRST, SECOND]) == {FIRST: 2, SECOND: 5}

    @pytest.mark.parametrize(
        "taken",
        [
            StockChange(FIRST, available=-6, held=6),
            StockChange(FIRST, held=-1, sold=1),
            StockChange(FIRST, sold=-1, available=1),
            StockChange(Bucket("MUG", 9), available=-1, held=1),
        ],
    )
    def test_no_counter_becomes_negative_and_the_bucket_is_named(self, store: EventStore, taken: StockChange) -> None:
        store.commit(transaction(stock=received(5)))
        with pytest.raises(StockShortError) as refused:
            store.commit(transaction(1, stock=(StockChange(SECOND, available=-1, held=1), taken)))
        assert refused.value.buckets == (taken.bucket,)
        assert store.available([FIRST, SECOND]) == {FIRST: 5, SECOND: 5}
        assert len(store.events(STREAM)) == 1

    def test_a_version_conflict_hides_what_the_buckets_say(self, store: EventStore) -> None:
        store.commit(transaction())
        with pytest.raises(VersionConflictError):
            store.commit(transaction(stock=(StockChange(FIRST, available=-1, held=1),)))

    def test_a_transaction_holds_the_largest_reservation(self, store: EventStore) -> None:
        buckets = [Bucket("MUG", number) for number in range(64)] + [Bucket("CUP", number) for number in range(26)]
        store.commit(transaction(stock=tuple(StockChange(bucket, available=1) for bucket in buckets)))
        taken = tuple(StockChange(bucket, available=-1, held=1) for bucket in buckets)
        store.commit(transaction(1, stock=taken, key_use=KeyUse("key", "body", STREAM, 2)))
        assert set(store.available(buckets).values()) == {0}

    def test_more_buckets_than_one_read_can_take_are_read(self, store: EventStore) -> None:
        buckets = [Bucket(f"MUG-{sku}", number) for sku in range(4) for number in range(64)]
        store.commit(transaction(stock=(StockChange(buckets[-1], available=7),)))
        assert sum(store.available(buckets).values()) == 7

    def test_events_are_due_until_they_are_published(self, store: EventStore) -> None:
        committed = transaction(events=2)
        store.commit(committed)
        assert self.due(store) == {(STREAM, "event#0000000001"), (STREAM, "event#0000000002")}
        store.mark_published(committed.events[:1])
        assert self.due(store) == {(STREAM, "event#0000000002")}
        assert store.events(STREAM) == committed.events

    def test_a_state_is_due_until_it_is_followed_by_one_that_is_not(self, store: EventStore) -> None:
        first, second = transaction(due_at=NOW), transaction(1)
        store.commit(first)
        store.mark_published(first.events)
        assert self.due(store) == {(STREAM, "state")}
        store.commit(second)
        store.mark_published(second.events)
        assert self.due(store) == set()


class TestInMemoryEventStore(Contract):
    @pytest.fixture
    def store(self) -> EventStore:
        return InMemoryEventStore()

    def counters(self, store: Any, bucket: Bucket) -> Counters:
        found: Counters = store.buckets[bucket]
        return found

    def due(self, store: Any) -> set[tuple[str, str]]:
        events = {(stream_id, table.event_sk(version)) for stream_id, version in store.due_events}
        return events | {(stream_id, table.STATE_SK) for stream_id in store.due_states}


class TestDynamoDbEventStore(Contract):
    @pytest.fixture
    def store(self, aws: boto3.Session) -> EventStore:
        return DynamoDbEventStore(aws.client("dynamodb"), TABLE_NAME, random.Random(1), sleep=no_sleep)  # noqa: S311

    def counters(self, store: Any, bucket: Bucket) -> Counters:
        key = {table.PK: {"S": table.bucket_pk(bucket)}, table.SK: {"S": table.STATE_SK}}
        item = store.client.get_item(TableName=TABLE_NAME, Key=key)["Item"]
        return Counters(*(int(item[name]["N"]) for name in (table.AVAILABLE, table.HELD, table.SOLD)))

    def due(self, store: Any) -> set[tuple[str, str]]:
        items: Sequence[Mapping[str, Any]] = store.client.scan(TableName=TABLE_NAME, IndexName=table.DUE_INDEX)["Items"]
        return {(item[table.PK]["S"], item[table.SK]["S"]) for item in items}


def no_sleep(_seconds: float) -> None:
    """The pauses between tries."""
