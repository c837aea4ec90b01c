"""What is logged of exceptions and of the current work, and from which level on."""

import json
import logging
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import botocore.session
import psycopg
import pytest
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from botocore.exceptions import ClientError
from pydantic import BaseModel, ValidationError

from shop_observability import logs
from shop_observability.logs import logger
from shop_observability.testing import Log, listening_to_logs
from shop_observability.trace_header import TraceHeader
from shop_observability.tracing import segment, subsegment

CANARY = "canary-5f0a"


@pytest.fixture
def fresh(monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Callable[..., None]]:
    """Makes the logger anew, as if the function had just been started with these variables."""

    def start(**environment: str) -> None:
        for name, value in {"POWERTOOLS_SERVICE_NAME": request.node.name, **environment}.items():
            monkeypatch.setenv(name, value)
        logger.cache_clear()

    yield start
    logger.cache_clear()


class Body(BaseModel):
    card: int


def refuse_input() -> None:
    Body.model_validate({"card": CANARY})


def break_a_constraint() -> None:
    raise psycopg.errors.CheckViolation(f"DETAIL: Failing row contains ({CANARY}).")


def refuse_a_call() -> None:
    raise ClientError({"Error": {"Code": "AccessDeniedException", "Message": CANARY}}, "GetItem")


def note() -> None:
    error = KeyError(CANARY)
    error.add_note(CANARY)
    raise error


def fail_because_of_another() -> None:
    try:
        try:
            refuse_input()
        except ValidationError as error:
            raise LookupError(CANARY) from error
    except LookupError:
        raise RuntimeError(CANARY)  # noqa: B904 - as when the handling of an error fails


RAISING = {
    "ValidationError": refuse_input,
    "CheckViolation": break_a_constraint,
    "ClientError": refuse_a_call,
    "KeyError": note,
    "RuntimeError": fail_because_of_another,
}


@pytest.mark.parametrize("name", RAISING)
@pytest.mark.parametrize("level", ["error", "warning"])
def test_of_an_exception_its_type_and_its_frames_are_logged_and_no_message(log: Log, name: str, level: str) -> None:
    raising = RAISING[name]
    try:
        raising()
    except Exception:  # noqa: BLE001
        getattr(logger(), level)("failed", exc_info=True)
    [line] = log.lines()
    assert CANARY not in log.text
    assert (line["message"], line["exception_name"]) == ("failed", name)
    assert name in line["exception"]
    assert f"in {raising.__name__}: " in line["exception"]
    assert Path(__file__).name in line["exception"]


def test_an_exception_that_is_handed_over_is_logged_like_one_that_is_being_handled(log: Log) -> None:
    logger().error("failed", exc_info=ValueError(CANARY))
    logger().error("failed", exc_info=True)  # where there is none
    handed, none = log.lines()
    assert (handed["exception"], handed["exception_name"]) == ("ValueError", "ValueError")
    assert "exception" not in none
    assert CANARY not in log.text


def test_the_whole_chain_of_causes_is_told_newest_first(log: Log) -> None:
    try:
        fail_because_of_another()
    except RuntimeError:
        logger().exception("failed")
    [line] = log.lines()
    heads = [text for text in line["exception"].splitlines() if not text.startswith(" ")]
    assert heads == ["RuntimeError", "caused by LookupError", "caused by pydantic_core._pydantic_core.ValidationError"]
    assert "Body.model_validate(" in line["exception"], "the code is there, without its values"


def test_what_a_service_calls_its_refusal_is_told(log: Log) -> None:
    for raising in (break_a_constraint, refuse_a_call):
        try:
            raising()
        except Exception as error:  # noqa: BLE001
            logger().warning("failed", exc_info=error)
    assert [line["code"] for line in log.lines()] == ["23514", "AccessDeniedException"]
    assert log.lines()[0]["exception"].startswith("psycopg.errors.CheckViolation (23514)\n")


def test_whoever_else_listens_gets_no_message_either(caplog: pytest.LogCaptureFixture) -> None:
    logger().error("failed", exc_info=ValueError(CANARY))
    assert "failed" in caplog.text
    assert CANARY not in caplog.text


