"""A rebuild makes its read model in tables beside the live ones, and then puts them in their place."""

from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from datetime import timedelta
from typing import Any, Final, LiteralString, TypeVar

import psycopg
from psycopg.types.json import Jsonb

from shop_database.migrations import LOCK_KEY
from shop_dispatch.adapters import shadow_statements as statements
from shop_dispatch.adapters.postgres import PostgresTransaction, refusals
from shop_dispatch.domain.rebuild import BusyError, EventSource, Missing, Phase, Progress, RebuildError
from shop_dispatch.domain.records import Parked
from shop_dispatch.ports import Transaction

SCHEMA: Final = "shop_rebuild"
"""The statements of the projection write to this schema."""
CLAIM_KEY: Final = LOCK_KEY + 1
LOCK_MS_MAX: Final = 2_000
"""A rebuild waits this long for projections to end. New projections wait behind it, and no reader does."""
SWAP_LOCK_MS_MAX: Final = 800
"""A swap waits this long for readers to end. Others wait behind it, and may hold locks that it still needs: after a
second, PostgreSQL's deadlock_timeout, one of them would look for such a circle and fail. The swap gives up first."""
ARCHIVE_LATE: Final = timedelta(hours=1)
"""An event received this shortly before a rebuild began need not be in the archive yet, for Firehose takes minutes."""

Result = TypeVar("Result")


class ShadowTables:
    def __init__(self, connection: psycopg.Connection, tables: Sequence[str], code: str) -> None:
        """`tables` are in the order in which a projection writes them, and `code` identifies the release.

        The connection is in autocommit mode, with no short statement timeout, and leads to the server itself:
        the claim and the settings below are the session's, and a pooler has no sessions.
        """
        self._connection = connection
        self._tables = list(tables)
        self._code = code
        # The tables begin empty, and a plan that was kept from then would read the full ones from end to end.
        connection.execute("SET plan_cache_mode = force_custom_plan")
        # The server notices a process that was killed during a long statement, and releases its claim.
        connection.execute("SET client_connection_check_interval = '5s'")

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        with refusals(), self._connection.transaction(), ExitStack() as until_commit:
            return work(_ShadowTransaction(self._connection, until_commit, SCHEMA))

    def whole(self) -> AbstractContextManager[object]:
        return self._connection.transaction()

    @contextmanager
    def claimed(self) -> Iterator[None]:
        if not self._row(statements.CLAIM, [CLAIM_KEY])[0]:
            raise BusyError("another invocation is working on it")
        try:
            yield
        finally:
            # The server releases the claim by itself once it notices that the connection is gone.
            if not self._connection.closed:
                self._connection.execute(statements.LET_GO, [CLAIM_KEY])

    def progress(self) -> Progress:
        rebuilding, old_tables = self._row(statements.SCHEMAS)
        if not rebuilding:
            return Progress(Phase.SWAPPED if old_tables else Phase.NONE)
        phase, source, *numbers = self._row(statements.PROGRESS, [self._release()])
        return Progress(Phase(phase), EventSource(source), *numbers)

    def begin(self, source: EventSource) -> None:
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
            self._connection.execute(statements.MAKE_SCHEMA_OF_VIEWS)
            self._execute_all(statements.MAKE_VIEWS)
            self._connection.execute(statements.GRANT_VIEWS)
            self._connection.execute(statements.BEGIN, [source, Phase.LOADING, self._release(), total])
            # The trigger comes last, because nobody can add to the log from here to the commit.
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
            self._connection.execute(statements.DROP_VIEWS)  # before their tables: a reader locks them in this order
            self._connection.execute("SET LOCAL statement_timeout TO DEFAULT")
            self._connection.execute(statements.TAKE_TRIGGER_AWAY)
            self._connection.execute(statements.MAKE_SCHEMA_OF_OLD)
            self._execute_all(statements.MOVE)
            # A view follows the tables that it was made with into their new schema, so it is made anew.
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
            self._connection.execute(statements.DROP_VIEWS)
            self._connection.execute(statements.DROP_REBUILD)

    def _keep_migrations_out(self) -> None:
        self._set_for_this_transaction("lock_timeout", LOCK_MS_MAX)
        self._connection.execute("SELECT pg_advisory_xact_lock(%s)", [LOCK_KEY])

    def _set_for_this_transaction(self, setting: str, value_ms: int) -> None:
        self._connection.execute("SELECT set_config(%s, %s, true)", [setting, str(value_ms)])

    def _release(self) -> str:
        return str(self._row(statements.RELEASE, [self._code])[0])

    def _execute_all(self, makes: LiteralString, names: Sequence[str] | None = None) -> None:
        """Executes the statements that the catalogue returns for these names."""
        for (statement,) in self._connection.execute(makes, [list(names or self._tables)]).fetchall():
            self._connection.execute(statement.encode())

    def _row(self, statement: LiteralString, parameters: Sequence[Any] = ()) -> tuple[Any, ...]:
        row = self._connection.execute(statement, parameters).fetchone()
        if row is None:
            raise AssertionError("a statement that has one row, always")
        return row


class _ShadowTransaction(PostgresTransaction):
    def park(self, parked: Sequence[Parked]) -> None:
        """Parks nothing, because the one list of parked records has every record that was ever delivered."""


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
