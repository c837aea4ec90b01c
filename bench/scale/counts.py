"""Counts what each command asks of AWS and of the payment provider: calls, DynamoDB's units, bytes of events and logs.

The whole command function runs over moto's table and stream. moto bills nothing, so the units are computed here from
the items, by the rules that DynamoDB documents. `python -m bench.scale.counts` writes counts.json; a test holds it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

import io
import json
import math
import os
import random
import re
import uuid
from base64 import b64encode
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, Final, cast
from unittest import mock

import boto3
from bench.history import History
from moto import mock_aws

from shop_command import bootstrap
from shop_command.adapters.dynamodb import DynamoDbEventStore, table
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.handlers import sweep
from shop_command.testing.shop import LambdaContext, Shop, invoke
from shop_dispatch import bootstrap as dispatch_bootstrap
from shop_dispatch.adapters.firehose import FirehoseArchive
from shop_dispatch.application.archive import ArchiveBatch
from shop_dispatch.handlers import archive as archive_handler
from shop_http.testing import Answer, http_event
from shop_observability.testing import invoked_before, listening_to_logs

COUNTS: Final = Path(__file__).with_name("counts.json")
BUCKETS: Final = (1, 8, 64)
NAME: Final = "shop"
WRITE_UNIT_BYTES, READ_UNIT_BYTES = 1_024, 4_096
HEADERS: Final = {
    # A request has an id of the gateway, a key and a trace header of these lengths.
    "x-correlation-id": "JKJaXmPLvHcESHA=",
    "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
}
CUSTOMER: Final = "0d3f7a52-6f0e-4c1b-9a55-2f4f6f1d9c10"
SKU: Final = "BEANS-HOUSE-500"

Item = Mapping[str, Mapping[str, Any]]


def item_bytes(item: Item) -> int:
    return sum(len(name.encode()) + _value_bytes(value) for name, value in item.items())


def _value_bytes(value: Mapping[str, Any]) -> int:
    [(kind, content)] = value.items()
    if kind == "N":
        return math.ceil(len(content.lstrip("-")) / 2) + 1
    return sum(len(one.encode()) for one in content) if kind == "SS" else len(str(content).encode())


def index_writes(before: Item | None, after: Item | None) -> int:
    """Returns the writes to the sparse index `due`: an entry whose key changes is taken out and put in again."""
    old, new = (
        tuple(str(item[name]) for name in (table.DUE_SHARD, table.DUE_AT)) if item and table.DUE_AT in item else None
        for item in (before, after)
    )
    return 0 if old == new else (old is not None) + (new is not None)


@dataclass
class Counted:
    aws: Counter[str] = field(default_factory=Counter)
    provider: Counter[str] = field(default_factory=Counter)
    write_units: int = 0
    index_writes: int = 0
    """These are among the write units, and fall on the few partitions of the index `due`."""
    read_units: float = 0
    events: int = 0
    events_bytes: int = 0
    log_bytes: int = 0
    metrics: int = 0
    """So many custom metrics get a value."""

    def read_logs(self, written: str) -> None:
        # No two runs take equally long, so each measured time counts as five characters.
        self.log_bytes = len(re.sub(r"(?<=[:\[])\d+\.\d+", "123.4", written).encode())
        self.metrics = len(set(re.findall(r'"Name":"(\w+)"', written)))


@dataclass
class Observer:
    """Watches the clients' calls, and reads the items before and after each of them by a client of its own."""

    table: Any
    counted: Counted = field(default_factory=Counted)
    _before: dict[tuple[str, str], Item | None] = field(default_factory=dict)

    def watch(self, client: Any) -> Any:
        service = client.meta.service_model.service_name
        client.meta.events.register(f"provide-client-params.{service}", self._asked)
        client.meta.events.register(f"after-call.{service}", self._answered)
        return client

    def _asked(self, params: dict[str, Any], model: Any, context: dict[str, Any], **_: Any) -> None:
        context["params"] = params
        written = [*_written(model.name, params)]
        context["before"] = [(key, self._item(key)) for key in written]

    def _answered(self, model: Any, context: dict[str, Any], parsed: Mapping[str, Any], **_: Any) -> None:
        params, counted = context["params"], self.counted
        counted.aws[f"{model.service_model.service_name}:{model.name}"] += 1
        # DynamoDB prepares and commits each item of a transaction. One that it cancels was prepared.
        factor = 2 if model.name == "TransactWriteItems" and "Error" not in parsed else 1
        for key, before in context["before"]:
            after = self._item(key)
            size = max(item_bytes(before or {}), item_bytes(after or {}), 1)
            entries = index_writes(before, after)
            counted.index_writes += entries
            counted.write_units += factor * math.ceil(size / WRITE_UNIT_BYTES) + entries
        counted.read_units += self._read_units(model.name, params)
        if model.name == "PutRecords":
            counted.events += len(params["Records"])
            counted.events_bytes += sum(len(record["Data"]) for record in params["Records"])

    def _read_units(self, operation: str, params: Mapping[str, Any]) -> float:
        match operation:
            case "GetItem":
                return _units(item_bytes(self._item(_key(params["Key"])) or {}))
            case "BatchGetItem":
                return sum(_units(item_bytes(self._item(_key(k)) or {})) for k in params["RequestItems"][NAME]["Keys"])
            case "Query":
                whole = {name: value for name, value in params.items() if name != "ProjectionExpression"}
                condition = whole["KeyConditionExpression"]
                names = {k: v for k, v in whole["ExpressionAttributeNames"].items() if k in condition}
                found = self.table.query(**{**whole, "ExpressionAttributeNames": names})["Items"]
                return _units(sum(map(item_bytes, found))) * (1 if params.get("ConsistentRead") else 0.5)
            case _:
                return 0

    def _item(self, key: tuple[str, str]) -> Item | None:
        found: Item | None = self.table.get_item(
            TableName=NAME, Key={table.PK: {"S": key[0]}, table.SK: {"S": key[1]}}
        ).get("Item")
        return found


