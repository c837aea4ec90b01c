"""The database restarts, is away, or is slow. A client gets the answer, or a 503 that says when to come back."""

from collections.abc import Iterator
from functools import cache
from pathlib import Path

import psycopg
import pytest

from shop_database import DatabaseSettings
from shop_database.testing import Database, migrated_database, server
from shop_query import bootstrap
from shop_query.adapters import postgres
from shop_query.adapters.postgres import PostgresReadModel
from shop_query.testing import Shop

BACKENDS = "SELECT pid FROM pg_stat_activity WHERE application_name = 'shop-query' AND datname = current_database()"


@pytest.fixture
def database(migrations: Path) -> Iterator[Database]:
    """One for each test, because these tests damage it."""
    with migrated_database(migrations) as database:
        yield database


@pytest.fixture
def asked_once(shop: Shop) -> Shop:
    shop.list_product("MUG", stock=1)
    assert shop.get("/products/MUG").status == 200
    return shop


def cut(shop: Shop) -> None:
    shop.execute(f"SELECT pg_terminate_backend(pid, 5000) FROM ({BACKENDS}) AS backend")  # noqa: S608


def test_requests_share_one_connection(asked_once: Shop) -> None:
    before = asked_once.execute(BACKENDS)
    for _ in range(3):
        asked_once.get("/products")
    assert asked_once.execute(BACKENDS) == before
    assert len(before) == 1


def test_a_connection_cut_between_requests_is_replaced_unseen(asked_once: Shop) -> None:
    before = asked_once.execute(BACKENDS)
    cut(asked_once)
    assert asked_once.get("/products/MUG").status == 200
    assert asked_once.get("/products").status == 200
    after = asked_once.execute(BACKENDS)
    assert len(after) == 1
    assert after != before


def test_while_the_database_is_away_the_answer_is_503_and_afterwards_all_is_well(
    asked_once: Shop, database: Database
) -> None:
    asked_once.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT 0")
    cut(asked_once)
    for _ in range(2):
        answer = asked_once.get("/products/MUG")
        assert answer.status == 503
        assert answer.headers["Retry-After"] == "2"
        assert answer.headers["Content-Type"] == "application/problem+json"
        assert answer.body["type"] == "https://shop.example/problems/read-model-unavailable"
        assert database.name not in str(answer)
    asked_once.execute(f"ALTER DATABASE {database.name} CONNECTION LIMIT -1")
    assert asked_once.get("/products/MUG").status == 200


def test_a_server_that_nobody_answers_for_is_503(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop_query@127.0.0.1:1/shop")
    assert shop.get("/products").status == 503


def test_a_paused_database_is_waited_for_and_then_the_answer_says_how_long_it_takes(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(postgres, "RESTART_SECONDS_MAX", 0)
    monkeypatch.setenv("DATABASE_URL", "postgresql://shop_query@127.0.0.1:1/shop")
    monkeypatch.setenv("DATABASE_RESUME_SECONDS", "1")
    answer = shop.get("/products")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "15")
    assert answer.body["type"] == "https://shop.example/problems/read-model-unavailable"


@pytest.mark.parametrize(("seconds_max", "first"), [(18, 18), (3.0, 3), (0.2, 3)])
def test_one_attempt_to_connect_lasts_as_long_as_a_resume_and_later_ones_as_long_as_is_left(
    seconds_max: float, first: int
) -> None:
    timeouts: list[int] = []

    def connects(timeout_seconds: int) -> psycopg.Connection:
        timeouts.append(timeout_seconds)
        if len(timeouts) == 1:
            raise psycopg.OperationalError
        return connection

    with psycopg.connect(server()) as connection:
        assert postgres._connected(connects, seconds_max) is connection
    assert timeouts[0] == first
    assert postgres.CONNECT_TIMEOUT_SECONDS <= timeouts[1] <= first


def test_a_slow_query_is_given_up_with_503_and_the_connection_kept(
    shop: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    settings = DatabaseSettings(database.url("shop_query"))
    impatient = cache(lambda: PostgresReadModel(settings, statement_timeout_ms=100))
    monkeypatch.setattr(bootstrap, "read_model", impatient)
    shop.list_product("MUG")
    assert shop.get("/products/MUG").status == 200
    backend = shop.execute(BACKENDS)
    with psycopg.connect(database.superuser_url) as locking:
        locking.execute("LOCK TABLE shop.product IN ACCESS EXCLUSIVE MODE")
        answer = shop.get("/products/MUG")
    assert (answer.status, answer.headers["Retry-After"]) == (503, "5")
    assert answer.body["type"] == "https://shop.example/problems/read-timeout"
    assert shop.get("/products/MUG").status == 200
    assert shop.execute(BACKENDS) == backend


def test_a_question_that_the_schema_cannot_answer_is_a_500_problem_without_details(asked_once: Shop) -> None:
    asked_once.execute("DROP VIEW read_v1.products CASCADE")
    answer = asked_once.get("/products/MUG")
    assert (answer.status, answer.body["type"]) == (500, "https://shop.example/problems/internal-error")
    assert "read_v1" not in str(answer)


def test_the_session_refuses_to_write_whatever_the_role_may(database: Database) -> None:
    read_model = PostgresReadModel(DatabaseSettings(database.superuser_url))
    with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
        read_model._connection.run(lambda connection: connection.execute("DELETE FROM shop.product"))
    read_model.close()
