"""`shop trace` as its users meet it, with the collector of the local run, whose moto answers for the other APIs too."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import boto3
import pytest
from typer.testing import CliRunner, Result

from shop_cli.errors import ShopError
from shop_cli.local.emulator import client_at
from shop_cli.local.testing import KEYS, Running, collector, segment, subsegment
from shop_cli.main import app
from shop_cli.operations.events import read_or_fail
from shop_cli.operations.trace import command as trace_command
from shop_cli.operations.trace.source import Chosen, TraceSource
from shop_cli.target import Target

TEMPLATE = {
    "Resources": {
        "Table": {
            "Type": "AWS::DynamoDB::Table",
            "Properties": {
                "BillingMode": "PAY_PER_REQUEST",
                "AttributeDefinitions": [{"AttributeName": name, "AttributeType": "S"} for name in ("pk", "sk")],
                "KeySchema": [
                    {"AttributeName": "pk", "KeyType": "HASH"},
                    {"AttributeName": "sk", "KeyType": "RANGE"},
                ],
            },
        }
    },
    "Outputs": {"TableName": {"Value": {"Ref": "Table"}}},
}
LAST = "1-5e1b4151-00000000000000000000000a"


def trace_id(number: int) -> str:
    return f"1-5e1b4151-{number:024x}"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with collector(tmp_path_factory.mktemp("trace") / "traces.jsonl") as running:
        for number in range(1, 8):
            call = subsegment(f"{number}c", "DynamoDB", 0.1, 0.2, aws={"operation": "GetItem"})
            request = segment(f"{number}", "shop-command", 0, 1, trace_id=trace_id(number), subsegments=[call])
            running.send_document(request)
        running.send_document(segment("a", "shop-query", 0, 1, trace_id=LAST))
        for number in range(1, 8):
            running.trace(trace_id(number))
        running.trace(LAST)
        yield running


@pytest.fixture
def aws(running: Running, monkeypatch: pytest.MonkeyPatch) -> Iterator[dict[str, Any]]:
    """Clients of a caller whose AWS is the collector, with a stage `production` and its event store."""
    for name, value in {
        "AWS_ENDPOINT_URL": running.url,
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",
        "AWS_DEFAULT_REGION": "us-east-1",
    }.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr("shop_cli.target.check_endpoint", lambda _: None)  # which lets no stage go to this machine
    session = boto3.Session()
    cloudformation = session.client("cloudformation")
    cloudformation.create_stack(StackName="shop-platform-production", TemplateBody=json.dumps(TEMPLATE))
    (stack,) = cloudformation.describe_stacks(StackName="shop-platform-production")["Stacks"]
    yield {"dynamodb": session.client("dynamodb"), "table": stack["Outputs"][0]["OutputValue"]}
    cloudformation.delete_stack(StackName="shop-platform-production")


@pytest.fixture
def stream(aws: dict[str, Any]) -> Callable[..., None]:
    def put(stream_id: str, *headers: str | None) -> None:
        for version, header in enumerate(headers, 1):
            event = {"type": f"shop.t{version}.v1", "streamversion": version, "time": "2026-01-02T03:04:05.678901Z"}
            event |= {"awstraceheader": header} if header else {}
            item = {"pk": {"S": stream_id}, "sk": {"S": f"event#{version:010}"}, "event": {"S": json.dumps(event)}}
            aws["dynamodb"].put_item(TableName=aws["table"], Item=item)

    return put


@pytest.fixture
def shop(running: Running, aws: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Callable[..., Result]:
    """Runs the command for a shop on this machine, or with --stage."""
    target = Target("production")
    source = TraceSource(
        xray=client_at(running.url, "xray", KEYS),
        events=partial(read_or_fail, target),
        wait_seconds=0,
        poll_seconds=0,
        kept="this machine keeps little",
    )
    on_this_machine = trace_command._source

    def run(*arguments: str, last: str = LAST) -> Result:
        monkeypatch.setattr(trace_command, "_source", lambda stage: on_this_machine(stage) if stage else (source, last))
        return CliRunner().invoke(app, ["trace", *arguments])

    return run


def sampled(number: int) -> str:
    return f"Root={trace_id(number)};Parent=53995c3f42cd8ad8;Sampled=1"


def test_a_trace_is_shown_by_its_id_and_by_the_header_that_has_it(shop: Callable[..., Result]) -> None:
    for name in (trace_id(1), sampled(1)):
        lines = shop(name).output.splitlines()
        assert lines[0].rstrip() == f"Trace {trace_id(1)}  1.000 s"
        assert lines[3].startswith("└─ DynamoDB GetItem  ")
        assert "\x1b" not in "".join(lines)
    assert {len(line) for line in lines[2:]} == {len(lines[2])}


def test_the_last_is_the_one_of_the_last_demonstration(shop: Callable[..., Result]) -> None:
    assert json.loads(shop("--last", "--json").output)["id"] == LAST
    result = shop("--last", last="")
    assert (result.exit_code, "once ./shop demo has run" in result.output) == (2, True)


def test_the_json_of_a_trace_has_its_segments_as_they_were_sent(shop: Callable[..., Result]) -> None:
    shown = json.loads(shop(trace_id(2), "--json").output)
    assert shown["id"] == trace_id(2)
    assert [(it["id"], it["subsegments"][0]["id"]) for it in shown["segments"]] == [("2", "2c")]


def test_a_stream_shows_the_trace_of_each_request_once_in_the_order_of_their_first_event(
    shop: Callable[..., Result], stream: Callable[..., None]
) -> None:
    stream("reservation-1", sampled(2), sampled(1), sampled(2), None, "Root=1-5e1b4151-0;Sampled=0")
    output = shop("reservation-1").output
    assert [line.split("  ")[0] for line in output.splitlines() if line.startswith(("Trace", "reservation"))] == [
        "reservation-1: 1 shop.t1.v1, 3 shop.t3.v1",
        f"Trace {trace_id(2)}",
        "reservation-1: 2 shop.t2.v1",
        f"Trace {trace_id(1)}",
    ]


def test_of_many_traces_the_newest_five_are_shown_and_the_others_counted(
    shop: Callable[..., Result], stream: Callable[..., None]
) -> None:
    stream("product-MUG", *map(sampled, range(1, 8)))
    output = shop("product-MUG").output
    assert "The newest 5 traces of product-MUG, without 2 earlier ones." in output
    assert [number for number in range(1, 8) if f"Trace {trace_id(number)}" in output] == [3, 4, 5, 6, 7]
    shown = json.loads(shop("product-MUG", "--json").output)
    assert (shown["earlier"], [each["id"] for each in shown["traces"]]) == (2, [*map(trace_id, range(3, 8))])


def test_what_x_ray_has_no_longer_is_said_and_the_others_are_drawn(
    shop: Callable[..., Result], stream: Callable[..., None]
) -> None:
    stream("reservation-2", sampled(99), sampled(1))
    output = shop("reservation-2").output
    assert f"Trace {trace_id(99)}, of 1 shop.t1.v1, is gone, or not there yet: this machine keeps little." in output
    assert f"Trace {trace_id(1)}  " in output
    assert json.loads(shop("reservation-2", "--json").output)["absent"] == [trace_id(99)]


@pytest.mark.parametrize(
    ("headers", "code", "shown"),
    [
        ([], 1, "There is no stream reservation-3"),
        (
            [None, "Root=1-5e1b4151-000000000000000000000001;Sampled=0"],
            1,
            "None of the requests that made the 2 events",
        ),
        ([sampled(99)], 1, "X-Ray has no trace of reservation-3, any more or yet: this machine keeps little"),
    ],
)
def test_a_stream_without_traces_says_why(
    shop: Callable[..., Result], stream: Callable[..., None], headers: list[str | None], code: int, shown: str
) -> None:
    stream("reservation-3", *headers)
    result = shop("reservation-3")
    assert (result.exit_code, shown in result.stderr) == (code, True)


@pytest.mark.parametrize(
    ("arguments", "code", "shown"),
    [
        ([trace_id(99)], 1, f"X-Ray has no trace {trace_id(99)}: a request is recorded when its X-Amzn-Trace-Id"),
        (["customer-1"], 2, "customer-1 is no trace's id"),
        ([], 2, "Name a trace or a stream"),
        ([trace_id(1), "--last"], 2, "Name a trace or a stream"),
        ([trace_id(1), "--json", "--html", "-"], 2, "either --json or --html"),
        (["--last", "--stage", "production"], 2, "--last means the last ./shop demo on this machine"),
        (
            [trace_id(1), "--html", "/nowhere/page.html"],
            1,
            "The file /nowhere/page.html could not be written: No such file",
        ),
    ],
)
def test_what_cannot_be_shown_is_an_error(
    shop: Callable[..., Result], arguments: list[str], code: int, shown: str
) -> None:
    result = shop(*arguments)
    assert (result.exit_code, result.stdout) == (code, "")
    assert shown in result.stderr


def test_the_page_is_written_over_what_was_there_or_printed(
    shop: Callable[..., Result], stream: Callable[..., None], tmp_path: Path
) -> None:
    stream("reservation-4", sampled(1), sampled(2))
    file = tmp_path / "page.html"
    file.write_text("an older page, " * 10_000)
    result = shop("reservation-4", "--html", str(file))
    assert (result.stdout, result.stderr.strip()) == ("", f"Wrote {file}")
    page = file.read_text()
    assert page.startswith("<!DOCTYPE html>")
    assert "<h1>reservation-4</h1>" in page
    assert page.count("<section ") == 2
    assert shop("reservation-4", "--html", "-").stdout == page


def test_a_stage_is_asked_on_aws_with_the_callers_own_configuration(
    shop: Callable[..., Result], stream: Callable[..., None]
) -> None:
    stream("reservation-5", sampled(1))
    result = shop("reservation-5", "--stage", "production", "--json")
    assert [each["id"] for each in json.loads(result.stdout)["traces"]] == [trace_id(1)]
    assert "X-Ray        1 segment " in result.stderr
    assert shop(trace_id(1), "--stage", "missing").exit_code == 0  # only a stream needs the stage's table
    assert "ValidationError" in shop("reservation-5", "--stage", "missing").stderr


def no_events(_: str) -> list[dict[str, Any]]:
    raise AssertionError


class XRay:
    """Answers each look with the next number of segments; the last answer stays."""

    def __init__(self, *answers: int, under_way: bool = False) -> None:
        self.answers = [*answers]
        self.under_way = under_way

    def get_paginator(self, _: str) -> "XRay":
        return self

    def paginate(self, *, TraceIds: list[str]) -> Iterator[dict[str, Any]]:  # noqa: N803 - boto3's
        count = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        end = None if self.under_way else 1.0
        documents = [json.dumps(segment(str(number), "shop", 0, end)) for number in range(count)]
        segments = [{"Id": "1", "Document": document} for document in documents]
        yield {"Traces": [{"Id": TraceIds[0], "Segments": segments}] if count else []}


def looks(xray: XRay, *, age: float, wait_seconds: float = 30) -> tuple[float, int]:
    """Returns the seconds that it took, and the number of segments."""
    clock = [1_000.0]

    def sleep(seconds: float) -> None:
        clock[0] += seconds

    source = TraceSource(xray, no_events, wait_seconds, 2.0, "", sleep, lambda: clock[0])
    found = source.documents(Chosen((trace_id(1),), made_at=1_000.0 - age))
    return clock[0] - 1_000, sum(map(len, found.values()))


@pytest.mark.parametrize(
    ("xray", "age", "seconds", "segments"),
    [
        (XRay(3), 60, 0, 3),
        (XRay(0), 7_200, 0, 0),
        (XRay(3, under_way=True), 60, 0, 3),
        (XRay(0), 1, 30, 0),
        (XRay(0, 0, 1, 3, 3), 1, 8, 3),
        (XRay(3), 1, 2, 3),
        (XRay(3, under_way=True), 1, 30, 3),
    ],
    ids=["there", "long gone", "cut off", "never", "in parts", "just made", "under way"],
)
def test_only_what_was_just_made_is_waited_for_until_it_is_whole(
    xray: XRay, age: float, seconds: float, segments: int
) -> None:
    assert looks(xray, age=age) == (seconds, segments)


def test_a_name_that_is_neither_is_refused_before_anything_is_read() -> None:
    with pytest.raises(ShopError, match="no trace's id"):
        TraceSource(None, no_events, 0, 0, "").choose("1-5e1b4151-x")
