"""Decides where each span of a trace is drawn and what is written beside it, for a terminal as for a page. Pure."""

import re
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import chain, pairwise
from typing import Final, Self
from urllib.parse import urlsplit

from shop_cli.operations.trace.traces import RecordedTrace, Span

CUT_SHARE: Final = 0.12
"""Each time that is drawn short takes this share of the width; all together take half of it at most."""
CUT_FROM: Final = 6.0
"""An idle time is drawn short when it is this many times as long as all the work."""
FLAGS: Final = ("fault", "error", "throttle")
NOT_RECORDED: Final = "(segment not recorded)"
SKEW_SECONDS: Final = 0.001
"""Clocks that differ by less are not worth a word."""
_NOT_BY_THE_STREAM: Final = ("sweep", "replay")
_EVENT_TYPE: Final = re.compile(r"shop\.(.+)\.v\d+")


@dataclass(frozen=True)
class Axis:
    """Maps moments to shares of the width, from the first start to the last end. A long idle time is drawn short, or
    the work would not be seen."""

    moments: tuple[float, ...]
    """The scale is the same between two neighbours."""
    shares: tuple[float, ...]
    cuts: tuple[tuple[float, float], ...]

    @classmethod
    def of(cls, work: Iterable[tuple[float, float]]) -> Self:
        """`work` is when something was done, as pairs of start and end; in between is idle time."""
        busy = _merged(sorted(work)) or [(0.0, 0.0)]
        seconds = sum(end - start for start, end in busy)
        idle = [(before[1], after[0]) for before, after in pairwise(busy)]
        cuts = tuple((start, end) for start, end in idle if end - start > CUT_FROM * seconds > 0)
        moments = (busy[0][0], *chain.from_iterable(cuts), busy[-1][1])
        cut_share = min(CUT_SHARE, 0.5 / max(1, len(cuts)))
        drawn = moments[-1] - moments[0] - sum(end - start for start, end in cuts)
        scale = (1 - cut_share * len(cuts)) / drawn if drawn > 0 else 0.0
        shares = [0.0]
        for number, (start, end) in enumerate(pairwise(moments)):
            shares.append(min(1.0, shares[-1] + (cut_share if number % 2 else (end - start) * scale)))
        return cls(moments, tuple(shares), cuts)

    @property
    def start(self) -> float:
        return self.moments[0]

    @property
    def seconds(self) -> float:
        return self.moments[-1] - self.start

    def share(self, moment: float) -> float:
        """Returns 0 at the left and 1 at the right. Later moments are never further left."""
        at = min(max(bisect_right(self.moments, moment) - 1, 0), len(self.moments) - 2)
        start, end = self.moments[at : at + 2]
        part = min(1.0, max(0.0, (moment - start) / (end - start))) if end > start else 0.0
        return self.shares[at] + part * (self.shares[at + 1] - self.shares[at])


