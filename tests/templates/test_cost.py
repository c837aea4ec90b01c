"""bench/stacks.json, from which docs/cost.md is computed, has what the packaged stacks have."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from bench import stacks

STALE = "run make cost scale"


@pytest.mark.parametrize("stack", stacks.STACKS)
def test_production_is_as_recorded(production: dict[str, Any], stack: str) -> None:
    assert stacks.inventory(production[stack]) == stacks.recorded()["production"][stack], STALE


def test_the_platform_of_dev_is_as_recorded(serverless: Callable[..., Any], tmp_path: Path) -> None:
    """The functions' stacks of dev differ from production's in concurrency and the age of logs alone."""
    given = ("--stage", "dev", "--param", "platform=recorded", "--param", "throttledRoutes=waiting")
    done = serverless("shop-platform", "package", *given, "--package", str(tmp_path))
    assert done.returncode == 0, done.stdout + done.stderr
    template = json.loads((tmp_path / "cloudformation-template-update-stack.json").read_text(encoding="utf-8"))
    assert stacks.inventory(template) == stacks.recorded()["dev"]["shop-platform"], STALE
