import base64
import json
import random
from typing import Any

import boto3
import pytest
from botocore.exceptions import ConnectTimeoutError

from shop_command.adapters.kinesis import ATTEMPTS_MAX, PAUSE_SECONDS_MAX, KinesisPublisher
from shop_command.testing import Shop
from shop_shared.envelope import Envelope, decode, encode


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def events(stocked: Shop) -> list[Envelope]:
    """Three events of two streams."""
    stocked.reserve()
    return stocked.publisher.published


@pytest.fixture
def client(aws: boto3.Session) -> Any:
    return aws.client("kinesis")


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def publisher(client: Any, pauses: Pauses) -> KinesisPublisher:
    return KinesisPublisher(client, "shop-test", random.Random(1), sleep=pauses)  # noqa: S311


class Failing:
    """Refuses, call by call, the records at these places, and lets the others through."""

    def __init__(self, client: Any, *refused: set[int] | Exception) -> None:
        self.refused = list(refused)
        self.calls: list[list[dict[str, Any]]] = []
        client.meta.events.register("before-call.kinesis.PutRecords", self)

    def __call__(self, params: dict[str, Any], **_: Any) -> Any:
        self.calls.append(json.loads(params["body"])["Records"])
        refused = self.refused.pop(0) if len(self.refused) > 1 else self.refused[0]
        if isinstance(refused, Exception):
            raise refused
        failed = {"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}
        done = {"SequenceNumber": "1", "ShardId": "shardId-000000000000"}
        records = [failed if place in refused else done for place in range(len(self.calls[-1]))]
        parsed = {"FailedRecordCount": len(refused), "Records": records}
        return type("Http", (), {"status_code": 200})(), {**parsed, "ResponseMetadata": {"HTTPStatusCode": 200}}


def sent(call: list[dict[str, Any]]) -> list[Envelope]:
    return [decode(base64.b64decode(record["Data"])) for record in call]


def test_each_event_is_one_record_of_its_stream(
    client: Any, publisher: KinesisPublisher, events: list[Envelope]
) -> None:
    assert publisher.publish(events) == events
    shard = client.describe_stream(StreamName="shop-test")["StreamDescription"]["Shards"][0]["ShardId"]
    start = client.get_shard_iterator(StreamName="shop-test", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = client.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert [record["Data"] for record in records] == [encode(event) for event in events]
    assert [record["PartitionKey"] for record in records] == [event.subject for event in events]


def test_only_what_failed_is_sent_again(
    client: Any, publisher: KinesisPublisher, events: list[Envelope], pauses: Pauses
) -> None:
    service = Failing(client, {0, 2}, {1}, set())
    assert {event.id for event in publisher.publish(events)} == {event.id for event in events}
    assert [sent(call) for call in service.calls] == [events, [events[0], events[2]], [events[2]]]
    assert len(set(pauses)) == 2
    assert all(0 <= pause <= PAUSE_SECONDS_MAX for pause in pauses)


def stay_due(caplog: pytest.LogCaptureFixture) -> dict[str, Any]:
    """Returns the line that an operator finds."""
    [line] = [vars(record) for record in caplog.records if "events stay due" in record.message]
    return line


def test_what_keeps_failing_is_given_up_and_not_said_to_be_published(
    client: Any, publisher: KinesisPublisher, events: list[Envelope], caplog: pytest.LogCaptureFixture
) -> None:
    service = Failing(client, {1}, {0})
    assert publisher.publish(events) == [events[0], events[2]]
    assert len(service.calls) == ATTEMPTS_MAX
    line = stay_due(caplog)
    assert (line["refused"], line["stream_ids"]) == (1, [events[1].subject])
    assert line["code"] == "ProvisionedThroughputExceededException"


def test_no_answer_fails_nothing(
    client: Any, publisher: KinesisPublisher, events: list[Envelope], caplog: pytest.LogCaptureFixture
) -> None:
    Failing(client, ConnectTimeoutError(endpoint_url="kinesis"))
    assert publisher.publish(events) == []
    line = stay_due(caplog)
    assert (line["exception_name"], line["stream_ids"]) == (
        "ConnectTimeoutError",
        ["product-MUG", events[2].subject],
    )


def test_what_was_published_before_the_connection_broke_is_not_forgotten(
    client: Any, publisher: KinesisPublisher, events: list[Envelope]
) -> None:
    Failing(client, {1}, ConnectTimeoutError(endpoint_url="kinesis"))
    assert publisher.publish(events) == [events[0], events[2]]


def test_a_stream_that_is_not_there_fails_nothing(client: Any, events: list[Envelope]) -> None:
    assert KinesisPublisher(client, "none", random.Random(1)).publish(events) == []  # noqa: S311
