"""A file that holds what the local AWS knows, so that no answer is given before what it rests on is on the disk.

SQLite's write-ahead log makes each commit whole or absent, also after kill -9, a cut of the power or on a full disk.
Run by the emulator's own Python, so it imports nothing but the standard library. It knows nothing of ministack.
"""

import asyncio
import contextlib
import os
import sqlite3
import sys
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any, Final, NamedTuple, NoReturn

FORMAT: Final = 1
EX_IOERR: Final = 74
FILE: Final = "state.sqlite"
ADVICE: Final = "Make room on the disk, then: ./shop up"
LOCKED_SECONDS_MAX: Final = 10
SCHEMA: Final = """
    CREATE TABLE IF NOT EXISTS state (service TEXT PRIMARY KEY, content TEXT NOT NULL);
    CREATE TABLE IF NOT EXISTS item (table_id TEXT, pk TEXT, sk TEXT, content TEXT NOT NULL,
        PRIMARY KEY (table_id, pk, sk));
    CREATE TABLE IF NOT EXISTS record (stream TEXT, shard TEXT, sequence TEXT, content TEXT NOT NULL,
        PRIMARY KEY (stream, shard, sequence));
    CREATE TABLE IF NOT EXISTS moment (name TEXT PRIMARY KEY, seconds REAL NOT NULL);
    """
PUT_STATE: Final = "INSERT OR REPLACE INTO state VALUES (?, ?)"
PUT_ITEM: Final = "INSERT OR REPLACE INTO item VALUES (?, ?, ?, ?)"
REMOVE_ITEM: Final = "DELETE FROM item WHERE table_id = ? AND pk = ? AND sk = ?"
REMOVE_ITEMS: Final = "DELETE FROM item WHERE table_id = ?"
PUT_RECORD: Final = "INSERT OR REPLACE INTO record VALUES (?, ?, ?, ?)"
REMOVE_RECORDS: Final = "DELETE FROM record WHERE stream = ? AND shard = ? AND sequence < ?"
PUT_MOMENT: Final = "INSERT OR REPLACE INTO moment VALUES (?, ?)"
REMOVE_MOMENT: Final = "DELETE FROM moment WHERE name = ?"

Statement = tuple[str, tuple[Any, ...]]


class Moments(NamedTuple):
    """The moments are in seconds since the epoch."""

    changed_at: float | None
    """It is None where no emulator has saved anything."""
    stopped_at: float | None
    """It is None unless the emulator has ended by itself, with everything saved, its logs included."""


class DamagedError(Exception):
    """The file is no database, or one that lacks pages. No other state is taken in its place."""


