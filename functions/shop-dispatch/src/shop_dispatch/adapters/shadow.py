"""The read model that a rebuild makes, in tables beside the live ones, and how it takes their place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from shop_database.migrations import LOCK_KEY
from shop_dispatch.adapters import shadow_statements as statements
from shop_dispatch.adapters.postgres import PostgresTransaction, refusals
from shop_dispatch.domain.rebuild import BusyError, Missing, Phase, Progress, RebuildError, Source
from shop_dispatch.domain.records import Parked
from shop_dispatch.ports import Transaction

SCHEMA: Final = "shop_rebuild"
"""For the connection's search_path: the statements of the projection then write here."""
CLAIM_KEY: Final = LOCK_KEY + 1
LOCK_MS_MAX: Final = 2_000
"""Of waiting for projections to end. New ones wait behind us, and no reader does."""
SWAP_LOCK_MS_MAX: Final = 800
"""Of waiting for readers to end. Others wait behind us, and may hold what we still need: whoever waits for a second,
PostgreSQL's deadlock_timeout, looks for such a circle and ends itself. We give way before any of them."""
ARCHIVE_LATE: Final = timedelta(hours=1)
"""What was received this shortly before a rebuild began need not be in the archive yet. Firehose takes minutes."""

Result = TypeVar("Result")


