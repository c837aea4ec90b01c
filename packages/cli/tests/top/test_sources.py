"""Reading logs, due items and parked records: against moto, and where the local AWS is otherwise, a client like it."""

import io
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import boto3
import pytest
from botocore.exceptions import EndpointConnectionError
from moto import mock_aws
from typer.testing import CliRunner, Result

from shop_cli.local.home import CHECKOUT
from shop_cli.main import app
from shop_cli.operations.top import command, sources
from shop_cli.operations.top.sources import TopSources
from shop_cli.operations.top.window import moment
from shop_cli.target import Function, Target
from shop_command.ports import DUE_SHARDS

GROUP = "/aws/lambda/shop-command-production-api"
NOW = int(time.time())


@dataclass
class Lambda:
    """`parked`, with so many records, in pages of a hundred."""

    records: int = 0
    invoked: int = 0
    error: Exception | None = None

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == "shop-dispatch-production-parked"
        self.invoked += 1
        if self.error:
            raise self.error
        done = json.loads(Payload)["after"] or 0
        answer: dict[str, Any] = {"records": [{}] * min(100, self.records - done)}
        if len(answer["records"]) == 100:
            answer["next"] = done + 100
        return {"Payload": io.BytesIO(json.dumps(answer).encode())}


@dataclass
class Shop:
    """A stage `production` on moto."""

    sources: TopSources
    parked: Lambda
    clock: list[float]

    def log(self, text: str, at: float, group: str = GROUP, stream: str = "s") -> None:
        events = [{"timestamp": int(at * 1000), "message": text}]
        self.sources.logs.put_log_events(logGroupName=group, logStreamName=stream, logEvents=events)

    def due(self, shard: int, at: datetime) -> None:
        item = {"pk": f"reservation-{shard}-{at}", "sk": "state", "due_shard": str(shard), "due_at": due_at(at)}
        self.sources.dynamodb.put_item(
            TableName=self.sources.table, Item={name: {"S": value} for name, value in item.items()}
        )

    def texts(self) -> list[str]:
        return [line.text for line in self.sources.read().lines]


