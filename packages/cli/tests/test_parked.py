"""What `shop parked` asks of the function, and what it tells its user. The function is a script here."""

import io
import json
from typing import Any

import pytest
from typer.testing import CliRunner, Result

from shop_cli.main import app
from shop_cli.target import Target

RECORD = {
    "id": "5f3a",
    "cause": "UnknownEventTypeError: no such event type: 'shop.product.renamed.v1'",
    "stream_id": "product-MUG",
    "stream_version": 3,
    "received_at": "2026-03-04T12:00:00.123456+00:00",
    "bytes": 700,
    "applied_version": 2,
    "waiting": 4,
}


OPERATOR = "arn:aws:iam::123456789012:user/operator"


class Lambda:
    """Answers each invocation with the next answer."""

    def __init__(self, *answers: dict[str, Any]) -> None:
        self.answers = list(answers)
        self.events: list[dict[str, Any]] = []

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": OPERATOR}

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == "shop-dispatch-local-parked"
        self.events.append(json.loads(Payload))
        answer = self.answers.pop(0)
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Any:
    def run(client: Lambda, *arguments: str) -> Result:
        monkeypatch.setattr(Target, "of", lambda _: Target("local"))
        monkeypatch.setattr(Target, "client", lambda *_: client)
        return CliRunner().invoke(app, ["parked", *arguments], env={"COLUMNS": "300"})

    return run


def test_a_conflict_is_not_said_to_be_applied(shop: Any) -> None:
    applied = {**RECORD, "applied_version": 3}
    records = [applied, {**applied, "id": "6a00", "cause": "ConflictingEventError", "conflicts_with": "an id"}]
    first, second = shop(Lambda({"records": records}), "list").output.split("6a00")
    assert "applied meanwhile" in first
    assert "applied meanwhile" not in second
    assert "ConflictingEventError" in second


def test_the_list_has_every_page_with_causes_and_what_waits(shop: Any) -> None:
    place = ["product-MUG", 3, "5f3a"]
    other = {**RECORD, "id": "6a00", "stream_id": None, "stream_version": None, "applied_version": None, "waiting": 0}
    client = Lambda({"records": [RECORD], "next": place}, {"records": [other]})
    result = shop(client, "list")
    assert [event["after"] for event in client.events] == [None, place]
    first, second = result.output.splitlines()[1:3]
    for cell in ("5f3a", "2026-03-04T12:00:00", "product-MUG", "shop.product.renamed.v1"):
        assert cell in first
    assert "unknown" in second
    assert json.loads(shop(Lambda({"records": [RECORD]}), "list", "--json").output) == [RECORD]


def test_an_empty_list_says_so(shop: Any) -> None:
    assert shop(Lambda({"records": []}), "list").output == "Nothing is parked.\n"


def test_a_record_whose_event_came_by_another_way_is_told_apart(shop: Any) -> None:
    assert "applied meanwhile: replay" in shop(Lambda({"records": [{**RECORD, "applied_version": 3}]}), "list").output


@pytest.mark.parametrize(
    ("payload", "shown"), [({"payload": '{"id":"1"}'}, '{"id":"1"}'), ({"payload_base64": "/wA="}, "base64: /wA=")]
)
def test_a_record_is_shown_with_its_payload(shop: Any, payload: dict[str, str], shown: str) -> None:
    assert shop(Lambda({"record": {**RECORD, **payload}}), "show", "5f3a").output.rstrip().endswith(shown)


def test_replaying_all_takes_as_many_steps_as_there_are(shop: Any) -> None:
    place = ["product-MUG", 3, "5f3a"]
    client = Lambda(
        {"resolved": ["5f3a"], "still_parked": [], "applied": 5, "next": place},
        {"resolved": [], "still_parked": ["6a00"], "applied": 0, "next": ["~", 0, "6a00"]},
        {"resolved": [], "still_parked": [], "applied": 0},
    )
    result = shop(client, "replay", "--all", "--json")
    assert result.exit_code == 1
    assert json.loads(result.stdout) == {"resolved": ["5f3a"], "still_parked": ["6a00"], "applied": 5}
    assert {(event["ids"], event["actor"]) for event in client.events} == {(None, OPERATOR)}


def test_a_replay_that_leaves_nothing_parked_ends_well(shop: Any) -> None:
    client = Lambda({"resolved": ["5f3a"], "still_parked": [], "applied": 5})
    result = shop(client, "replay", "5f3a")
    assert (result.exit_code, client.events[0]["ids"]) == (0, ["5f3a"])
    assert "1 replayed, 5 events applied" in result.output


def test_an_id_that_is_not_parked_is_an_error(shop: Any) -> None:
    result = shop(Lambda({"resolved": [], "still_parked": [], "applied": 0}), "replay", "5f3a")
    assert (result.exit_code, "These records are not parked: 5f3a" in result.output) == (1, True)


@pytest.mark.parametrize("arguments", [["replay"], ["replay", "5f3a", "--all"], ["drop", "5f3a", "--reason", " "]])
def test_a_command_that_leaves_open_what_is_meant_asks_for_nothing(shop: Any, arguments: list[str]) -> None:
    assert shop(Lambda(), *arguments).exit_code == 2


def test_dropping_tells_that_the_stream_goes_on_waiting_and_what_helps(shop: Any) -> None:
    client = Lambda({"dropped": RECORD})
    output = shop(client, "drop", "5f3a", "--reason", "a test event").output
    assert "Dropped 5f3a. product-MUG still waits for its version 3." in output
    assert "shop rebuild --from store" in output
    assert client.events == [{"action": "drop", "id": "5f3a", "reason": "a test event", "actor": OPERATOR}]
    garbage = {**RECORD, "stream_id": None, "stream_version": None}
    assert shop(Lambda({"dropped": garbage}), "drop", "5f3a", "--reason", "garbage").output == "Dropped 5f3a.\n"


def test_what_the_function_refuses_and_how_it_fails_is_told(shop: Any) -> None:
    refused = shop(Lambda({"error": "no record 5f3a is parked"}), "show", "5f3a")
    assert (refused.exit_code, refused.output) == (1, "Error: no record 5f3a is parked\n")
    failed = shop(Lambda({"errorMessage": "connection refused"}), "list")
    assert failed.exit_code == 1
    assert "connection refused" in failed.output


def test_a_stage_on_aws_is_asked_by_its_functions_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    function = Target.of("production").function("parked")
    assert function.name == "shop-dispatch-production-parked"
    config = function.client.meta.config
    assert (config.read_timeout, config.retries["total_max_attempts"], config.tcp_keepalive) == (930, 1, True)
