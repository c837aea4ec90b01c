"""Writes what is made of the API's document, or says what differs from the code."""

import argparse
import json
import sys
from pathlib import Path
from typing import Any, Final

import yaml

from shop_openapi import document, pages
from shop_openapi.breaking import breaking_changes, is_allowed

CHECKOUT: Final = Path(__file__).resolve().parents[4]
RELEASED: Final = CHECKOUT / "docs" / "openapi-released.yaml"


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:  # noqa: ARG002 - nobody likes to read anchors
        return True


def files() -> dict[Path, str]:
    """Everything that is made, with where it lies."""
    whole = document.whole()
    functions = CHECKOUT / "functions"
    query = functions / "shop-query/src/shop_query/handlers/generated"
    command = functions / "shop-command/src/shop_command/handlers/generated"
    return {
        CHECKOUT / "docs" / "openapi.yaml": as_yaml(whole),
        CHECKOUT / "docs" / "problems.md": pages.problems_page(),
        query / "openapi.json": _as_json(document.of_queries()),
        query / "docs.html": pages.html(whole),
        command / "openapi.json": _as_json(document.of_commands()),
    }


def as_yaml(content: dict[str, Any]) -> str:
    return yaml.dump(content, Dumper=_Plain, sort_keys=False, allow_unicode=True, width=120)


def _as_json(content: dict[str, Any]) -> str:
    return json.dumps(content, ensure_ascii=False, separators=(",", ":")) + "\n"


def broken_promises() -> list[str]:
    released, current = yaml.safe_load(RELEASED.read_text()), document.whole()
    return [] if is_allowed(released, current) else breaking_changes(released, current)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m shop_openapi", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; fail when a file or a promise differs")
    parser.add_argument("--release", action="store_true", help="the document is what clients may rely on from now on")
    arguments = parser.parse_args()
    wanted = files()
    if arguments.check:
        drifted = [path for path, text in wanted.items() if not path.exists() or path.read_text() != text]
        broken = broken_promises()
        for path in drifted:
            print(f"{path.relative_to(CHECKOUT)} differs from the code; run `make openapi`", file=sys.stderr)
        for change in broken:
            print(f"breaks clients of the last release: {change}", file=sys.stderr)
        if broken:
            print("Take it back, or raise the major number of VERSION in shop_openapi/document.py", file=sys.stderr)
        return 1 if drifted or broken else 0
    if arguments.release:
        wanted[RELEASED] = wanted[CHECKOUT / "docs" / "openapi.yaml"]
    for path, text in wanted.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
