"""Secrets are read again after their lifetime and after a failure, and a stream of failures is no stream of reads."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest

from shop_command.adapters.secrets import OVERLAP, Secret, SecretParameter, SecretUnavailableError
from shop_command.testing.dynamodb import Answers, error, ok

NAME = "/shop/test/secret"
FIRST, SECOND = ("first",), ("second", "first")


@dataclass
class Parameter:
    values: tuple[str, ...] | None = FIRST
    reads: int = 0
    seconds: float = 0.0
    secret: Secret = field(init=False)

    def __post_init__(self) -> None:
        self.secret = Secret(self.read, 300, seconds_now=lambda: self.seconds)

    def read(self) -> tuple[str, ...]:
        self.reads += 1
        if self.values is None:
            raise SecretUnavailableError(NAME)
        return self.values


@pytest.fixture
def parameter() -> Parameter:
    return Parameter()


def test_it_is_read_again_when_its_lifetime_is_over(parameter: Parameter) -> None:
    assert parameter.secret.values() == FIRST
    parameter.values = SECOND
    for parameter.seconds in (1, 299):
        assert parameter.secret.values() == FIRST
    parameter.seconds = 300
    assert parameter.secret.values() == SECOND
    assert parameter.reads == 2


def test_what_fails_is_read_again_at_once(parameter: Parameter) -> None:
    failed = parameter.secret.values()
    parameter.values = SECOND
    assert parameter.secret.others_than(failed) == SECOND
    assert parameter.secret.values() == SECOND
    assert parameter.reads == 2


def test_many_failures_are_few_reads(parameter: Parameter) -> None:
    failed = parameter.secret.values()
    for _ in range(1_000):
        parameter.seconds += 0.1
        assert parameter.secret.others_than(failed) is None
    assert parameter.reads == 1 + 4  # in 100 s: at once, and after each half a minute
    parameter.values = SECOND
    parameter.seconds += 30
    assert parameter.secret.others_than(failed) == SECOND


def test_a_value_that_another_thread_has_read_meanwhile_is_not_read_again(parameter: Parameter) -> None:
    failed = parameter.secret.values()
    parameter.values = SECOND
    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(parameter.secret.others_than, [failed] * 8)) == [SECOND] * 8
    assert parameter.reads == 2


def test_while_it_cannot_be_read_the_old_one_is_used_and_asked_for_now_and_then(
    parameter: Parameter, caplog: pytest.LogCaptureFixture
) -> None:
    parameter.secret.values()
    parameter.values = None
    for parameter.seconds in (300, 301, 329, 330, 359):
        assert parameter.secret.values() == FIRST
        assert parameter.secret.others_than(FIRST) is None
    assert parameter.reads == 1 + 2
    warned = [vars(record)["exception_name"] for record in caplog.records if "secret" in record.message]
    assert warned == ["SecretUnavailableError"] * 2


def test_one_that_was_never_read_is_unavailable_until_it_can_be(parameter: Parameter) -> None:
    parameter.values = None
    for _ in range(2):
        with pytest.raises(SecretUnavailableError):
            parameter.secret.values()
    parameter.values = FIRST
    assert parameter.secret.values() == FIRST


Reading = Callable[..., tuple[str, ...]]


@pytest.fixture
def reading(account: boto3.Session) -> Reading:
    def read(*answers: Any, overlap: timedelta = OVERLAP) -> tuple[str, ...]:
        client = account.client("ssm")
        client.meta.events.register("before-call.ssm.GetParameter", Answers(*answers))
        return SecretParameter(lambda: client, NAME, overlap)()

    return read


def stored(value: str, version: int, age: timedelta) -> Any:
    return ok({"Parameter": {"Value": value, "Version": version, "LastModifiedDate": datetime.now(UTC) - age}})


NEW, OLD = timedelta(minutes=1), OVERLAP


def test_the_version_before_is_read_while_it_may_be_in_use(reading: Reading) -> None:
    earlier = stored("first", 1, NEW)
    assert reading(stored("second", 2, NEW), earlier) == SECOND
    assert reading(stored("second", 2, OLD), earlier) == ("second",)
    assert reading(stored("first", 1, NEW), earlier) == FIRST
    assert reading(stored("second", 2, NEW), earlier, overlap=timedelta()) == ("second",)


def test_a_version_that_is_gone_leaves_the_newest(reading: Reading, caplog: pytest.LogCaptureFixture) -> None:
    assert reading(stored("second", 2, NEW), error("ParameterVersionNotFound")) == ("second",)
    [line] = [vars(record) for record in caplog.records if "secret" in record.message]
    assert line["exception_name"] == "SecretUnavailableError"
    with pytest.raises(SecretUnavailableError, match=NAME):
        reading(error("ParameterNotFound"))
