"""A release is a tag; a clone without tags has a small copy of the last one."""

import shutil
import subprocess
from pathlib import Path

import pytest
import yaml

from shop_openapi import releases
from shop_openapi.__main__ import CHECKOUT


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A repository of its own with one commit, which has what a release is made of."""
    for name in (releases.DOCUMENT, releases.STORED, "functions/shop-query/pyproject.toml"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(CHECKOUT / name, tmp_path / name)
    for name in (releases.STATEMENTS, releases.MIGRATIONS):
        shutil.copytree(CHECKOUT / name, tmp_path / name)
    git(tmp_path, "init", "--quiet")
    commit(tmp_path)
    return tmp_path


def git(folder: Path, *arguments: str) -> None:
    author = ("-c", "user.name=Test", "-c", "user.email=test@shop.example")
    subprocess.run(["git", "-C", str(folder), *author, *arguments], check=True, capture_output=True)


def commit(folder: Path) -> None:
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--allow-empty", "--message", "Change it")


@pytest.fixture(autouse=True)
def author(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GIT_COMMITTER_NAME", "GIT_AUTHOR_NAME"):
        monkeypatch.setenv(name, "Test")
    for name in ("GIT_COMMITTER_EMAIL", "GIT_AUTHOR_EMAIL"):
        monkeypatch.setenv(name, "test@shop.example")


def test_a_clone_without_tags_reads_the_stored_copy_and_says_so(clone: Path) -> None:
    found = releases.last(clone)
    assert found.origin == f"{releases.STORED}: this clone has no tags of releases"
    assert found.document["paths"]["/products"]["get"]
    assert "FROM read_v1.products" in found.statements["product.sql"]
    assert found.migration[:4].isdecimal()


def test_a_release_is_read_from_its_tags_whatever_comes_after_it(clone: Path) -> None:
    with pytest.raises(releases.ReleaseError, match="Commit everything"):
        releases.make(clone, "1.0.0")
    commit(clone)
    assert releases.make(clone, "1.0.0") == ["api/1.0.0", "shop-query/1.0.0"]
    assert releases.make(clone, "1.0.0") == []
    released = yaml.safe_load((clone / releases.DOCUMENT).read_text())
    (clone / releases.DOCUMENT).write_text(yaml.safe_dump({"info": {"version": "1.0.0"}, "paths": {}}))
    (clone / releases.STATEMENTS / "product.sql").write_text("SELECT 1")
    (clone / releases.MIGRATIONS / "9999_later.sql").write_text("SELECT 1")
    commit(clone)
    found = releases.last(clone)
    assert found.origin == "the tags api/1.0.0 and shop-query/1.0.0"
    assert found.document == released
    assert found.statements["product.sql"] == (CHECKOUT / releases.STATEMENTS / "product.sql").read_text()
    assert found.migration == max(path.stem for path in (CHECKOUT / releases.MIGRATIONS).glob("*.sql"))


def test_the_stored_copy_is_what_the_tags_have(clone: Path) -> None:
    with pytest.raises(releases.ReleaseError):
        releases.make(clone, "1.0.0")
    stored = releases.last(clone)
    commit(clone)
    releases.make(clone, "1.0.0")
    tagged = releases.last(clone)
    assert (stored.document, stored.statements, stored.migration) == (
        tagged.document,
        tagged.statements,
        tagged.migration,
    )


def test_a_tag_of_another_branch_is_no_release_of_this_one(clone: Path) -> None:
    git(clone, "checkout", "--quiet", "-b", "other")
    commit(clone)
    git(clone, "tag", "api/2.0.0")
    git(clone, "checkout", "--quiet", "-")
    assert releases.newest(clone, "api") is None


def test_versions_are_in_the_order_of_their_numbers(clone: Path) -> None:
    for version in ("1.9.0", "1.10.0"):
        git(clone, "tag", f"api/{version}")
    assert releases.newest(clone, "api") == "api/1.10.0"
