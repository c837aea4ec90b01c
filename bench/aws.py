"""Reads aws.toml, the one home of what AWS and Stripe charge and allow, and writes it as tables with their sources."""

import tomllib
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

FILE: Final = Path(__file__).with_name("aws.toml")
GB: Final = 1024**3
HOURS_OF_MONTH: Final = 730
MILLION: Final = 1_000_000


@cache
def _read() -> Mapping[str, Mapping[str, Mapping[str, Any]]]:
    return tomllib.loads(FILE.read_text(encoding="utf-8"))


def price(name: str) -> float:
    """Returns USD for one, also where aws.toml has the price of a million."""
    entry = _read()["prices"][name]
    return float(entry["usd"]) / (MILLION if entry["per"].startswith("million ") else 1)


def limit(name: str) -> float:
    return float(_read()["limits"][name]["value"])


def assumed(name: str) -> float:
    return float(_read()["assumed"][name]["value"])


def price_table() -> str:
    rows = ((name, f"{entry['usd']:.10g}", entry["per"], *_seen(entry)) for name, entry in _read()["prices"].items())
    return table(("price", "USD", "for one", "source", "read on"), rows)


def limit_table(section: str = "limits") -> str:
    """Returns the table of the section `limits` or `assumed`."""
    rows = (
        (name, f"{entry['value']:,}", entry["unit"], "yes" if entry.get("raised") else "", *_seen(entry))
        for name, entry in _read()[section].items()
    )
    return table(("limit", "value", "of", "on request more", "source", "read on"), rows)


def _seen(entry: Mapping[str, Any]) -> tuple[str, str]:
    source = entry["source"]
    return f"<{source}>" if source.startswith("https://") else source, str(entry["seen"])


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """Returns a table in Markdown; a column is aligned to the right where all its cells begin as a number does."""
    names, cells = [*head], [[str(cell) for cell in row] for row in rows]
    columns = zip(*cells, strict=True)
    aligned = ["--:" if all(cell.strip("*")[:1] in "0123456789-" for cell in column) else "---" for column in columns]
    lines = [names, aligned or ["---"] * len(names), *cells]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
