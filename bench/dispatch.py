"""What it takes to project a batch: the whole handler of `project`, from Lambda's event to the commit, on PostgreSQL.

Beside it, on the same server and batch by batch in shuffled order: COPY of the same bytes into a table without a key,
which is the floor, the same handler on a second read model (A/A) and on one that is full already, and a projection of
the library eventsourcing, which has the same guarantee (its peer, on a part of the batch). 5% of each batch are
repeated from earlier ones. In the end both read models must be equal, and a replay must change nothing.

Exits with 1 when a goal is missed, with 2 when the run is to be thrown away.
"""

import argparse
import base64
import os
import random
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from typing import IO, Any, Final

import psycopg
from bench.history import History
from bench.measure import AGAIN, Comparison, Samples, circumstances, table, verdict
from bench.peer import Peer
from rich.console import Console
from rich.status import Status

from shop_cli.local.build import CHECKOUT
from shop_database.testing import Database, empty_database, migrated_database, server
from shop_dispatch import bootstrap
from shop_dispatch.handlers import project as handler

MIGRATIONS: Final = CHECKOUT / "functions" / "shop-dispatch" / "migrations"
SIZES: Final = (100, 1_000, 10_000)
BATCHES: Final = 24
DUPLICATES: Final = 0.05
PEER_EVENTS: Final = 100
LARGE: Final = 1_000
FILL: Final = 5_000
SEEN_MAX: Final = 20_000
FLOOR_SHARE: Final = 0.30
PEER_TIMES: Final = 40
GROWTH: Final = 1.2
FLOOR, PROJECT, FULL, PEER = "COPY into a plain table", "project", "project, full read model", "eventsourcing"
DIGEST: Final = (
    "SELECT md5(string_agg(md5((to_jsonb(t) - 'received_at')::text), '' ORDER BY t::text)) FROM shop.{} AS t"
)
WIRED: Final = bootstrap.project.__wrapped__
"""The bootstrap without its cache, since the bench uses several databases at once."""
TABLES: Final = ("event_log", "stream_head", "product", "stock", "reservation", "sales_daily", "parked")


class Plain:
    """The floor of any projection: one insert a transaction."""

    def __init__(self, database: Database) -> None:
        self._connection = psycopg.connect(database.superuser_url, autocommit=True)
        self._connection.execute("CREATE TABLE plain (event text)")

    def __call__(self, records: Sequence[bytes]) -> float:
        began = time.perf_counter()
        with self._connection.cursor() as cursor, cursor.copy("COPY plain FROM STDIN") as copy:
            copy.write(b"\n".join(records) + b"\n")
        return time.perf_counter() - began


class Handler:
    """The function, wired as in Lambda, on one database."""

    def __init__(self, database: Database) -> None:
        os.environ["DATABASE_URL"] = database.url("shop_dispatch")
        bootstrap._kept_connection.cache_clear()
        self._database = database
        self._project = WIRED()

    def __call__(self, records: Sequence[bytes]) -> float:
        event = {"Records": [{"kinesis": {"data": base64.b64encode(record).decode()}} for record in records]}
        bootstrap.project = lambda: self._project  # type: ignore[assignment]
        began = time.perf_counter()
        counts = handler.handler(event, None)
        took = time.perf_counter() - began
        if counts["parked"] or counts["waiting"]:
            raise AssertionError(f"a batch was not applied as a whole: {counts}")
        return took

    def digest(self) -> list[Any]:
        with psycopg.connect(self._database.superuser_url) as connection:
            return [connection.execute(DIGEST.format(table).encode()).fetchone() for table in TABLES]


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m bench.dispatch", description=__doc__)
    parser.add_argument("--full", type=int, default=300_000, metavar="EVENTS", help="in the full read model")
    parser.add_argument("--sizes", type=int, nargs="+", default=SIZES, metavar="EVENTS", help="of the batches")
    arguments = parser.parse_args()
    os.environ |= {"POWERTOOLS_SERVICE_NAME": "shop-dispatch", "POWERTOOLS_METRICS_NAMESPACE": "Shop"}
    samples: Samples = {}
    with (
        _log_to_nowhere() as report,
        Console(stderr=True).status("Starting PostgreSQL") as status,
        ExitStack() as open_,
    ):
        _make_durable()
        full = Handler(open_.enter_context(migrated_database(MIGRATIONS)))
        history = History(seed=2)
        full(history.products())
        for done in range(0, arguments.full, FILL):
            status.update(f"Filling a read model: {done:,} of {arguments.full:,} events")
            full(history.records(FILL))
        for size in arguments.sizes:
            _measure(size, full, samples, status)
        comparisons = list(_comparisons(arguments.sizes))
        print(table(comparisons, samples, "us"), file=report)
        print(f"\n{circumstances('3.13', BATCHES)}, {arguments.full:,} events in the full read model", file=report)
        return verdict(comparisons, samples)


def _measure(size: int, full: Handler, samples: Samples, status: Status) -> None:
    with ExitStack() as open_:
        databases = [open_.enter_context(migrated_database(MIGRATIONS)) for _ in range(2)]
        empty = [open_.enter_context(empty_database()) for _ in range(2)]
        ours, again = (Handler(database) for database in databases)
        ways: dict[str, Callable[[Sequence[bytes]], float]]
        ways = {FLOOR: Plain(empty[0]), PROJECT: ours, PROJECT + AGAIN: again, FULL: full}
        peer = open_.enter_context(closing(Peer(empty[1])))
        randomness, seen = random.Random(size), list[bytes]()
        history, history_of_full = History(), History(seed=size)
        products = history.products()
        for handler_ in (ours, again):
            handler_(products)
        for number in range(BATCHES + 1):
            status.update(f"Batches of {size:,}: {number} of {BATCHES}")
            repeated = randomness.sample(seen, min(len(seen), round(size * DUPLICATES)))
            batch = history.records(size - len(repeated))
            seen = [*seen, *batch][-SEEN_MAX:]
            delivered = [*batch, *repeated]
            batches = {FULL: history_of_full.records(size)}
            names = randomness.sample(list(ways), len(ways))
            took = {name: ways[name](batches.get(name, delivered)) / size for name in names}
            took[PEER] = peer(batch[:PEER_EVENTS]) / min(PEER_EVENTS, len(batch))
            if number:  # the first has connections to open, and tables without statistics
                for name, seconds in took.items():
                    samples.setdefault(_name(name, size), []).append(seconds * 1e6)
        _agree(ours, again, seen)


def _agree(ours: Handler, again: Handler, seen: Sequence[bytes]) -> None:
    before = ours.digest()
    if before != again.digest():
        raise AssertionError("the same batches have ended in two read models")
    ours(seen)
    if ours.digest() != before:
        raise AssertionError("a replay has changed something")


def _comparisons(sizes: Sequence[int]) -> Iterator[Comparison]:
    """Times against times: a third of the floor's speed is three times its time."""
    for size in sizes:
        own = _name(PROJECT, size)
        large = size >= LARGE
        yield Comparison(own, _name(FLOOR, size), 1 / FLOOR_SHARE if large else None)
        yield Comparison(own, _name(PEER, size), 1 / PEER_TIMES if large else None)
        yield Comparison(_name(FULL, size), own, GROWTH)
        yield Comparison(own, _name(PROJECT + AGAIN, size))
    if len(sizes) > 1:
        yield Comparison(_name(PROJECT, max(sizes)), _name(PROJECT, min(sizes)), GROWTH)


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
    with os.fdopen(os.dup(1), "w") as report:
        os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
        yield report


if __name__ == "__main__":
    sys.exit(main())
