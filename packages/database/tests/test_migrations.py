"""Migrations: each once, whole or not at all, one run at a time."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import psycopg
import pytest

from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.migrations import ChangedMigrationError, Migrated, migrate
from shop_database.testing import Database, empty_database


@pytest.fixture
def database() -> Iterator[Database]:
    with empty_database() as database:
        yield database


@pytest.fixture
def connection(database: Database) -> Iterator[psycopg.Connection]:
    with connect(DatabaseSettings(database.url("shop_owner")), "test") as connection:
        yield connection


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "0001_shop.sql").write_text("CREATE SCHEMA shop; CREATE TABLE shop.item (id integer); -- 100%s\n")
    (tmp_path / "0002_index.sql").write_text("CREATE INDEX ON shop.item (id);\n")
    return tmp_path


def test_files_are_applied_in_the_order_of_their_names_and_once(connection: psycopg.Connection, folder: Path) -> None:
    assert migrate(connection, folder) == Migrated(("0001_shop", "0002_index"), "0002_index")
    assert migrate(connection, folder) == Migrated((), "0002_index")
    (folder / "0003_more.sql").write_text("ALTER TABLE shop.item ADD COLUMN name text")
    assert migrate(connection, folder) == Migrated(("0003_more",), "0003_more")


def test_a_file_that_fails_leaves_no_trace_and_those_before_it_stay(
    connection: psycopg.Connection, folder: Path
) -> None:
    third = folder / "0003_broken.sql"
    third.write_text("CREATE TABLE shop.half (id integer); SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        migrate(connection, folder)
    assert connection.execute("SELECT to_regclass('shop.half')").fetchone() == (None,)
    third.write_text("CREATE TABLE shop.half (id integer);")
    assert migrate(connection, folder).applied == ("0003_broken",)


def test_a_file_edited_after_it_was_applied_is_refused(connection: psycopg.Connection, folder: Path) -> None:
    migrate(connection, folder)
    (folder / "0001_shop.sql").write_text("CREATE SCHEMA shop;")
    with pytest.raises(ChangedMigrationError, match=r"0001_shop\.sql"):
        migrate(connection, folder)


def test_runs_at_the_same_time_take_turns(database: Database, folder: Path) -> None:
    # Long enough for the others to come while the first is at it.
    (folder / "0001_shop.sql").write_text(
        "CREATE SCHEMA shop; CREATE TABLE shop.item (id integer); SELECT pg_sleep(0.2);"
    )

    def run(_: int) -> tuple[str, ...]:
        with connect(DatabaseSettings(database.url("shop_owner")), "test") as connection:
            return migrate(connection, folder).applied

    with ThreadPoolExecutor(4) as pool:
        applied = [name for names in pool.map(run, range(4)) for name in names]
    assert sorted(applied) == ["0001_shop", "0002_index"]


def test_a_run_that_died_leaves_no_lock_behind(database: Database, folder: Path) -> None:
    (folder / "0001_shop.sql").write_text("SELECT pg_terminate_backend(pg_backend_pid());")
    settings = DatabaseSettings(database.url("shop_owner"))
    with pytest.raises(psycopg.OperationalError), connect(settings, "test") as dying:
        migrate(dying, folder)
    (folder / "0001_shop.sql").write_text("CREATE SCHEMA shop; CREATE TABLE shop.item (id integer);")
    with connect(settings, "test") as connection:
        assert migrate(connection, folder).applied == ("0001_shop", "0002_index")


def test_an_empty_folder_is_a_mistake(connection: psycopg.Connection, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        migrate(connection, tmp_path)


def test_a_migration_and_a_reader_that_wait_for_each_other_both_end_right(database: Database, folder: Path) -> None:
    """The reader has an item, and the migration each other table, when the reader asks for one of those."""
    settings = DatabaseSettings(database.url("shop_owner"))
    (folder / "0003_other.sql").write_text("CREATE TABLE shop.other (id integer)")
    with connect(settings, "test") as owner:
        migrate(owner, folder)
        (folder / "0004_both.sql").write_text(
            "LOCK TABLE shop.other IN ACCESS EXCLUSIVE MODE; LOCK TABLE shop.item IN ACCESS EXCLUSIVE MODE"
        )
        reader, tries = Reconnecting(lambda: connect(settings, "reader")), []

        def read(connection: psycopg.Connection) -> int:
            tries.append(connection)
            with connection.transaction():
                connection.execute("SELECT FROM shop.item")
                while (
                    len(tries) == 1
                    and not owner.execute(
                        "SELECT FROM pg_locks WHERE NOT granted AND mode = 'AccessExclusiveLock'"
                    ).fetchall()
                ):
                    pass
                return len(connection.execute("SELECT FROM shop.other").fetchall())

        with connect(settings, "migrate") as other, ThreadPoolExecutor(2) as pool:
            reading = pool.submit(reader.run, read)
            while not tries:
                pass
            migrating = pool.submit(migrate, other, folder)
            assert reading.result() == 0
            assert migrating.result().applied == ("0004_both",)
        reader.close()
