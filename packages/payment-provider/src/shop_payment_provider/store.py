"""Keeps the provider's records, and the webhooks that are to be delivered, in one SQLite file."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .stripe.store import Record

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_by_intent ON object (kind, json_extract(body, '$.payment_intent'));
-- The file itself refuses to charge an intent twice, whatever the code above it does.
CREATE UNIQUE INDEX IF NOT EXISTS one_charge ON object (json_extract(body, '$.payment_intent'))
    WHERE kind = 'charge' AND json_extract(body, '$.status') = 'succeeded';
-- events that the webhook's URL has not taken yet
CREATE TABLE IF NOT EXISTS webhook (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, tries INTEGER NOT NULL, due REAL NOT NULL
);
-- A key counts for a day only, so older ones would just make the file grow.
DELETE FROM object WHERE kind = 'idempotency_key' AND json_extract(body, '$.created') < strftime('%s', 'now') - 86400;
"""
_NEWEST = """
SELECT body FROM object
WHERE kind = :kind AND (:intent IS NULL OR json_extract(body, '$.payment_intent') = :intent)
  AND sequence < coalesce((SELECT sequence FROM object WHERE id = :after), 9223372036854775807)
ORDER BY sequence DESC LIMIT :limit
"""


@dataclass(frozen=True)
class KeptWebhook:
    sequence: int
    body: str
    tries: int


class SqliteStore:
    """It serves a single thread. A writer locks the file for its whole transaction."""

    def __init__(self, path: Path, *, keeps_webhooks: bool) -> None:
        self._keeps_webhooks = keeps_webhooks
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10)
        # Like this a commit survives kill -9 at any point, and a cut of the power.
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;" + _SCHEMA)

    def close(self) -> None:
        self._database.close()

    @contextmanager
    def transaction(self) -> Iterator[None]:
        self._database.execute("BEGIN IMMEDIATE")
        try:
            yield
        except BaseException:
            self._database.execute("ROLLBACK")
            raise
        self._database.execute("COMMIT")

    def get(self, kind: str, name: str) -> Record | None:
        row = self._database.execute("SELECT body FROM object WHERE kind = ? AND id = ?", (kind, name)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, record: Record) -> None:
        """An event is kept only until a webhook has delivered it."""
        body = json.dumps(record)
        if record["object"] != "event":
            self._database.execute(
                "INSERT INTO object (id, kind, body) VALUES (?, ?, ?) "
                "ON CONFLICT (id) DO UPDATE SET body = excluded.body",
                (record["id"], record["object"], body),
            )
        elif self._keeps_webhooks:
            self._database.execute("INSERT INTO webhook (body, tries, due) VALUES (?, 0, 0)", (body,))

    def remove(self, kind: str, name: str) -> None:
        self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (kind, name))

    def newest(
        self, kind: str, *, limit: int, after: str | None = None, payment_intent: str | None = None
    ) -> list[Record]:
        parameters = {"kind": kind, "limit": limit, "after": after, "intent": payment_intent}
        return [json.loads(row[0]) for row in self._database.execute(_NEWEST, parameters)]

    def due_webhooks(self, limit: int) -> list[KeptWebhook]:
        rows = self._database.execute(
            "SELECT sequence, body, tries FROM webhook WHERE due <= ? ORDER BY sequence LIMIT ?", (time.time(), limit)
        )
        return [KeptWebhook(*row) for row in rows]

    def postpone_webhook(self, event: KeptWebhook, seconds: float) -> None:
        self._database.execute(
            "UPDATE webhook SET tries = tries + 1, due = ? WHERE sequence = ?", (time.time() + seconds, event.sequence)
        )

    def drop_webhook(self, event: KeptWebhook) -> None:
        self._database.execute("DELETE FROM webhook WHERE sequence = ?", (event.sequence,))
