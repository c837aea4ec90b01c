"""No start of Lambda's looks for garbage, and each invocation may."""

import gc
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shop_observability import collector
from shop_observability.invocation import invocation

LAMBDAS = "AWS_LAMBDA_INITIALIZATION_TYPE"


@pytest.fixture(autouse=True)
def collected() -> Iterator[None]:
    yield
    gc.unfreeze()
    gc.enable()


def test_the_collector_pauses_until_an_invocation_which_has_nothing_of_the_start_looked_through(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv(LAMBDAS, "on-demand")
    collector.pause()
    assert not gc.isenabled()
    with invocation("shop-test"):
        assert gc.isenabled()
        frozen = gc.get_freeze_count()
    assert frozen > 0
    with invocation("shop-test"):
        assert gc.get_freeze_count() <= frozen  # what is newer may be garbage


def test_outside_of_lambda_nothing_changes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(LAMBDAS, raising=False)
    collector.pause()
    assert gc.isenabled()


@pytest.mark.parametrize("function", ["shop_command", "shop_dispatch", "shop_query"])
def test_each_function_pauses_it_before_the_imports_of_its_handlers(function: str) -> None:
    script = f"import sys, gc, {function}.handlers; print(gc.isenabled(), 'aws_lambda_powertools' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], env={LAMBDAS: "on-demand"}, capture_output=True, text=True, check=True
    )
    assert done.stdout.split() == ["False", "False"]
