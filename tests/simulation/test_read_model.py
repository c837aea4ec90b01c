"""The read model in memory must equal the real one: the same batches through the same code end in the same rows."""

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from random import Random
from typing import Any

import psycopg
import pytest

from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.testing import Database, migrated_database
from shop_dispatch.adapters.postgres import PostgresReadModel
from shop_dispatch.application.project import Project
from shop_simulation import seeded
from shop_simulation.faults import newer_type
from shop_simulation.read_model import InMemoryReadModel

MIGRATIONS = Path(__file__).parents[2] / "functions/shop-dispatch/migrations"
COLUMNS = {
    "product": "sku, version, name, description, price_minor, currency, status, listed_at, category, images",
    "reservation": "reservation_id, version, status, customer_id, lines, total_minor, currency, placed_at, expires_at, "
    "payment_intent_id, purchased_at",
    "stock": "sku, received, held, sold, adjusted",
    "refund": "reservation_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at, failed_at",
    "dispute": "reservation_id, dispute_id, status, amount_minor, currency, reason, opened_at, closed_at",
    "sales_daily": "day, sku, currency, units, revenue_minor",
    "sales_monthly": "month, sku, currency, units, revenue_minor",
}


@pytest.fixture(scope="module")
def database() -> Iterator[Database]:
    with migrated_database(MIGRATIONS) as made:
        yield made


def open_as(database: Database, role: str) -> psycopg.Connection:
    return connect(DatabaseSettings(database.url(role)), "test")


def contents(database: Database) -> dict[str, Any]:
    with open_as(database, "shop_owner") as connection:
        rows = {
            table: sorted(tuple(row) for row in connection.execute(f"SELECT {columns} FROM shop.{table}".encode()))  # noqa: S608 - our own names
            for table, columns in COLUMNS.items()
        }
        heads: dict[str, int] = dict(connection.execute("SELECT stream_id, stream_version FROM shop.stream_head"))
        log = connection.execute("SELECT stream_id, stream_version, event FROM shop.event_log").fetchall()
        parked: dict[bytes, str] = dict(connection.execute("SELECT payload, cause FROM shop.parked"))
    return {"rows": rows, "heads": heads, "log": sorted(log), "parked": parked}


def contents_in_memory(read_model: InMemoryReadModel) -> dict[str, Any]:
    tables = read_model.tables
    rows = {table: sorted(rows.values()) for table, rows in tables.rows.items()}
    rows["product"] = [(*row[:-1], json.loads(row[-1])) for row in rows["product"]]
    rows["reservation"] = [(*row[:4], json.loads(row[4]), *row[5:]) for row in rows["reservation"]]
    log = sorted((*key, text) for key, text in tables.event_log.items())
    return {"rows": rows, "heads": tables.heads, "log": log, "parked": tables.parked}


@pytest.mark.parametrize("seed", range(1, 6))
def test_both_read_models_hold_the_same_after_the_same_batches(database: Database, seed: int) -> None:
    randomness, run = Random(seed), seeded.RandomRun(seed)  # noqa: S311 - repeatable
    run.go(60)
    records = list(run.world.stream.records)
    randomness.shuffle(records)
    records = [newer_type(record) if randomness.random() < 0.05 else record for record in records]
    in_memory = InMemoryReadModel()
    connection = Reconnecting(partial(open_as, database, "shop_dispatch"))
    both = Project(in_memory), Project(PostgresReadModel(connection))
    while records:
        size = randomness.randint(1, 12)
        batch, records = records[:size], records[size:]
        again = batch if randomness.random() < 0.3 else []
        assert both[0]([*batch, *again]) == both[1]([*batch, *again])
        assert contents_in_memory(in_memory) == contents(database)
    connection.close()
    with open_as(database, "shop_owner") as owner:
        for table in (*COLUMNS, "stream_head", "event_log", "parked"):
            owner.execute(f"DELETE FROM shop.{table}".encode())  # noqa: S608 - our own names
