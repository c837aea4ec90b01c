"""The read model in PostgreSQL."""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from shop_database import Reconnecting
from shop_dispatch.adapters import statements
from shop_dispatch.domain.records import Event, Parked
from shop_dispatch.ports import Transaction
from shop_observability.tracing import subsegment

Result = TypeVar("Result")


SCHEMA: Final = "shop"
"""The live tables' schema, for the connection's search_path."""


class PostgresReadModel:
    def __init__(self, connection: Reconnecting) -> None:
        self._connection = connection

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        def attempt(connection: psycopg.Connection) -> Result:
            with connection.transaction():
                return work(PostgresTransaction(connection))

        with subsegment("postgresql", "remote", sql={"database_type": "PostgreSQL", "user": "shop_dispatch"}):
            return self._connection.run(attempt)


class PostgresTransaction:
    def __init__(self, connection: psycopg.Connection) -> None:
        self._connection = connection

    def lock_heads(self, stream_ids: Sequence[str]) -> dict[str, int]:
        self._connection.execute(statements.ADD_HEADS, [list(stream_ids)])
        return dict(self._connection.execute(statements.LOCK_HEADS, [list(stream_ids)]))

    def held_back(self, heads: Mapping[str, int]) -> dict[tuple[str, int], bytes]:
        rows = self._connection.execute(statements.HELD_BACK, [list(heads), list(heads.values())])
        return {(stream_id, version): text.encode() for stream_id, version, text in rows}

    def log(self, events: Sequence[Event]) -> None:
        with self._connection.cursor() as cursor, cursor.copy(statements.LOG) as copy:
            for event in events:
                envelope = event.envelope
                copy.write_row(
                    (envelope.subject, envelope.streamversion, envelope.id, envelope.type, envelope.time, event.text)
                )

    def advance_heads(self, heads: Mapping[str, int]) -> None:
        self._execute(statements.ADVANCE_HEADS, list(heads.items()))

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        self._execute(statements.CHANGE[table], changes)

    def park(self, parked: Sequence[Parked]) -> None:
        rows = [
            (_digest(record.payload), record.payload, record.cause, record.stream_id, record.stream_version)
            for record in parked
        ]
        self._execute(statements.PARK, rows)

    def _execute(self, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._connection.execute(statement, [list(column) for column in zip(*rows, strict=True)])


def _digest(payload: bytes) -> str:
    return hashlib.sha256(payload).hexdigest()[:32]
