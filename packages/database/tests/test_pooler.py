"""The package works behind a pooler in transaction mode. PgBouncer gives all clients of a role one connection here, so
whatever one of them left behind would be the next one's."""

from collections.abc import Callable, Iterator

import psycopg
import pytest

from shop_database import DatabaseSettings, NoConnectionError, PooledConnection, Reconnecting, connect, settings_hold
from shop_database.testing import Database, Pooler, empty_database, pooler

SETTINGS = {"search_path": "pg_catalog", "enable_seqscan": "off", "statement_timeout": "30s"}
SHOW = "SELECT current_setting('search_path'), current_setting('enable_seqscan'), current_setting('statement_timeout')"
DEFAULTS, WANTED = ('"$user", public', "on", "0"), ("pg_catalog", "off", "30s")
Opens = Callable[..., psycopg.Connection]


@pytest.fixture
def database() -> Iterator[Database]:
    with empty_database() as database:
        yield database


@pytest.fixture
def pooled(database: Database) -> Iterator[Pooler]:
    with pooler(database) as started:
        yield started


@pytest.fixture
def opens(pooled: Pooler) -> Iterator[Opens]:
    opened: list[psycopg.Connection] = []

    def open_one(*, read_only: bool = False, **changed: str) -> psycopg.Connection:
        settings = DatabaseSettings(pooled.url("shop_query"), pooled=True)
        opened.append(connect(settings, "test", read_only=read_only, session=SETTINGS | changed))
        return opened[-1]

    yield open_one
    for connection in opened:
        connection.close()


def seen(connection: psycopg.Connection) -> object:
    with settings_hold(connection):
        cursor = connection.execute(SHOW)
    return cursor.fetchone()


def backend(connection: psycopg.Connection) -> object:
    return connection.execute("SELECT pg_backend_pid()").fetchone()


def test_what_the_pooler_refuses_is_not_sent(pooled: Pooler) -> None:
    with pytest.raises(psycopg.OperationalError, match="unsupported startup parameter"):
        psycopg.connect(pooled.url("shop_query"), options="-c statement_timeout=50")


def test_settings_hold_in_every_unit_of_work_and_not_for_the_next_client(pooled: Pooler, opens: Opens) -> None:
    one, other = opens(), opens()
    with psycopg.connect(pooled.url("shop_query"), autocommit=True) as stranger:
        assert backend(one) == backend(other) == backend(stranger)
        for _ in range(3):
            assert seen(one) == seen(other) == WANTED
            with one.transaction():
                assert one.execute(SHOW).fetchone() == WANTED
                with one.transaction():
                    assert one.execute(SHOW).fetchone() == WANTED
            assert stranger.execute(SHOW).fetchone() == DEFAULTS


def test_clients_take_turns_on_the_servers_connection_as_often_as_they_like(opens: Opens) -> None:
    """With a pipeline around the transaction, the pooler lost count of its answers after some fifty of these."""
    clients = [opens(), opens()]
    for _ in range(300):
        assert [seen(client) for client in clients] == [WANTED, WANTED]


def test_statements_are_not_prepared_however_often_they_run(opens: Opens) -> None:
    one, other = opens(), opens()
    for _ in range(10):
        for connection in (one, other):
            assert connection.execute("SELECT %s::integer", [1], prepare=True).fetchone() == (1,)
    assert one.execute("SELECT count(*) FROM pg_prepared_statements").fetchone() == (0,)


def test_a_statement_that_takes_too_long_leaves_no_open_transaction_behind(opens: Opens) -> None:
    connection = opens(statement_timeout="1s")
    for _ in range(2):
        with pytest.raises(psycopg.errors.QueryCanceled), settings_hold(connection):
            connection.execute("SELECT pg_sleep(60)")
        assert connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
        assert seen(connection) == ("pg_catalog", "off", "1s")


def test_a_reader_cannot_write_in_a_unit_of_work(opens: Opens) -> None:
    connection = opens(read_only=True)
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction), settings_hold(connection):
        connection.execute("CREATE TEMPORARY TABLE written (id integer)")


def test_what_the_role_has_already_is_not_set_again(database: Database, pooled: Pooler, opens: Opens) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        for name, value in SETTINGS.items():
            superuser.execute(f"ALTER ROLE shop_query IN DATABASE {database.name} SET {name} = '{value}'".encode())
        superuser.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'shop_query'")
    with psycopg.connect(pooled.url("shop_query"), autocommit=True) as stranger:
        assert (seen(opens()), stranger.execute(SHOW).fetchone()) == (WANTED, WANTED)
        connection = opens()
        assert isinstance(connection, PooledConnection)
        assert connection.local_settings is None


def test_a_connection_that_the_pooler_lost_is_replaced(database: Database, opens: Opens) -> None:
    kept = Reconnecting(opens)
    before = kept.run(seen)
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE usename = 'shop_query'")
    assert kept.run(seen) == before == WANTED
    kept.close()


def test_the_poolers_own_reason_is_said(pooled: Pooler) -> None:
    url = psycopg.conninfo.make_conninfo(pooled.url("shop_query"), dbname="nowhere")
    with pytest.raises(NoConnectionError) as refused:
        connect(DatabaseSettings(url, pooled=True), "test")
    assert (refused.value.log_reason, refused.value.sqlstate) == ("no such database", "3D000")
