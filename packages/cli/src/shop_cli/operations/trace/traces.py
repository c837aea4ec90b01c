"""Flattens the documents of a trace, as X-Ray gives them back locally and on AWS, into spans."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

IDS_MAX: Final = 5  # BatchGetTraces takes no more
BLOCKS: Final = ("aws", "sql", "http")

Document = dict[str, Any]


@dataclass(frozen=True)
class Span:
    """A span is a segment or a subsegment. Times are seconds since the epoch; `end` is None while it is under way."""

    id: str
    parent_id: str | None
    name: str
    service: str | None
    start: float
    end: float | None
    is_segment: bool
    error: bool = False
    fault: bool = False
    throttle: bool = False
    annotations: Mapping[str, Any] = field(default_factory=dict)
    blocks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """X-Ray's `aws`, `sql` and `http`, those that it has."""
    links: tuple[str, ...] = ()
    """Ids of other traces: Lambda's own of the invocation that did this work, where that is another one."""


@dataclass(frozen=True)
class RecordedTrace:
    id: str
    spans: tuple[Span, ...]


def documents(client: Any, trace_ids: Sequence[str]) -> dict[str, list[Document]]:
    """Returns the segments of IDS_MAX traces at most, as they were sent. A trace that X-Ray does not have is absent:
    seconds after it was made it may be there, or have more segments."""
    found: dict[str, list[Document]] = {}
    for page in client.get_paginator("batch_get_traces").paginate(TraceIds=list(trace_ids)):
        for trace in page["Traces"]:
            segments = found.setdefault(trace["Id"], [])
            segments += [json.loads(segment["Document"]) for segment in trace.get("Segments", ())]
    return {trace_id: segments for trace_id, segments in found.items() if segments}


def read(trace_id: str, segments: Iterable[Document]) -> RecordedTrace:
    """Where a span was sent twice, first in progress and then whole, the whole one counts."""
    spans: dict[str, Span] = {}
    for segment in segments:
        if segment.get("inferred"):
            continue  # X-Ray's own view, from the other side, of a call that its subsegment tells of
        for span in _flatten(segment):
            known = spans.get(span.id)
            if known is None or known.end is None:
                spans[span.id] = span
    return RecordedTrace(trace_id, tuple(sorted(spans.values(), key=lambda span: span.start)))


def _flatten(segment: Document) -> Iterator[Span]:
    pending: list[tuple[Document, str | None, str | None]] = [(segment, segment.get("parent_id"), None)]
    while pending:
        document, parent_id, outer = pending.pop()
        span = _span(document, parent_id, outer)
        yield span
        pending += [(child, span.id, span.service) for child in reversed(document.get("subsegments", ()))]


def _span(document: Document, parent_id: str | None, outer: str | None) -> Span:
    # a segment names its service; of a subsegment sent by itself only Powertools' annotation says it
    is_segment = document.get("type") != "subsegment" and "trace_id" in document
    annotations = _mapping(document.get("annotations"))
    blocks = {name: _mapping(document.get(name)) for name in BLOCKS}
    blocks["aws"].pop("xray", None)  # which SDK has sent it
    return Span(
        id=document["id"],
        parent_id=parent_id,
        name=document["name"],
        service=annotations.get("Service") or (document["name"] if is_segment else outer),
        start=float(document["start_time"]),
        end=float(document["end_time"]) if "end_time" in document else None,
        is_segment=is_segment,
        error=bool(document.get("error")),
        fault=bool(document.get("fault")),
        throttle=bool(document.get("throttle")),
        annotations=annotations,
        blocks={name: block for name, block in blocks.items() if block},
        links=_links(document, annotations),
    )


def _links(document: Document, annotations: Mapping[str, Any]) -> tuple[str, ...]:
    linked = [str(link["trace_id"]) for link in document.get("links", ()) if "trace_id" in link]
    if "invocation_trace_id" in annotations:  # also of a batch that is not recorded itself
        linked.append(str(annotations["invocation_trace_id"]))
    return tuple(dict.fromkeys(linked))


def _mapping(value: Any) -> dict[str, Any]:
    return dict(value) if isinstance(value, dict) else {}