class ShadowTables:
    def __init__(self, connection: psycopg.Connection, tables: Sequence[str], code: str) -> None:
        """`tables` in the order in which a projection writes them; `code` tells one release from another.

        The connection is in autocommit mode, with the search_path SCHEMA and no short statement timeout.
        """
        self._connection = connection
        self._tables = list(tables)
        self._code = code
        # The tables grow from nothing: a plan that was kept from their beginning would read them from end to end.
        connection.execute("SET plan_cache_mode = force_custom_plan")
        # A process that was killed in a long statement lets go of its claim.
        connection.execute("SET client_connection_check_interval = '5s'")

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        with refusals(), self._connection.transaction(), ExitStack() as until_commit:
            return work(_ShadowTransaction(self._connection, until_commit))

    def whole(self) -> AbstractContextManager[object]:
        return self._connection.transaction()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        if not self._row(statements.CLAIM, [CLAIM_KEY])[0]:
            raise BusyError("another invocation is working on it")
        try:
            yield
        finally:
            # The server lets go by itself once it notices that the connection is gone.
            if not self._connection.closed:
                self._connection.execute(statements.LET_GO, [CLAIM_KEY])

    def progress(self) -> Progress:
        rebuilding, old_tables = self._row(statements.SCHEMAS)
        if not rebuilding:
            return Progress(Phase.SWAPPED if old_tables else Phase.NONE)
        phase, source, *numbers = self._row(statements.PROGRESS, [self._release()])
        return Progress(Phase(phase), Source(source), *numbers)

    def begin(self, source: Source) -> None:
        there = {name for (name,) in self._connection.execute(statements.TABLES_THERE, [self._tables])}
        if lacking := [table for table in self._tables if table not in there]:
            raise RebuildError("no-table", f"shop.{lacking[0]} is not there yet: migrate first")
        total = self._row(statements.LIVE_EVENTS)[0]
        with self._connection.transaction(), _or_busy():
            self._keep_migrations_out()
            self._connection.execute(statements.MAKE_SCHEMA)
            self._execute_all(statements.MAKE_TABLES)
            self._execute_all(statements.MAKE_KEYS)
            self._execute_all(statements.GRANT)
            self._connection.execute(statements.BEGIN, [source, Phase.LOADING, self._release(), total])
            # Last: until the commit nobody can add to the log.
            self._connection.execute(statements.MAKE_TRIGGER)

    def loaded(self, checkpoint: Any, records: int, unreadable: int) -> None:
        self._connection.execute(statements.LOADED, [Jsonb(checkpoint), records, unreadable])

    def enter(self, phase: Phase) -> None:
        self._connection.execute(statements.ENTER, [phase])

    def make_next_index(self) -> bool:
        found = self._connection.execute(statements.NEXT_INDEX, [self._tables]).fetchone()
        if found:
            self._connection.execute(found[0].encode())
        return found is not None

    def tidy(self) -> None:
        self._execute_all(statements.TIDY)

    def note_what_is_not_archived_yet(self) -> None:
        self._connection.execute(statements.NOTE_WHAT_IS_LATE, [ARCHIVE_LATE])

    def take_noted(self, events_max: int) -> tuple[int, list[bytes]]:
        rows = self._connection.execute(statements.TAKE_NOTED, [events_max]).fetchall()
        return len(rows), [text.encode() for (text,) in rows if text is not None]

    def missing(self) -> Missing:
        return Missing(*self._row(statements.MISSING))

    def behind(self) -> Missing:
        return Missing(*self._row(statements.BEHIND))

    def hold_projections(self) -> None:
        with _or_busy():
            self._keep_migrations_out()
            self._execute_all(statements.HOLD_VACUUMS)
            self._connection.execute(statements.HOLD_PROJECTIONS)

    def swap(self) -> None:
        views = self._connection.execute(statements.VIEWS, [self._tables]).fetchall()
        names = [*(name for name, _ in views), *(f"shop.{table}" for table in self._tables)]
        with _or_busy():
            self._set_for_this_transaction("statement_timeout", SWAP_LOCK_MS_MAX)
            self._execute_all(statements.LOCK, names)
            self._connection.execute("SET LOCAL statement_timeout TO DEFAULT")
            self._connection.execute(statements.TAKE_TRIGGER_AWAY)
            self._connection.execute(statements.MAKE_SCHEMA_OF_OLD)
            self._execute_all(statements.MOVE)
            # A view keeps to the tables it was made with, wherever they go.
            for _, definition in views:
                self._connection.execute(definition.encode())
            self._connection.execute(statements.DROP_REBUILD)

    def drop_old(self) -> bool:
        with self._connection.transaction():
            if not self._row(statements.SCHEMAS)[1]:
                return False
            for (statement,) in self._connection.execute(statements.DROP_OLD).fetchall():
                self._connection.execute(statement.encode())
            self._connection.execute(statements.DROP_SCHEMA_OF_OLD)
        return True

    def abandon(self) -> None:
        with self._connection.transaction(), _or_busy():
            self._set_for_this_transaction("lock_timeout", LOCK_MS_MAX)
            self._connection.execute(statements.TAKE_TRIGGER_AWAY)
            self._connection.execute(statements.DROP_REBUILD)

    def _keep_migrations_out(self) -> None:
        self._set_for_this_transaction("lock_timeout", LOCK_MS_MAX)
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])

    def _set_for_this_transaction(self, setting: str, value_ms: int) -> None:
        self._connection.execute("SELECT set_config(%s, %s, true)", [setting, str(value_ms)])

    def _release(self) -> str:
        return str(self._row(statements.RELEASE, [self._code])[0])

    def _execute_all(self, makes: LiteralString, names: Sequence[str] | None = None) -> None:
        """Asks for statements and executes them."""
        for (statement,) in self._connection.execute(makes, [list(names or self._tables)]).fetchall():
            self._connection.execute(statement.encode())

    def _row(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        row = self._connection.execute(statement, parameters).fetchone()
        if row is None:
            raise AssertionError("a statement that has one row, always")
        return row


class _ShadowTransaction(PostgresTransaction):
    def park(self, parked: Sequence[Parked]) -> None:
        """Nowhere: there is one list of what is parked, and it has it already if it was ever delivered."""


@contextmanager
def _or_busy() -> Iterator[None]:
    try:
        yield
    except (
        psycopg.errors.LockNotAvailable,
        psycopg.errors.QueryCanceled,
        psycopg.errors.DeadlockDetected,
    ) as error:
        raise BusyError("the tables are in use: try again in a moment") from error
