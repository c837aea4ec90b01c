"""Aurora has PostgreSQL 16, a master who is no superuser, and a database that is not the shop's own. The local run has
none of the three, so roles and migrations are made here as on AWS."""

import re
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from shop_cli.aurora_testing import Aurora, is_installed, running_aurora
from shop_cli.deployment.database import statements
from shop_database.migrations import migrate
from shop_dispatch.bootstrap import migrations_folder

DOCUMENT = Path(__file__).parents[2] / "docs" / "deploy.md"


@pytest.fixture(scope="module")
def aurora() -> Iterator[Aurora]:
    if not is_installed():
        pytest.skip("npm has PostgreSQL 16 for Linux on x86_64 alone")
    with running_aurora() as started:
        with psycopg.connect(started.url("master"), autocommit=True) as master:
            # An earlier attempt ended between two statements; and afterwards somebody deploys again.
            for statement in [next(statements()), *statements(), *statements()]:
                master.execute(statement.encode())
        with psycopg.connect(started.url("shop_owner"), autocommit=True) as owner:
            migrate(owner, migrations_folder())
        yield started


def test_the_server_is_as_on_rds(aurora: Aurora) -> None:
    with psycopg.connect(aurora.url("master")) as master:
        assert master.info.server_version // 10_000 == 16
        asked = "SELECT rolsuper, rolname FROM pg_roles WHERE rolname = current_user"
        assert master.execute(asked).fetchone() == (False, "master")


def test_all_migrations_are_applied_by_a_role_that_does_not_own_the_database(aurora: Aurora) -> None:
    with psycopg.connect(aurora.url("shop_owner"), autocommit=True) as owner:
        assert migrate(owner, migrations_folder()).applied == ()
        owned = "SELECT pg_get_userbyid(datdba) FROM pg_database WHERE datname = current_database()"
        assert owner.execute(owned).fetchone() == ("master",)


@pytest.mark.parametrize("role", ["shop_owner", "shop_dispatch", "shop_query"])
def test_each_role_signs_in_with_iam_and_is_no_more_than_that(aurora: Aurora, role: str) -> None:
    with psycopg.connect(aurora.url(role)) as connection:
        asked = """
            SELECT pg_has_role('rds_iam', 'MEMBER'), rolcreaterole, rolcreatedb, rolsuper
            FROM pg_roles WHERE rolname = current_user
            """
        assert connection.execute(asked).fetchone() == (True, False, False, False)


def test_the_read_model_is_written_by_one_role_and_read_by_another(aurora: Aurora) -> None:
    with psycopg.connect(aurora.url("shop_dispatch")) as dispatch:
        dispatch.execute("INSERT INTO shop.stream_head VALUES ('product-MUG', 0)")
    with psycopg.connect(aurora.url("shop_query")) as query:
        assert query.execute("SELECT count(*) FROM read_v1.products WHERE name %> 'mug'").fetchone() == (0,)
        with pytest.raises(psycopg.errors.InsufficientPrivilege):
            query.execute("SELECT FROM shop.stream_head")


def test_the_master_may_give_the_roles_their_settings_for_a_pooler(aurora: Aurora) -> None:
    [settings] = re.findall(r"```sql\n(ALTER ROLE.*?)```", DOCUMENT.read_text(), re.DOTALL)
    with psycopg.connect(aurora.url("master"), autocommit=True) as master:
        master.execute(settings.encode())
    with psycopg.connect(aurora.url("shop_query")) as query:
        assert query.execute("SHOW statement_timeout").fetchone() == ("3s",)
