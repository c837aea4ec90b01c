"""Opens connections, and keeps one for as long as an execution environment lives."""

from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo

from shop_database import iam
from shop_database.settings import AddressWithIam, DatabaseSettings

CONNECT_TIMEOUT_SECONDS: Final = 5
STATEMENT_TIMEOUT_MS: Final = 10_000

Result = TypeVar("Result")


def connect(
    settings: DatabaseSettings,
    application_name: str,
    *,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    connect_timeout_seconds: int = CONNECT_TIMEOUT_SECONDS,
    search_path: str = "public",
) -> psycopg.Connection:
    """Opens a connection in autocommit mode, in which a unit of work begins its transaction itself.

    `search_path` is the schema that unqualified names are looked up in; by default it has extensions and nothing else.

    Raises psycopg.OperationalError when the server can't be reached; a retry may help.
    """
    address = settings.address
    return psycopg.connect(
        _with_token(address) if isinstance(address, AddressWithIam) else address,
        autocommit=True,
        application_name=application_name,
        connect_timeout=connect_timeout_seconds,
        options=f"-c statement_timeout={statement_timeout_ms} -c search_path={search_path}",
        # The server enforces the statement timeout. These settings notice a server that vanished in a failover.
        keepalives_idle=5,
        keepalives_interval=2,
        keepalives_count=3,
        tcp_user_timeout=statement_timeout_ms,
    )


class Reconnecting:
    """Keeps one connection, which is opened at first use and replaced once it is broken."""

    def __init__(self, opens: Callable[[], psycopg.Connection]) -> None:
        self._opens = opens
        self._connection: psycopg.Connection | None = None

    def run(self, work: Callable[[psycopg.Connection], Result]) -> Result:
        """Does `work`, which must bear being repeated: a kept connection may have been cut while the execution
        environment was frozen, which only its next use shows. On a fresh connection nothing is repeated."""
        kept = self._connection
        if kept is None or not _usable(kept):
            return self._attempt(work, self._open())
        try:
            return self._attempt(work, kept)
        except (psycopg.OperationalError, psycopg.InterfaceError, psycopg.errors.ReadOnlySqlTransaction):
            if _usable(kept):
                raise
            return self._attempt(work, self._open())

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def _open(self) -> psycopg.Connection:
        self._connection = self._opens()
        return self._connection

    @staticmethod
    def _attempt(work: Callable[[psycopg.Connection], Result], connection: psycopg.Connection) -> Result:
        try:
            return work(connection)
        except psycopg.errors.ReadOnlySqlTransaction:
            # After a failover the old writer lives on as a reader, and this connection with it.
            connection.close()
            raise


def _usable(connection: psycopg.Connection) -> bool:
    return not connection.closed


def _with_token(address: AddressWithIam) -> str:
    password = iam.token(
        host=address.host,
        port=address.port,
        user=address.user,
        region=address.region,
        credentials=address.credentials,
        now=datetime.now(UTC),
    )
    return make_conninfo(
        host=address.host,
        port=address.port,
        dbname=address.name,
        user=address.user,
        password=password,
        sslmode="verify-full" if address.root_certificate else "require",
        sslrootcert=address.root_certificate,
    )
