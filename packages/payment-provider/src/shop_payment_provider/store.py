"""Keeps the provider's objects, and the answers to idempotency keys, in one SQLite file."""

import json
import sqlite3
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from .wire import ApiError, Reply

KEY_LIFETIME_SECONDS = 24 * 3600  # https://docs.stripe.com/api/idempotent_requests: pruned when at least this old

_SCHEMA = """
CREATE TABLE IF NOT EXISTS object (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, id TEXT NOT NULL UNIQUE, kind TEXT NOT NULL, body TEXT NOT NULL
);
CREATE INDEX IF NOT EXISTS object_by_intent ON object (kind, json_extract(body, '$.payment_intent'));
-- The file itself refuses to charge an intent twice, whatever the code above it does.
CREATE UNIQUE INDEX IF NOT EXISTS one_charge ON object (json_extract(body, '$.payment_intent'))
    WHERE kind = 'charge' AND json_extract(body, '$.status') = 'succeeded';
-- status is null while the request is under way
CREATE TABLE IF NOT EXISTS idempotency (
    key TEXT PRIMARY KEY, endpoint TEXT NOT NULL, parameters TEXT NOT NULL, request_id TEXT NOT NULL,
    created REAL NOT NULL, status INTEGER, body TEXT
);
-- confirmations that were begun and not yet settled: a slow card's
CREATE TABLE IF NOT EXISTS pending (payment_intent TEXT PRIMARY KEY, payment_method TEXT NOT NULL, key TEXT);
-- events that the webhook's URL has not taken yet
CREATE TABLE IF NOT EXISTS webhook (
    sequence INTEGER PRIMARY KEY AUTOINCREMENT, body TEXT NOT NULL, tries INTEGER NOT NULL, due REAL NOT NULL
);
"""
_LIST = """
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


class Store:
    """A store serves a single thread. A writer locks the file for its whole transaction."""

    def __init__(self, path: Path) -> None:
        self._database = sqlite3.connect(path, isolation_level=None, timeout=10)
        # WAL with NORMAL survives kill -9 at any point; only a power cut could lose the last commits
        self._database.executescript("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;" + _SCHEMA)

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

    def get(self, kind: str, object_id: str) -> dict[str, Any] | None:
        row = self._database.execute("SELECT body FROM object WHERE kind = ? AND id = ?", (kind, object_id)).fetchone()
        return json.loads(row[0]) if row else None

    def put(self, body: dict[str, Any]) -> None:
        self._database.execute(
            "INSERT INTO object (id, kind, body) VALUES (?, ?, ?) ON CONFLICT (id) DO UPDATE SET body = excluded.body",
            (body["id"], body["object"], json.dumps(body)),
        )

    def newest(
        self, kind: str, *, limit: int, after: str | None = None, intent: str | None = None
    ) -> list[dict[str, Any]]:
        parameters = {"kind": kind, "limit": limit, "after": after, "intent": intent}
        return [json.loads(row[0]) for row in self._database.execute(_LIST, parameters)]

    def begin_key(self, key: str, endpoint: str, parameters: str, request_id: str) -> tuple[Reply, str] | None:
        """Returns the reply to replay and its first request's id. It stores a new key as begun and returns None."""
        self._database.execute("DELETE FROM idempotency WHERE created < ?", (time.time() - KEY_LIFETIME_SECONDS,))
        row = self._database.execute(
            "SELECT endpoint, parameters, request_id, status, body FROM idempotency WHERE key = ?", (key,)
        ).fetchone()
        if row is None:
            self._database.execute(
                "INSERT INTO idempotency (key, endpoint, parameters, request_id, created) VALUES (?, ?, ?, ?, ?)",
                (key, endpoint, parameters, request_id, time.time()),
            )
            return None
        _refuse_other_use(key, row, endpoint, parameters)
        return Reply(row[3], json.loads(row[4])), row[2]

    def finish_key(self, key: str, reply: Reply) -> None:
        self._database.execute(
            "UPDATE idempotency SET status = ?, body = ? WHERE key = ?", (reply.status, json.dumps(reply.body), key)
        )

    def begin_pending(self, intent: str, payment_method: str, key: str | None) -> None:
        self._database.execute("INSERT INTO pending VALUES (?, ?, ?)", (intent, payment_method, key))

    def end_pending(self, intent: str) -> tuple[str, str | None]:
        """Returns the payment method and the idempotency key of a confirmation that is now to be settled."""
        row = self._database.execute(
            "DELETE FROM pending WHERE payment_intent = ? RETURNING payment_method, key", (intent,)
        ).fetchone()
        return row[0], row[1]

    def pending(self) -> list[str]:
        return [row[0] for row in self._database.execute("SELECT payment_intent FROM pending")]

    def keep_webhook(self, body: str) -> None:
        self._database.execute("INSERT INTO webhook (body, tries, due) VALUES (?, 0, 0)", (body,))

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


def _refuse_other_use(key: str, row: Sequence[Any], endpoint: str, parameters: str) -> None:
    if row[0] != endpoint:
        raise ApiError(
            400,
            f"Keys for idempotent requests can only be used for the same endpoint they were first used for "
            f"('{row[0]}' vs '{endpoint}'). Try using a key other than '{key}' if you meant to execute a different "
            f"request.",
            kind="idempotency_error",
        )
    if row[1] != parameters:
        raise ApiError(
            400,
            f"Keys for idempotent requests can only be used with the same parameters they were first used with. "
            f"Try using a key other than '{key}' if you meant to execute a different request.",
            kind="idempotency_error",
        )
    if row[3] is None:
        raise ApiError(
            409,
            f"There is currently another in-progress request using this Idempotent Key: {key}. Please try again later.",
            code="idempotency_key_in_use",
        )
