"""The archive's table fits every event ever shipped, and the committed file is that of the code."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from shop_shared.catalog import PARTITION, catalog
from shop_shared.registry import EVENT_TYPES

CHECKOUT = Path(__file__).parents[3]
COMMITTED = CHECKOUT / "infra" / "events-table.json"
GOLDEN = sorted((CHECKOUT / "packages" / "shared" / "golden").glob("*/*.json"))


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shop_shared.catalog", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_committed_table_is_that_of_the_code() -> None:
    assert run(str(COMMITTED), "--check").returncode == 0


def test_the_check_says_when_it_is_missing_or_differs(tmp_path: Path) -> None:
    file = tmp_path / "table.json"
    for text in (None, "{}"):
        if text:
            file.write_text(text)
        result = run(str(file), "--check")
        assert result.returncode == 1
        assert "table.json differs from the code; run `make schemas`" in result.stderr
    assert run(str(file)).returncode == 0
    assert run(str(file), "--check").returncode == 0
    assert json.loads(file.read_text()) == catalog()


@pytest.mark.parametrize("path", GOLDEN, ids=lambda path: f"{path.parent.name} {path.stem}")
def test_every_event_fits_the_columns_and_has_a_partition(path: Path) -> None:
    event = json.loads(path.read_text())
    types = {column["Name"]: column["Type"] for column in catalog()["columns"]}
    assert set(event) <= {*types, PARTITION}
    assert event["type"] in catalog()["types"].split(",")
    kinds: dict[str, tuple[type, ...]] = {"string": (str, dict), "int": (int,)}
    for name, value in event.items():
        assert name == PARTITION or isinstance(value, kinds[types[name]])


def test_a_column_is_lower_case_and_an_object_is_text() -> None:
    columns = {column["Name"]: column["Type"] for column in catalog()["columns"]}
    # Firehose makes the keys of an event lower case before it looks for a column.
    assert all(name == name.lower() for name in columns)
    assert {name for name, kind in columns.items() if kind != "string"} == {"streamversion"}
    assert columns["data"] == columns["time"] == "string"
    assert catalog()["types"].split(",") == list(EVENT_TYPES)
