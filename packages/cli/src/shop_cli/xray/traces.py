"""A trace as X-Ray gives it back, locally and on AWS: its documents flattened into spans."""

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any


class TraceNotFoundError(LookupError):
    """X-Ray has no segment of it. On AWS it comes seconds after its last segment: asking again helps."""


@dataclass(frozen=True)
class Span:
    """A segment or subsegment. Times are seconds since the epoch; `end` is None while it is under way."""

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


@dataclass(frozen=True)
class Trace:
    id: str
    spans: tuple[Span, ...]


def fetch(client: Any, trace_id: str) -> Trace:
    """Read a trace with a boto3 X-Ray client. Raises TraceNotFoundError."""
    documents: list[dict[str, Any]] = []
    for page in client.get_paginator("batch_get_traces").paginate(TraceIds=[trace_id]):
        for trace in page["Traces"]:
            documents += [json.loads(segment["Document"]) for segment in trace["Segments"]]
    if not documents:
        raise TraceNotFoundError(trace_id)
    return read(trace_id, documents)


def read(trace_id: str, documents: Iterable[dict[str, Any]]) -> Trace:
    """Of a span that was sent twice, first in progress and then whole, the whole one counts."""
    spans: dict[str, Span] = {}
    for document in documents:
        for span in _flatten(document, document.get("parent_id"), None):
            known = spans.get(span.id)
            if known is None or known.end is None:
                spans[span.id] = span
    return Trace(trace_id, tuple(sorted(spans.values(), key=lambda span: span.start)))


def _flatten(document: dict[str, Any], parent_id: str | None, service: str | None) -> Iterator[Span]:
    # a segment names its service; of a subsegment sent by itself only Powertools' annotation says it
    is_segment = document.get("type") != "subsegment" and "trace_id" in document
    service = document.get("annotations", {}).get("Service") or (document["name"] if is_segment else service)
    yield Span(
        id=document["id"],
        parent_id=parent_id,
        name=document["name"],
        service=service,
        start=float(document["start_time"]),
        end=float(document["end_time"]) if "end_time" in document else None,
        is_segment=is_segment,
        error=bool(document.get("error")),
        fault=bool(document.get("fault")),
        throttle=bool(document.get("throttle")),
    )
    for child in document.get("subsegments", ()):
        yield from _flatten(child, document["id"], service)
