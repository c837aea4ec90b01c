"""What it takes to project a batch: the whole handler of `project`, from Lambda's event to the commit, on PostgreSQL.

Beside it, on the same server and batch by batch in shuffled order: COPY of the same events into the log, which is the
floor of its time, and of the same bytes into a table without a key, which is the floor of the server's work; json.loads
of each record, which is the floor of the function's own work; the same handler on a second read model (A/A) and on one
that is full already; and a projection of the library eventsourcing, which has the same guarantee (its peer, on a part
of the batch). 5% of each batch are repeated from earlier ones. In the end both read models must be equal, and a replay
must change nothing.

Exits with 1 when a goal is missed, with 2 when the run is to be thrown away.
"""

import argparse
import base64
import json
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Final, LiteralString

import psycopg
from bench.history import History
from bench.measure import AGAIN, Comparison, Samples, Table, circumstances, report
from bench.peer import Peer
from bench.rebuild import MIGRATIONS, digest
from rich.console import Console
from rich.status import Status

from shop_cli.guard_testing import guard_this_process
from shop_database.testing import Database, empty_database, migrated_database, server
from shop_dispatch import bootstrap
from shop_dispatch.handlers import project as handler

SIZES: Final = (1, 100, 500)
"""Kinesis delivers at most 500 at once, as the mapping says."""
BATCHES: Final = 24
BATCHES_OF_ONE: Final = 200
WARM_UP: Final = 6
"""So many batches come first: connections are opened, statements prepared, and tables get statistics."""
DUPLICATES: Final = 0.05
PEER_EVENTS: Final = 100
FILL: Final = 5_000
CACHED: Final = bytearray(16 * 2**20)
"""It is copied before the clock runs, so that the processor's caches hold little else. A way that comes after its like
would find its code there, and take a fifth less."""
SEEN_MAX: Final = 20_000
LOG_SHARE: Final = 0.30
PEER_TIMES: Final = 25
PARSE_TIMES: Final = 3.0
SERVER_TIMES: Final = 4.5
SINGLE_MS_MAX: Final = 1.5
GROWTH: Final = 1.2
PROJECT, FULL, PEER = "project", "project, full read model", "eventsourcing"
LOG, PLAIN, PARSE, SINGLE = "COPY into event_log", "COPY into a plain table", "json.loads", f"{SINGLE_MS_MAX} ms"
WIRED: Final = bootstrap.project.__wrapped__
"""The bootstrap without its cache, since the bench uses several databases at once."""


@dataclass
class Costs:
    """What was measured, in microseconds an event: the time, this process's CPU, and that of PostgreSQL's process."""

    wall: Samples = field(default_factory=dict)
    client: Samples = field(default_factory=dict)
    server: Samples = field(default_factory=dict)

    def add(self, name: str, events: int, wall: float, client: float, server: float) -> None:
        for samples, seconds in ((self.wall, wall), (self.client, client), (self.server, server)):
            samples.setdefault(name, []).append(seconds / events * 1e6)


@contextmanager
def measured(costs: Costs, name: str, events: int, connection: psycopg.Connection | None = None) -> Iterator[None]:
    bytes(CACHED)
    wall, client, server = time.perf_counter(), time.process_time(), _server_seconds(connection)
    yield
    costs.add(
        name,
        events,
        time.perf_counter() - wall,
        time.process_time() - client,
        _server_seconds(connection) - server,
    )


def _server_seconds(connection: psycopg.Connection | None) -> float:
    """Linux's scheduler counts nanoseconds: https://docs.kernel.org/scheduler/sched-stats.html"""
    if connection is None:
        return 0
    return int(Path(f"/proc/{connection.info.backend_pid}/schedstat").read_text().split()[0]) / 1e9


def copied(connection: psycopg.Connection, statement: LiteralString, lines: bytes) -> None:
    with connection.cursor() as cursor, cursor.copy(statement) as copy:
        copy.write(lines)


class Parse:
    def __call__(self, records: Sequence[bytes], costs: Costs, name: str) -> None:
        with measured(costs, name, len(records)):
            for record in records:
                json.loads(record)


