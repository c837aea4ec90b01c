"""Says what the model needs of a storage, and keeps everything in memory."""

import json
from dataclasses import dataclass, field
from typing import Any, Protocol

Record = dict[str, Any]


@dataclass(frozen=True)
class Listing:
    """It takes at most `limit` records that all of its conditions hold for."""

    limit: int
    after: str | None = None
    """They are older than this one, and the newest of those."""
    before: str | None = None
    """They are newer than this one, and the oldest of those."""
    payment_intent: str | None = None
    charge: str | None = None
    types: tuple[str, ...] = ()
    created_min: int = 0
    created_max: int | None = None

    def holds_for(self, record: Record) -> bool:
        return (
            self.payment_intent in (None, record.get("payment_intent"))
            and self.charge in (None, record.get("charge"))
            and (not self.types or record.get("type") in self.types)
            and self.created_min <= record.get("created", 0)
            and (self.created_max is None or record.get("created", 0) <= self.created_max)
        )


class Store(Protocol):
    """Keeps records by the `object` that they are and by their `id`. Whoever changes a record has to put it again."""

    def get(self, kind: str, name: str) -> Record | None: ...

    def put(self, record: Record) -> None: ...

    def remove(self, kind: str, name: str) -> None: ...

    def page(self, kind: str, page: Listing) -> list[Record]:
        """Returns the newest records first."""


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

    def page(self, kind: str, page: Listing) -> list[Record]:
        found = self.all(kind)[::-1]
        names = [record["id"] for record in found]
        if page.before is not None:
            newer = [record for record in found[: names.index(page.before)] if page.holds_for(record)]
            return newer[-page.limit :]
        older = found[names.index(page.after) + 1 :] if page.after else found
        return [record for record in older if page.holds_for(record)][: page.limit]