def _merged(work: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in work:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged


@dataclass(frozen=True)
class Row:
    """One line: a span, or, without one, how long what it led to elsewhere has waited."""

    guides: str
    name: str
    detail: str
    service: str
    start: float
    end: float
    marks: tuple[str, ...] = ()
    span: Span | None = None

    @property
    def waited(self) -> bool:
        return self.span is None


@dataclass(frozen=True)
class Layout:
    trace_id: str
    rows: tuple[Row, ...]
    axis: Axis

    @property
    def services(self) -> tuple[str, ...]:
        return services([self])

    @property
    def faults(self) -> int:
        return sum(row.span is not None and row.span.fault for row in self.rows)


def services(layouts: Iterable[Layout]) -> tuple[str, ...]:
    """Lists services in order of appearance, so that each keeps its colour in all layouts."""
    return tuple(dict.fromkeys(row.service for layout in layouts for row in layout.rows if row.service))


def lay_out(trace: RecordedTrace) -> Layout:
    """Gives each span one row, children below their parent in order of start. A parent that X-Ray does not have gets a
    row of its own if it has subsegments."""
    spans = sorted([*trace.spans, *_missing_parents(trace)], key=lambda span: span.start)
    known = {span.id for span in spans}
    last = max((max(span.start, span.end or span.start) for span in spans), default=0.0)
    children: dict[str | None, list[Span]] = defaultdict(list)
    for span in spans:
        children[span.parent_id if span.parent_id in known else None].append(span)
    rows: list[Row] = []
    drawn: set[str] = set()
    for root in (*children[None], *spans):  # the rest: spans that name each other as parents
        rows += _tree(root, children, drawn, last)
    return Layout(trace.id, tuple(rows), Axis.of([(row.start, row.end) for row in rows if not row.waited]))


@dataclass(frozen=True)
class _Place:
    """A span is drawn here: `guide` leads to it, and `below` to its children."""

    span: Span
    parent: Span | None = None
    siblings: Sequence[Span] = ()
    service: str | None = None
    guide: str = ""
    below: str = ""


def _tree(root: Span, children: dict[str | None, list[Span]], drawn: set[str], last: float) -> Iterator[Row]:
    """Keeps a stack of its own, because a trace may be deeper than Python's."""
    places = [_Place(root)]
    while places:
        place = places.pop()
        if place.span.id in drawn:
            continue
        drawn.add(place.span.id)
        waiting = _waiting(place, children)
        if waiting:
            yield waiting
        span = replace(place.span, service=place.span.service or place.service)
        end = max(span.start, last if span.end is None else span.end)
        marks = _marks(span, place.parent)
        name, detail, service = span.name, _detail(span), span.service or ""
        yield Row(place.guide, name, detail, service, span.start, end, marks, place.span)
        own = children[span.id]
        for child in reversed(own):
            branch, under = ("└─ ", "   ") if child is own[-1] else ("├─ ", "│  ")
            below = place.below
            places.append(_Place(child, span, own, span.service, below + branch, below + under))


def _waiting(place: _Place, children: dict[str | None, list[Span]]) -> Row | None:
    """Between the end of the segment that has led to this one, or of a sweep that has published its event later, and
    this one's start."""
    span, parent = place.span, place.parent
    if not span.is_segment or parent is None or parent.end is None or span.start <= parent.end:
        return None
    name, since, function = "waiting", parent.end, span.annotations.get("function")
    if function in _NOT_BY_THE_STREAM:
        name = f"waiting for {function}"
    else:
        others = [each for each in place.siblings if each is not span]
        for each in (parent, *others):
            if _has_published(children[each.id]) and each.end is not None and each.end <= span.start:
                name, since = "waiting in Kinesis", max(since, each.end)
    return Row(place.below[:-3] + "│  ", name, "", span.service or "", since, span.start)


def _has_published(calls: Sequence[Span]) -> bool:
    return any(call.name == "Kinesis" and not call.fault for call in calls)


def _missing_parents(trace: RecordedTrace) -> Iterator[Span]:
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


def _detail(span: Span) -> str:
    """Adds what the name leaves out: the operation, the request, the query, the event."""
    annotations, http = span.annotations, span.blocks.get("http", {})
    request, response = http.get("request") or {}, http.get("response") or {}
    event_type = str(annotations.get("event_type", ""))
    event = _EVENT_TYPE.fullmatch(event_type)
    words = [
        annotations.get("route") or (f"{request.get('method', '')} {urlsplit(str(request.get('url', ''))).path}"),
        response.get("status"),
        annotations.get("function"),
        event[1] if event else event_type,
        span.blocks.get("aws", {}).get("operation"),
        span.blocks.get("sql", {}).get("sanitized_query"),
    ]
    return " ".join(" ".join(str(word) for word in words if word).split())


def _marks(span: Span, parent: Span | None) -> tuple[str, ...]:
    marks = [name for name in FLAGS if getattr(span, name)]
    if marks and "error_type" in span.annotations:
        marks[0] += f" {span.annotations['error_type']}"
    if span.end is None:
        marks.append("in progress")
    if parent is not None and span.start < parent.start - SKEW_SECONDS:
        marks.append("clocks differ")
    return tuple(marks)
