"""Several shards and as many project functions at once, each a process with the function's own wiring, on one database.

The emulator has the stream: it routes keys and divides hash ranges as Kinesis does. At a split it forgets the parent's
records, which Kinesis keeps, so the parent is read before.
"""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from itertools import islice
from queue import SimpleQueue
from random import Random
from typing import Any

import pytest

from shop_cli.emulator_testing import running_emulator
from shop_cli.operations.verify.testing import RecordedShop
from shop_dispatch import bootstrap
from shop_dispatch.adapters.rows import PostgresRows
from shop_dispatch.handlers import verify
from shop_shared.envelope import Envelope, encode

STREAM, SHARDS, FUNCTIONS, BATCH, ATTEMPTS_MAX = "shop-shards", 4, 4, 12, 10
SKUS = ("MUG", "POT", "CUP", "JUG")
OF_THE_READ_MODEL = (
    "heads",
    "products",
    "categories",
    "reservations",
    "purchases",
    "refunds",
    "sales_daily",
    "sales_monthly",
)
History = tuple[list[Envelope], list[Envelope]]
LOOP = """
import json, sys
answers, sys.stdout = sys.stdout, sys.stderr
from shop_dispatch.handlers import project
for line in sys.stdin:
    print(json.dumps(project.handler(json.loads(line), None)), file=answers, flush=True)
"""