def _units(size: int) -> float:
    return max(1, math.ceil(size / READ_UNIT_BYTES))


def _written(operation: str, params: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if operation == "UpdateItem":
        yield _key(params["Key"])
    for action in params.get("TransactItems", ()):
        [(kind, details)] = action.items()
        yield _key(details["Item"] if kind == "Put" else details["Key"])


def _key(item: Item) -> tuple[str, str]:
    return item[table.PK]["S"], item[table.SK]["S"]


class Ids:
    """Event ids have the length of UUIDs, and are the same in each run."""

    def __init__(self) -> None:
        self._random = random.Random(1)

    def next(self) -> str:
        return str(uuid.UUID(int=self._random.getrandbits(128), version=4))


@contextmanager
def counting_shop() -> Iterator[tuple[Shop, Callable[[Callable[[], Answer | object]], Counted]]]:
    """Yields a shop over moto, and what counts one command of it."""
    mine = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    credentials = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with mock.patch.dict(os.environ, mine | credentials, clear=True), mock_aws(), invoked_before("shop-command"):
        session = boto3.Session()
        _make(session)
        observer = Observer(session.client("dynamodb"))
        shop = Shop(
            store=DynamoDbEventStore(observer.watch(session.client("dynamodb")), NAME, random.Random(1)),  # type: ignore[arg-type]
            publisher=KinesisPublisher(observer.watch(session.client("kinesis")), NAME, random.Random(1)),  # type: ignore[arg-type]
        )

        def count(command: Callable[[], Answer | object]) -> Counted:
            counted = observer.counted = Counted()
            asked, printed = len(shop.gateway.calls), io.StringIO()
            with listening_to_logs() as log, redirect_stdout(printed):
                command()
            observer.counted = Counted()  # what comes now belongs to no command
            counted.provider.update(shop.gateway.calls[asked:])
            counted.read_logs(log.text + printed.getvalue())
            return counted

        with mock.patch.object(bootstrap, "application", return_value=shop.application):
            yield shop, count


def _make(session: boto3.Session) -> None:
    keys = [(table.PK, "HASH"), (table.SK, "RANGE")], [(table.DUE_SHARD, "HASH"), (table.DUE_AT, "RANGE")]
    schema, index = (cast("Any", [{"AttributeName": name, "KeyType": kind} for name, kind in each]) for each in keys)
    session.client("dynamodb").create_table(
        TableName=NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=schema,
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in (table.PK, table.SK, table.DUE_SHARD, table.DUE_AT)
        ],
        GlobalSecondaryIndexes=[
            {"IndexName": table.DUE_INDEX, "KeySchema": index, "Projection": {"ProjectionType": "KEYS_ONLY"}}
        ],
    )
    session.client("kinesis").create_stream(StreamName=NAME, ShardCount=1)


