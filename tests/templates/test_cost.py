"""bench/stacks.json, from which docs/cost.md is computed, has what the packaged stacks have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench import stacks
from bench.cost import T4G_SMALL_MONTH, idle, total

STALE = "run make cost scale"


@pytest.mark.parametrize("stack", stacks.STACKS)
def test_production_is_as_recorded(production: dict[str, Any], stack: str) -> None:
    assert stacks.inventory(production[stack]) == stacks.recorded()["production"][stack], STALE


@pytest.mark.parametrize("stack", stacks.STACKS)
def test_dev_is_as_recorded(serverless: Callable[..., Any], tmp_path: Path, stack: str) -> None:
    given = ("--stage", "dev", "--param", "platform=recorded", "--param", "throttledRoutes=waiting")
    done = serverless(stack, "package", *given, "--package", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    template = json.loads((tmp_path / "cloudformation-template-update-stack.json").read_text(encoding="utf-8"))
    assert stacks.inventory(template) == stacks.recorded()["dev"][stack], STALE


def test_an_idle_month_of_dev_is_cheaper_than_a_small_server() -> None:
    assert total(idle("dev")) < T4G_SMALL_MONTH