class PlainCopy:
    """The floor of any projection: one insert a transaction."""

    def __init__(self, database: Database) -> None:
        self._connection = psycopg.connect(database.superuser_url, autocommit=True)
        self._connection.execute("CREATE TABLE plain (event text)")

    def __call__(self, records: Sequence[bytes], costs: Costs, name: str) -> None:
        with measured(costs, name, len(records), self._connection):
            copied(self._connection, "COPY plain FROM STDIN", b"\n".join(records) + b"\n")


class LogCopy:
    """The same events, each once, in the log: their lines are made before the clock runs."""

    def __init__(self, database: Database) -> None:
        self._connection = psycopg.connect(database.url("shop_dispatch"), autocommit=True)
        self._logged: set[tuple[str, int]] = set()

    def __call__(self, records: Sequence[bytes], costs: Costs, name: str) -> None:
        lines = list(filter(None, map(self._line, records)))
        statement = "COPY shop.event_log (stream_id, stream_version, event_id, type, time, event) FROM STDIN"
        with measured(costs, name, len(lines), self._connection):
            copied(self._connection, statement, "".join(lines).encode())

    def _line(self, record: bytes) -> str | None:
        event = json.loads(record)
        key = event["subject"], event["streamversion"]
        if key in self._logged:
            return None
        self._logged.add(key)
        columns = (*key, event["id"], event["type"], event["time"], record.decode())
        return "\t".join(map(str, columns)) + "\n"


class Handler:
    """The function, wired as in Lambda, on one database."""

    def __init__(self, database: Database) -> None:
        os.environ["DATABASE_URL"] = database.url("shop_dispatch")
        bootstrap._kept_connection.cache_clear()
        self._database = database
        self._project = WIRED()
        self._kept = bootstrap._kept_connection()

    def __call__(self, records: Sequence[bytes], costs: Costs | None = None, name: str = "") -> None:
        event = {"Records": [{"kinesis": {"data": base64.b64encode(record).decode()}} for record in records]}
        bootstrap.project = lambda: self._project  # type: ignore[assignment]
        with measured(costs or Costs(), name, len(records), self._kept._connection):
            counts = handler.handler(event, None)
        if counts["parked"] or counts["waiting"]:
            raise AssertionError(f"a batch was not applied as a whole: {counts}")

    def digest(self) -> str:
        return digest(self._database)


def main() -> int:
    guard_this_process()
    parser = argparse.ArgumentParser(prog="python -m bench.dispatch", description=__doc__)
    parser.add_argument("--full", type=int, default=300_000, metavar="EVENTS", help="in the full read model")
    parser.add_argument("--random-ids", action="store_true", help="of reservations, as with keys that are no UUIDv7")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="EVENTS", help="of the batches")
    arguments = parser.parse_args()
    os.environ |= {"POWERTOOLS_SERVICE_NAME": "shop-dispatch", "POWERTOOLS_METRICS_NAMESPACE": "Shop"}
    costs = Costs()
    with (
        _log_to_nowhere() as stdout,
        Console(stderr=True).status("Starting PostgreSQL") as status,
        ExitStack() as open_,
    ):
        _make_durable()
        full = Handler(open_.enter_context(migrated_database(MIGRATIONS)))
        history = History(seed=2, ordered=not arguments.random_ids)
        full(history.products())
        for done in range(0, arguments.full, FILL):
            status.update(f"Filling a read model: {done:,} of {arguments.full:,} events")
            full(history.records(FILL))
        for size in arguments.sizes:
            _measure(size, full, history, costs, status)
        comparisons = list(_comparisons(arguments.sizes, costs))
        tables = [
            Table([each for of, each in comparisons if of is samples], samples, unit)
            for unit, samples in (("us", costs.wall), ("CPU us", costs.client), ("PostgreSQL's CPU us", costs.server))
        ]
        where = f"{circumstances('3.13', BATCHES)}, {arguments.full:,} events in the full read model"
        return report("dispatch", tables, where, out=stdout)


