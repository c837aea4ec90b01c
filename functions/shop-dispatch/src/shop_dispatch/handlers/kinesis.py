"""What all that applies or archives events shares: reading a batch, its segments and its log line."""

import base64
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final, Protocol, TypeVar

from shop_dispatch.bootstrap import SERVICE
from shop_dispatch.domain.records import Trace
from shop_observability.logs import logger
from shop_observability.tracing import Timeline, TraceHeader, record, request_header, segment, timeline

TRACED_EVENTS_MAX: Final = 50
"""Segments of one batch. They leave at once, as datagrams: Linux's default buffer on the other side holds some 90."""


class Traced(Protocol):
    """What came of a batch: its integers are logged."""

    @property
    def traces(self) -> Sequence[Trace]:
        """Of the events in it that were applied or archived."""


Outcome = TypeVar("Outcome", bound=Traced)


def consume(message: str, event: Mapping[str, Any], work: Callable[[Sequence[bytes]], Outcome]) -> Outcome:
    payloads = [base64.b64decode(entry["kinesis"]["data"]) for entry in event["Records"]]
    return traced(message, lambda: work(payloads), records=len(payloads))


def traced(message: str, work: Callable[[], Outcome], **annotations: str | int | bool) -> Outcome:
    """Does the work under the invocation's own trace, and tells of it in the traces of its sampled events."""
    with timeline() as done, segment(SERVICE, request_header(None), **annotations):
        outcome = work()
    _tell(outcome.traces, done)
    duration_ms = round((done.ended - done.started) * 1000, 1)
    logger().info(message, extra={**counts(outcome), "duration_ms": duration_ms})
    return outcome


def counts(outcome: object) -> dict[str, int]:
    return {name: value for name, value in vars(outcome).items() if isinstance(value, int)}


def _tell(traces: Sequence[Trace], done: Timeline) -> None:
    headers = ((TraceHeader.parse(trace.header), trace) for trace in traces)
    sampled = ((header, trace) for header, trace in headers if header and header.sampled)
    for header, trace in islice(sampled, TRACED_EVENTS_MAX):
        record(
            SERVICE,
            header,
            done,
            stream_id=trace.stream_id,
            event_type=trace.event_type,
            correlation_id=trace.correlation_id,
        )
