"""Rebuilds a read model of many events from each source, as `shop rebuild` does, and compares what comes of it.

The sources are stand-ins for DynamoDB and S3 within this process, behind the real client: it takes apart real answers,
in the sizes that AWS gives, and only their way here is left out.
"""

import argparse
import gzip
import io
import json
import logging
import os
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import groupby
from pathlib import Path
from typing import Any, Final
from urllib.parse import parse_qs, unquote, urlsplit
from xml.sax.saxutils import escape

import boto3
import psycopg
from bench.history import History
from bench.measure import RecordedRow, circumstances, record
from botocore.awsrequest import AWSRequest, AWSResponse, HeadersDict

from shop_cli.guard_testing import guard_this_process
from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.testing import Database, migrated_database
from shop_dispatch import bootstrap
from shop_dispatch.adapters.postgres import PostgresReadModel
from shop_dispatch.application.project import Project
from shop_dispatch.handlers.rebuild import handler
from shop_shared.envelope import decode

MIGRATIONS: Final = Path(__file__).parents[1] / "functions" / "shop-dispatch" / "migrations"
NOT_OF_EVENTS: Final = "cursor_key"
"""This table holds a secret, which no event has."""
BATCH_EVENTS: Final = 5_000
STEP_SECONDS: Final = 2.0
PAGE_BYTES: Final = 1024 * 1024
STATE_BYTES: Final = 600
"""A stream's state, an item that a scan reads and leaves out."""
EVENTS_PER_OBJECT: Final = 20_000
GOAL_US: Final = 60.0
"""Ten million events are to be loaded in ten minutes."""
DUPLICATES: Final = 100
"""One event in so many is in the archive twice."""


@dataclass(frozen=True)
class Rebuilt:
    source: str
    events: int
    load_seconds: float
    index_seconds: float
    swap_seconds: float
    digest: str

    def row(self) -> str:
        total = self.load_seconds + self.index_seconds + self.swap_seconds
        rate = self.events / self.load_seconds
        return (
            f"| {self.source} | {self.events:,} | {self.load_seconds:.1f} | {rate:,.0f} | {self.index_seconds:.1f} "
            f"| {self.swap_seconds * 1000:.0f} | {total:.1f} | {self.digest} |"
        )


HEAD: Final = """
| source | records read | load s | records/s | index s | catch up and swap ms | all s | digest |
|---|--:|--:|--:|--:|--:|--:|---|
"""


class ResponseBody(io.BytesIO):
    """Replaces the response that urllib3 returns to botocore."""

    def stream(self, amount: int = 65_536, **_: Any) -> Iterator[bytes]:
        while part := self.read(amount):
            yield part


@dataclass
class StandIn:
    """Answers the requests of a real client, in the place of its service."""

    answer: Callable[[AWSRequest], bytes]

    def of(self, service: str) -> Any:
        client: Any = boto3.client(
            service,  # type: ignore[call-overload]
            region_name="us-east-1",
            aws_access_key_id="a",
            aws_secret_access_key="b",  # noqa: S106 - nobody's
        )
        client.meta.events.register("before-send", self._respond)
        return client

    def _respond(self, request: AWSRequest, **_: Any) -> AWSResponse:
        content = self.answer(request)
        headers = HeadersDict({"content-length": str(len(content))})
        return AWSResponse(str(request.url), 200, headers, ResponseBody(content))  # type: ignore[arg-type]


def store(records: Sequence[bytes]) -> StandIn:
    """Scan's pages of a megabyte, in the order of a hash of the stream, as DynamoDB has it."""
    keyed = sorted((_key(record), record) for record in records)
    pages: list[list[dict[str, Any]]] = [[]]
    size = 0
    for _, stream in groupby(keyed, key=lambda each: each[0][1]):
        for (_, stream_id, _version), event in stream:
            if size > PAGE_BYTES:
                pages.append([])
                size = 0
            pages[-1].append({"event": {"S": event.decode()}})
            size += len(event) + len(stream_id) + 100
        size += STATE_BYTES
    bodies = []
    for number, items in enumerate(pages, start=1):
        more = {"LastEvaluatedKey": {"pk": {"S": str(number)}, "sk": {"S": ""}}} if number < len(pages) else {}
        bodies.append(json.dumps({"Items": items, "Count": len(items), **more}).encode())

    def answer(request: AWSRequest) -> bytes:
        asked = json.loads(request.body)
        return bodies[int(asked.get("ExclusiveStartKey", {"pk": {"S": "0"}})["pk"]["S"])]

    return StandIn(answer)


def _key(record: bytes) -> tuple[bytes, str, int]:
    envelope = decode(record.decode())
    return sha256(envelope.subject.encode()).digest(), envelope.subject, envelope.streamversion


