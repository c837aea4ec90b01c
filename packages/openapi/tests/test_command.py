"""`python -m shop_openapi --check` is what `make check` runs."""

import copy
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from shop_openapi import __main__ as command
from shop_openapi import document, releases


@pytest.fixture
def released(monkeypatch: pytest.MonkeyPatch) -> releases.Release:
    """The last release is what the code is now, unless a test changes it."""
    release = releases.Release(copy.deepcopy(document.whole()), {}, "0001_first", "a test")
    monkeypatch.setattr(releases, "last", lambda _: release)
    return release


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, released: releases.Release) -> Callable[..., int]:
    monkeypatch.setattr(command, "CHECKOUT", tmp_path)

    def run(*arguments: str) -> int:
        monkeypatch.setattr(sys, "argv", ["shop_openapi", *arguments])
        return command.main()

    return run


def test_every_page_that_was_edited_is_named(
    run: Callable[..., int], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run() == 0
    assert run("--check") == 0
    assert len([path for path in tmp_path.rglob("*") if path.is_file()]) == 5
    made = [path for path in (tmp_path / "docs").iterdir() if path.is_file()]
    assert len(made) == 2
    for path in made:
        path.write_text(path.read_text() + " ")
    assert run("--check") == 1
    printed = capsys.readouterr().err
    for path in made:
        assert f"{path.relative_to(tmp_path)} differs" in printed


def test_an_artifact_gets_its_own_documents_and_no_others(run: Callable[..., int], tmp_path: Path) -> None:
    assert run("--served") == 0
    made = sorted(path.name for path in tmp_path.rglob("*") if path.is_file())
    assert made == ["docs.html", "openapi.json", "openapi.json"]


def test_a_promise_of_the_last_release_is_kept_until_the_major_version_is_raised(
    run: Callable[..., int], released: releases.Release, capsys: pytest.CaptureFixture[str]
) -> None:
    run()
    released.document["paths"]["/wishes"] = released.document["paths"]["/purchases"]
    assert run("--check") == 1
    assert "GET /wishes: removed" in capsys.readouterr().err
    released.document["info"]["version"] = "0.9.0"
    assert run("--check") == 0
