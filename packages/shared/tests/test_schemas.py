"""The committed JSON Schemas are those of the code, and the check says so when they are not."""

import subprocess
import sys
from pathlib import Path

from shop_shared.schemas import schemas

COMMITTED = Path(__file__).parents[1] / "schemas"


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "shop_shared.schemas", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_the_committed_schemas_are_those_of_the_code() -> None:
    assert run(str(COMMITTED), "--check").returncode == 0
    assert {path.name for path in COMMITTED.glob("*.json")} == set(schemas())


def test_the_check_names_a_schema_that_drifted_is_missing_or_is_left_over(tmp_path: Path) -> None:
    assert run(str(tmp_path)).returncode == 0
    (tmp_path / "envelope.json").write_text("{}")
    (tmp_path / "shop.product.listed.v1.json").unlink()
    (tmp_path / "shop.product.forgotten.v1.json").write_text("{}")
    result = run(str(tmp_path), "--check")
    assert result.returncode == 1
    for name in ("envelope.json", "shop.product.listed.v1.json", "shop.product.forgotten.v1.json"):
        assert name in result.stderr
    assert run(str(tmp_path)).returncode == 0
    assert run(str(tmp_path), "--check").returncode == 0
