"""Whatever file a document links to or names is there, and so is the heading that a link ends at."""

import re
import subprocess
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[2]
FILES = [
    CHECKOUT / name
    for name in subprocess.run(
        ["git", "-C", str(CHECKOUT), "ls-files"], capture_output=True, text=True, check=True
    ).stdout.splitlines()
]
TEMPLATES = {CHECKOUT / "bench/cost.md", CHECKOUT / "bench/scale/document.md"}
"""Documents in docs/ are made of them, and are looked at in their place."""
DOCUMENTS = [path for path in FILES if path.suffix == ".md" and path not in TEMPLATES]
LINK = re.compile(r"\]\(([^()\s]+)\)")
NAME = re.compile(r"`([\w*-]+\.(?:css|js|md|py|sh|sql|svelte|toml|ts|yml))`")
HEADING = re.compile(r"(?m)^#+ (.+)$")


@cache
def anchors(document: Path) -> set[str]:
    """Returns what GitHub makes of the document's headings."""
    text = re.sub(r"(?ms)^```.*?^```", "", document.read_text(encoding="utf-8"))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in HEADING.findall(text)}


def missing(document: Path, text: str) -> Iterator[str]:
    for link in LINK.findall(text):
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        if not target.exists() or (anchor and target.suffix == ".md" and anchor not in anchors(target)):
            yield link
    if document.name == "README.md" and document.parent != CHECKOUT:
        # A name without a folder is that of a file below the README's own.
        for name in NAME.findall(re.sub(r"\[[^\]]*\]\([^)]*\)", "", text)):
            if not any(path.is_relative_to(document.parent) and path.match(name) for path in FILES):
                yield name


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: str(path.relative_to(CHECKOUT)))
def test_what_a_document_names_is_there(document: Path) -> None:
    assert list(missing(document, document.read_text(encoding="utf-8"))) == []


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("[it](no-such.md)", "no-such.md"),
        ("[it](../../README.md#no-such-heading)", "../../README.md#no-such-heading"),
        ("the routes are in `resolvers.py`", "resolvers.py"),
        ("each `problems_of_*.py`", "problems_of_*.py"),
    ],
)
def test_what_is_not_there_is_found(text: str, named: str) -> None:
    assert list(missing(CHECKOUT / "packages/openapi/README.md", text)) == [named]
