"""Draws a sample for a terminal, as wide and as high as that is. Pure: no client, no clock.

What is bad is red and has a mark before it, since not everybody sees the colour. From when on it is bad is what
docs/operations.md says of the metric."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.table import Table
from rich.text import Text

from shop_cli.operations.top.figures import figures
from shop_cli.operations.top.lines import Trouble
from shop_cli.operations.top.sample import Sample, Traffic
from shop_cli.operations.top.words import MARK, bad, count, milliseconds

WIDTH_MAX: Final = 180
ANY_HEIGHT: Final = 10_000
ROUTES_MIN, TROUBLES_MIN = 3, 3
ROUTES_MAX: Final = 20
BARS: Final = "▁▂▃▄▅▆▇█"
SPARK_MIN, SPARK_MAX = 10, 60
NAME_MAX: Final = 40
NUMBERS_WIDTH: Final = 42
P99_MS_MAX: Final = {"shop-command": 10_000.0, "shop-query": 3_000.0}
"""The alarms `api-slow` have the same thresholds."""


def render(sample: Sample, caption: str, *, fits: bool) -> RenderableType:
    """`caption` describes the period. With `fits`, the view is no higher than the terminal; otherwise it is whole."""
    return View(sample, caption, fits)


@dataclass(frozen=True)
class View:
    sample: Sample
    caption: str
    fits: bool

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        sample, width = self.sample, min(options.max_width, WIDTH_MAX)
        lines, kinds = figures(sample), _kinds(sample.troubles)
        yield self._title(width)
        routes, troubles = self._rows(len(lines), len(kinds), console.height if self.fits else ANY_HEIGHT)
        yield _requests(sample, routes, width)
        yield Text()
        yield from (_cut(line, width) for line in lines)
        yield Text()
        yield _cut(self._troubles_title(len(kinds), troubles), width)
        functions = max((len(_function(each)) for each, _ in kinds[:troubles]), default=0)
        yield from (_cut(_trouble(each, times, functions), width) for each, times in kinds[:troubles])

    def _rows(self, lines: int, troubles: int, height: int) -> tuple[int, int]:
        """Counts the routes and the troubles that fit: each gets half of the rest, or as much as the other
        does not need."""
        routes = min(len(self.sample.routes), ROUTES_MAX)
        # Five lines are always taken: the title, the head of the table, two empty lines, and the head of the troubles.
        left = max(height - 5 - len(self.sample.requests) - lines, ROUTES_MIN + TROUBLES_MIN)
        shown = min(routes, max(left // 2, left - troubles))
        return shown, min(troubles, left - shown)

    def _title(self, width: int) -> RenderableType:
        left = Text.assemble(("shop top", "bold"), f"  {self.sample.shop}  ", (self.caption, "dim"))
        right = f"{datetime.fromtimestamp(self.sample.at, UTC):%H:%M:%S} UTC"
        left.truncate(max(0, width - len(right) - 1), overflow="ellipsis", pad=True)
        return _cut(left.append(f" {right}"), width)

    def _troubles_title(self, kinds: int, shown: int) -> Text:
        if not kinds:
            return Text("No warnings and no errors", style="dim")
        more = f", the last {shown} of {kinds} kinds" if shown < kinds else ""
        return Text(f"Warnings and errors{more}", style="bold")


def _requests(sample: Sample, routes: int, width: int) -> Table:
    """A column that shows the minute is there if there is room for it."""
    names = max(len(f"  {each.name}") for each in (*sample.requests, *sample.routes[:routes]))
    name = min(names, NAME_MAX, max(12, width - NUMBERS_WIDTH - SPARK_MIN - 1))
    spark = min(SPARK_MAX, width - NUMBERS_WIDTH - name - 1)
    table = Table(box=None, pad_edge=False, padding=(0, 1, 0, 0), header_style="dim")
    table.add_column("requests", no_wrap=True, overflow="ellipsis", width=name)
    for column, columns in {"/s": 6, "<400": 6, "4xx": 6, "5xx": 6, "p50": 6, "p99": 6}.items():
        table.add_column(column, justify="right", no_wrap=True, width=columns)
    if spark >= SPARK_MIN:
        table.add_column("the last minute" if spark > len("the last minute") else "", no_wrap=True, width=spark)
    for each in sample.requests:
        table.add_row(*_traffic(each, each.name, spark), style="bold")
    for each in sample.routes[:routes]:
        table.add_row(*_traffic(each, f"  {each.name}", spark))
    return table


def _traffic(traffic: Traffic, name: str, spark: int) -> list[Text]:
    failed, p99 = traffic.answered(500, 599), traffic.duration_ms.p99
    too_slow = p99 is not None and p99 > P99_MS_MAX.get(traffic.name, float("inf"))
    cells = [
        Text(name),
        Text(f"{traffic.flow.per_second:.1f}"),
        Text(count(traffic.answered(100, 399))),
        Text(count(traffic.answered(400, 499))),
        bad(count(failed), is_bad=failed > 0),
        Text(milliseconds(traffic.duration_ms.p50)),
        bad(milliseconds(p99), is_bad=too_slow),
    ]
    return [*cells, Text(sparkline(traffic.flow.by_second, spark), style="cyan")] if spark >= SPARK_MIN else cells


def sparkline(by_second: Sequence[int], width: int) -> str:
    """Draws each value in proportion to the highest. Zero is a blank, and every other value is visible."""
    parts = [by_second[len(by_second) * at // width : len(by_second) * (at + 1) // width] for at in range(width)]
    means = [sum(part) / len(part) if part else 0.0 for part in parts]
    highest = max(means)
    return "".join(BARS[min(7, int(mean / highest * 8))] if mean else " " for mean in means)


def _kinds(troubles: Sequence[Trouble]) -> list[tuple[Trouble, int]]:
    """The newest of each kind, and how many there are: one cause, met by every request, does not hide the others."""
    kinds: dict[tuple[str, ...], list[Trouble]] = defaultdict(list)
    for each in troubles:
        kinds[each.function, each.level, each.message, each.exception_name].append(each)
    return [(same[0], len(same)) for same in kinds.values()]


def _function(trouble: Trouble) -> str:
    return trouble.function.removeprefix("shop-")


def _trouble(trouble: Trouble, times: int, functions: int) -> Text:
    is_warning = trouble.level == "WARNING"
    level = trouble.level.lower() if is_warning else MARK + trouble.level.lower()
    text = Text(f"{datetime.fromtimestamp(trouble.at, UTC):%H:%M:%S} ", style="dim")
    text.append(f"{level:<8}", style="not dim yellow" if is_warning else "not dim bold red")
    text.append(f"{_function(trouble):<{functions}} ", style="not dim")
    text.append(f"{times} x " if times > 1 else "", style="not dim bold")
    text.append(trouble.message, style="not dim")
    text.append(f"  {trouble.exception_name}" if trouble.exception_name else "", style="not dim bold")
    return text.append(f"  {trouble.stream_id}" if trouble.stream_id else "")


def _cut(text: Text, width: int) -> Text:
    text.truncate(width, overflow="ellipsis")
    text.no_wrap = True
    return text
