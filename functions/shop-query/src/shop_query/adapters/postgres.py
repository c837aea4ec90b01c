"""The read model in PostgreSQL: the views `read_v1`, one prepared statement for each query. It never writes."""

import time
from collections.abc import Callable
from importlib.resources import files
from math import ceil
from typing import Any, Final

import psycopg

from shop_database import DatabaseSettings, NoConnectionError, Reconnecting, connect, settings_hold
from shop_observability.logs import logger
from shop_observability.tracing import subsegment
from shop_query.ports import (
    RETRY_SECONDS,
    Document,
    Page,
    Parameters,
    Query,
    ReadModelTimeoutError,
    ReadModelUnavailableError,
)

# At worst a dead connection is noticed, replaced within the time that a restart or a resume takes, and asked again.
# With one more attempt to connect at the end of that time, this is within the function's own timeout.
CONNECT_TIMEOUT_SECONDS: Final = 3
STATEMENT_TIMEOUT_MS: Final = 3_000
RESTART_SECONDS_MAX: Final = 3.0
CONNECT_PAUSE_SECONDS: Final = 0.1
# A database that is still not there when a resume should be over was paused for days, and takes as long again.
# https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/aurora-serverless-v2-auto-pause.html
RETRY_SECONDS_WHILE_RESUMING: Final = 15

_SESSION: Final = {
    # Every statement here has its index. Where PostgreSQL believes that a filter keeps much, it would read the table.
    "enable_seqscan": "off",
    # No read here is long enough to be worth compiling, and before PostgreSQL 18 the line above would have it compiled.
    "jit": "off",
}
_ENDINGS: Final = {
    Query.PRODUCT_BROWSE: "product_page",
    Query.PRODUCT_SEARCH: "product_page",
    Query.TOP_SALES: "top_sales_page",
    Query.TOP_SALES_OF_DAY: "top_sales_page",
    Query.TOP_SALES_OF_MONTH: "top_sales_page",
}
"""The ends that statements share. Optional filters fold away only from a plan that is made with their values, so none
of these is prepared."""


class PostgresReadModel:
    def __init__(self, settings: DatabaseSettings, *, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        """Connects at the first read."""

        def opened() -> psycopg.Connection:
            return _connected(
                lambda timeout_seconds: connect(
                    settings,
                    "shop-query",
                    statement_timeout_ms=statement_timeout_ms,
                    connect_timeout_seconds=timeout_seconds,
                    read_only=True,
                    session=_SESSION,
                ),
                max(RESTART_SECONDS_MAX, settings.resume_seconds),
            )

        self._connection = Reconnecting(opened)
        self._cursor: psycopg.Cursor | None = None
        self._pauses = settings.resume_seconds > 0
        folder = files(__package__) / "sql"
        self._statements = {query: (folder / f"{query}.sql").read_bytes() for query in Query}
        for query, ending in _ENDINGS.items():
            self._statements[query] += (folder / f"{ending}.sql").read_bytes()

    def document(self, query: Query, parameters: Parameters) -> Document | None:
        row = self._row(query, parameters)
        return Document(*row) if row else None

    def page(self, query: Query, parameters: Parameters) -> Page:
        items, last_key, total = (*self._only_row(query, parameters), None, None)[:3]
        return Page(items, tuple(last_key) if last_key else None, total)

    def cursor_key(self) -> bytes:
        key: str = self._only_row(Query.CURSOR_KEY, {})[0]
        return key.encode()

    def close(self) -> None:
        self._connection.close()

    def _only_row(self, query: Query, parameters: Parameters) -> tuple[Any, ...]:
        row = self._row(query, parameters)
        if row is None:
            raise AssertionError(f"{query} has one row, always")
        return row

    def _row(self, query: Query, parameters: Parameters) -> tuple[Any, ...] | None:
        statement, prepare = self._statements[query], query not in _ENDINGS

        def ask(connection: psycopg.Connection) -> tuple[Any, ...] | None:
            with settings_hold(connection):
                cursor = self._cursor_of(connection).execute(statement, parameters, prepare=prepare)
            return cursor.fetchone()

        with subsegment("postgresql", "remote", sql={"sanitized_query": query.value}):
            try:
                return self._connection.run(ask)
            except psycopg.errors.QueryCanceled as error:
                raise ReadModelTimeoutError(query, _cause(query, error)) from error
            except NoConnectionError as error:
                retry_seconds = RETRY_SECONDS_WHILE_RESUMING if self._pauses else RETRY_SECONDS
                raise ReadModelUnavailableError(query, _cause(query, error), retry_seconds) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise ReadModelUnavailableError(query, _cause(query, error)) from error

    def _cursor_of(self, connection: psycopg.Connection) -> psycopg.Cursor:
        """A connection's one cursor serves all reads, because making it anew takes a quarter of a small one's time."""
        if self._cursor is None or self._cursor.connection is not connection:
            self._cursor = connection.cursor()
        return self._cursor


def _connected(connects: Callable[[int], psycopg.Connection], seconds_max: float) -> psycopg.Connection:
    """Sits out a restart of the server, or the resume of one that pauses. libpq does not tell why there is no
    connection: any cause is taken for one."""
    deadline = time.monotonic() + seconds_max
    while True:
        try:
            return connects(max(CONNECT_TIMEOUT_SECONDS, ceil(deadline - time.monotonic())))
        except psycopg.OperationalError:
            if time.monotonic() + CONNECT_PAUSE_SECONDS > deadline:
                raise
        time.sleep(CONNECT_PAUSE_SECONDS)


def _cause(query: Query, error: psycopg.Error) -> str:
    """Logs it too, by type, SQLSTATE and the reason of a failed connection: a message may hold values."""
    reason = f": {error.log_reason}" if isinstance(error, NoConnectionError) else ""
    cause = f"{type(error).__name__} {error.sqlstate or 'no SQLSTATE'}{reason}"
    logger().warning("read failed", extra={"query": query.value, "cause": cause})
    return cause
