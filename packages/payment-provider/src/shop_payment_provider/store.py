"""Keeps the provider's records, and the webhooks that are to be delivered, in one SQLite file."""

import json
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from .stripe.store import Listing, Record

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
-- A key counts for a day only, and an event is listed for thirty, so older ones would just make the file grow.
DELETE FROM object WHERE kind = 'idempotency_key' AND json_extract(body, '$.created') < strftime('%s', 'now') - 86400;
DELETE FROM object WHERE kind = 'event' AND json_extract(body, '$.created') < strftime('%s', 'now') - 2592000;
"""
# A page is read from one of its ends: with `before` it is the oldest of what is newer.
_PAGE = """
WITH matching AS NOT MATERIALIZED (
    SELECT sequence, body FROM object
    WHERE kind = :kind
      AND (:payment_intent IS NULL OR json_extract(body, '$.payment_intent') = :payment_intent)
      AND (:charge IS NULL OR json_extract(body, '$.charge') = :charge)
      AND (:types = '[]' OR json_extract(body, '$.type') IN (SELECT value FROM json_each(:types)))
      AND coalesce(json_extract(body, '$.created'), 0) >= :created_min
      AND (:created_max IS NULL OR json_extract(body, '$.created') <= :created_max)
)
SELECT * FROM (
    SELECT sequence, body FROM matching
    WHERE :before IS NULL AND (:after IS NULL OR sequence < (SELECT sequence FROM object WHERE id = :after))
    ORDER BY sequence DESC LIMIT :limit
)
UNION ALL
SELECT * FROM (
    SELECT sequence, body FROM matching WHERE sequence > (SELECT sequence FROM object WHERE id = :before)
    ORDER BY sequence LIMIT :limit
)
ORDER BY sequence DESC
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
        body = json.dumps(record)
        self._database.execute(
            "INSERT INTO object (id, kind, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (record["id"], record["object"], body),
        )
        if record["object"] == "event" and self._keeps_webhooks:
            self._database.execute("INSERT INTO webhook (body, tries, due) VALUES (?, 0, 0)", (body,))

    def remove(self, kind: str, name: str) -> None:
        self._database.execute("DELETE FROM object WHERE kind = ? AND id = ?", (kind, name))

    def page(self, kind: str, page: Listing) -> list[Record]:
        parameters = vars(page) | {"kind": kind, "types": json.dumps(page.types)}
        return [json.loads(body) for _, body in self._database.execute(_PAGE, parameters)]

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
