"""Keeps what was read from all systems in a temporary SQLite file, sorted by its subject.

A million events need some 2 GB of disk there; in memory are never more than SQLite's cache and one stream.
"""

import json
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from itertools import groupby
from types import TracebackType
from typing import Any, Final, Self

CACHE_KIBIBYTES: Final = 64 * 1024
EXPECTED, FOUND = "expected", "found"


class FactTable:
    def __init__(self) -> None:
        # No name: SQLite makes a file in the temporary folder and removes it by itself, also after a crash.
        self._database = sqlite3.connect("", isolation_level=None)
        self._database.executescript(
            f"""
            PRAGMA journal_mode = OFF; PRAGMA synchronous = OFF; PRAGMA cache_size = -{CACHE_KIBIBYTES};
            CREATE TABLE fact (kind TEXT, key TEXT, part TEXT, value TEXT);
            CREATE INDEX fact_by_key ON fact (kind, key, part);
            BEGIN;
            """
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._database.close()

    def add(self, kind: str, key: str, part: str, value: Any) -> None:
        self._database.execute("INSERT INTO fact VALUES (?, ?, ?, ?)", (kind, key, part, json.dumps(value)))

    def groups(self, kind: str) -> Iterator[tuple[str, list[tuple[str, Any]]]]:
        """Yields each key once, in order, with its parts in order."""
        query = "SELECT key, part, value FROM fact WHERE kind = ? ORDER BY key, part"
        with closing(self._database.cursor()) as cursor:
            for key, rows in groupby(cursor.execute(query, (kind,)), key=lambda row: str(row[0])):
                yield key, [(part, json.loads(value)) for _, part, value in rows]

    def pairs(self, kind: str) -> Iterator[tuple[str, list[Any], list[Any]]]:
        """Yields each key with what is expected and what was found."""
        for key, parts in self.groups(kind):
            yield (
                key,
                [value for part, value in parts if part == EXPECTED],
                [value for part, value in parts if part == FOUND],
            )