def _measure(size: int, full: Handler, history_of_full: History, costs: Costs, status: Status) -> None:
    with ExitStack() as open_:
        databases = [open_.enter_context(migrated_database(MIGRATIONS)) for _ in range(3)]
        empty = [open_.enter_context(empty_database()) for _ in range(2)]
        ours, again = (Handler(database) for database in databases[:2])
        ways: dict[str, Callable[[Sequence[bytes], Costs, str], None]]
        ways = {PROJECT: ours, PROJECT + AGAIN: again, FULL: full}
        ways |= {PARSE: Parse(), PLAIN: PlainCopy(empty[0]), LOG: LogCopy(databases[2])}
        peer = open_.enter_context(closing(Peer(empty[1])))
        randomness, seen = random.Random(size), list[bytes]()
        history = History(ordered=history_of_full.ordered)
        products = history.products()
        for handler_ in (ours, again):
            handler_(products)
        for number in range(BATCHES_OF_ONE if size == 1 else BATCHES):
            status.update(f"Batches of {size:,}: {number}")
            repeated = randomness.sample(seen, min(len(seen), round(size * DUPLICATES)))
            batch = history.records(size - len(repeated))
            seen = [*seen, *batch][-SEEN_MAX:]
            delivered = [*batch, *repeated]
            batches = {FULL: history_of_full.records(size)}
            kept = costs if number >= WARM_UP else Costs()
            for name in randomness.sample(list(ways), len(ways)):
                ways[name](batches.get(name, delivered), kept, _name(name, size))
            part = batch[:PEER_EVENTS]
            kept.add(_name(PEER, size), len(part), peer(part), 0, 0)
        _agree(ours, again, seen)


def _agree(ours: Handler, again: Handler, seen: Sequence[bytes]) -> None:
    before = ours.digest()
    if before != again.digest():
        raise AssertionError("the same batches have ended in two read models")
    ours(seen)
    if ours.digest() != before:
        raise AssertionError("a replay has changed something")


def _comparisons(sizes: Sequence[int], costs: Costs) -> Iterator[tuple[Samples, Comparison]]:
    """Times against times: 0.30 of the floor's speed is 3.33 times its time."""
    largest = max(sizes)
    for size in sizes:
        own, is_largest = _name(PROJECT, size), size == largest
        yield costs.wall, Comparison(own, _name(LOG, size), 1 / LOG_SHARE if is_largest else None)
        yield costs.wall, Comparison(own, _name(PLAIN, size))
        yield costs.wall, Comparison(own, _name(PEER, size), 1 / PEER_TIMES if is_largest else None)
        yield costs.wall, Comparison(_name(FULL, size), own, GROWTH if size > 1 else None)
        yield costs.client, Comparison(own, _name(PARSE, size), PARSE_TIMES if is_largest else None)
        yield costs.server, Comparison(own, _name(PLAIN, size), SERVER_TIMES if is_largest else None)
        yield costs.server, Comparison(_name(LOG, size), _name(PLAIN, size))
        yield costs.server, Comparison(_name(FULL, size), own, GROWTH if size > 1 else None)
        for samples in (costs.wall, costs.client, costs.server):
            yield samples, Comparison(own, _name(PROJECT + AGAIN, size))
        if size == 1:
            costs.client[SINGLE] = [SINGLE_MS_MAX * 1_000] * len(costs.client[own])
            yield costs.client, Comparison(own, SINGLE, 1)
    if {100, 500} <= set(sizes):
        for samples in (costs.wall, costs.client, costs.server):
            yield samples, Comparison(_name(PROJECT, 500), _name(PROJECT, 100), GROWTH)


def _name(way: str, size: int) -> str:
    again = AGAIN if way.endswith(AGAIN) else ""
    return f"{way.removesuffix(AGAIN)}, {size:,}{again}"


def _make_durable() -> None:
    """The tests' server is quick and forgets; a read model is not."""
    with psycopg.connect(server(), autocommit=True) as connection:
        for setting in (b"fsync", b"full_page_writes", b"synchronous_commit"):
            connection.execute(b"ALTER SYSTEM RESET " + setting)
        connection.execute("SELECT pg_reload_conf()")


@contextmanager
def _log_to_nowhere() -> Iterator[IO[str]]:
    """The function's log is a part of what is measured, but nobody reads it. Gives where stdout was."""
    with os.fdopen(os.dup(1), "w") as stdout:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        yield stdout


if __name__ == "__main__":
    sys.exit(main())
