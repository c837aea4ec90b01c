"""The schedule's function: its answer, its log and its metrics."""

import json
from typing import Any

import boto3
import pytest

from shop_command.adapters.sweep_helpers import SweepInvocations
from shop_command.handlers import sweep
from shop_command.ports import DUE_SHARDS
from shop_command.testing import Shop
from shop_command.testing.dynamodb import Answers, Http, error
from shop_command.testing.shop import LambdaContext, raising
from shop_observability.testing import ROOT


class SweepContext(LambdaContext):
    def get_remaining_time_in_millis(self) -> int:
        return 60_000


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_it_answers_with_what_it_has_paid(stocked: Shop, reserved: str) -> None:
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.reserve(("MUG", 1), key="other")
    stocked.clock.advance(900)
    answer = sweep.handler({}, SweepContext())
    assert answer == {
        "due": 2,
        "published": 0,
        "expired": 1,
        "settled": 1,
        "refunded": 0,
        "left": 0,
        "failed": 0,
    }


def test_ages_and_count_are_metrics(stocked: Shop, reserved: str, capsys: pytest.CaptureFixture[str]) -> None:
    stocked.publisher.fails = lambda _: True
    stocked.purchase(reserved, "pm_card_error_after_charge")
    stocked.clock.advance(75)
    capsys.readouterr()
    sweep.handler({}, SweepContext())
    [metrics] = [line for line in lines(capsys) if "_aws" in line]
    assert metrics["OldestUnpublishedSeconds"] == [75.0]
    assert metrics["OldestUnsettledSeconds"] == [75.0]
    assert metrics["DueCount"] == [1.0]
    [directive] = metrics["_aws"]["CloudWatchMetrics"]
    assert (directive["Namespace"], metrics["service"]) == ("Shop", "shop-command")


def test_what_fails_is_logged_with_its_stream_and_fails_nothing(
    stocked: Shop, caplog: pytest.LogCaptureFixture
) -> None:
    body = {"lines": [{"sku": "MUG", "quantity": 1}]}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=0", "x-correlation-id": "mine-1"}
    reserved = stocked.post("/reservations", body, headers=headers).body["reservation_id"]
    stocked.clock.advance(900)
    stocked.store.before_commit.append(raising(RuntimeError("a bug")))
    assert sweep.handler({}, SweepContext())["failed"] == 1
    [error] = [record for record in caplog.records if record.levelname == "ERROR"]
    assert vars(error)["stream_id"] == f"reservation-{reserved}"
    assert (vars(error)["correlation_id"], vars(error)["trace_id"]) == ("mine-1", ROOT)
    assert vars(error)["exception_name"] == "RuntimeError"
    assert "a bug" not in vars(error)["exception"]
    assert [vars(record)["failed"] for record in caplog.records if record.message == "sweep"] == [1]


def test_a_sweep_of_some_shards_looks_at_no_others(stocked: Shop) -> None:
    for n in range(10):
        stocked.reserve(("MUG", 1), key=f"n-{n}")
    stocked.clock.advance(900)
    expired = [sweep.handler({"shards": [shard]}, SweepContext())["expired"] for shard in range(DUE_SHARDS)]
    assert sum(expired) == 10
    assert max(expired) < 10


def test_another_sweep_is_an_invocation_of_the_same_function(
    aws: boto3.Session, caplog: pytest.LogCaptureFixture
) -> None:
    client = aws.client("lambda")
    answers = Answers((Http(202), {"StatusCode": 202}), error("TooManyRequestsException", 429))
    client.meta.events.register("before-call.lambda.Invoke", answers)
    helpers = SweepInvocations(lambda: client, "shop-command-test-sweep")
    assert helpers.start(3)
    [request] = answers.requests
    assert request["url_path"] == "/2015-03-31/functions/shop-command-test-sweep/invocations"
    assert request["headers"]["X-Amz-Invocation-Type"] == "Event"
    assert json.loads(request["body"]) == {"shards": [3]}
    assert not helpers.start(4)
    [line] = [vars(record) for record in caplog.records if "no other sweep" in record.message]
    assert line["code"] == "TooManyRequestsException"
