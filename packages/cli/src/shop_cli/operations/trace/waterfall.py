"""Draws a trace for a terminal, as wide as that is. Pure: no client, no clock."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from shop_cli.operations.trace.layout import Layout, Row, lay_out
from shop_cli.operations.trace.traces import RecordedTrace
from shop_cli.output import duration

COLOURS: Final = ("cyan", "magenta", "yellow", "green", "blue", "bright_black")  # red is for faults
WIDTH_MAX: Final = 180
WIDE: Final = 120
"""Narrower terminals do without the column that says when a span began: its bar shows it."""
BAR_MIN, BAR_MAX = 12, 60
LABEL_SHARE_MAX: Final = 0.5


def render(trace: RecordedTrace) -> RenderableType:
    """Draws a row for each span, children below their parent in order of start."""
    layout = lay_out(trace)
    return Waterfall(layout, layout.services)


@dataclass(frozen=True)
class Waterfall:
    layout: Layout
    services: Sequence[str]

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        axis = self.layout.axis
        width = min(options.max_width, WIDTH_MAX)
        yield Text(f"Trace {self.layout.trace_id}  {duration(axis.seconds)}", style="bold")
        yield self._summary()
        yield self._table(width)
        if axis.cuts:
            idle = sum(end - start for start, end in axis.cuts)
            yield Text(f"Drawn short: {duration(idle)} in which nothing was done", style="dim")

    def _summary(self) -> Text:
        began = datetime.fromtimestamp(self.layout.axis.start, UTC)
        text = Text(f"{began:%Y-%m-%d %H:%M:%S} UTC ", style="dim")
        for service in self.layout.services:
            text.append(" ━ ", style=f"not dim {self._colour(service)}").append(service)
        if self.layout.faults:
            text.append(f"  {self.layout.faults} fault{'s'[: self.layout.faults - 1]}", style="not dim red")
        return text

    def _table(self, width: int) -> Table:
        rows, is_wide = self.layout.rows, width >= WIDE
        marks = max((len(", ".join(row.marks)) for row in rows), default=0)
        marks = min(marks, width // 5)
        fixed = (22 if is_wide else 11) + (marks + 2 if marks else 0)
        longest = max((len(_label(row).plain) for row in rows), default=0)
        label = min(longest, int(width * LABEL_SHARE_MAX), width - fixed - BAR_MIN - 2)
        bar = max(1, min(BAR_MAX, width - fixed - label - 2))
        table = Table(box=None, pad_edge=False, show_header=False)
        table.add_column(no_wrap=True, overflow="ellipsis", width=max(label, 1))
        if is_wide:
            table.add_column(justify="right", no_wrap=True, width=9)
        table.add_column(justify="right", no_wrap=True, width=9)
        table.add_column(no_wrap=True, width=bar)
        if marks:
            table.add_column(no_wrap=True, overflow="ellipsis", width=marks)
        for row in rows:
            began = [f"+{duration(row.start - self.layout.axis.start)}"] if is_wide else []
            bad = [Text(", ".join(row.marks), style=_mark_style(row))] if marks else []
            style = "dim" if row.waited else self._colour(row.service)
            table.add_row(
                _label(row), *began, duration(row.end - row.start), Text(self._bar(row, bar), style=style), *bad
            )
        return table

    def _bar(self, row: Row, width: int) -> str:
        """Draws a bar that is at least one character wide and always inside the column."""
        left = min(int(self.layout.axis.share(row.start) * width), width - 1)
        length = max(1, min(round(self.layout.axis.share(row.end) * width) - left, width - left))
        return " " * left + ("·" if row.waited else "━") * length

    def _colour(self, service: str) -> str:
        return COLOURS[self.services.index(service) % len(COLOURS)] if service in self.services else "white"


def _label(row: Row) -> Text:
    text = Text(row.guides, style="dim").append(row.name, style="dim" if row.waited else "not dim")
    return text.append(f" {row.detail}", style="dim") if row.detail else text


def _mark_style(row: Row) -> str:
    return "red" if row.span and (row.span.fault or row.span.error) else "yellow"