class ProjectFunction:
    """An execution environment of `project`."""

    def __init__(self, url: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", LOOP],
            env={**os.environ, "DATABASE_URL": url},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def answers(self, event: Mapping[str, Any], *, killed: bool) -> bool:
        assert self._process.stdin
        assert self._process.stdout
        try:
            self._process.stdin.write(json.dumps(event) + "\n")
            self._process.stdin.flush()
        except BrokenPipeError:
            return False
        if killed:
            self._process.kill()
        return self._process.stdout.readline() != ""

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


class EventSourceMapping:
    """Gives each shard's batches in order to any free environment. Some records come again: with the batch that
    follows, or because their environment was killed at work."""

    def __init__(self, url: str, kinesis_event: Callable[..., dict[str, Any]]) -> None:
        self._url, self._kinesis_event = url, kinesis_event
        self._free: SimpleQueue[ProjectFunction] = SimpleQueue()
        for _ in range(FUNCTIONS):
            self._free.put(ProjectFunction(url))

    def deliver(self, seed: int, records: Sequence[bytes]) -> None:
        random = Random(seed)  # noqa: S311 - a repeatable delivery, no secret
        kill_at = random.randrange(0, len(records), BATCH)
        for start in range(0, len(records), BATCH):
            again = random.choice((0, BATCH // 2))
            batch = records[max(0, start - again) : start + BATCH]
            self._invoke(self._kinesis_event(*batch), killed=start == kill_at)

    def _invoke(self, event: Mapping[str, Any], *, killed: bool) -> None:
        for attempt in range(ATTEMPTS_MAX):
            function = self._free.get()
            try:
                answered = function.answers(event, killed=killed and attempt == 0)
                if not answered:
                    function.end()
                    function = ProjectFunction(self._url)
            finally:
                self._free.put(function)
            if answered:
                return
        raise AssertionError("the batch is never answered")

    def end(self) -> None:
        for _ in range(FUNCTIONS):
            self._free.get().end()


@contextmanager
def mapped(url: str, kinesis_event: Callable[..., dict[str, Any]]) -> Iterator[EventSourceMapping]:
    mapping = EventSourceMapping(url, kinesis_event)
    try:
        yield mapping
    finally:
        mapping.end()


@pytest.fixture
def stream() -> Iterator[Any]:
    with running_emulator() as aws:
        client = aws.client("kinesis")
        client.create_stream(StreamName=STREAM, ShardCount=SHARDS)
        yield client


@pytest.fixture
def history(product: Any, reservation: Any) -> History:
    """Most streams begin before the split and end after it."""
    before, after = [], []
    for number, sku in enumerate(SKUS):
        stocked = product(sku)
        before += [stocked.listed(category="cups"), stocked.received(500), stocked.repriced(1_250)]
        after += [stocked.received(100), stocked.adjusted(-number - 1)]
    for number in range(80):
        order = reservation(number, {SKUS[number % 4]: 2, SKUS[(number + 1) % 4]: 1})
        (after if number % 8 == 0 else before).append(order.placed())
        if number % 5 == 0:
            after.append(order.cancelled())
            continue
        after += [order.requested(), order.confirmed()]
        if number % 3 == 0:
            after.append(order.refunded())
    return before, after


def publish(client: Any, events: Sequence[Envelope], random: Random) -> None:
    """Now and then an event comes twice, and two are swapped, as when the sweep publishes what a command does, too."""
    order = list(events)
    for place in range(0, len(order) - 1, 3):
        order[place : place + 2] = random.choice((order[place : place + 2], order[place : place + 2][::-1]))
    order += random.sample(order, len(order) // 5)
    records = ({"Data": encode(event), "PartitionKey": event.partitionkey} for event in order)
    while some := list(islice(records, 500)):
        assert client.put_records(StreamName=STREAM, Records=some)["FailedRecordCount"] == 0


def read_shards(client: Any) -> dict[str, list[bytes]]:
    read = {}
    for shard in client.list_shards(StreamName=STREAM)["Shards"]:
        named = {"StreamName": STREAM, "ShardId": shard["ShardId"]}
        iterator = client.get_shard_iterator(**named, ShardIteratorType="TRIM_HORIZON")["ShardIterator"]
        answer = client.get_records(ShardIterator=iterator)
        assert answer["MillisBehindLatest"] == 0
        read[shard["ShardId"]] = [record["Data"] for record in answer["Records"]]
    return read


def split(client: Any, parent: str) -> None:
    [shard] = [each for each in client.list_shards(StreamName=STREAM)["Shards"] if each["ShardId"] == parent]
    low, high = (int(shard["HashKeyRange"][name]) for name in ("StartingHashKey", "EndingHashKey"))
    client.split_shard(StreamName=STREAM, ShardToSplit=parent, NewStartingHashKey=str((low + high) // 2 + 1))


def home(shards: Mapping[str, Sequence[bytes]]) -> dict[str, str]:
    """Returns the one shard of each stream of events. Fails where one has two."""
    homes: dict[str, str] = {}
    for shard, records in shards.items():
        for record in records:
            assert homes.setdefault(json.loads(record)["subject"], shard) == shard
    return homes


def test_shards_projected_at_once_and_split_meanwhile_end_as_one_sequence(
    read_model: Any, history: History, kinesis: Any, stream: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    before, after = history
    random = Random(1)  # noqa: S311 - a repeatable order, no secret
    publish(stream, before, random)
    first = read_shards(stream)
    parent = max(first, key=lambda shard: len(first[shard]))
    split(stream, parent)
    publish(stream, after, random)
    second = {shard: records[len(first.get(shard, ())) :] for shard, records in read_shards(stream).items()}
    assert (len(first), len(second)) == (SHARDS, SHARDS + 1)
    assert all(second.values())
    homes = home(first)
    assert all(shard == homes.get(name, shard) for name, shard in home(second).items() if homes.get(name) != parent)

    # Lambda reads a parent to its end before its children. Here all are read at once.
    with mapped(read_model.database.url("shop_dispatch"), kinesis) as mapping:
        with ThreadPoolExecutor(len(first) + len(second)) as pool:
            list(pool.map(mapping.deliver, range(100), [*first.values(), *second.values()]))

    concurrent = read_model.tables()
    assert not differences(read_model, [*before, *after], monkeypatch)
    read_model.clear()
    read_model.project(*before, *after)
    assert concurrent == read_model.tables()


def differences(read_model: Any, events: Sequence[Envelope], monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Returns what `shop verify` finds between the store's events and the read model."""
    monkeypatch.setattr(bootstrap, "rows", lambda: PostgresRows(read_model.kept["shop_query"]))
    store = {
        (event.subject, f"event#{event.streamversion:010d}"): {
            "version": event.streamversion,
            "type": event.type,
            "event": encode(event).decode(),
        }
        for event in events
    }
    tables = {table: verify.handler({"table": table}, None)["rows"] for table in bootstrap.rows().tables}
    findings = RecordedShop(store, tables=tables).audit()
    assert all(findings.examined[check] for check in OF_THE_READ_MODEL)
    return [difference for check in OF_THE_READ_MODEL for difference in findings.of(check)]
