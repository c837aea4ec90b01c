"""The event stores that the contract suites run for, each with what a test sees or does behind the port."""

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final, Protocol

from shop_command.adapters.dynamodb import DynamoDbEventStore, items, table
from shop_command.domain.limits import CustomerCounts
from shop_command.domain.stock import Bucket
from shop_command.ports import Commit, EventStore
from shop_command.testing.dynamodb import CONFLICT, TRANSACT, Response, Tokens, cancelled, error
from shop_command.testing.fakes import NOTHING, Counters, InMemoryEventStore
from shop_shared.envelope import Envelope
from shop_shared.events import StockReceived
from shop_shared.registry import dataschema
from shop_shared.values import Allocation

STREAM: Final = "product-MUG"
NOW: Final = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)


class StoreUnderTest(Protocol):
    @property
    def store(self) -> EventStore: ...

    def counters(self, bucket: Bucket) -> Counters: ...

    def counts(self, customer_id: str) -> CustomerCounts: ...

    def forget_counts(self, customer_id: str) -> None:
        """The item that counts is deleted, as an operator or DynamoDB may do at any time."""

    def due(self) -> set[tuple[str, str]]:
        """Stream and sort key of all that is in the index, due or not yet."""

    def forget_tokens(self) -> None:
        """Ten minutes have passed: the service knows transactions by their conditions only."""

    def hold_back(self, first: Commit, ends_well: bool = True) -> None:
        """`first` has been sent and is under way when the next transaction comes. It ends as soon as that one has had
        its first answer, where the store is one that answers; just before it otherwise."""


@dataclass
class InMemory:
    store: InMemoryEventStore = field(default_factory=InMemoryEventStore)

    def counters(self, bucket: Bucket) -> Counters:
        return self.store.buckets[bucket]

    def counts(self, customer_id: str) -> CustomerCounts:
        return self.store.customers.get(customer_id, NOTHING)

    def forget_counts(self, customer_id: str) -> None:
        self.store.customers.pop(customer_id, None)

    def due(self) -> set[tuple[str, str]]:
        events = {(stream_id, table.event_sk(version)) for stream_id, version in self.store.due_events}
        return events | {(stream_id, table.STATE_SK) for stream_id in self.store.due_states}

    def forget_tokens(self) -> None:
        self.store.done.clear()

    def hold_back(self, first: Commit, ends_well: bool = True) -> None:
        self.store.before_commit.append(lambda: self.store.commit(first) if ends_well else None)


@dataclass
class InDynamoDb:
    store: DynamoDbEventStore
    tokens: Tokens

    def counters(self, bucket: Bucket) -> Counters:
        item = self._item(table.bucket_pk(bucket), table.STATE_SK)
        return Counters(*(int(item[name]["N"]) for name in (table.AVAILABLE, table.HELD, table.SOLD)))

    def counts(self, customer_id: str) -> CustomerCounts:
        key = {table.PK: {"S": table.customer_pk(customer_id)}, table.SK: {"S": table.STATE_SK}}
        return items.counts(self.store.client.get_item(TableName=self.store.table_name, Key=key).get("Item", {}))

    def forget_counts(self, customer_id: str) -> None:
        key = {table.PK: {"S": table.customer_pk(customer_id)}, table.SK: {"S": table.STATE_SK}}
        self.store.client.delete_item(TableName=self.store.table_name, Key=key)

    def due(self) -> set[tuple[str, str]]:
        name = self.store.table_name
        found: Sequence[Mapping[str, Any]] = self.store.client.scan(TableName=name, IndexName=table.DUE_INDEX)["Items"]
        return {(item[table.PK]["S"], item[table.SK]["S"]) for item in found}

    def forget_tokens(self) -> None:
        self.tokens.forget()

    def hold_back(self, first: Commit, ends_well: bool = True) -> None:
        """Neither moto nor the emulator works on two transactions at once: the answer is put into their mouth."""
        events: Any = self.store.client.meta.events

        def answer(params: dict[str, Any], **_: Any) -> Response | None:
            events.unregister(f"before-call.{TRANSACT}", answer)
            if ends_well:
                self.store.commit(first)
            return _while_under_way(first, params["body"])

        events.register(f"before-call.{TRANSACT}", answer)

    def _item(self, pk: str, sk: str) -> Mapping[str, Any]:
        key = {table.PK: {"S": pk}, table.SK: {"S": sk}}
        return self.store.client.get_item(TableName=self.store.table_name, Key=key)["Item"]


def _while_under_way(first: Commit, body: bytes) -> Response | None:
    if first.events[0].id.encode() in body:
        return error("TransactionInProgressException")
    if f'"{first.stream_id}"'.encode() in body:
        return cancelled(CONFLICT)
    return None


def transaction(
    expected_version: int = 0,
    events: int = 1,
    stream_id: str = STREAM,
    *,
    first_id: str | None = None,
    time: datetime = NOW,
    **parts: Any,
) -> Commit:
    """Appends events that are no two times the same; `parts` are a Commit's others."""
    made = [_event(stream_id, expected_version + n, time) for n in range(1, events + 1)]
    if first_id is not None:
        made[0] = made[0].model_copy(update={"id": first_id})
    state = f'{{"version": {expected_version + events}}}'
    return Commit(stream_id, expected_version, tuple(made), state, **parts)


def _event(stream_id: str, version: int, time: datetime) -> Envelope:
    data = StockReceived(sku="MUG", quantity=1, allocations=(Allocation(bucket=0, quantity=1),))
    return Envelope(
        id=f"01900000-0000-7000-8000-{uuid.uuid4().hex[:12]}",
        type=data.TYPE,
        subject=stream_id,
        time=time,
        dataschema=dataschema(StockReceived),
        streamversion=version,
        partitionkey=stream_id,
        correlationid="correlation",
        causationid="cause",
        data=data,
    )
