"""What the first request needs is ready after the import in Lambda, and a snapshot holds nothing of one environment."""

import random
import sys
from collections.abc import Callable
from types import SimpleNamespace

import pytest

from shop_http.initialization import initialize


def done(kind: str | None) -> list[str]:
    made: list[str] = []
    environment = {"AWS_LAMBDA_INITIALIZATION_TYPE": kind} if kind else {}
    initialize(environment, lambda: made.append("prepared"), lambda: made.append("connected"))
    return made


def test_outside_of_lambda_the_first_request_does_it() -> None:
    assert done(None) == []


@pytest.mark.parametrize("kind", ["on-demand", "provisioned-concurrency"])
def test_an_environment_of_its_own_is_made_ready_whole(kind: str) -> None:
    assert done(kind) == ["prepared", "connected"]


def test_a_snapshot_is_taken_before_the_rest_and_each_copy_draws_other_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    restored: list[Callable[[], object]] = []
    hooks = SimpleNamespace(register_after_restore=restored.append)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)
    made: list[str] = []
    initialize(
        {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"},
        lambda: made.append("prepared"),
        lambda: made.append("connected"),
    )
    assert made == ["prepared"]
    snapshot, drawn = random.getstate(), set()
    for _ in range(2):
        random.setstate(snapshot)
        for hook in restored:
            hook()
        drawn.add(random.random())  # noqa: S311 - it is not ours
    random.setstate(snapshot)
    assert made == ["prepared", "connected", "connected"]
    assert len(drawn) == 2
