"""Prints what commands find: JSON for scripts, tables for people, and progress beside both."""

import json
from collections.abc import Collection, Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from shop_cli.progress import ProgressDisplay

JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


def print_json(value: Any) -> None:
    typer.echo(json.dumps(value, indent=2))


def display(*, for_scripts: bool) -> ProgressDisplay:
    """When scripts read standard output, progress goes to standard error."""
    return ProgressDisplay(Console(stderr=True) if for_scripts else None)


def table(
    columns: Sequence[str], rows: Iterable[Sequence[object]], *, right: Collection[str] = (), **more: Any
) -> Table:
    """Makes a table without lines. The columns in `right` are justified to the right; an absent value is empty."""
    made = Table(box=None, header_style="dim", pad_edge=False, title_justify="left", caption_justify="left", **more)
    for column in columns:
        made.add_column(column, justify="right" if column in right else "left", overflow="fold")
    for row in rows:
        made.add_row(*("" if cell is None else escape(str(cell)) for cell in row))
    return made


def duration(seconds: float) -> str:
    """Writes a duration with three digits at least."""
    if seconds >= 100:
        return f"{seconds / 60:.1f} min"
    if seconds >= 10:
        return f"{seconds:.1f} s"
    if seconds >= 1:
        return f"{seconds:.3f} s"
    milliseconds = round(seconds * 1000, 1)
    return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"