def count_all() -> dict[str, Counted]:
    with counting_shop() as (shop, count):
        count(lambda: _stock_up(shop, SKU, buckets=1, units=10))
        reserved: list[Answer] = []
        counted = {"reservation": count(lambda: reserved.append(_reserve(SKU, "reserve")))}
        reservation = reserved[0].body["reservation_id"]
        body = {"reservation_id": reservation, "payment_method": "pm_card_visa"}
        counted["purchase"] = count(lambda: _post("/purchase", body, "purchase"))
        intent = shop.gateway.with_status("succeeded")[0]
        counted["webhook"] = count(lambda: shop.webhook("payment_intent.succeeded", intent, reservation))
        count(lambda: sweep.handler({"task": "reconcile"}, LambdaContext()))  # the first one has no bookmark yet
        counted["idle sweep"] = count(lambda: sweep.handler({}, LambdaContext()))
        counted["idle reconciliation"] = count(lambda: sweep.handler({"task": "reconcile"}, LambdaContext()))
        for buckets in BUCKETS:
            sku = f"BEANS-{buckets:02}-OF-500"
            count(partial(_stock_up, shop, sku, buckets=buckets, units=buckets))
            count(partial(shop.reserve, (sku, buckets), key=f"all-{buckets}"))
            counted[f"refusal at {buckets} buckets"] = count(partial(_reserve, sku, f"late-{sku}"))
        counted["archive of 1 event"], counted["archive of 500 events"] = _archive(1), _archive(500)
        return counted


def _stock_up(shop: Shop, sku: str, *, buckets: int, units: int) -> None:
    shop.list_product(sku, buckets=buckets)
    shop.receive(sku, units, key=f"receive-{sku}")


def _archive(records: int) -> Counted:
    """`project` writes the same log line, and a shorter one of metrics."""
    counted, printed = Counted(), io.StringIO()
    events = [{"kinesis": {"data": b64encode(record).decode()}} for record in History().records(records)]

    class Firehose:
        def put_record_batch(self, DeliveryStreamName: str, Records: list[dict[str, bytes]]) -> dict[str, Any]:  # noqa: N803 - its names
            assert DeliveryStreamName == NAME  # noqa: S101
            counted.aws["firehose:PutRecordBatch"] += 1
            counted.events, counted.events_bytes = records, sum(len(record["Data"]) for record in Records)
            return {"RequestResponses": [{} for _ in Records]}

    archive = ArchiveBatch(FirehoseArchive(cast("Any", Firehose()), NAME))
    with (
        invoked_before("shop-dispatch"),
        mock.patch.object(dispatch_bootstrap, "archive", return_value=archive),
        listening_to_logs() as log,
        redirect_stdout(printed),
    ):
        archive_handler.handler({"Records": events}, None)
    counted.read_logs(log.text + printed.getvalue())
    return counted


def _reserve(sku: str, key: str) -> Answer:
    return _post("/reservations", {"lines": [{"sku": sku, "quantity": 1}]}, key)


def _post(path: str, body: Any, key: str) -> Answer:
    key = str(uuid.uuid5(uuid.NAMESPACE_URL, key))
    return invoke(http_event(f"POST {path}", body, key=key, subject=CUSTOMER, headers=dict(HEADERS)))


def text() -> str:
    counted = {name: {k: v for k, v in vars(each).items() if v} for name, each in count_all().items()}
    return json.dumps(counted, indent=2) + "\n"


if __name__ == "__main__":
    COUNTS.write_text(text(), encoding="utf-8")
