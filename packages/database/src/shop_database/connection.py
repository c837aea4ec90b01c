"""Opens connections, and keeps one for as long as an execution environment lives."""

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from datetime import UTC, datetime
from typing import Final, TypeVar

import psycopg
from psycopg.conninfo import make_conninfo
from psycopg.rows import TupleRow

from shop_database import iam
from shop_database.failures import NoConnectionError
from shop_database.settings import AddressWithIam, DatabaseSettings

CONNECT_TIMEOUT_SECONDS: Final = 5
STATEMENT_TIMEOUT_MS: Final = 10_000

_SET: Final = "SELECT set_config(key, value, false) FROM json_each_text(%s)"
_SET_LOCALLY: Final = "SELECT set_config(key, value, true) FROM json_each_text(%s)"
_ARE_DEFAULTS: Final = """
SELECT bool_and(current_setting(key, true) IS NOT DISTINCT FROM value) FROM json_each_text(%s)
"""

Result = TypeVar("Result")


def connect(
    settings: DatabaseSettings,
    application_name: str,
    *,
    statement_timeout_ms: int = STATEMENT_TIMEOUT_MS,
    connect_timeout_seconds: int | None = None,
    read_only: bool = False,
    session: Mapping[str, str] | None = None,
) -> psycopg.Connection:
    """Opens a connection in autocommit mode, in which a unit of work begins its transaction itself.

    Without `connect_timeout_seconds`, it waits as long as a paused database needs.

    `session` has more of PostgreSQL's settings, in the form in which SHOW prints them. They are no start-up options,
    which poolers refuse. Unqualified names are looked up in `public`, which has extensions and nothing else.

    Raises NoConnectionError when the server can't be reached or refuses; a retry may help.
    """
    address = settings.address
    kind = PooledConnection if settings.pooled else psycopg.Connection
    try:
        connection = kind.connect(
            _with_token(address) if isinstance(address, AddressWithIam) else address,
            autocommit=True,
            application_name=application_name,
            # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
            connect_timeout=connect_timeout_seconds or max(CONNECT_TIMEOUT_SECONDS, settings.resume_seconds),
            # The server enforces the statement timeout. These settings notice a server that vanished in a failover.
            keepalives_idle=5,
            keepalives_interval=2,
            keepalives_count=3,
            tcp_user_timeout=statement_timeout_ms,
        )
    except psycopg.OperationalError as error:
        raise NoConnectionError(error) from error
    wanted = {"search_path": "public", "statement_timeout": _shown(statement_timeout_ms), **(session or {})}
    if read_only:
        wanted["default_transaction_read_only"] = "on"
    try:
        if isinstance(connection, PooledConnection):
            connection.begin_with(json.dumps(wanted), read_only=read_only)
        else:
            connection.execute(_SET, [json.dumps(wanted)])
    except BaseException:
        connection.close()
        raise
    return connection


class PooledConnection(psycopg.Connection[TupleRow]):
    """This connection leads to a pooler, which lends it a server's connection for one transaction at a time. What a
    session would keep is therefore set in each transaction, and no statement is prepared under a name."""

    local_settings: str | None = None
    """These are set in each transaction."""

    def begin_with(self, wanted: str, *, read_only: bool) -> None:
        """If the role's own defaults are the same already, no transaction has to set them. RDS Proxy would keep the
        server's connection for a client that sets anything, until that client leaves."""
        self.prepare_threshold = None  # not even where a call asks for it
        self.read_only = read_only
        row = self.execute(_ARE_DEFAULTS, [wanted]).fetchone()
        self.local_settings = None if row == (True,) else wanted

    @contextmanager
    def transaction(
        self, savepoint_name: str | None = None, force_rollback: bool = False
    ) -> Iterator[psycopg.Transaction]:
        with super().transaction(savepoint_name, force_rollback) as transaction:
            if self.local_settings:
                self.execute(_SET_LOCALLY, [self.local_settings])
            yield transaction


def settings_hold(connection: psycopg.Connection) -> AbstractContextManager[object]:
    """Single statements run inside of this, because a pooled connection has its settings in transactions alone.

    It is no pipeline around the transaction, which would save the time of three round trips: PgBouncer 1.18 hands the
    server's connection on while the driver's last Sync is still unanswered, and then the next client waits for ever.
    """
    is_set_locally = isinstance(connection, PooledConnection) and connection.local_settings is not None
    return connection.transaction() if is_set_locally else nullcontext()


class Reconnecting:
    """Keeps one connection, which is opened at first use and replaced once it is broken."""

    def __init__(self, opens: Callable[[], psycopg.Connection]) -> None:
        self._opens = opens
        self._connection: psycopg.Connection | None = None

    def run(self, work: Callable[[psycopg.Connection], Result]) -> Result:
        """Does `work`, which must bear being repeated: a kept connection may have been cut while the execution
        environment was frozen, which only its next use shows. On a fresh connection nothing is repeated, but for what
        PostgreSQL ends because a migration takes the same locks in another order."""
        try:
            return self._run(work)
        except psycopg.errors.DeadlockDetected:
            return self._run(work)

    def _run(self, work: Callable[[psycopg.Connection], Result]) -> Result:
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


def _shown(milliseconds: int) -> str:
    return f"{milliseconds}ms" if milliseconds % 1_000 else f"{milliseconds // 1_000}s"


def _with_token(address: AddressWithIam) -> str:
    password = iam.token(
        host=address.host,
        port=address.port,
        user=address.user,
        region=address.region,
        credentials=address.credentials(),
        now=datetime.now(UTC),
    )
    return make_conninfo(
        host=address.host,
        port=address.port,
        dbname=address.name,
        user=address.user,
        password=password,
        sslmode="verify-full",
        sslrootcert=address.root_certificate,
    )
