"""Keeps shop-dispatch's read model in memory. A contract test compares it with the real one in PostgreSQL."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, TypeVar

from shop_dispatch.domain.products import ProductChange
from shop_dispatch.domain.records import Event, Key, Parked
from shop_dispatch.ports import Transaction

Result = TypeVar("Result")
KEY_COLUMNS: Final = {
    "product": 1,
    "reservation": 1,
    "refund": 2,
    "dispute": 2,
    "stock": 1,
    "sales_daily": 3,
    "sales_monthly": 3,
}
ADDED_TO: Final = frozenset({"stock", "sales_daily", "sales_monthly"})
"""Many streams add to the rows of these tables; in other tables, a change replaces each column that it has."""


@dataclass
class Tables:
    heads: dict[str, int] = field(default_factory=dict)
    event_log: dict[tuple[str, int], str] = field(default_factory=dict)
    rows: dict[str, dict[tuple[Any, ...], tuple[Any, ...]]] = field(
        default_factory=lambda: {table: {} for table in KEY_COLUMNS}
    )
    parked: dict[bytes, str] = field(default_factory=dict)

    def copy(self) -> "Tables":
        rows = {table: dict(rows) for table, rows in self.rows.items()}
        return Tables(dict(self.heads), dict(self.event_log), rows, dict(self.parked))


@dataclass
class InMemoryReadModel:
    tables: Tables = field(default_factory=Tables)

    def transact(self, work: Callable[[Transaction], Result]) -> Result:
        transaction = InMemoryTransaction(self.tables)
        result = work(transaction)
        self.tables = transaction.tables
        return result


class InMemoryTransaction:
    def __init__(self, committed: Tables) -> None:
        self._committed = committed
        self.tables = committed.copy()

    def rolled_back(self) -> "InMemoryTransaction":
        self.tables = self._committed.copy()
        return self

    def lock_heads(self, ends: Mapping[str, int]) -> tuple[dict[str, int], dict[Key, bytes]]:
        known = {stream_id: self.tables.heads[stream_id] for stream_id in ends if stream_id in self.tables.heads}
        self.tables.heads = {**ends, **self.tables.heads}
        log = self.tables.event_log.items()
        return known, {key: text.encode() for key, text in log if key[0] in known and key[1] > known[key[0]]}

    def logged_ids(self, keys: Sequence[Key]) -> dict[Key, str]:
        log = self.tables.event_log
        return {key: str(json.loads(log[key])["id"]) for key in keys if key in log}

    def log(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.key in self.tables.event_log:
                raise ValueError(f"duplicate key {event.key}")
            self.tables.event_log[event.key] = event.record.decode()

    def advance_heads(self, heads: Mapping[str, int]) -> None:
        self.tables.heads.update(heads)

    def change(self, table: str, changes: Sequence[tuple[Any, ...]]) -> None:
        if table in ("product_word", "category"):
            return  # PostgreSQL alone takes names apart for its search, and counts what is in a category
        rows, keys = self.tables.rows[table], KEY_COLUMNS[table]
        for change in changes:
            if table == "sales_monthly":
                change = (change[0].replace(day=1), *change[1:])  # noqa: PLW2901 - the statement sums the days up
            before = rows.get(tuple(change[:keys]))
            rows[tuple(change[:keys])] = _changed(table, before, tuple(change), keys)

    def withdraw(self, stream_id: str, stream_version: int) -> None:
        del self.tables.event_log[stream_id, stream_version]

    def park(self, parked: Sequence[Parked]) -> None:
        for record in parked:
            self.tables.parked[record.payload] = record.cause


def _changed(table: str, before: tuple[Any, ...] | None, change: tuple[Any, ...], keys: int) -> tuple[Any, ...]:
    if before is not None and table in ADDED_TO:
        return (*change[:keys], *(old + new for old, new in zip(before[keys:], change[keys:], strict=True)))
    changed = [old if new is None else new for old, new in zip(before or change, change, strict=True)]
    if table == "product":
        category = ProductChange._fields.index("category")
        changed[category] = changed[category] or None
    return tuple(changed)
