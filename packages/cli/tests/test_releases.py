"""What `shop release` and `shop rollback` do, and in which order, over fakes of osls and AWS."""

import io
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner, Result

from shop_cli.errors import ShopError
from shop_cli.main import app
from shop_cli.operations.releases import check, command, history
from shop_cli.operations.releases.history import FunctionRelease, ReleaseHistory, Service
from shop_cli.target import Function, Target

FIRST = FunctionRelease(1, live_since=10)
SECOND = FunctionRelease(2, live_since=20)
FAILED = FunctionRelease(3)
LIVE = FunctionRelease(4, live_since=40, is_live=True)


def of(*releases: FunctionRelease) -> ReleaseHistory:
    return ReleaseHistory(Service.query, releases)


def test_a_rollback_goes_to_what_was_live_before_and_never_to_a_failure() -> None:
    assert of(FIRST, SECOND, FAILED, LIVE).previous == SECOND


def test_a_rollback_after_a_rollback_goes_further_back_and_not_forward_again() -> None:
    assert (
        of(FIRST, FunctionRelease(2, live_since=50, is_live=True), FunctionRelease(4, 40, is_withdrawn=True)).previous
        == FIRST
    )


def test_a_rollback_goes_to_the_release_that_was_live_before_and_not_to_the_newer_one_that_it_had_replaced() -> None:
    returned, replaced = FunctionRelease(1, live_since=30), FunctionRelease(2, live_since=20, is_withdrawn=True)
    assert of(returned, replaced, LIVE).previous == returned


def test_where_nothing_was_live_before_there_is_nothing_to_go_back_to() -> None:
    assert of(FAILED, LIVE).previous is None


@pytest.mark.parametrize(("timestamp", "problem"), [(3, "its deployment has failed"), (5, "is not kept")])
def test_only_a_kept_release_that_was_live_can_be_named(timestamp: int, problem: str) -> None:
    assert of(FIRST, FAILED, LIVE).at(1) == FIRST
    with pytest.raises(ShopError, match=problem):
        of(FIRST, FAILED, LIVE).at(timestamp)


class Lambda:
    def __init__(self, done: list[str]) -> None:
        self._done = done

    def update_function_code(self, FunctionName: str, ZipFile: bytes) -> None:  # noqa: N803 - the API's names
        self._done.append(f"{FunctionName} has {ZipFile.decode()}")

    def get_waiter(self, _: str) -> "Lambda":
        return self

    def wait(self, FunctionName: str) -> None:  # noqa: N803 - the API's name
        self._done.append(f"{FunctionName} is updated")

    def invoke(self, FunctionName: str, Payload: bytes) -> dict[str, Any]:  # noqa: ARG002, N803 - the API's names
        self._done.append(f"{FunctionName} is invoked")
        return {"Payload": io.BytesIO(json.dumps({"current": "0015_new", "records": []}).encode())}


class Stage:
    """A stage whose deploy tool writes down what it was asked, and answers each reading with the next history."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, *histories: ReleaseHistory) -> None:
        self.done: list[str] = []
        left = list(histories)
        monkeypatch.setattr(command, "read", lambda *_: left.pop(0))
        monkeypatch.setattr(command, "osls", self._osls)
        monkeypatch.setattr(Target, "function", lambda _, name: Function(Lambda(self.done), name))
        monkeypatch.setattr(command, "check", lambda *_: "200")

    def _osls(self, _target: Target, _service: Service, *arguments: str) -> None:
        self.done.append(arguments[0])
        if arguments[0] == "package":
            folder = Path(arguments[2])
            folder.mkdir()
            (folder / "shop-dispatch-py3.13.zip").write_text("the new code")


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--stage", "dev"])


def test_the_read_model_is_migrated_by_the_code_that_is_released_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, of(FIRST), of(FIRST, LIVE))
    shown = run("release", "shop-dispatch").stdout
    assert stage.done == [
        "package",
        "migrate has the new code",
        "migrate is updated",
        "migrate is invoked",
        "deploy",
    ]
    assert "at 0015_new" in shown
    assert "4 is live" in shown
    assert "./shop rollback shop-dispatch --stage dev" in shown


def test_what_another_job_has_packaged_is_released_as_it_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    stage = Stage(monkeypatch, of(LIVE), of(LIVE))
    shown = run("release", "shop-query", "--package", str(tmp_path)).stdout
    assert stage.done == ["deploy"]
    assert "nothing has changed" in shown
    assert "To take it back" not in shown


def test_a_release_that_gives_no_good_answer_fails_and_says_how_to_take_it_back(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Stage(monkeypatch, of(FIRST), of(FIRST, LIVE))

    def refuse(*_: Any) -> str:
        raise ShopError("GET /products was answered with 500")

    monkeypatch.setattr(command, "check", refuse)
    result = run("release", "shop-query")
    assert result.exit_code == 1
    assert "answered with 500\nTo take it back: ./shop rollback shop-query --stage dev" in result.stderr


def test_a_rollback_that_does_not_arrive_is_a_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, of(FIRST, LIVE), of(FIRST, LIVE))
    result = run("rollback", "shop-query")
    assert stage.done == ["rollback"]
    assert result.exit_code == 1
    assert "1 is not live, but 4" in result.stderr


def test_there_is_no_rollback_to_what_is_live_or_to_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    stage = Stage(monkeypatch, of(FIRST, LIVE), of(LIVE))
    assert "4 is live already" in run("rollback", "shop-query", "--to", "4").stdout
    assert "./shop releases shop-query --stage dev" in run("rollback", "shop-query").stderr
    assert stage.done == []


@pytest.fixture
def answered(monkeypatch: pytest.MonkeyPatch) -> Callable[..., list[str]]:
    def answer(*statuses: int) -> list[str]:
        left, asked = list(statuses), []

        def get(url: str, timeout: float) -> httpx.Response:
            asked.append(url)
            return httpx.Response(left.pop(0), text="why")

        monkeypatch.setattr(httpx, "get", get)
        monkeypatch.setattr(Target, "outputs", {"HttpApiUrl": "https://api.example"})
        return asked

    return answer


def test_a_database_that_is_resuming_is_waited_for(answered: Callable[..., list[str]]) -> None:
    asked = answered(503, 503, 200)
    assert check.check(Target("dev"), Service.query, sleep=lambda _: None) == "GET /products?limit=1  200"
    assert asked == ["https://api.example/products?limit=1"] * 3


@pytest.mark.parametrize("status", [500, 404])
def test_any_other_answer_is_none(answered: Callable[..., list[str]], status: int) -> None:
    answered(status)
    with pytest.raises(ShopError, match=f"answered with {status}: why"):
        check.check(Target("dev"), Service.command)


def test_the_functions_that_can_be_released_are_those_that_there_are() -> None:
    folders = (Path(history.__file__).parents[6] / "functions").glob("*/serverless.yml")
    assert sorted(Service) == sorted(folder.parent.name for folder in folders)
