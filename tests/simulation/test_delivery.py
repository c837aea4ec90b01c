"""Delivers six events of two streams in every order, cut into batches in every way: 23,040 deliveries.

This runs in memory, where it takes seconds. test_read_model.py compares these tables with PostgreSQL's, and the
suite of shop-dispatch delivers every order there too, with the ways to cut it in turns.
"""

import json
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import pairwise, permutations
from typing import Any, TypeVar, cast
from uuid import NAMESPACE_URL, uuid5

import pytest

from shop_dispatch.application import project
from shop_dispatch.application.project import Project
from shop_dispatch.domain.records import read
from shop_dispatch.ports import Transaction
from shop_shared import events
from shop_shared.envelope import Envelope, encode
from shop_shared.events import EventData
from shop_shared.registry import dataschema
from shop_shared.values import Allocation, Money, Price, ReservationLine
from shop_simulation.read_model import InMemoryReadModel

Result = TypeVar("Result")
OTHER = b"ffffffff-0000-7000-8000-000000000000"
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
RESERVATION = "00000000-0000-4000-8000-000000000001"
TOTAL = Money(amount_minor=1_980, currency="EUR")
LINES = (ReservationLine(sku="MUG", quantity=2, unit_price_minor=990, allocations=(Allocation(bucket=0, quantity=2),)),)
OF_PRODUCT: Sequence[EventData] = (
    events.ProductListed(
        sku="MUG",
        name="A mug",
        description="Holds tea.",
        price=Price(amount_minor=1_250, currency="EUR"),
        stock_buckets=1,
    ),
    events.StockReceived(sku="MUG", quantity=10, allocations=(Allocation(bucket=0, quantity=10),)),
    events.ProductRepriced(sku="MUG", price=Price(amount_minor=990, currency="EUR")),
)
OF_RESERVATION: Sequence[EventData] = (
    events.ReservationPlaced(
        reservation_id=RESERVATION,
        customer_id="customer-1",
        lines=LINES,
        total=TOTAL,
        expires_at=NOON + timedelta(minutes=15),
    ),
    events.PaymentRequested(reservation_id=RESERVATION, attempt=1, payment_intent_id="pi_1", amount=TOTAL),
    events.PurchaseConfirmed(
        purchase_id=RESERVATION,
        reservation_id=RESERVATION,
        customer_id="customer-1",
        attempt=1,
        payment_intent_id="pi_1",
        lines=LINES,
        total=TOTAL,
    ),
)


class BrokenConnectionError(Exception):
    """The connection breaks in the middle of a transaction."""


class Failing:
    """A read model whose transaction fails after one of its calls, once; the commit is the last."""

    def __init__(self, inner: InMemoryReadModel, fail_after: int) -> None:
        self._inner = inner
        self._left = fail_after

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        def counted(transaction: Transaction) -> Result:
            outcome = work(cast("Transaction", _Counted(transaction, self.count)))
            self.count()
            return outcome

        return self._inner.transact(counted)

    def count(self) -> None:
        self._left -= 1
        if self._left == 0:
            raise BrokenConnectionError


class _Counted:
    def __init__(self, transaction: Transaction, count: Callable[[], None]) -> None:
        self._transaction = transaction
        self._count = count

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            answer = getattr(self._transaction, name)(*arguments)
            self._count()
            return answer

        return call


def test_every_delivery_with_repetitions_and_failures_ends_in_the_same_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(project, "read", cache(read))  # the same six records, 300,000 times
    history = [*stream("product-MUG", OF_PRODUCT), *stream(f"reservation-{RESERVATION}", OF_RESERVATION)]
    whole = InMemoryReadModel()
    calls = count_calls(whole, history)
    deliveries = 0
    for arrival in permutations(history):
        for cuts in range(2 ** (len(history) - 1)):
            read_model = InMemoryReadModel()
            for batch in batches(arrival, cuts):
                delivered = [*batch, *batch[: deliveries % 3]]
                deliver(read_model, delivered, fail_after=1 + deliveries % calls)
            assert read_model.tables == whole.tables
            deliveries += 1
    assert deliveries == 720 * 32


def test_another_event_of_a_version_is_parked_in_every_delivery(monkeypatch: pytest.MonkeyPatch) -> None:
    """Five events of one stream and a sixth one, of the version of the second: the first of the two to come stays."""
    monkeypatch.setattr(project, "read", cache(read))
    listed, received, reprices = OF_PRODUCT
    history = stream("product-MUG", [listed, reprices, received, reprices, received])
    repriced = history[1]
    other = repriced.replace(b"990", b"1500").replace(str(uuid5(NAMESPACE_URL, "product-MUG/2")).encode(), OTHER)
    ends = {}
    for kept, parked in ((repriced, other), (other, repriced)):
        whole = InMemoryReadModel()
        Project(whole)([*(kept if event == repriced else event for event in history), parked])
        ends[kept] = whole.tables
    calls = count_calls(InMemoryReadModel(), [*history, other])
    deliveries = 0
    for arrival in permutations([*history, other]):
        for cuts in range(2 ** len(history)):
            read_model = InMemoryReadModel()
            for batch in batches(arrival, cuts):
                deliver(read_model, [*batch, *batch[: deliveries % 3]], fail_after=1 + deliveries % calls)
            assert read_model.tables == ends[min(repriced, other, key=arrival.index)]
            deliveries += 1
    assert deliveries == 720 * 32
    assert [list(tables.parked) for tables in ends.values()] == [[other], [repriced]]
    [first, second] = (str(json.loads(event)["id"]) for event in (repriced, other))
    assert list(ends[repriced].parked.values()) == [
        f"ConflictingEventError: its version is event {first} already, and this is event {second}"
    ]


def deliver(read_model: InMemoryReadModel, batch: Sequence[bytes], fail_after: int) -> None:
    try:
        Project(Failing(read_model, fail_after))(batch)
    except BrokenConnectionError:
        Project(read_model)(batch)


def count_calls(read_model: InMemoryReadModel, batch: Sequence[bytes]) -> int:
    counting = Failing(read_model, fail_after=0)
    Project(counting)(batch)
    return -counting._left


def batches(items: Sequence[bytes], cuts: int) -> list[Sequence[bytes]]:
    edges = [0, *(place for place in range(1, len(items)) if cuts >> (place - 1) & 1), len(items)]
    return [items[start:end] for start, end in pairwise(edges)]


def stream(stream_id: str, datas: Sequence[EventData]) -> list[bytes]:
    return [
        encode(
            Envelope(
                id=str(uuid5(NAMESPACE_URL, f"{stream_id}/{version}")),
                type=data.TYPE,
                subject=stream_id,
                time=NOON,
                dataschema=dataschema(type(data)),
                streamversion=version,
                partitionkey=stream_id,
                correlationid="correlation-1",
                causationid="causation-1",
                data=data,
            )
        )
        for version, data in enumerate(datas, start=1)
    ]
