"""infra/database.yml says what the database logs: what is slow or refused, and nothing of whom it is about."""

import re
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psycopg
import pytest

from shop_database.testing import empty_database

STACK = Path(__file__).parents[2] / "infra" / "database.yml"
SOMEBODY = "somebody-whom-no-log-may-name"


@pytest.fixture(scope="module")
def logged() -> Iterator[psycopg.Connection]:
    [group] = re.findall(r"\n      Parameters:\n((?: {8}.*\n)+)", STACK.read_text())
    settings = dict(re.findall(r"^ {8}(log_\w+): '?(\w+)", group, re.MULTILINE))
    assert settings.pop("log_min_duration_statement") == "500"
    assert settings["log_parameter_max_length"] == settings["log_parameter_max_length_on_error"] == "0"
    with empty_database() as database, psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute("SET log_min_duration_statement = 0")  # every statement is slow
        for name, value in settings.items():
            connection.execute("SELECT set_config(%s, %s, false)", [name, value])
        connection.execute("CREATE TABLE purchases (customer text PRIMARY KEY, units integer CHECK (units > 0))")
        connection.execute("INSERT INTO purchases VALUES (%s, 1)", [SOMEBODY])
        yield connection


def log_of(connection: psycopg.Connection) -> str:
    [folder] = connection.execute("SHOW data_directory").fetchone() or ()
    return (Path(folder) / "log").read_text()


@pytest.mark.parametrize(
    ("statement", "values", "line"),
    [
        ("SELECT customer FROM purchases WHERE customer = %s", [SOMEBODY], r"duration: .* WHERE customer = \$1"),
        ("INSERT INTO purchases VALUES (%s, 2)", [SOMEBODY], "duplicate key value violates .*purchases_pkey"),
        ("INSERT INTO purchases VALUES (%s, %s)", [f"{SOMEBODY}-else", 0], "violates check constraint"),
        ("INSERT INTO purchases SELECT NULL, length(%s)", [SOMEBODY], 'null value in column "customer"'),
    ],
)
def test_what_is_slow_or_refused_is_logged_without_a_customers_data(
    logged: psycopg.Connection, statement: str, values: list[object], line: str
) -> None:
    before = len(log_of(logged))
    with suppress(psycopg.IntegrityError):
        logged.execute(statement.encode(), values)
    written = log_of(logged)[before:]
    assert re.search(line, written)
    assert SOMEBODY not in written