def due_at(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")


@pytest.fixture(scope="module")
def stage() -> Iterator[TopSources]:
    with pytest.MonkeyPatch.context() as environment, mock_aws():
        environment.setenv("AWS_DEFAULT_REGION", "us-east-1")
        environment.delenv("AWS_ENDPOINT_URL", raising=False)
        template = (CHECKOUT / "infra" / "table.yml").read_text()
        for parameter, value in {"deletionPolicy": "Delete", "deletionProtection": "false"}.items():
            template = template.replace(f"${{param:{parameter}}}", value)
        boto3.client("cloudformation").create_stack(StackName="shop-platform-production", TemplateBody=template)
        yield TopSources.of(Target.of("production"))


@pytest.fixture
def shop(stage: TopSources) -> Iterator[Shop]:
    parked, clock = Lambda(), [float(NOW)]
    fresh = replace(stage, parked=Function(parked, stage.parked.name), now=lambda: clock[0], _read_until={})
    groups = (GROUP, "/aws/lambda/shop-dispatch-production-project")
    for group in groups:
        fresh.logs.create_log_group(logGroupName=group)
        for stream in ("s", "t"):
            fresh.logs.create_log_stream(logGroupName=group, logStreamName=stream)
    yield Shop(fresh, parked, clock)
    for group in groups:
        stage.logs.delete_log_group(logGroupName=group)


def test_the_first_look_goes_back_two_sweeps_and_the_next_ones_as_far_as_a_line_may_be_late(shop: Shop) -> None:
    shop.log("older", NOW - sources.FIRST_LOOK_SECONDS - 1)
    shop.log("older than what is read again", NOW - 21, stream="t")
    shop.log("late", NOW - 19)
    assert sorted(shop.texts()) == ["late", "older than what is read again"]
    assert shop.texts() == ["late"]
    shop.clock[0] += 2
    assert [shop.texts(), shop.texts()] == [["late"], []]


def test_a_line_is_known_again_by_its_id_also_among_its_like(shop: Shop) -> None:
    for _ in range(2):
        shop.log("alike", NOW - 1)
    shop.log("alike", NOW - 1, group="/aws/lambda/shop-dispatch-production-project")
    first, second = ({line.id: line.function for line in shop.sources.read().lines} for _ in range(2))
    assert sorted(first.values()) == ["shop-command-api", "shop-command-api", "shop-dispatch-project"]
    assert first == second


def test_due_is_what_is_due_by_now_in_every_shard(shop: Shop) -> None:
    assert shop.sources.read().due == {"count": 0, "oldest_due_since": None}
    for shard in range(DUE_SHARDS):
        for seconds in (-100 - shard, -50, 3_600):
            shop.due(shard, datetime.fromtimestamp(NOW + seconds, UTC))
    assert shop.sources.read().due == {
        "count": 2 * DUE_SHARDS,
        "oldest_due_since": moment(NOW - 100 - (DUE_SHARDS - 1)),
    }
    assert sources.DUE_SHARDS == DUE_SHARDS


@pytest.mark.parametrize(
    ("records", "count", "is_all"), [(0, 0, True), (99, 99, True), (100, 100, True), (900, 500, False)]
)
def test_parked_records_are_counted_up_to_a_bound(shop: Shop, records: int, count: int, is_all: bool) -> None:
    shop.parked.records = records
    assert shop.sources.read().parked == {"count": count, "is_all": is_all}


def test_parked_records_are_asked_for_now_and_then(shop: Shop) -> None:
    for _ in range(3):
        shop.clock[0] += 10
        assert shop.sources.read().parked == {"count": 0, "is_all": True}
    assert shop.parked.invoked == 1
    shop.clock[0] += shop.sources.parked_every_seconds
    shop.parked.error = EndpointConnectionError(endpoint_url="http://127.0.0.1:1")
    reading = shop.sources.read()
    assert (reading.parked, reading.unread) == (None, {"parked": "EndpointConnectionError"})
    assert shop.sources.read().unread == reading.unread  # not asked again so soon, and not forgotten


def test_what_cannot_be_read_is_said_and_the_rest_is_read(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.log("before", NOW - 3)
    shop.sources.table = "none"
    assert shop.texts() == ["before"]
    assert shop.sources.read().unread == {"due": "ResourceNotFoundException"}  # a function that never ran has no log


def test_what_one_look_could_not_read_the_next_one_reads(shop: Shop) -> None:
    logs, shop.sources.logs = shop.sources.logs, Refusing()
    reading = shop.sources.read()
    assert reading.unread["shop-command-api"] == "EndpointConnectionError"
    shop.sources.logs = logs
    shop.log("meanwhile", NOW - 100)
    assert shop.texts() == ["meanwhile"]


class Refusing:
    def filter_log_events(self, **_: Any) -> dict[str, Any]:
        raise EndpointConnectionError(endpoint_url="http://127.0.0.1:1")


@dataclass
class LocalLogs:
    """As the local AWS answers: ten lines at most here, no ids, and nothing to go on with."""

    lines: list[tuple[int, str]] = field(default_factory=list)

    def filter_log_events(self, *, logGroupName: str, startTime: int) -> dict[str, Any]:  # noqa: N803 - boto3's
        mine = self.lines if logGroupName == GROUP else []
        found = [each for each in mine if each[0] >= startTime][:10]
        return {"events": [{"timestamp": at, "message": text, "logStreamName": "s"} for at, text in found]}


def test_the_local_logs_are_read_on_where_they_stop_and_alike_lines_are_told_apart(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sources, "PAGE_LINES_MAX", 10)
    lines = [(NOW * 1000 - 9_000 + number // 3, "alike") for number in range(35)]
    shop.sources.logs = LocalLogs(lines)
    first, second = ({line.id for line in shop.sources.read().lines} for _ in range(2))
    assert len(first) == 35
    assert second == first


def test_more_lines_than_a_look_reads_are_said_to_be_left_out(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PAGE_LINES_MAX", 10)
    shop.sources.logs = LocalLogs([(NOW * 1000, "all in one millisecond")] * 30)
    reading = shop.sources.read()
    assert "some are not counted" in reading.unread["shop-command-api"]
    assert len({line.id for line in reading.lines}) == 10


@pytest.fixture
def top(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(TopSources, "of", lambda _: shop.sources)

    def run(*arguments: str) -> Result:
        return CliRunner().invoke(app, ["top", "--stage", "production", *arguments])

    return run


def test_the_command_prints_one_snapshot_where_there_is_no_terminal(shop: Shop, top: Any) -> None:
    request = {"level": "INFO", "message": "request", "service": "shop-command", "route": "POST /purchase"}
    shop.log(json.dumps({**request, "status": 201, "duration_ms": 40}), time.time() - 5)
    shop.log(json.dumps({"level": "ERROR", "message": "unexpected error"}), time.time() - 5)
    shop.clock[0] = time.time()
    for arguments in ((), ("--once",)):
        result = top(*arguments)
        assert (result.exit_code, "\x1b" in result.output) == (0, False)
        for word in ("shop top  production", "  POST /purchase ", "!error  command-api unexpected error"):
            assert word in result.output


def test_the_json_is_one_document_or_one_for_each_look(shop: Shop, top: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    assert json.loads(top("--json", "--once").output)["shop"] == "production"

    def twice(act: Any, seconds: float) -> None:
        assert seconds == command.AWS_SECONDS
        act()
        act()

    monkeypatch.setattr(command, "repeat", twice)
    assert [json.loads(line)["parked"]["count"] for line in top("--json").output.splitlines()] == [0, 0]


def test_an_interval_too_short_is_refused(top: Any) -> None:
    assert top("--interval", "0").exit_code == 2
