"""`python -m shop_openapi --check` is what `make check` runs."""

import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import yaml

from shop_openapi import __main__ as command


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., int]:
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)
    monkeypatch.setattr(command, "RELEASED", tmp_path / "docs" / "openapi-released.yaml")

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["shop_openapi", *arguments])
        return command.main()

    return run


def test_every_file_that_was_edited_is_named(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run("--release") == 0
    assert run("--check") == 0
    made = [path for path in tmp_path.rglob("*") if path.is_file() and "released" not in path.name]
    assert len(made) == 5
    for path in made:
        path.write_text(path.read_text() + " ")
    assert run("--check") == 1
    printed = capsys.readouterr().err
    for path in made:
        assert f"{path.relative_to(tmp_path)} differs" in printed


def test_a_promise_of_the_last_release_is_kept_until_the_major_version_is_raised(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run("--release")
    released = tmp_path / "docs" / "openapi-released.yaml"
    promised = yaml.safe_load(released.read_text())
    promised["paths"]["/wishes"] = promised["paths"]["/purchases"]
    released.write_text(command.as_yaml(promised))
    assert run("--check") == 1
    assert "GET /wishes: removed" in capsys.readouterr().err
    promised["info"]["version"] = "0.9.0"
    released.write_text(command.as_yaml(promised))
    assert run("--check") == 0
