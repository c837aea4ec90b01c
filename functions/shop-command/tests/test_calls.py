"""What a sale calls and writes is known, because latency and bills follow from it."""

import json
from pathlib import Path
from typing import Any, Final

import pytest

from shop_command.testing.calls import counted

RECORDED: Final = Path(__file__).parents[3] / "bench" / "calls.json"

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def now() -> dict[str, Any]:
    return counted()


def test_a_sale_calls_and_writes_what_is_recorded(now: dict[str, Any]) -> None:
    recorded = json.loads(RECORDED.read_text(encoding="utf-8"))
    assert now == recorded, "if it is meant, write bench/calls.json anew: .venv/bin/python -m bench.calls"


def test_a_customer_waits_for_few_calls(now: dict[str, Any]) -> None:
    assert now["reservation"]["in_a_row"] <= 4
    assert now["purchase"]["in_a_row"] <= 5
    assert sum(now["purchase"]["provider"].values()) <= 2


def test_a_sale_takes_few_write_units(now: dict[str, Any]) -> None:
    assert now["reservation"]["write_units"] + now["purchase"]["write_units"] <= 31
    assert now["purchase"]["of_them_for_the_index"] <= 3
