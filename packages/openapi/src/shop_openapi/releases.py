"""The last release, which later ones must get on with: the API's document and shop-query's SQL.

A release is a git tag, `api/1.0.0` or `shop-query/1.0.0`, and its files are read from there. A shallow or tagless clone
has no tags: it reads `released.json.gz`, a compressed copy of the same that `make released` writes beside them.
"""

import gzip
import json
import subprocess
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

STORED: Final = "packages/openapi/released.json.gz"
DOCUMENT: Final = "docs/openapi.yaml"
STATEMENTS: Final = "functions/shop-query/src/shop_query/adapters/sql"
MIGRATIONS: Final = "functions/shop-dispatch/migrations"


class ReleaseError(Exception):
    """A release cannot be made from this tree; its message says what to do first."""


@dataclass(frozen=True)
class Release:
    document: dict[str, Any]
    statements: Mapping[str, str]
    """Each of shop-query's SQL files by its name."""
    migration: str
    """The newest migration that the statements were released with, such as `0007_parking`."""
    origin: str
    """The tags that it was read from, or the stored copy."""


def last(checkout: Path) -> Release:
    tags = [newest(checkout, "api"), newest(checkout, "shop-query")]
    if not all(tags):
        stored = json.loads(gzip.decompress((checkout / STORED).read_bytes()))
        return Release(**stored, origin=f"{STORED}: this clone has no tags of releases")
    api, query = map(str, tags)
    return Release(
        document=yaml.safe_load(_git(checkout, "show", f"{api}:{DOCUMENT}")),
        statements={name: _git(checkout, "show", f"{query}:{STATEMENTS}/{name}") for name in _names(checkout, query)},
        migration=_names(checkout, query, MIGRATIONS)[-1].removesuffix(".sql"),
        origin=f"the tags {api} and {query}",
    )


def make(checkout: Path, version: str) -> list[str]:
    """Makes the commit that is checked out the last release: writes the stored copy, and answers the new tags.

    The copy belongs into the same commit. So a first call writes and asks for the commit, and the next one tags it.
    Raises ReleaseError for changes that are not committed.
    """
    query = tomllib.loads((checkout / "functions/shop-query/pyproject.toml").read_text())["project"]["version"]
    present = json.dumps(
        {
            "document": yaml.safe_load((checkout / DOCUMENT).read_text()),
            "statements": {path.name: path.read_text() for path in sorted((checkout / STATEMENTS).glob("*.sql"))},
            "migration": max(path.stem for path in (checkout / MIGRATIONS).glob("*.sql")),
        }
    )
    # Without a time inside, the same release has the same bytes.
    (checkout / STORED).write_bytes(gzip.compress(present.encode(), mtime=0))
    if _git(checkout, "status", "--porcelain"):
        raise ReleaseError(f"Commit everything, {STORED} too, and run this again: a release is a tag of a commit")
    known = _git(checkout, "tag", "--list").split()
    tags = [tag for tag in (f"api/{version}", f"shop-query/{query}") if tag not in known]
    for tag in tags:
        _git(checkout, "tag", "--annotate", tag, "--message", f"Release {tag}")
    return tags


def newest(checkout: Path, name: str) -> str | None:
    """The newest tag of that name which the commit that is checked out descends from."""
    found = _git(checkout, "tag", "--list", f"{name}/*", "--merged", "HEAD", "--sort=-version:refname").split()
    return found[0] if found else None


def _names(checkout: Path, tag: str, folder: str = STATEMENTS) -> list[str]:
    listed = _git(checkout, "ls-tree", "--name-only", f"{tag}:{folder}").split()
    return sorted(name for name in listed if name.endswith(".sql"))


def _git(checkout: Path, *arguments: str) -> str:
    command = ["git", "-C", str(checkout), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout  # noqa: S603 - our own words