def test_what_is_no_json_is_told_by_its_type(log: Log) -> None:
    logger().info("made", extra={"body": Body(card=4242), "error": ValueError(CANARY)})
    [line] = log.lines()
    assert (line["body"], line["error"]) == (f"{Body.__module__}.Body", "ValueError")
    assert CANARY not in log.text


def test_a_line_is_the_one_that_powertools_makes(fresh: Callable[..., None], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-68a1b2c3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0")
    fresh(POWERTOOLS_LOGGER_SAMPLE_RATE="0.1")
    made = logger()
    theirs = LambdaPowertoolsFormatter(
        utc=True, log_record_order=["level", "message", "service"], json_deserializer=str
    )
    theirs.append_keys(service="shop", sampling_rate=0.1)
    made.append_keys(service="shop")
    record = logging.makeLogRecord(
        {
            "levelname": "INFO",
            "msg": "Größe %s",
            "args": ("L",),
            "funcName": "answer",
            "lineno": 7,
            "created": 1_795e6 + 0.05,
        }
        | {"msecs": 50.0, "status": 200, "duration_ms": 1.5, "nothing": None, "aws": {"operation": "x"}}
    )
    assert json.loads(made.registered_formatter.format(record)) == json.loads(theirs.format(record))
    made.registered_formatter.clear_state()
    assert "sampling_rate" not in json.loads(made.registered_formatter.format(record))


def test_a_chain_and_a_stack_without_end_make_one_line_that_ends(log: Log) -> None:
    def deeper(level: int) -> None:
        try:
            deeper(level + 1) if level < 200 else refuse_input()
        except Exception as error:
            raise RuntimeError(CANARY) from error

    with pytest.raises(RuntimeError) as caught:
        deeper(0)
    logger().error("failed", exc_info=caught.value)
    assert len(log.text) < 100_000
    assert CANARY not in log.text


def test_debug_lines_are_of_the_shops_own_calls_alone_with_their_time(
    fresh: Callable[..., None], caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    fresh(POWERTOOLS_LOGGER_SAMPLE_RATE="1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", CANARY)
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", CANARY)
    with listening_to_logs() as log:
        logs.sample()
        with segment("shop-test", TraceHeader("1-1-1"), stream_id="product-MUG"):
            session = botocore.session.get_session()
            client: Any = session.create_client("sqs", region_name="us-east-1", endpoint_url="http://127.0.0.1:1")
            with pytest.raises(Exception, match="Could not connect"), subsegment("SQS", "aws", aws={"operation": "x"}):
                client.list_queues()
    [line] = log.lines()
    assert (line["level"], line["message"], line["aws"]) == ("DEBUG", "SQS", {"operation": "x"})
    assert (line["stream_id"], line["trace_id"]) == ("product-MUG", "1-1-1")
    assert line["duration_ms"] >= 0
    # Nobody else's debug lines: botocore's have headers and bodies.
    assert {record.name for record in caplog.records} == {logger().name}


@pytest.mark.parametrize(
    ("rate", "level", "expected"),
    [
        ("0", "INFO", {"INFO"}),
        ("", "WARNING", {"WARNING"}),
        ("1", "INFO", {"DEBUG"}),
        ("0.5", "INFO", {"DEBUG", "INFO"}),
    ],
)
def test_each_invocation_decides_anew_whether_it_logs_from_debug_on(
    fresh: Callable[..., None], rate: str, level: str, expected: set[str]
) -> None:
    fresh(POWERTOOLS_LOGGER_SAMPLE_RATE=rate, POWERTOOLS_LOG_LEVEL=level)
    levels = set()
    for _ in range(60):
        logs.sample()
        levels.add(logging.getLevelName(logger().log_level))
    assert levels == expected


def test_a_line_tells_of_its_sample_rate_only_where_there_is_one(fresh: Callable[..., None]) -> None:
    def sampling_rate(rate: str) -> Any:
        fresh(POWERTOOLS_LOGGER_SAMPLE_RATE=rate, POWERTOOLS_SERVICE_NAME=f"shop-rate-{rate}")
        with listening_to_logs() as log:
            logger().info("x")
        return json.loads(log.text).get("sampling_rate")

    assert (sampling_rate("0"), sampling_rate("0.1")) == (None, 0.1)
