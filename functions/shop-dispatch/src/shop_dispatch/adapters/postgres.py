"""The read model, and the records that could not be applied, are kept in PostgreSQL."""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from msgspec.json import Encoder

from shop_database import Reconnecting, settings_hold
from shop_dispatch.adapters import statements
from shop_dispatch.adapters.binary_copy import log_rows
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


@dataclass
class PostgresTransaction:
    connection: psycopg.Connection
    until_commit: ExitStack
    schema: str = SCHEMA
    _only_writes: bool = False

    def __post_init__(self) -> None:
        self._copying = self.until_commit.enter_context(ExitStack())

    def lock_heads(self, ends: Mapping[str, int]) -> tuple[dict[str, int], dict[Key, bytes]]:
        new = {stream_id for (stream_id,) in self._run(statements.LOCK_HEADS, [_array(ends), _array(ends.values())])}
        known = [stream_id for stream_id in ends if stream_id not in new]
        rows = self._run(statements.KNOWN, [_array(known)]).fetchall() if known else []
        heads = {stream_id: head for stream_id, head, _, _ in rows}
        return heads, {(stream_id, version): text.encode() for stream_id, _, version, text in rows if version}

    def logged_ids(self, keys: Sequence[Key]) -> dict[Key, str]:
        columns = [_array(column) for column in zip(*keys, strict=True)]
        rows = self._run(statements.LOGGED_IDS, columns)
        return {(stream_id, version): event_id for stream_id, version, event_id in rows}

    def log(self, events: Sequence[Event]) -> None:
        if events:
            cursor = self._copying.enter_context(self.connection.cursor())
            copy = self._copying.enter_context(cursor.copy(statements.of(self.schema, statements.LOG)))
            copy.write(log_rows(events))  # the server reads them while the changes are folded here

    def advance_heads(self, heads: Mapping[str, int]) -> None:
        self._write(statements.ADVANCE_HEADS, list(heads.items()))

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        self._write(statements.CHANGE[table], changes)

    def withdraw(self, stream_id: str, stream_version: int) -> None:
        self._begin_to_write()
        self._run(statements.WITHDRAW, [stream_id, stream_version])

    def park(self, parked: Sequence[Parked]) -> None:
        rows = {}
        for record in parked:
            parked_id = hashlib.sha256(record.payload).hexdigest()[:32]
            payload = "\\x" + record.payload.hex()
            rows[parked_id] = (parked_id, payload, record.cause, record.stream_id, record.stream_version)
        self._write(statements.PARK, [row for _, row in sorted(rows.items())])

    def _write(self, statement: LiteralString, rows: Sequence[tuple[Any, ...]]) -> None:
        if rows:
            self._begin_to_write()
            self._run(statement, [_array(column) for column in zip(*rows, strict=True)])

    def _begin_to_write(self) -> None:
        """Waits for the end of COPY, and for no answer from then on: the server applies one table's changes while those
        of the next one are written here, and the network is crossed once. (COPY can't be sent that way.)"""
        if not self._only_writes:
            self._copying.close()
            self.until_commit.enter_context(self.connection.pipeline())
            self._only_writes = True

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
    """Writes an array of any type as the server reads it. The driver takes far longer, for it checks each type.

    JSON's array is PostgreSQL's, once its brackets are braces. Both put a backslash before a quote and a backslash, but
    JSON has an escape for each control character, too, where PostgreSQL has the character itself.
    https://www.postgresql.org/docs/current/arrays.html#ARRAYS-IO
    """
    text = _to_json(list(values)).decode()[1:-1]
    if _PERHAPS_CONTROL.search(text):
        text = _ESCAPE.sub(_without_control_escape, text)
    return "{" + text + "}"


_to_json: Final = Encoder().encode
_PERHAPS_CONTROL: Final = re.compile(r"\\[bfnrtu]")
_ESCAPE: Final = re.compile(r"\\(?:u[0-9a-f]{4}|.)")


def _without_control_escape(found: re.Match[str]) -> str:
    escape = found[0]
    return escape if escape in ("\\\\", '\\"') else str(json.loads(f'"{escape}"'))
