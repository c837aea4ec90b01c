"""Connections to a real PostgreSQL: limits, and what happens when one is cut."""

from collections.abc import Iterator

import psycopg
import pytest

from shop_database import AddressWithIam, DatabaseSettings, NoConnectionError, Reconnecting, connect
from shop_database.failures import UNKNOWN
from shop_database.iam import Credentials
from shop_database.testing import Database, empty_database, server

AURORA = {
    "DATABASE_ROOT_CERTIFICATE": "/var/task/rds-ca.pem",
    "DATABASE_HOST": "shop.cluster-abc123.us-east-1.rds.amazonaws.com",
    "DATABASE_PORT": "5432",
    "DATABASE_NAME": "shop",
    "DATABASE_USER": "shop_query",
    "AWS_REGION": "us-east-1",
    "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
    "AWS_SECRET_ACCESS_KEY": "secret",
    "AWS_SESSION_TOKEN": "session",
}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with empty_database() as database:
        yield database


class Opens:
    """Opens connections, counts them, and closes all that are left."""

    def __init__(self, database: Database) -> None:
        self.settings = DatabaseSettings(database.url("shop_query"))
        self.opened: list[psycopg.Connection] = []

    def __call__(self) -> psycopg.Connection:
        self.opened.append(connect(self.settings, "test"))
        return self.opened[-1]


@pytest.fixture
def opens(database: Database) -> Iterator[Opens]:
    opens = Opens(database)
    yield opens
    for connection in opens.opened:
        connection.close()


def one(connection: psycopg.Connection) -> int:
    row = connection.execute("SELECT 1").fetchone()
    assert row
    return int(row[0])


def cut(connection: psycopg.Connection) -> None:
    """Ends the connection, as a server does that goes away while the execution environment is frozen."""
    with psycopg.connect(server(), autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(%s, 5000)", [connection.info.backend_pid])


def test_a_connection_carries_its_name_and_its_statement_timeout(database: Database) -> None:
    settings = DatabaseSettings(database.url("shop_query"))
    with connect(settings, "shop-query", statement_timeout_ms=50) as connection:
        assert connection.autocommit
        assert connection.execute("SELECT current_setting('application_name')").fetchone() == ("shop-query",)
        with pytest.raises(psycopg.errors.QueryCanceled):
            connection.execute("SELECT pg_sleep(5)")
        assert one(connection) == 1


@pytest.mark.parametrize(
    ("changes", "reason", "sqlstate"),
    [
        ({"dbname": "nowhere"}, "database … does not exist", "3D000"),
        ({"user": "nobody-at-all"}, "role … does not exist", "28000"),
        ({"host": "127.0.0.1", "port": "1"}, "Connection refused", "08001"),
        ({"host": "/nowhere"}, "No such file or directory", "08001"),
        ({"host": "a.invalid"}, "failed to resolve host", "08001"),
    ],
)
def test_why_there_is_no_connection_is_said_without_a_name(
    database: Database, changes: dict[str, str], reason: str, sqlstate: str
) -> None:
    url = psycopg.conninfo.make_conninfo(database.url("shop_query"), **changes)
    with pytest.raises(NoConnectionError) as failed:
        connect(DatabaseSettings(url), "test")
    assert (failed.value.log_reason, failed.value.sqlstate) == (reason, sqlstate)


def test_a_server_that_takes_no_more_connections_says_so(database: Database) -> None:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 0".encode())
        try:
            with pytest.raises(NoConnectionError) as failed:
                connect(DatabaseSettings(database.url("shop_query")), "test")
        finally:
            superuser.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT -1".encode())
    assert (failed.value.log_reason, failed.value.sqlstate) == ("too many connections for", "53300")


@pytest.mark.parametrize(
    ("message", "reason", "sqlstate"),
    [
        ('FATAL:  password authentication failed for user "ada"', "password authentication failed", "28P01"),
        ('FATAL:  PAM authentication failed for user "shop_query"', "PAM authentication failed", "28000"),
        ("FATAL:  the database system is starting up", "the database system is starting up", "57P03"),
        ("FATAL: Zugriff verweigert, Kennwort geheim", UNKNOWN, None),
    ],
)
def test_of_a_message_only_what_is_known_is_said(message: str, reason: str, sqlstate: str | None) -> None:
    error = NoConnectionError(psycopg.OperationalError(f'connection to server at "10.0.0.1" failed: {message}'))
    assert (error.log_reason, error.sqlstate) == (reason, sqlstate)


def test_a_url_goes_before_an_address() -> None:
    settings = DatabaseSettings.from_environment({**AURORA, "DATABASE_URL": "postgresql:///shop"})
    assert settings.address == "postgresql:///shop"


def test_without_a_url_the_functions_own_credentials_sign_in() -> None:
    environment = dict(AURORA)
    address = DatabaseSettings.from_environment(environment).address
    assert isinstance(address, AddressWithIam)
    assert (address.host, address.port, address.name) == (AURORA["DATABASE_HOST"], 5432, "shop")
    assert (address.user, address.region) == ("shop_query", "us-east-1")
    assert address.root_certificate == AURORA["DATABASE_ROOT_CERTIFICATE"]
    assert address.credentials() == Credentials("AKIDEXAMPLE", "secret", "session")
    environment["AWS_ACCESS_KEY_ID"] = "AKIDOTHER"
    assert address.credentials().access_key_id == "AKIDOTHER"  # for the next connection


@pytest.mark.parametrize(("value", "pooled"), [("true", True), ("", False), ("false", False)])
def test_a_pooler_is_told_of_by_the_environment(value: str, pooled: bool) -> None:
    assert DatabaseSettings.from_environment({**AURORA, "DATABASE_POOLED": value}).pooled is pooled
    url = {"DATABASE_URL": "postgresql:///shop", "DATABASE_POOLED": value}
    assert DatabaseSettings.from_environment(url).pooled is pooled


@pytest.mark.parametrize(
    ("resume_seconds", "asked", "waits"),
    [("", None, 5), ("0", None, 5), ("18", None, 18), ("3", None, 5), ("18", 7, 7)],
)
def test_a_database_that_pauses_is_waited_for(
    monkeypatch: pytest.MonkeyPatch, resume_seconds: str, asked: int | None, waits: int
) -> None:
    timeouts: list[object] = []

    def refuse(_: str, **options: object) -> None:
        timeouts.append(options["connect_timeout"])
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg.Connection, "connect", refuse)
    settings = DatabaseSettings.from_environment({**AURORA, "DATABASE_RESUME_SECONDS": resume_seconds})
    with pytest.raises(NoConnectionError):
        connect(settings, "test", connect_timeout_seconds=asked)
    assert timeouts == [waits]


