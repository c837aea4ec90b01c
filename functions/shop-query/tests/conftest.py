"""A migrated PostgreSQL, empty for each test, and the function wired to it with its own role."""

from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shop_database.testing import Database, migrated_database
from shop_observability.testing import daemon, invoked_before, kept_daemon, log, recorded  # noqa: F401 - fixtures
from shop_query import bootstrap
from shop_query.testing import Shop


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    with invoked_before("shop-query"):
        yield


@pytest.fixture(scope="session")
def migrations() -> Path:
    return Path(__file__).parents[2] / "shop-dispatch" / "migrations"


@pytest.fixture(scope="session")
def database(migrations: Path) -> Iterator[Database]:
    with migrated_database(migrations) as database:
        yield database


@pytest.fixture
def shop(database: Database, monkeypatch: pytest.MonkeyPatch) -> Iterator[Shop]:
    monkeypatch.setenv("DATABASE_URL", database.url("shop_query"))
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        superuser.execute(
            "TRUNCATE shop.product, shop.stock, shop.reservation, shop.refund, shop.dispute, shop.sales_daily,"
            " shop.sales_monthly, shop.product_word, shop.category, shop.event_log, shop.stream_head"
        )
        yield Shop(superuser)
        bootstrap.read_model().close()
    bootstrap.queries.cache_clear()
    bootstrap.read_model.cache_clear()