class StateFile:
    """What is put is committed in this order by one thread, as much at a time as has come together meanwhile."""

    def __init__(self, path: Path) -> None:
        """Raises DamagedError, and sqlite3.OperationalError if the disk is full."""
        self._path = path
        self._changed = threading.Condition()
        self._pending: list[Statement | Path] = []
        self._waiting: list[Callable[[], None]] = []
        self._is_committing = self._is_closing = False
        self._together = 0
        _prepare(path)
        self.is_new = not self._read("SELECT 1 FROM moment")
        self._writer = threading.Thread(target=self._write, name="store", daemon=True)
        self._writer.start()

    @contextlib.contextmanager
    def together(self) -> Iterator[None]:
        """All that is put inside is committed together, since the writer waits for the end of the block."""
        with self._changed:
            self._together += 1
        try:
            yield
        finally:
            with self._changed:
                self._together -= 1
                self._changed.notify()

    def put_states(self, contents: Mapping[str, str]) -> None:
        self._put((PUT_STATE, each) for each in contents.items())

    def put_item(self, table_id: str, pk: object, sk: object, content: str) -> None:
        self._put([(PUT_ITEM, (table_id, str(pk), str(sk), content))])

    def remove_item(self, table_id: str, pk: object, sk: object) -> None:
        self._put([(REMOVE_ITEM, (table_id, str(pk), str(sk)))])

    def remove_items(self, table_id: str) -> None:
        self._put([(REMOVE_ITEMS, (table_id,))])

    def put_record(self, stream: str, shard: str, sequence: str, content: str) -> None:
        self._put([(PUT_RECORD, (stream, shard, sequence, content))])

    def remove_records(self, stream: str, shard: str, *, before: str) -> None:
        self._put([(REMOVE_RECORDS, (stream, shard, before))])

    def put_file(self, path: Path) -> None:
        """The file is written already. It reaches the disk before what is put later."""
        self._put([path])

    def states(self) -> dict[str, str]:
        return dict(self._read("SELECT service, content FROM state"))

    def items(self, table_id: str) -> list[str]:
        return [content for (content,) in self._read("SELECT content FROM item WHERE table_id = ?", table_id)]

    def tables(self) -> set[str]:
        """Returns the ids of all tables that have items here."""
        return {table_id for (table_id,) in self._read("SELECT DISTINCT table_id FROM item")}

    def records(self, stream: str, shard: str) -> list[str]:
        query = "SELECT content FROM record WHERE stream = ? AND shard = ? ORDER BY sequence"
        return [content for (content,) in self._read(query, stream, shard)]

    async def durable(self) -> None:
        """Returns when all that was put before is on the disk."""
        loop = asyncio.get_running_loop()
        with self._changed:
            if not self._pending and not self._is_committing:
                return
            future = loop.create_future()

            def settle() -> None:
                # The client may have gone away meanwhile, which cancels it.
                if not future.done():
                    future.set_result(None)

            def wake() -> None:
                loop.call_soon_threadsafe(settle)

            self._wait(wake)
        await future

    def flush(self) -> None:
        """Does the same for a thread."""
        done = threading.Event()
        with self._changed:
            self._wait(done.set)
        done.wait()

    def close(self) -> None:
        """Commits what is left, and that this was the end. What is put later is never committed, nor answered."""
        self._put([(PUT_MOMENT, ("stopped_at", time.time()))])
        with self._changed:
            self._is_closing = True
            self._changed.notify()
        self._writer.join()

    def end_unsaved(self, error: Exception) -> NoReturn:
        """What is in memory is ahead of the disk now, and must not be answered to anybody."""
        message = f"The local AWS can't save to {self._path.parent}: {error}. It has ended at once."
        # The log may be on the same full disk.
        with contextlib.suppress(OSError):
            print(f"{message} What it has answered is kept. {ADVICE}", file=sys.stderr, flush=True)
        os._exit(EX_IOERR)

    def _read(self, query: str, *parameters: str) -> list[Any]:
        with _connection(self._path) as connection:
            return connection.execute(query, parameters).fetchall()

    def _put(self, entries: Iterable[Statement | Path]) -> None:
        with self._changed:
            self._pending.extend(entries)
            self._changed.notify()

    def _wait(self, wake: Callable[[], None]) -> None:
        self._waiting.append(wake)
        self._changed.notify()

    def _write(self) -> None:
        try:
            with _connection(self._path) as connection:
                while self._write_some(connection):
                    pass
        except (DamagedError, sqlite3.Error, OSError) as error:
            self.end_unsaved(error)

    def _write_some(self, connection: sqlite3.Connection) -> bool:
        """Returns whether there may be more."""
        with self._changed:
            while self._together or not (self._pending or self._waiting or self._is_closing):
                self._changed.wait()
            entries, waiting, is_last = self._pending, self._waiting, self._is_closing
            self._pending, self._waiting, self._is_committing = [], [], True
        if entries:
            _commit(connection, entries)
        with self._changed:
            self._is_committing = False
        for wake in waiting:
            # At the end the loop may be closed, and nobody waits.
            with contextlib.suppress(RuntimeError):
                wake()
        return not is_last


def read_moments(folder: Path) -> Moments:
    """Raises DamagedError."""
    path = folder / FILE
    if not path.exists():
        return Moments(None, None)
    with _connection(path) as connection:
        found = dict(connection.execute("SELECT name, seconds FROM moment"))
    return Moments(found.get("changed_at"), found.get("stopped_at"))


def _prepare(path: Path) -> None:
    path.touch(mode=0o600)
    with _connection(path) as connection:
        connection.execute("PRAGMA journal_mode = WAL")
        (found,) = connection.execute("PRAGMA quick_check(1)").fetchone()
        if found != "ok":
            raise sqlite3.DatabaseError(found)
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version not in (0, FORMAT):
            raise DamagedError(f"{path} was written by another version of the shop, in format {version}")
        connection.executescript(f"{SCHEMA}; PRAGMA user_version = {FORMAT}")
        connection.execute(REMOVE_MOMENT, ("stopped_at",))


@contextlib.contextmanager
def _connection(path: Path) -> Iterator[sqlite3.Connection]:
    try:
        with contextlib.closing(sqlite3.connect(path, isolation_level=None, timeout=LOCKED_SECONDS_MAX)) as connection:
            # In this mode a commit outlives a cut of the power, too.
            connection.execute("PRAGMA synchronous = FULL")
            yield connection
    except sqlite3.DatabaseError as error:
        # Its subclasses are about the disk, and not about what is in the file.
        if type(error) is not sqlite3.DatabaseError:
            raise
        advice = "Restore it from a copy, or start over: ./shop down --delete"
        raise DamagedError(f"{path} is damaged ({error}). {advice}") from error


def _commit(connection: sqlite3.Connection, entries: Iterable[Statement | Path]) -> None:
    connection.execute("BEGIN IMMEDIATE")
    for entry in entries:
        if isinstance(entry, Path):
            _sync(entry)
        else:
            connection.execute(*entry)
    connection.execute(PUT_MOMENT, ("changed_at", time.time()))
    connection.execute("COMMIT")


def _sync(path: Path) -> None:
    """The folder is written too, or a cut of the power takes the file's name."""
    for each in (path, path.parent):
        # Deleted since: then there is nothing to keep.
        with contextlib.suppress(FileNotFoundError):
            descriptor = os.open(each, os.O_RDONLY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)
