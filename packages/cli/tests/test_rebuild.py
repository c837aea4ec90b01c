"""What `shop rebuild` asks of the function, and what it tells its user. The function is a script here."""

import io
import json
import time
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from shop_cli.errors import ShopError
from shop_cli.main import app
from shop_cli.operations import rebuild
from shop_cli.operations.rebuild import RebuildFunction, RebuildSource
from shop_cli.progress import ProgressDisplay, ProgressStep
from shop_cli.target import Function, Target

BEGUN = {
    "phase": "loading",
    "source": "log",
    "events": 0,
    "total": 1_000,
    "unreadable": 0,
    "behind": 0,
    "started_at": "2026-03-04T12:00:00+00:00",
}
READY = {**BEGUN, "phase": "ready", "events": 1_000}
SWAPPED = {"phase": "swapped"}
NONE = {"phase": "none"}


def refused(code: str) -> dict[str, Any]:
    return {**BEGUN, "error": {"code": code, "message": f"it is {code}"}}


OPERATOR = "arn:aws:iam::123456789012:user/operator"


class Lambda:
    """Answers each invocation with the next answer, and raises those that are exceptions."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.events: list[dict[str, Any]] = []

    def get_caller_identity(self) -> dict[str, str]:
        return {"Arn": OPERATOR}

    def invoke(self, *, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: N803 - boto3's
        assert FunctionName == "shop-dispatch-local-rebuild"
        self.events.append(json.loads(Payload))
        answer = self.answers.pop(0)
        if isinstance(answer, BaseException):
            raise answer
        failed = {"FunctionError": "Unhandled"} if "errorMessage" in answer else {}
        return {"Payload": io.BytesIO(json.dumps(answer).encode()), **failed}

    @property
    def actions(self) -> list[str]:
        return [event["action"] for event in self.events]


def run(
    *answers: Any, source: RebuildSource | None = None, swap: bool = True, replace: bool = False
) -> tuple[Lambda, str]:
    client, output = Lambda(*answers), io.StringIO()
    display = ProgressDisplay(Console(file=output, width=200))
    rebuild.run(function(client), source, display, swap=swap, replace=replace)
    assert client.answers == []
    return client, output.getvalue()


def function(client: Lambda) -> RebuildFunction:
    return RebuildFunction(Function(client, "shop-dispatch-local-rebuild"), OPERATOR, sleep=lambda _: None)


def test_it_begins_goes_on_until_all_is_there_and_swaps() -> None:
    steps = [{**BEGUN, "events": 400}, {**BEGUN, "phase": "indexing", "events": 1_000, "unreadable": 2}]
    client, shown = run(
        NONE, BEGUN, *steps, {**READY, "phase": "catching-up"}, READY, SWAPPED, source=RebuildSource.store
    )
    begin = {"action": "begin", "source": "store", "actor": OPERATOR}
    assert client.events[:2] == [{"action": "status", "actor": OPERATOR}, begin]
    assert client.actions[2:] == ["continue"] * 4 + ["swap"]
    assert "✓   Load         1,000 events of the log, 2 of them unreadable, " in shown
    assert "✓   Swap         the new tables are in place" in shown


def test_one_that_is_under_way_goes_on() -> None:
    client, shown = run({**BEGUN, "events": 600}, {**READY, "behind": 5_000}, READY, SWAPPED)
    assert client.actions == ["status", "continue", "continue", "swap"]
    assert shown.startswith("Going on with the rebuild from the log, begun 2026-03-04T12:00:00\n")


def test_it_can_wait_with_the_swap() -> None:
    client, _ = run(NONE, BEGUN, READY, swap=False)
    assert "swap" not in client.actions


def test_what_is_busy_is_asked_again() -> None:
    client, _ = run(READY, refused("busy"), refused("busy"), SWAPPED)
    assert client.actions == ["status", "swap", "swap", "swap"]


def test_what_stays_busy_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rebuild, "BUSY_SECONDS_MAX", 0)
    with pytest.raises(ShopError, match="The same command goes on"):
        run(READY, refused("busy"))


@pytest.mark.parametrize(
    ("code", "hint"), [("old-tables", "--drop-old"), ("incomplete", "--from store"), ("other-release", "--abandon")]
)
def test_what_cannot_be_done_is_told_with_what_to_do(code: str, hint: str) -> None:
    with pytest.raises(ShopError, match=f"it is {code} .*{hint}"):
        run(NONE, refused(code))


def test_where_the_store_itself_lacks_something_the_advice_does_not_lead_back_to_it() -> None:
    with pytest.raises(ShopError, match=r"it is incomplete .*--replace; else: shop rebuild --abandon"):
        run(NONE, {**refused("incomplete"), "source": "store"})


def test_a_source_that_is_right_says_what_it_replaces() -> None:
    client, shown = run(
        NONE, BEGUN, READY, {"lacks": 1_002, "replaces": 3}, SWAPPED, source=RebuildSource.store, replace=True
    )
    assert client.actions == ["status", "begin", "continue", "compare", "swap"]
    assert [event.get("replace") for event in client.events] == [None, None, True, None, True]
    assert "lacks 1,002, which will be forgotten, and has others in place of 3" in shown


def test_another_source_than_that_of_the_one_under_way_is_refused() -> None:
    with pytest.raises(ShopError, match="from the log is under way"):
        run(BEGUN, source=RebuildSource.archive)


def test_a_function_that_fails_says_that_nothing_is_lost() -> None:
    with pytest.raises(ShopError, match=r"timed out.*\nThe same command goes on"):
        run(NONE, {"errorMessage": "timed out"})


def test_an_interruption_says_how_to_go_on() -> None:
    output = io.StringIO()
    client = Lambda(NONE, BEGUN, KeyboardInterrupt())
    with pytest.raises(ShopError) as error:
        rebuild.run(function(client), None, ProgressDisplay(Console(file=output, width=200)), swap=True)
    assert error.value.exit_code == 130
    assert "interrupted after" in output.getvalue()
    assert "the same command goes on, and --abandon ends it" in output.getvalue()


def test_the_meter_tells_rate_and_time_left(monkeypatch: pytest.MonkeyPatch) -> None:
    messages: list[str] = []
    clock = iter([0.0, 2.0])
    monkeypatch.setattr(time, "monotonic", lambda: next(clock))
    step = ProgressStep("Load")
    monkeypatch.setattr(step, "doing", messages.append)
    rebuild._Meter(100, step).show({**BEGUN, "events": 300, "total": 10_000})
    assert messages == ["3%  300 events, 100/s, 97.0 s left"]


@pytest.fixture
def client(monkeypatch: pytest.MonkeyPatch) -> Lambda:
    client = Lambda()
    monkeypatch.setattr(Target, "of", lambda _: Target("local"))
    monkeypatch.setattr(Target, "client", lambda *_: client)
    return client


@pytest.mark.parametrize(("option", "action"), [("--drop-old", "drop-old"), ("--abandon", "abandon")])
def test_one_action_alone_is_that_action(client: Lambda, option: str, action: str) -> None:
    client.answers = [NONE]
    result = CliRunner().invoke(app, ["rebuild", option, "--json"])
    assert (result.exit_code, json.loads(result.stdout)) == (0, NONE)
    assert client.actions == [action]


@pytest.mark.parametrize(
    "options",
    [
        ["--drop-old", "--abandon"],
        ["--drop-old", "--from", "log"],
        ["--abandon", "--no-swap"],
        ["--abandon", "--replace"],
    ],
)
def test_options_that_contradict_each_other_are_refused(client: Lambda, options: list[str]) -> None:
    result = CliRunner().invoke(app, ["rebuild", *options])
    assert result.exit_code == 2
    assert client.events == []


@pytest.mark.parametrize("options", [[], ["--from", "log"]])
def test_nothing_replaces_the_log_with_itself(client: Lambda, options: list[str]) -> None:
    client.answers = [NONE]
    result = CliRunner().invoke(app, ["rebuild", "--replace", *options])
    assert result.exit_code == 2
    assert "begin" not in client.actions


def test_as_json_it_prints_where_it_ended(client: Lambda) -> None:
    client.answers = [NONE, BEGUN, READY, SWAPPED]
    result = CliRunner().invoke(app, ["rebuild", "--json"])
    assert result.exit_code == 0, result.output
    assert json.loads(result.stdout) == {**READY, **SWAPPED}
    assert "shop rebuild --drop-old" in result.stderr
