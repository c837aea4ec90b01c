"""docs/deploy.md has the settings of the roles behind RDS Proxy: with them, the functions set nothing themselves."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shop_database import DatabaseSettings, PooledConnection
from shop_database.testing import Pooler, migrated_database, pooler
from shop_dispatch.bootstrap import migrations_folder, open_read_model
from shop_query.adapters.postgres import PostgresReadModel

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"
ROLES = ("shop_query", "shop_dispatch")


@pytest.fixture(scope="module")
def pooled() -> Iterator[Pooler]:
    [statements] = re.findall(r"```sql\n(ALTER ROLE shop_query.*?)```", DOCUMENT.read_text(), re.DOTALL)
    with migrated_database(migrations_folder()) as database:
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            try:
                superuser.execute(statements.encode())
                with pooler(database) as started:
                    yield started
            finally:
                for role in ROLES:
                    superuser.execute(f"ALTER ROLE {role} RESET ALL".encode())


def sets_nothing(connection: psycopg.Connection) -> bool:
    assert isinstance(connection, PooledConnection)
    return connection.local_settings is None


def test_shop_query_sets_nothing(pooled: Pooler) -> None:
    read_model = PostgresReadModel(DatabaseSettings(pooled.url("shop_query"), pooled=True))
    assert read_model._connection.run(sets_nothing)
    read_model.close()


def test_shop_dispatch_sets_nothing(pooled: Pooler) -> None:
    with open_read_model(DatabaseSettings(pooled.url("shop_dispatch"), pooled=True)) as connection:
        assert sets_nothing(connection)
