"""Says what the model needs of a storage, and keeps everything in memory."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

Record = dict[str, Any]


class Store(Protocol):
    """Keeps records by the `object` that they are and by their `id`. Whoever changes a record has to put it again."""

    def get(self, kind: str, name: str) -> Record | None: ...

    def put(self, record: Record) -> None: ...

    def remove(self, kind: str, name: str) -> None: ...

    def newest(
        self, kind: str, *, limit: int, after: str | None = None, payment_intent: str | None = None
    ) -> list[Record]:
        """Returns the newest records first, those that are older than `after`, and of one intent if it is given."""


@dataclass
class MemoryStore:
    records: dict[tuple[str, str], str] = field(default_factory=dict)
    """They are JSON, as in a file, so that nobody shares a record with the store."""

    def new_id(self, prefix: str) -> str:
        """Returns pi_1, pi_2 and so on."""
        return f"{prefix}_{1 + sum(name.startswith(f'{prefix}_') for _, name in self.records)}"

    def all(self, kind: str) -> list[Record]:
        return [json.loads(record) for (its_kind, _), record in self.records.items() if its_kind == kind]

    def get(self, kind: str, name: str) -> Record | None:
        record = self.records.get((kind, name))
        return json.loads(record) if record else None

    def put(self, record: Record) -> None:
        self.records[record["object"], record["id"]] = json.dumps(record)

    def remove(self, kind: str, name: str) -> None:
        del self.records[kind, name]

    def newest(
        self, kind: str, *, limit: int, after: str | None = None, payment_intent: str | None = None
    ) -> list[Record]:
        found = self.all(kind)[::-1]
        older = [record["id"] for record in found].index(after) + 1 if after else 0
        return [record for record in found[older:] if payment_intent in (None, record.get("payment_intent"))][:limit]