def archive(records: Sequence[bytes]) -> StandIn:
    """Compressed objects in the order of publishing, some events twice."""
    objects = {}
    for number, lines in enumerate(_parts(records, EVENTS_PER_OBJECT)):
        twice = lines[::DUPLICATES]
        objects[f"events/date=2026-01-01/{number:06}.gz"] = gzip.compress(b"\n".join([*lines, *twice, b""]), 6)

    def answer(request: AWSRequest) -> bytes:
        url = urlsplit(str(request.url))
        if "list-type" not in url.query:
            return objects["events/" + unquote(url.path).partition("/events/")[2]]
        after = parse_qs(url.query).get("start-after", [""])[0]
        found = "".join(
            f"<Contents><Key>{escape(each)}</Key><Size>{len(content)}</Size></Contents>"
            for each, content in objects.items()
            if each > after
        )
        return f"<ListBucketResult><IsTruncated>false</IsTruncated>{found}</ListBucketResult>".encode()

    return StandIn(answer)


def rebuild(database: Database, source: str) -> Rebuilt:
    status = _ask(action="begin", source=source)
    seconds = {"loading": 0.0, "indexing": 0.0, "catching-up": 0.0}
    while status["phase"] != "ready":
        # A step may end a phase and begin the next: it counts for the one that it began in.
        started, phase = time.perf_counter(), status["phase"]
        status = _ask(action="continue", seconds=STEP_SECONDS if phase == "loading" else 0)
        seconds[phase] += time.perf_counter() - started
    started = time.perf_counter()
    _ask(action="swap")
    swap_seconds = time.perf_counter() - started + seconds["catching-up"]
    found = digest(database)
    _ask(action="drop-old")
    return Rebuilt(source, status["events"], seconds["loading"], seconds["indexing"], swap_seconds, found)


def _ask(**event: Any) -> dict[str, Any]:
    answer = handler(event, None)
    if "error" in answer:
        raise SystemExit(f"{event}: {answer['error']}")
    return answer


def digest(database: Database) -> str:
    """The digest is that of all rows in any order, without the times at which they were received."""
    digests = []
    with psycopg.connect(database.superuser_url) as connection:
        named = "SELECT tablename FROM pg_tables WHERE schemaname = 'shop' AND tablename <> %s ORDER BY 1"
        for (table,) in connection.execute(named, [NOT_OF_EVENTS]).fetchall():
            row = "(to_jsonb(t) - 'received_at')::text"
            statement = f"SELECT count(*), sum(hashtextextended({row}, 0)::numeric) FROM shop.{table} AS t"  # noqa: S608
            digests.append(connection.execute(statement.encode()).fetchone())
    return sha256(repr(digests).encode()).hexdigest()[:12]


def load(database: Database, records: Sequence[bytes]) -> None:
    settings = DatabaseSettings(database.url("shop_dispatch"))
    kept = Reconnecting(lambda: connect(settings, "bench"))
    project = Project(PostgresReadModel(kept))
    started = time.perf_counter()
    for batch in _parts(records, BATCH_EVENTS):
        project(batch)
    kept.close()
    seconds = time.perf_counter() - started
    with psycopg.connect(database.superuser_url, autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    _say(f"{len(records):,} events projected in batches of {BATCH_EVENTS:,}: {len(records) / seconds:,.0f} a second")


def _parts(records: Sequence[bytes], size: int) -> Iterator[Sequence[bytes]]:
    return (records[start : start + size] for start in range(0, len(records), size))


def _say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')} {text}, load average {os.getloadavg()[0]:.1f}", file=sys.stderr)


def main() -> int:
    guard_this_process()
    parser = argparse.ArgumentParser(prog="python -m bench.rebuild", description=__doc__)
    parser.add_argument("--events", type=int, default=500_000, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    history = History(arguments.seed)
    products = history.products()
    records = [*products, *history.records(arguments.events - len(products))]
    _say(f"{len(records):,} events made")
    clients = {"dynamodb": store(records).of("dynamodb"), "s3": archive(records).of("s3")}
    bootstrap._aws = clients.__getitem__  # type: ignore[assignment]
    with migrated_database(MIGRATIONS) as database:
        os.environ |= {"POWERTOOLS_METRICS_NAMESPACE": "Shop", "POWERTOOLS_SERVICE_NAME": "shop-dispatch"}
        os.environ |= {"DATABASE_URL": database.url("shop_owner"), "TABLE_NAME": "bench", "BUCKET_NAME": "bench"}
        load(database, records)
        live = digest(database)
        rebuilt = []
        for source in ("log", "store", "archive"):
            rebuilt.append(rebuild(database, source))
            _say(rebuilt[-1].row())
    print(HEAD.strip(), *(each.row() for each in rebuilt), sep="\n")
    print(f"\ndigest of the read model as it was projected: {live}")
    if {each.digest for each in rebuilt} != {live}:
        return 1
    costs = {each.source: each.load_seconds / each.events * 1e6 for each in rebuilt}
    where = f"{circumstances('3.13', 1)}, {arguments.events:,} events"
    rows = [
        RecordedRow(f"load from the {source}", "us a record", us, us, (us, us), GOAL_US) for source, us in costs.items()
    ]
    record("rebuild", rows, where)
    return 0 if max(costs.values()) <= GOAL_US else 1


if __name__ == "__main__":
    raise SystemExit(main())
