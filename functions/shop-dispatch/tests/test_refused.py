"""Events that the tables refuse: each is parked with its cause, its stream waits, and everything else flows."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, contextmanager
from hashlib import sha256
from threading import Barrier
from typing import Any

import psycopg
import pytest

from shop_database import Reconnecting
from shop_dispatch.adapters.postgres import PostgresReadModel
from shop_dispatch.application.project import Project
from shop_shared.envelope import encode

Rule = Callable[[], AbstractContextManager[None]]


@pytest.fixture
def cheap_only(read_model: Any) -> Rule:
    """A rule that the schemas don't have: while it holds, the tables take no price of 5,000 or more."""

    @contextmanager
    def rule() -> Iterator[None]:
        read_model.execute("ALTER TABLE shop.product ADD CONSTRAINT cheap_only CHECK (price_minor < 5000) NOT VALID")
        try:
            yield
        finally:
            read_model.execute("ALTER TABLE shop.product DROP CONSTRAINT cheap_only")

    return rule


def parked(read_model: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = read_model.query(
        "SELECT stream_id, stream_version, cause, convert_from(payload, 'UTF8') FROM shop.parked ORDER BY 1, 2"
    )
    return rows


def versions(read_model: Any) -> dict[str, int]:
    return dict(read_model.query("SELECT stream_id, stream_version FROM shop.stream_head WHERE stream_version > 0"))


def test_a_refused_event_in_a_batch_of_a_thousand_holds_up_its_own_stream_alone(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    others = [product(f"MUG-{number}") for number in range(499)]
    pot = product("POT")
    poison = pot.listed(), pot.repriced(9_900), pot.received(5), pot.received(5)
    batch = [event for mug in others for event in (mug.listed(), mug.received(1))]
    batch[500:500] = poison
    with cheap_only():
        counts = read_model.project(*batch)
    assert (counts.records, counts.applied, counts.waiting, counts.duplicates, counts.parked) == (1_002, 999, 2, 0, 1)
    expected_cause = "23514 CheckViolation: product cheap_only"
    assert parked(read_model) == [("product-POT", 2, expected_cause, encode(poison[1]).decode())]
    assert versions(read_model) == {mug.stream_id: 2 for mug in others} | {"product-POT": 1}


def test_what_the_log_itself_refuses_leaves_its_place_free(read_model: Any, product: Any) -> None:
    pot, mug = product("POT"), product("MUG")
    listed, received, alone = pot.listed(), pot.received(5), product("JUG").listed()
    read_model.execute("ALTER TABLE shop.event_log ADD CONSTRAINT no_tea CHECK (event NOT LIKE '%tea%') NOT VALID")
    try:
        counts = read_model.project(listed, received, alone, mug.received(1).model_copy(update={"streamversion": 2}))
    finally:
        read_model.execute("ALTER TABLE shop.event_log DROP CONSTRAINT no_tea")
    assert (counts.records, counts.applied, counts.waiting, counts.duplicates, counts.parked) == (4, 0, 2, 0, 2)
    cause = "23514 CheckViolation: event_log no_tea"
    assert parked(read_model) == [(event.subject, 1, cause, encode(event).decode()) for event in (alone, listed)]
    assert read_model.project(listed, alone).applied == 3


def test_duplicates_and_conflicts_beside_a_refused_event_are_counted_as_ever(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    pot = product("POT")
    listed, expensive = pot.listed(), pot.repriced(9_900)
    other = listed.model_copy(update={"id": expensive.id})
    with cheap_only():
        counts = read_model.project(listed, expensive, listed, other)
    assert (counts.records, counts.applied, counts.waiting) == (4, 1, 0)
    assert (counts.duplicates, counts.parked, counts.conflicts) == (1, 1, 1)
    assert [row[1] for row in parked(read_model)] == [1, 2]


def test_what_is_beyond_a_limit_of_the_server_is_parked(read_model: Any, product: Any) -> None:
    mug, pot = product("MUG"), product("POT")
    text = "".join(chr(0x4E00 + sha256(bytes([n % 256, n // 256])).digest()[0] * 64 + n % 64) for n in range(2_000))
    listed = pot.listed()
    large = listed.model_copy(update={"data": listed.data.model_copy(update={"description": text})})
    read_model.execute("CREATE INDEX small_only ON shop.product (description)")  # an entry has 2,704 bytes at most
    try:
        assert read_model.project(mug.listed(), large, pot.received(1)).parked == 1
    finally:
        read_model.execute("DROP INDEX shop.small_only")
    assert [row[:3] for row in parked(read_model)] == [
        ("product-POT", 1, "54000 ProgramLimitExceeded: product small_only")
    ]
    assert versions(read_model) == {"product-MUG": 1}


def test_once_the_rule_is_gone_the_same_batch_is_applied_as_a_whole(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    pot = product("POT")
    batch = pot.listed(), pot.repriced(9_900), pot.received(5)
    with cheap_only():
        assert read_model.project(*batch).applied == 1
        again = read_model.project(*batch)
        assert (again.applied, again.waiting, again.duplicates, again.parked) == (0, 1, 2, 1)
    assert len(parked(read_model)) == 1
    counts = read_model.project(batch[1])
    assert (counts.applied, counts.waiting) == (2, 0)
    assert read_model.query("SELECT price_minor, version FROM shop.product") == [(9_900, 3)]


def test_an_event_that_was_held_back_is_parked_when_its_turn_comes_and_it_is_refused(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    pot = product("POT")
    listed, received, expensive, retired = pot.listed(), pot.received(5), pot.repriced(9_900), pot.retired()
    read_model.project(listed, expensive, retired)
    with cheap_only():
        counts = read_model.project(received)
    assert (counts.records, counts.applied, counts.waiting, counts.parked) == (1, 1, 1, 1)
    assert [row[:2] for row in parked(read_model)] == [("product-POT", 3)]
    assert read_model.query("SELECT stream_version FROM shop.event_log ORDER BY 1") == [(1,), (2,), (4,)]


def test_refused_events_of_many_streams_are_each_parked(read_model: Any, product: Any, cheap_only: Rule) -> None:
    streams = [product(f"MUG-{number}") for number in range(40)]
    batch = [event for mug in streams for event in (mug.listed(), mug.repriced(9_900), mug.retired())]
    with cheap_only():
        counts = read_model.project(*batch)
    assert (counts.applied, counts.waiting, counts.parked) == (40, 40, 40)
    assert [row[1] for row in parked(read_model)] == [2] * 40


def test_a_record_that_cannot_be_read_is_parked_once_beside_a_refused_event(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    pot, mug = product("POT"), product("MUG")
    records = [*map(encode, (pot.listed(), pot.repriced(9_900), mug.listed())), b"not an event"]
    with cheap_only():
        counts = read_model.project_records(records)
    assert (counts.records, counts.applied, counts.parked) == (4, 2, 2)
    assert [row[:2] for row in parked(read_model)] == [("product-POT", 2), (None, None)]


def test_the_same_poison_batch_several_times_at_once_parks_and_applies_once(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    pot, mug = product("POT"), product("MUG")
    events = pot.listed(), pot.received(5), pot.repriced(9_900), pot.received(5), mug.listed(), mug.repriced(9_900)
    batch = list(map(encode, events))
    barrier = Barrier(4)

    def work(_: int) -> None:
        connection = Reconnecting(lambda: read_model.open("shop_dispatch"))
        barrier.wait()
        Project(PostgresReadModel(connection))(batch)
        connection.close()

    for _ in range(5):
        read_model.clear()
        with cheap_only(), ThreadPoolExecutor(4) as pool:
            list(pool.map(work, range(4)))
        assert [row[:2] for row in parked(read_model)] == [("product-MUG", 2), ("product-POT", 3)]
        assert versions(read_model) == {"product-MUG": 1, "product-POT": 2}
        assert read_model.query("SELECT received FROM shop.stock WHERE sku = 'POT'") == [(5,)]


class Interrupted(PostgresReadModel):
    """Another function does `meanwhile` before one of the transactions, counting from 0."""

    def __init__(self, connection: Reconnecting, meanwhile: Callable[[], Any], at: int) -> None:
        super().__init__(connection)
        self.transactions, self.meanwhile, self.at = 0, meanwhile, at

    def transact(self, work: Any) -> Any:
        self.transactions += 1
        if self.transactions - 1 == self.at:
            self.meanwhile()
        return super().transact(work)


def test_the_same_poison_batch_between_any_two_transactions_changes_nothing_twice(
    read_model: Any, product: Any, cheap_only: Rule
) -> None:
    pot = product("POT")
    batch = [encode(event) for event in (pot.listed(), pot.repriced(9_900), pot.received(5))]
    rivals: list[Any] = []
    with read_model.open("shop_dispatch") as kept, cheap_only():
        connection = Reconnecting(lambda: kept)
        for step in range(100):
            read_model.clear()
            rivals.clear()
            model = Interrupted(connection, lambda: rivals.append(read_model.project_records(batch)), step)
            counts = Project(model)(batch)
            assert versions(read_model) == {"product-POT": 1}
            assert [row[:2] for row in parked(read_model)] == [("product-POT", 2)]
            assert (counts.records, counts.waiting) == (3, 1)
            if not rivals:
                break
            assert counts.applied + rivals[0].applied == 1
    assert step == model.transactions > 5


def test_a_crash_at_any_call_while_an_event_is_being_parked_loses_and_doubles_nothing(
    read_model: Any, product: Any, cheap_only: Rule, crashing: Any
) -> None:
    mug, pot = product("MUG"), product("POT")
    events = mug.listed(), mug.received(3), pot.listed(), pot.received(5), pot.repriced(9_900), pot.received(5)
    batch = [*map(encode, events), b"not an event"]
    with cheap_only():
        calls = crashing(read_model, None).run(batch)
        assert {"withdraw", "park", "commit"} <= set(calls)
        expected = read_model.tables()
        for step in range(len(calls)):
            read_model.clear()
            crashing(read_model, step).run(batch)
            read_model.project_records(batch)
            assert read_model.tables() == expected, f"crashed after call {step}, {calls[step]}"


def test_a_cause_names_the_rule_and_never_a_value(read_model: Any, product: Any) -> None:
    """PostgreSQL's own message has the value where a type refuses it."""
    pot = product("POT")
    read_model.project(pot.listed(), pot.received(5))
    read_model.execute("UPDATE shop.stock SET received = 9223372036854775807")
    assert read_model.project(pot.received(5)).parked == 1
    assert [row[2] for row in parked(read_model)] == ["22003 NumericValueOutOfRange"]


def test_what_is_no_fault_of_the_data_raises(read_model: Any, product: Any) -> None:
    read_model.execute("ALTER TABLE shop.product RENAME TO product_elsewhere")
    try:
        with pytest.raises(psycopg.errors.UndefinedTable):
            read_model.project(product("POT").listed())
    finally:
        read_model.execute("ALTER TABLE shop.product_elsewhere RENAME TO product")
    assert read_model.tables() == []
