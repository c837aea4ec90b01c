"""What the two consumers of the stream share: reading a batch, its segments and its log line."""

import base64
from collections.abc import Callable, Mapping, Sequence
from itertools import islice
from typing import Any, Final

from shop_dispatch.application.archive import Archived
from shop_dispatch.application.project import Projected
from shop_dispatch.bootstrap import SERVICE
from shop_dispatch.domain.records import Trace
from shop_observability.logs import logger
from shop_observability.tracing import Timeline, TraceHeader, record, request_header, segment, timeline

TRACED_EVENTS_MAX: Final = 50
"""Segments of one batch. They leave at once, as datagrams: Linux's default buffer on the other side holds some 90."""


def consume(
    message: str, event: Mapping[str, Any], work: Callable[[Sequence[bytes]], Projected | Archived]
) -> dict[str, int]:
    """Does the work under the batch's own trace, and tells of it in the traces of its sampled events."""
    payloads = [base64.b64decode(entry["kinesis"]["data"]) for entry in event["Records"]]
    with timeline() as done, segment(SERVICE, request_header(None), records=len(payloads)):
        outcome = work(payloads)
    _tell(outcome.traces, done)
    counts = {name: value for name, value in vars(outcome).items() if name != "traces"}
    logger().info(message, extra={**counts, "duration_ms": round((done.ended - done.started) * 1000, 1)})
    return counts


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
