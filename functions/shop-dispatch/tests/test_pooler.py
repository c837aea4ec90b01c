"""Projections, parked records and migrations go through a pooler in transaction mode, which has one connection to the
server for all clients of a role. A rebuild needs the server itself: its claim is a lock of the session, and it builds
indexes and vacuums outside of a transaction."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shop_database import DatabaseSettings, PooledConnection, Reconnecting, connect
from shop_database.migrations import migrate
from shop_database.testing import Pooler, empty_database, pooler
from shop_dispatch import bootstrap
from shop_dispatch.adapters import shadow_statements
from shop_dispatch.adapters.postgres import PostgresParkedRecords, PostgresReadModel
from shop_dispatch.application.parking import Replay
from shop_dispatch.application.project import Project
from shop_dispatch.bootstrap import migrations_folder, open_read_model
from shop_dispatch.handlers import project
from shop_dispatch.ports import BEGINNING
from shop_observability.invocation import InvocationFailedError
from shop_observability.testing import Log
from shop_shared.envelope import encode


@pytest.fixture
def pooled(read_model: Any) -> Iterator[Pooler]:
    with pooler(read_model.database) as started:
        yield started


def kept(pooled: Pooler) -> Reconnecting:
    settings = DatabaseSettings(pooled.url("shop_dispatch"), pooled=True)
    return Reconnecting(lambda: open_read_model(settings))


def history(product: Any, reservation: Any) -> list[bytes]:
    mug, events = product("MUG"), []
    events += [mug.listed(category="mugs"), mug.received(50), mug.repriced(990)]
    for number in range(1, 9):
        order = reservation(number, {"MUG": 1})
        events += [order.placed(), order.requested(), order.confirmed(), order.refunded()]
    return [encode(event) for event in events]


def test_projections_end_in_the_same_tables_as_without_a_pooler(
    read_model: Any, pooled: Pooler, product: Any, reservation: Any
) -> None:
    records = history(product, reservation)
    read_model.project_records(records)
    direct = read_model.tables()
    read_model.clear()
    batches = [records[start : start + 5] for start in range(0, len(records), 5)]

    def consume(first: int) -> None:
        connection = kept(pooled)
        for batch in [*batches[first:], *batches[:first]]:
            Project(PostgresReadModel(connection))(batch)
        connection.run(psycopg.Connection.close)

    with ThreadPoolExecutor(3) as pool:
        list(pool.map(consume, range(3)))
    assert read_model.tables() == direct


def test_parked_records_are_listed_replayed_and_dropped(
    read_model: Any, pooled: Pooler, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    connection = kept(pooled)
    parked, projecting = PostgresParkedRecords(connection), Project(PostgresReadModel(connection))
    mug = product("MUG")
    read_model.execute("ALTER TABLE shop.product ADD CONSTRAINT cheap_only CHECK (price_minor < 1000)")
    projecting([encode(mug.listed(price_minor=1_250)), b"no event"])
    read_model.execute("ALTER TABLE shop.product DROP CONSTRAINT cheap_only")
    [unreadable, _] = sorted(parked.read(None, after=BEGINNING, limit=10), key=lambda record: record.stream_id or "")
    assert parked.drop(unreadable.parked_id, "no event of ours", "an operator")
    assert len(Replay(parked, projecting)(None).resolved) == 1
    assert read_model.query("SELECT sku FROM shop.product") == [("MUG",)]
    connection.run(psycopg.Connection.close)


def test_no_statement_needs_a_search_path(pooled: Pooler, product: Any, reservation: Any) -> None:
    connection = kept(pooled)
    assert Project(PostgresReadModel(connection))(history(product, reservation)).applied == 35
    assert connection.run(lambda it: it.execute("SHOW search_path").fetchone()) == ('"$user", public',)
    connection.run(psycopg.Connection.close)


def test_migrations_run_through_it_too() -> None:
    with empty_database() as database, pooler(database) as pooled:
        settings = DatabaseSettings(pooled.url("shop_owner"), pooled=True)
        with connect(settings, "test") as connection:
            assert isinstance(connection, PooledConnection)
            applied = migrate(connection, migrations_folder()).applied
            assert migrate(connection, migrations_folder()).applied == ()
    assert applied == tuple(sorted(file.stem for file in Path(migrations_folder()).glob("*.sql")))


def test_a_rebuilds_claim_would_be_everybodys(read_model: Any, pooled: Pooler) -> None:
    """This is why a rebuild has the server's own address: a second one gets the first one's claim."""
    settings = DatabaseSettings(pooled.url("shop_owner"), pooled=True)
    with connect(settings, "test") as one, connect(settings, "test") as other:
        assert one.execute(shadow_statements.CLAIM, [1]).fetchone() == (True,)
        assert other.execute(shadow_statements.CLAIM, [1]).fetchone() == (True,)


def test_an_operator_reads_why_there_is_no_connection(
    pooled: Pooler, kinesis: Any, product: Any, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    bootstrap._kept_connection.cache_clear()
    bootstrap.project.cache_clear()
    url = psycopg.conninfo.make_conninfo(pooled.url("shop_dispatch"), dbname="nowhere")
    monkeypatch.setenv("DATABASE_URL", url)
    with pytest.raises(InvocationFailedError):
        project.handler(kinesis(product("MUG").listed()), None)
    [failed] = [line for line in log.lines() if line["message"] == "failed"]
    assert (failed["code"], failed["reason"]) == ("3D000", "no such database")
    assert "nowhere" not in str(failed)
    bootstrap._kept_connection.cache_clear()
    bootstrap.project.cache_clear()
