"""These tests start a real server in the shop's folder."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest
from psycopg.conninfo import make_conninfo

from shop_cli.local import postgres, processes
from shop_cli.local.home import Home, ProcessRecord, State
from shop_cli.local.ports import choose_ports


def start(home: Home, state: State) -> tuple[subprocess.Popen[bytes], ProcessRecord]:
    state.ports = choose_ports(state.ports, ["postgres"])
    postgres.initialise(home, state)
    command, environment = postgres.server_command(home, state), postgres.server_environment()
    child, record = processes.spawn(
        home, "postgres", command, environment, cwd=Path("/"), user=postgres.account(), port=state.ports["postgres"]
    )
    while not postgres.is_ready(state):
        assert child.poll() is None, Path(record.log).read_text()
    return child, record


def test_the_server_has_the_roles_with_passwords_and_keeps_its_data(home: Home) -> None:
    state = State()
    child, record = start(home, state)
    for _ in range(2):
        postgres.ensure_database(state)
    with psycopg.connect(postgres.role_url(state, "shop_owner")) as connection:
        connection.execute("create schema shop")
        connection.execute("create table shop.kept (id integer)")
        connection.execute("create extension pg_trgm schema shop")
    with psycopg.connect(postgres.role_url(state, "shop_query")) as connection, pytest.raises(psycopg.Error):
        connection.execute("select * from shop.kept")
    wrong = postgres.role_url(state, "shop_query").replace(state.secret("shop_query"), "wrong")
    with pytest.raises(psycopg.OperationalError, match="password authentication failed"):
        psycopg.connect(wrong)
    processes.stop(home, [record])
    assert child.wait(5) == 0
    assert not (home.path / "postgres" / "postmaster.pid").exists()

    child, record = start(home, state)
    with psycopg.connect(postgres.role_url(state, "shop_owner")) as connection:
        assert connection.execute("select count(*) from shop.kept").fetchone() == (0,)
    # Also without a record of it: known by the pid file in its folder.
    processes.stop(home, [])
    assert child.wait(5) == 0


def test_the_database_has_the_letters_of_all_scripts_also_in_a_shop_that_was_made_without(home: Home) -> None:
    state = State()
    child, record = start(home, state)
    postgres.ensure_database(state)
    admin = make_conninfo(postgres.admin_url(state), dbname=postgres.DATABASE)
    with psycopg.connect(admin, autocommit=True) as connection:
        assert connection.execute("select lower('Ж'), 'a' < 'B'").fetchone() == ("ж", False)
        connection.execute("create extension pg_trgm")
        connection.execute(
            "update pg_database set datctype = 'C' where datname = 'shop'"
        )  # as earlier versions made it
    with psycopg.connect(admin, autocommit=True) as connection:
        connection.execute("create schema shop")
        connection.execute("create table shop.product (sku text, name text, description text)")
        connection.execute("create index on shop.product using gin (name gin_trgm_ops)")
        connection.execute("insert into shop.product values ('COFFEE', 'Кофе', '')")
        assert connection.execute("select show_trgm('Кофе')").fetchone() == ([],)
    for _ in range(2):
        postgres.ensure_database(state)
    with psycopg.connect(admin, options="-c enable_seqscan=off") as connection:
        assert connection.execute("select sku from shop.product where 'кофи' <% name").fetchall() == [("COFFEE",)]
    processes.stop(home, [record])
    child.wait(5)


def test_another_server_is_used_by_its_url() -> None:
    state = State(database_url="postgresql://root:pw@db.example:6543/postgres?sslmode=require")
    assert postgres.admin_url(state) == "postgresql://root:pw@db.example:6543/postgres?sslmode=require"
    url = urlsplit(postgres.role_url(state, "shop_query"))
    assert (url.hostname, url.port, url.path, url.query) == ("db.example", 6543, "/shop", "sslmode=require")
    assert (url.username, url.password) == ("shop_query", state.secret("shop_query"))
