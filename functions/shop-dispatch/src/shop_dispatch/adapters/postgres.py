"""The read model, and the records that could not be applied, are kept in PostgreSQL."""

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString, TypeVar

import psycopg

from shop_database import Reconnecting, settings_hold
from shop_dispatch.adapters import statements
from shop_dispatch.domain.records import Event, Key, Parked
from shop_dispatch.ports import ParkedRecord, Place, RefusedError, Transaction
from shop_observability.tracing import subsegment

Result = TypeVar("Result")

SCHEMA: Final = "shop"
"""The live tables are in this schema."""
_REFUSED: Final = ("22", "23", "54")
"""These classes of SQLSTATE mean that the data is at fault: data exceptions, violated constraints, program limits.

https://www.postgresql.org/docs/current/errcodes-appendix.html
"""


@dataclass(frozen=True)
class PostgresReadModel:
    connection: Reconnecting

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        def attempt(connection: psycopg.Connection) -> Result:
            with connection.transaction(), ExitStack() as until_commit:
                return work(PostgresTransaction(connection, until_commit))

        database = {"database_type": "PostgreSQL", "user": "shop_dispatch"}
        with refusals(), subsegment("postgresql", "remote", sql=database):
            return self.connection.run(attempt)


@contextmanager
def refusals() -> Iterator[None]:
    """Raises RefusedError when the data is at fault, and lets every error of the server pass."""
    try:
        yield
    except psycopg.Error as error:
        if error.sqlstate and error.sqlstate.startswith(_REFUSED):
            raise RefusedError(_cause(error)) from error
        raise


@dataclass(frozen=True)
class PostgresTransaction:
    connection: psycopg.Connection
    until_commit: ExitStack
    schema: str = SCHEMA

    def lock_heads(self, stream_ids: Sequence[str]) -> dict[str, int]:
        ids = [_array(stream_ids)]
        self._run(statements.ADD_HEADS, ids)
        return dict(self._run(statements.LOCK_HEADS, ids))

    def held_back(self, heads: Mapping[str, int]) -> dict[Key, bytes]:
        rows = self._run(statements.HELD_BACK, [_array(heads), _array(heads.values())])
        return {(stream_id, version): text.encode() for stream_id, version, text in rows}

    def logged_ids(self, keys: Sequence[Key]) -> dict[Key, str]:
        columns = [_array(column) for column in zip(*keys, strict=True)]
        rows = self._run(statements.LOGGED_IDS, columns)
        return {(stream_id, version): event_id for stream_id, version, event_id in rows}

    def log(self, events: Sequence[Event]) -> None:
        if events:
            with self.connection.cursor() as cursor, cursor.copy(statements.of(self.schema, statements.LOG)) as copy:
                copy.write("".join(map(_log_line, events)))
        # From here on statements are sent without waiting for answers: the server applies one table's changes while the
        # next one's are folded here, and the network is crossed once. (COPY can't be sent that way.)
        self.until_commit.enter_context(self.connection.pipeline())

    def advance_heads(self, heads: Mapping[str, int]) -> None:
        self._execute(statements.ADVANCE_HEADS, list(heads.items()))

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        self._execute(statements.CHANGE[table], changes)

    def withdraw(self, stream_id: str, stream_version: int) -> None:
        self._run(statements.WITHDRAW, [stream_id, stream_version])

    def park(self, parked: Sequence[Parked]) -> None:
        rows = {}
        for record in parked:
            parked_id = hashlib.sha256(record.payload).hexdigest()[:32]
            payload = "\\x" + record.payload.hex()
            rows[parked_id] = (parked_id, payload, record.cause, record.stream_id, record.stream_version)
        self._execute(statements.PARK, [row for _, row in sorted(rows.items())])

    def _execute(self, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._run(statement, [_array(column) for column in zip(*rows, strict=True)])

    def _run(self, statement: LiteralString, values: Sequence[Any]) -> psycopg.Cursor[Any]:
        return self.connection.execute(statements.of(self.schema, statement), values)


@dataclass(frozen=True)
class PostgresParkedRecords:
    connection: Reconnecting

    def read(self, parked_ids: Sequence[str] | None, *, after: Place, limit: int) -> list[ParkedRecord]:
        stream, version, parked_id = after
        ids = list(parked_ids) if parked_ids is not None else None
        values = {"parked_ids": ids, "stream": stream, "version": version, "id": parked_id, "limit": limit}
        return [ParkedRecord(*row) for row in self._run(statements.PARKED, values).fetchall()]

    def resolve(self, events: Mapping[str, Event]) -> list[str]:
        envelopes = [event.envelope for event in events.values()]
        columns = [
            list(events),
            [envelope.subject for envelope in envelopes],
            [envelope.streamversion for envelope in envelopes],
            [envelope.id for envelope in envelopes],
        ]
        return [parked_id for (parked_id,) in self._run(statements.RESOLVE, columns).fetchall()]

    def drop(self, parked_id: str, reason: str, actor: str) -> bool:
        return self._run(statements.DROP, [reason, actor, parked_id]).rowcount == 1

    def _run(self, statement: LiteralString, values: Sequence[Any] | Mapping[str, Any]) -> psycopg.Cursor[Any]:
        def attempt(connection: psycopg.Connection) -> psycopg.Cursor[Any]:
            with settings_hold(connection):
                return connection.execute(statements.of(SCHEMA, statement), values)

        return self.connection.run(attempt)


def _cause(error: psycopg.Error) -> str:
    """Leaves out the error's message, which may hold a value."""
    places = (error.diag.table_name, error.diag.column_name, error.diag.constraint_name)
    return " ".join([f"{error.sqlstate} {type(error).__name__}:", *filter(None, places)]).removesuffix(":")


def _array(values: Iterable[Any]) -> str:
    """Writes an array of any type as the server reads it. The driver takes ten times as long, for it checks each type.

    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    return "{" + ",".join(map(_element, values)) + "}"


def _element(value: Any) -> str:
    if value is None:
        return "NULL"
    if isinstance(value, int):
        return str(value)
    text = str(value)
    if "\\" in text or '"' in text:
        text = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


_ESCAPES: Final = (("\\", "\\\\"), ("\n", "\\n"), ("\r", "\\r"), ("\t", "\\t"))
"""JSON has the first of these characters in strings, and the others between its tokens."""


def _log_line(event: Event) -> str:
    """Writes the line that COPY reads. The envelope's attributes were validated, so none of them needs an escape."""
    envelope, text = event.envelope, event.text
    for character, escaped in _ESCAPES:
        if character in text:
            text = text.replace(character, escaped)
    return f"{envelope.subject}\t{envelope.streamversion}\t{envelope.id}\t{envelope.type}\t{envelope.time}\t{text}\n"
