"""The read model in PostgreSQL: the views `read_v1`, one prepared statement for each query. It never writes."""

from importlib.resources import files
from typing import Any, Final

import psycopg

from shop_database import DatabaseSettings, Reconnecting, connect
from shop_observability.logs import logger
from shop_observability.tracing import subsegment
from shop_query.ports import Page, Parameters, Query, ReadModelTimeoutError, ReadModelUnavailableError

# At worst a dead connection is noticed, replaced and asked again: three of these, within the function's own timeout.
CONNECT_TIMEOUT_SECONDS: Final = 3
STATEMENT_TIMEOUT_MS: Final = 3_000


class PostgresReadModel:
    def __init__(self, settings: DatabaseSettings, *, statement_timeout_ms: int = STATEMENT_TIMEOUT_MS) -> None:
        """Connects at the first read."""

        def opened() -> psycopg.Connection:
            connection = connect(
                settings,
                "shop-query",
                statement_timeout_ms=statement_timeout_ms,
                connect_timeout_seconds=CONNECT_TIMEOUT_SECONDS,
            )
            connection.execute("SET SESSION CHARACTERISTICS AS TRANSACTION READ ONLY")
            return connection

        self._connection = Reconnecting(opened)
        folder = files(__package__) / "sql"
        self._statements = {query: (folder / f"{query}.sql").read_bytes() for query in Query}

    def document(self, query: Query, parameters: Parameters) -> str | None:
        row = self._row(query, parameters)
        return row[0] if row else None

    def page(self, query: Query, parameters: Parameters) -> Page:
        row = self._row(query, parameters)
        if row is None:
            raise AssertionError(f"{query} aggregates, so it has a row")
        items, last_key = row
        return Page(items, tuple(last_key) if last_key else None)

    def close(self) -> None:
        self._connection.close()

    def _row(self, query: Query, parameters: Parameters) -> tuple[Any, ...] | None:
        statement = self._statements[query]
        with subsegment("postgresql", "remote", sql={"sanitized_query": query.value}):
            try:
                return self._connection.run(lambda connection: _execute(connection, statement, parameters))
            except psycopg.errors.QueryCanceled as error:
                raise ReadModelTimeoutError(query, _cause(query, error)) from error
            except (psycopg.OperationalError, psycopg.InterfaceError) as error:
                raise ReadModelUnavailableError(query, _cause(query, error)) from error


def _execute(connection: psycopg.Connection, statement: bytes, parameters: Parameters) -> tuple[Any, ...] | None:
    return connection.execute(statement, parameters, prepare=True).fetchone()


def _cause(query: Query, error: psycopg.Error) -> str:
    """Logs it too, by type and SQLSTATE alone: a message may hold values."""
    cause = f"{type(error).__name__} {error.sqlstate or 'no SQLSTATE'}"
    logger().warning("read failed", extra={"query": query.value, "cause": cause})
    return cause