def test_what_is_missing_in_the_environment_is_named() -> None:
    with pytest.raises(KeyError, match="DATABASE_HOST"):
        DatabaseSettings.from_environment({name: AURORA[name] for name in AURORA if name != "DATABASE_HOST"})


def test_with_iam_the_server_is_verified_and_the_password_is_a_token(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def refuse(conninfo: str, **_: object) -> None:
        asked.append(conninfo)
        raise psycopg.OperationalError

    monkeypatch.setattr(psycopg.Connection, "connect", refuse)
    with pytest.raises(NoConnectionError):
        connect(DatabaseSettings.from_environment(AURORA), "test")
    fields = psycopg.conninfo.conninfo_to_dict(asked[0])
    assert (fields["host"], fields["user"], fields["dbname"]) == (AURORA["DATABASE_HOST"], "shop_query", "shop")
    assert (fields["sslmode"], fields.get("sslrootcert")) == ("verify-full", AURORA["DATABASE_ROOT_CERTIFICATE"])
    assert str(fields["password"]).startswith(f"{AURORA['DATABASE_HOST']}:5432/?Action=connect&DBUser=shop_query&")


def test_one_connection_serves_many_units_of_work(opens: Opens) -> None:
    kept = Reconnecting(opens)
    assert opens.opened == []
    assert [kept.run(one), kept.run(one)] == [1, 1]
    assert len(opens.opened) == 1


def test_work_on_a_connection_that_was_cut_is_done_again_on_a_new_one(opens: Opens) -> None:
    kept = Reconnecting(opens)
    kept.run(one)
    cut(opens.opened[0])
    assert kept.run(one) == 1
    assert len(opens.opened) == 2


def test_a_connection_that_was_closed_is_replaced(opens: Opens) -> None:
    kept = Reconnecting(opens)
    kept.run(one)
    kept.close()
    assert kept.run(one) == 1
    assert len(opens.opened) == 2


def test_on_a_fresh_connection_nothing_is_done_twice(opens: Opens) -> None:
    attempts = 0

    def doomed(connection: psycopg.Connection) -> int:
        nonlocal attempts
        attempts += 1
        cut(connection)
        return one(connection)

    with pytest.raises(psycopg.OperationalError):
        Reconnecting(opens).run(doomed)
    assert attempts == 1


def test_an_error_on_a_sound_connection_is_not_tried_again(opens: Opens) -> None:
    kept = Reconnecting(opens)
    kept.run(one)
    attempts = 0

    def slow(connection: psycopg.Connection) -> None:
        nonlocal attempts
        attempts += 1
        connection.execute("SET statement_timeout = 10")
        connection.execute("SELECT pg_sleep(5)")

    with pytest.raises(psycopg.errors.QueryCanceled):
        kept.run(slow)
    assert attempts == 1
    assert len(opens.opened) == 1


def test_a_writer_that_became_a_reader_is_left_for_a_new_connection(opens: Opens) -> None:
    kept = Reconnecting(opens)
    kept.run(one)

    def write(connection: psycopg.Connection) -> str:
        if connection is opens.opened[0]:
            connection.execute("SET default_transaction_read_only = on")
        connection.execute("CREATE TEMPORARY TABLE written (id integer)")
        return "written"

    assert kept.run(write) == "written"
    assert len(opens.opened) == 2
