"""These tests start a real server in the shop's folder."""

import subprocess
from pathlib import Path
from urllib.parse import urlsplit

import psycopg
import pytest

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


def test_another_server_is_used_by_its_url() -> None:
    state = State(database_url="postgresql://root:pw@db.example:6543/postgres?sslmode=require")
    assert postgres.admin_url(state) == "postgresql://root:pw@db.example:6543/postgres?sslmode=require"
    url = urlsplit(postgres.role_url(state, "shop_query"))
    assert (url.hostname, url.port, url.path, url.query) == ("db.example", 6543, "/shop", "sslmode=require")
    assert (url.username, url.password) == ("shop_query", state.secret("shop_query"))
