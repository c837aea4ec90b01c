"""Draws a trace for a terminal. A pure function: no client, no clock, no terminal."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from .traces import Span, Trace

BAR_WIDTH = 40
NOT_RECORDED = "(segment not recorded)"


@dataclass(frozen=True)
class Row:
    """One line: a span, or with `waited` the time between a span's end and the start of what it led to elsewhere."""

    guides: str
    name: str
    service: str
    start: float
    end: float
    mark: str = ""
    waited: bool = False


def render(trace: Trace, *, bar_width: int = BAR_WIDTH) -> RenderableType:
    """A table with a row for each span, children below their parent in order of start."""
    rows = list(lay_out(trace))
    first = min((row.start for row in rows), default=0.0)
    total = max((row.end for row in rows), default=0.0) - first
    table = Table(box=None, pad_edge=False)
    table.add_column("span", no_wrap=True, overflow="ellipsis")
    table.add_column("service", no_wrap=True)
    table.add_column("start", justify="right", no_wrap=True)
    table.add_column("duration", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True, min_width=bar_width)
    table.add_column("", no_wrap=True)
    for row in rows:
        style = "dim" if row.waited else {"": "cyan", "in progress": "blue"}.get(row.mark, "red")
        table.add_row(
            Text(row.guides + row.name, style="dim" if row.waited else ""),
            Text(row.service, style="dim"),
            f"+{_duration(row.start - first)}",
            _duration(row.end - row.start),
            Text(_bar(row, first, total, bar_width), style=style),
            Text(row.mark, style=style),
        )
    return Group(Text(f"Trace {trace.id}  {_duration(total)}", style="bold"), table)


def lay_out(trace: Trace) -> Iterator[Row]:
    """The rows in their order. A parent that X-Ray does not have gets a row of its own if subsegments tell of it."""
    spans = [*trace.spans, *_missing_parents(trace)]
    known = {span.id for span in spans}
    last = max((max(span.start, span.end or span.start) for span in spans), default=0.0)
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in sorted(spans, key=lambda span: span.start):
        children[span.parent_id if span.parent_id in known else None].append(span)
    for root in children[None]:
        yield from _rows(root, None, children, last, guide="", below="")


def _rows(
    span: Span, parent: Span | None, children: dict[str | None, list[Span]], last: float, *, guide: str, below: str
) -> Iterator[Row]:
    service = span.service or (parent and parent.service) or ""
    if parent is not None and parent.end is not None and span.is_segment and span.start > parent.end:
        yield Row(below[:-3] + "│  " if below else "", "waiting", "", parent.end, span.start, waited=True)
    yield Row(guide, span.name, service, span.start, last if span.end is None else span.end, _mark(span))
    own = children[span.id]
    for position, child in enumerate(own):
        is_last = position == len(own) - 1
        branch, under = ("└─ ", "   ") if is_last else ("├─ ", "│  ")
        yield from _rows(
            child, replace(span, service=service), children, last, guide=below + branch, below=below + under
        )


def _missing_parents(trace: Trace) -> Iterator[Span]:
    """Lambda's own segment is absent locally, and on AWS it arrives later than the subsegments sent from inside it."""
    known = {span.id for span in trace.spans}
    orphans: dict[str, list[Span]] = defaultdict(list)
    for span in trace.spans:
        if span.parent_id is not None and span.parent_id not in known and not span.is_segment:
            orphans[span.parent_id].append(span)
    for parent_id, spans in orphans.items():
        ends = [span.end for span in spans if span.end is not None]
        yield Span(
            id=parent_id,
            parent_id=None,
            name=NOT_RECORDED,
            service=next((span.service for span in spans if span.service), None),
            start=min(span.start for span in spans),
            end=max(ends) if len(ends) == len(spans) else None,
            is_segment=True,
        )


def _mark(span: Span) -> str:
    marks = [name for name in ("fault", "error", "throttle") if getattr(span, name)]
    return ", ".join([*marks, *(["in progress"] if span.end is None else [])])


def _bar(row: Row, first: float, total: float, width: int) -> str:
    """At least one character wide, and always inside the column."""
    scale = width / total if total > 0 else 0.0
    left = min(int((row.start - first) * scale), width - 1)
    length = max(1, min(round((row.end - row.start) * scale), width - left))
    return " " * left + ("·" if row.waited else "━") * length


def _duration(seconds: float) -> str:
    if seconds >= 10:
        return f"{seconds:.1f} s"
    milliseconds = round(seconds * 1000, 1)
    return f"{milliseconds:.0f} ms" if milliseconds >= 100 else f"{milliseconds:.1f} ms"
