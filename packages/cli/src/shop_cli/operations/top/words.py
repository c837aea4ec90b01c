"""How numbers are written, and what marks a bad one."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from rich.text import Text

MARK: Final = "!"
NONE: Final = "-"


def count(number: int) -> str:
    """Formats a number up to 99 million in five characters at most."""
    if number < 10_000:
        return str(number)
    return f"{number / 1e3:.0f}k" if number < 999_500 else f"{number / 1e6:.0f}M"


def milliseconds(value: float | None) -> str:
    """Formats a duration up to 999 seconds, with its unit, in five characters at most."""
    if value is None:
        return NONE
    if value < 9.95:
        return f"{value:.1f}ms"
    return f"{value:.0f}ms" if value < 999.5 else seconds(value / 1000)


def seconds(value: float) -> str:
    if value < 0.9995:
        return milliseconds(value * 1000)
    if value < 9.95:
        return f"{value:.1f}s"
    return f"{value:.0f}s" if value < 600 else f"{value / 60:.0f}min" if value < 36_000 else f"{value / 3600:.0f}h"


def bad(text: str, *, is_bad: bool) -> Text:
    return Text(f"{MARK}{text}", style="bold red") if is_bad else Text(text)


def line(label: str, parts: Iterable[Text]) -> Text:
    return Text.assemble((f"{label:<10}", "dim"), Text("  ").join(parts))
