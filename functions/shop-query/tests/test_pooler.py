"""Reads through a pooler in transaction mode, which has one connection to the server for all of them."""

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache

import psycopg
import pytest

from shop_database import DatabaseSettings
from shop_database.testing import Database, Pooler, pooler
from shop_observability.testing import Log
from shop_query import bootstrap
from shop_query.adapters.postgres import PostgresReadModel
from shop_query.testing import PLACED, Shop

ID = "0198c6f2-7a10-7c3e-9b0d-000000000001"
SEPTEMBER = {"from": "2026-09-01", "to": "2026-09-30"}
READS = [
    ("/products", {}),
    ("/products", {"sort": "name", "limit": "1"}),
    ("/products", {"q": "mugg"}),
    ("/products/MUG", {"min_version": "1"}),
    ("/reservations", {}),
    (f"/reservations/{ID}", {}),
    ("/purchases", {}),
    (f"/purchases/{ID}", {}),
    ("/sales/daily", SEPTEMBER),
    ("/sales/daily", SEPTEMBER | {"sku": "MUG"}),
    ("/sales/top", SEPTEMBER),
]


@pytest.fixture
def pooled(database: Database) -> Iterator[Pooler]:
    with pooler(database) as started:
        yield started


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    for sku, name in (("MUG", "Blue mug"), ("TEA", "Green tea")):
        shop.list_product(sku, name=name, stock=3)
        shop.sell(PLACED.date(), sku)
    shop.reserve(ID, "ada", status="purchased", purchased_at=PLACED)
    return shop


def answers(shop: Shop) -> list[object]:
    return [shop.get(path, query, customer="ada", groups="[admin]").body for path, query in READS]


def through(pooled: Pooler, monkeypatch: pytest.MonkeyPatch) -> None:
    bootstrap.read_model().close()
    bootstrap.read_model.cache_clear()
    bootstrap.queries.cache_clear()
    monkeypatch.setenv("DATABASE_URL", pooled.url("shop_query"))
    monkeypatch.setenv("DATABASE_POOLED", "true")


def test_every_read_is_answered_as_without_a_pooler(
    stocked: Shop, pooled: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    direct = answers(stocked)
    through(pooled, monkeypatch)
    assert [answers(stocked) for _ in range(7)] == [direct] * 7  # more often than it takes to prepare a statement


def test_execution_environments_share_the_servers_connection(stocked: Shop, pooled: Pooler) -> None:
    settings = DatabaseSettings(pooled.url("shop_query"), pooled=True)
    environments = [PostgresReadModel(settings) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        for _ in range(10):
            assert len(set(pool.map(lambda environment: environment.cursor_key(), environments))) == 1
    backends = "SELECT count(*) FROM pg_stat_activity WHERE usename = 'shop_query' AND datname = %s"
    assert stocked.execute(backends, pooled.database.name) == [(1,)]
    for environment in environments:
        environment.close()


def test_a_slow_read_is_given_up_and_the_next_one_answered(
    stocked: Shop, pooled: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DatabaseSettings(pooled.url("shop_query"), pooled=True)
    impatient = cache(lambda: PostgresReadModel(settings, statement_timeout_ms=1_000))
    monkeypatch.setattr(bootstrap, "read_model", impatient)
    with psycopg.connect(pooled.database.superuser_url) as locking:
        locking.execute("LOCK TABLE shop.product IN ACCESS EXCLUSIVE MODE")
        answer = stocked.get("/products/MUG")
    assert (answer.status, answer.body["type"]) == (503, "https://shop.example/problems/read-timeout")
    assert stocked.get("/products/MUG").status == 200


def test_a_read_that_waits_for_a_version_holds_no_connection(
    stocked: Shop, pooled: Pooler, monkeypatch: pytest.MonkeyPatch
) -> None:
    through(pooled, monkeypatch)
    other = PostgresReadModel(DatabaseSettings(pooled.url("shop_query"), pooled=True))
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(stocked.get, f"/reservations/{ID}", {"min_version": "4"}, customer="ada")
        answered = 0
        while not waiting.done():
            other.cursor_key()
            answered += 1
            time.sleep(0.01)
    assert waiting.result().status == 412
    assert answered > 1
    other.close()


def test_an_operator_reads_why_there_is_no_connection(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, log: Log
) -> None:
    monkeypatch.setenv("DATABASE_URL", psycopg.conninfo.make_conninfo(database.url("shop_query"), dbname="nowhere"))
    assert shop.get("/products").status == 503
    causes = [line["cause"] for line in log.lines() if line["message"] == "read failed"]
    assert causes == ["NoConnectionError 3D000: database … does not exist"]
