"""Writes what is made of the API's document: pages for people, and what the functions serve from their artifacts."""

import argparse
import json
import os
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from shop_openapi import document, pages, releases
from shop_openapi.breaking import breaking_changes, is_allowed

CHECKOUT: Final = Path(__file__).resolve().parents[4]


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - nobody likes to read anchors
        return True


def documents() -> dict[Path, str]:
    """Git keeps these, so that a change of the API is seen in review."""
    return {
        CHECKOUT / "docs" / "openapi.yaml": as_yaml(document.whole()),
        CHECKOUT / "docs" / "problems.md": pages.problems_page(),
    }


def served() -> dict[Path, str]:
    """The functions answer these. Git ignores them: they are made whenever an artifact is."""
    functions = CHECKOUT / "functions"
    query = functions / "shop-query/src/shop_query/handlers/generated"
    command = functions / "shop-command/src/shop_command/handlers/generated"
    return {
        query / "openapi.json": _as_json(document.of_queries()),
        query / "docs.html": pages.html(document.whole()),
        command / "openapi.json": _as_json(document.of_commands()),
    }


def as_yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def check() -> int:
    released, current = releases.last(CHECKOUT), document.whole()
    print(f"The API is compared with its last release, from {released.origin}")
    drifted = [path for path, text in documents().items() if not path.exists() or path.read_text() != text]
    broken = [] if is_allowed(released.document, current) else breaking_changes(released.document, current)
    for path in drifted:
        print(f"{path.relative_to(CHECKOUT)} differs from the code; run `make openapi`", file=sys.stderr)
    for change in broken:
        print(f"breaks clients of the last release: {change}", file=sys.stderr)
    if broken:
        print("Take it back, or raise the major number of VERSION in shop_openapi/document.py", file=sys.stderr)
    return 1 if drifted or broken else 0


def release() -> int:
    try:
        tags = releases.make(CHECKOUT, document.VERSION)
    except releases.ReleaseError as error:
        print(error, file=sys.stderr)
        return 1
    print(f"Made {', '.join(tags)}; publish with git push --tags" if tags else "Its versions are released already")
    return 0


def write(wanted: dict[Path, str]) -> None:
    """Replaces what differs, in one step each: two builds may do so at once."""
    for path, text in wanted.items():
        if not path.exists() or path.read_text() != text:
            path.parent.mkdir(parents=True, exist_ok=True)
            scratch = path.with_name(f".{path.name}.{os.getpid()}")
            scratch.write_text(text)
            scratch.replace(path)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shop_openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a page or a promise differs")
    parser.add_argument("--served", action="store_true", help="write only what the functions serve")
    parser.add_argument("--release", action="store_true", help="tag what clients may rely on from now on")
    arguments = parser.parse_args()
    if arguments.check:
        return check()
    if arguments.release:
        return release()
    write(served() if arguments.served else documents() | served())
    return 0


if __name__ == "__main__":
    sys.exit(main())
