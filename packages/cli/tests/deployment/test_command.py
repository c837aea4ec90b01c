"""What the command does with its steps, each of which is tested by itself; `make rehearsal` runs them all."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError
from typer.testing import CliRunner, Result

from shop_cli.deployment import account, command, database, provider_keys, stacks
from shop_cli.local import build
from shop_cli.main import app
from shop_cli.operations import guest, storefront
from shop_cli.operations.people.user_pool import PoolUser, UserPool
from shop_cli.target import Function, Target

ADA = PoolUser("ada@shop.example", "CONFIRMED", is_enabled=True, has_second_factor=True)


class Steps:
    """Each step is done at once, unless a test gives it an error. `done` has them in order."""

    def __init__(self) -> None:
        self.done: list[str] = []
        self.errors: dict[str, BaseException] = {}

    def step(self, name: str, answer: Any = None) -> Callable[..., Any]:
        def do(*_: object, **__: object) -> Any:
            self.done.append(name)
            if name in self.errors:
                raise self.errors.pop(name)
            return answer

        return do


@pytest.fixture
def steps(monkeypatch: pytest.MonkeyPatch) -> Steps:
    steps = Steps()
    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    monkeypatch.setattr(command, "interpreter", lambda _: "python3.13")
    found = account.Account("123456789012", "arn:aws:iam::123456789012:user/ada", "eu-central-1")
    outputs = dict.fromkeys(("WebUrl", "HttpApiUrl", "AlarmTopicArn", "UserPoolId", "UserPoolClientId"), "https://it")
    monkeypatch.setattr(Target, "outputs", outputs)
    monkeypatch.setattr(Target, "client", lambda *_: None)
    for owner, name, answer in (
        (account, "identify", found),
        (account, "check_concurrency", "1,000 concurrent executions"),
        (provider_keys, "store", ["API key is there", "no webhook secret yet"]),
        (stacks, "deploy", None),
        (database, "make_roles", None),
        (Function, "invoke", {"current": "0014_collation"}),
        (UserPool, "administrators", [ADA]),
        (storefront, "build", "unchanged"),
        (storefront, "release", "https://it"),
        (command, "demonstrate", None),
    ):
        monkeypatch.setattr(owner, name, steps.step(name, answer))
    monkeypatch.setattr(guest, "takes_real_money", lambda _: False)
    return steps


def shop(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["deploy", "--stage", "dev", *arguments], env={"COLUMNS": "300"})


def test_the_steps_are_done_in_the_order_in_which_each_needs_the_one_before(steps: Steps) -> None:
    deployed = shop("--yes")
    assert deployed.exit_code == 0, deployed.output
    assert steps.done == [
        *("identify", "check_concurrency", "store", "deploy", "make_roles", "invoke"),
        *("administrators", "build", "release", "demonstrate"),
    ]
    for shown in ("123456789012 in eu-central-1", "at 0014_collation", "https://it/payments/webhook"):
        assert shown in deployed.output
    assert "1. Register the webhook" in deployed.output


@pytest.mark.parametrize("ended_in", ["identify", "store", "deploy", "make_roles", "invoke", "release", "demonstrate"])
def test_whatever_fails_the_same_command_goes_on(steps: Steps, ended_in: str) -> None:
    steps.errors[ended_in] = ClientError({"Error": {"Code": "AccessDenied", "Message": "no"}}, "Call")
    failed = shop("--yes")
    assert (failed.exit_code, "To go on: ./shop deploy --stage dev" in " ".join(failed.output.split())) == (1, True)
    assert "Is the shop running?" not in failed.output
    assert shop("--yes").exit_code == 0


def test_an_interrupted_command_says_how_to_go_on(steps: Steps) -> None:
    steps.errors["deploy"] = KeyboardInterrupt()
    interrupted = shop("--yes")
    assert interrupted.exit_code == 130
    assert "What AWS has begun goes on there. To go on: ./shop deploy --stage dev" in interrupted.output
    assert steps.done[-1] == "deploy"


def test_nothing_is_deployed_before_somebody_has_said_so(steps: Steps) -> None:
    refused = shop()
    assert (refused.exit_code, "say so with --yes" in refused.output) == (1, True)
    assert steps.done == ["identify", "check_concurrency"]


def test_nothing_is_bought_where_it_would_cost_money_or_nobody_wants_it(
    steps: Steps, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert shop("--yes", "--no-demo").exit_code == 0
    monkeypatch.setattr(guest, "takes_real_money", lambda _: True)
    assert "for real money" in shop("--yes").output
    assert "demonstrate" not in steps.done


def test_somebody_becomes_the_first_administrator(steps: Steps, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(UserPool, "administrators", lambda _: iter([]))
    monkeypatch.setattr(command, "invite", lambda _, email: f"{email} gets a password")
    assert "2. bob@shop.example gets a password" in shop("--yes", "--administrator", "bob@shop.example").output
    assert "2. Make an administrator: ./shop people add EMAIL --stage dev" in shop("--yes").output


@pytest.mark.parametrize(
    ("stage", "endpoint", "message"),
    [
        ("Dev", "", "1 to 20 lower-case letters and digits"),
        ("local", "", "1 to 20 lower-case letters and digits"),
        ("dev", "http://127.0.0.1:24576", "stage dev goes to AWS, and AWS_ENDPOINT_URL is http://127.0.0.1:24576"),
        ("rehearsal", "", "stage rehearsal goes to the emulator only"),
    ],
)
def test_a_stage_that_cannot_go_there_is_refused_first(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, stage: str, endpoint: str, message: str
) -> None:
    if endpoint:
        monkeypatch.setenv("AWS_ENDPOINT_URL", endpoint)
    refused = CliRunner().invoke(app, ["deploy", "--stage", stage, "--yes"], env={"COLUMNS": "300"})
    assert (refused.exit_code, message in refused.output) == (1, True)
    assert steps.done == []


def test_an_artifact_that_could_not_be_built_is_shown_at_once(
    steps: Steps, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(command, "interpreter", build.interpreter)
    monkeypatch.setattr(sys, "executable", "/nowhere/python")
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path))
    refused = shop("--yes")
    assert (refused.exit_code, "Python 3.13 is needed" in refused.output) == (1, True)
    assert steps.done == []
