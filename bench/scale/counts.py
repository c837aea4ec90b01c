"""Counts what each command asks of AWS and of the payment provider: calls, DynamoDB's units, bytes of events and logs.

The whole command function runs over moto's table and stream. moto bills nothing, so the units are computed here from
the items, by the rules that DynamoDB documents. `python -m bench.scale.counts` writes counts.json; a test holds it.

https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
"""

import io
import json
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

import botocore.session
from bench.history import History
from moto import mock_aws

from shop_command import bootstrap
from shop_command.adapters.dynamodb import DynamoDbEventStore
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.handlers import sweep
from shop_command.testing.calls import NAME, Recorder
from shop_command.testing.dynamodb import create_table
from shop_command.testing.shop import LambdaContext, Shop, invoke
from shop_dispatch import bootstrap as dispatch_bootstrap
from shop_dispatch.adapters.firehose import FirehoseArchive
from shop_dispatch.application.archive import ArchiveBatch
from shop_dispatch.handlers import archive as archive_handler
from shop_http.testing import Answer, http_event
from shop_observability.testing import invoked_before, listening_to_logs

COUNTS: Final = Path(__file__).with_name("counts.json")
BUCKETS: Final = (1, 8, 64)
HEADERS: Final = {
    # A request has an id of the gateway, a key and a trace header of these lengths.
    "x-correlation-id": "JKJaXmPLvHcESHA=",
    "x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=0",
}
CUSTOMER: Final = "0d3f7a52-6f0e-4c1b-9a55-2f4f6f1d9c10"
SKU: Final = "BEANS-HOUSE-500"


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
class Published:
    """Counts what PutRecords sends, which the recorder of calls does not look at."""

    events: int = 0
    events_bytes: int = 0

    def listen(self, client: Any) -> None:
        client.meta.events.register("provide-client-params.kinesis.PutRecords", self._sent)

    def _sent(self, params: Mapping[str, Any], **_: Any) -> None:
        self.events += len(params["Records"])
        self.events_bytes += sum(len(record["Data"]) for record in params["Records"])


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
        session = botocore.session.get_session()
        clients: dict[str, Any] = {name: session.create_client(name) for name in ("dynamodb", "kinesis")}
        create_table(clients["dynamodb"], NAME)
        clients["kinesis"].create_stream(StreamName=NAME, ShardCount=1)
        recorder = Recorder(session.create_client("dynamodb"))
        shop = Shop(
            store=DynamoDbEventStore(clients["dynamodb"], NAME, random.Random(1)),  # type: ignore[arg-type]
            publisher=KinesisPublisher(clients["kinesis"], NAME, random.Random(1)),  # type: ignore[arg-type]
        )
        for client in clients.values():
            recorder.listen(client)

        def count(command: Callable[[], Answer | object]) -> Counted:
            recorder.calls.clear()
            published, asked, printed = Published(), len(shop.gateway.calls), io.StringIO()
            published.listen(clients["kinesis"])
            with listening_to_logs() as log, redirect_stdout(printed):
                command()
            clients["kinesis"].meta.events.unregister("provide-client-params.kinesis.PutRecords", published._sent)
            counted = Counted(
                aws=Counter(map(str, recorder.calls)),
                provider=Counter(shop.gateway.calls[asked:]),
                write_units=sum(call.write_units + call.index_write_units for call in recorder.calls),
                index_writes=sum(call.index_write_units for call in recorder.calls),
                read_units=sum(call.read_units for call in recorder.calls),
                **vars(published),
            )
            counted.read_logs(log.text + printed.getvalue())
            return counted

        with mock.patch.object(bootstrap, "application", return_value=shop.application):
            yield shop, count


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
