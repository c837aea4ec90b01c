"""Applies a folder of .sql files in the order of their names, each once: each in a transaction that also records it.

It goes forward only. A release expands the schema, a later one contracts it, so there is nothing to roll back to.
"""

import contextlib
import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import psycopg

LOCK_KEY: Final = 0x5348_4F50
"""This advisory lock lets one migration run at a time. The server drops it with the transaction, so a run that dies
never leaves it behind."""

DEADLOCKS_MAX: Final = 9

_PREPARE: Final = """
SELECT pg_advisory_xact_lock(%s);
-- A migration that waited behind a long query would hold up all queries after it, so it fails and is run again.
SET LOCAL lock_timeout = '5s';
CREATE SCHEMA IF NOT EXISTS migration;
CREATE TABLE IF NOT EXISTS migration.applied (
    name text COLLATE "C" PRIMARY KEY,
    digest text NOT NULL,
    applied_at timestamptz NOT NULL DEFAULT now()
)
"""
_DIGEST: Final = "SELECT digest FROM migration.applied WHERE name = %s"
_RECORD: Final = "INSERT INTO migration.applied (name, digest) VALUES (%s, %s)"


class ChangedMigrationError(Exception):
    """A file was edited after it had been applied, so the database differs from it. Add a new file instead."""


@dataclass(frozen=True)
class Migrated:
    applied: tuple[str, ...]
    """This run applied these files, and none when there was nothing to do."""
    current: str
    """The schema is now that of this file, the last in the folder."""


def migrate(connection: psycopg.Connection, folder: Path) -> Migrated:
    """Needs a connection in autocommit mode, whose role may create schemas in its database.

    Raises psycopg.Error when a file fails: those before it stay applied. A retry helps after a lock time-out.
    """
    files = sorted(folder.glob("*.sql"))
    if not files:
        raise FileNotFoundError(f"no migrations in {folder}")
    applied = tuple(file.stem for file in files if _applied(connection, file))
    return Migrated(applied, files[-1].stem)


def _applied(connection: psycopg.Connection, file: Path) -> bool:
    """Readers take locks in the order of their queries, so PostgreSQL may end a migration that waits for one of them
    and is waited for. It has changed nothing then."""
    for _ in range(DEADLOCKS_MAX):
        with contextlib.suppress(psycopg.errors.DeadlockDetected):
            return _apply(connection, file)
    return _apply(connection, file)


def _apply(connection: psycopg.Connection, file: Path) -> bool:
    script = file.read_bytes()
    digest = hashlib.sha256(script).hexdigest()
    with connection.transaction():
        # ClientCursor sends the statements as one text; the server's parameters allow only one at a time.
        psycopg.ClientCursor(connection).execute(_PREPARE, [LOCK_KEY])
        known = connection.execute(_DIGEST, [file.stem]).fetchone()
        if known == (digest,):
            return False
        if known:
            raise ChangedMigrationError(file.name)
        connection.execute(script)
        connection.execute(_RECORD, [file.stem, digest])
        return True
