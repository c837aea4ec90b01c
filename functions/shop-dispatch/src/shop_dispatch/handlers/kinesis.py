"""What all that applies or archives events shares: reading a batch, its segments and its log line."""

import base64
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

from shop_dispatch.bootstrap import SERVICE
from shop_dispatch.domain.records import Trace
from shop_observability.invocation import invocation
from shop_observability.logs import logger
from shop_observability.trace_header import TraceHeader, request_header
from shop_observability.tracing import timeline, trace_events


class Traced(Protocol):
    """What came of a batch: its integers are logged."""

    @property
    def traces(self) -> Sequence[Trace]:
        """Of the events in it that were applied or archived."""


Outcome = TypeVar("Outcome", bound=Traced)


def consume(
    function: str, message: str, event: Mapping[str, Any], work: Callable[[Sequence[bytes]], Outcome]
) -> Outcome:
    """Raises InvocationFailedError, after which the batch comes again."""
    records = event["Records"]

    def read_and_work() -> Outcome:
        return work([base64.b64decode(record["kinesis"]["data"]) for record in records])

    return traced(function, message, read_and_work, records=len(records))


def traced(function: str, message: str, work: Callable[[], Outcome], **annotations: str | int | bool) -> Outcome:
    """Does the work under the invocation's own trace, and tells of it in the traces of its sampled events."""
    started = time.monotonic()
    with invocation(SERVICE, request_header(None), function=function, **annotations):
        with timeline() as done:
            outcome = work()
        trace_events(SERVICE, done, outcome.traces)
        duration_ms = round((time.monotonic() - started) * 1000, 1)
        logger().info(message, extra={**counts(outcome), **_found_by(outcome.traces), "duration_ms": duration_ms})
    return outcome


def counts(outcome: object) -> dict[str, int]:
    return {name: value for name, value in vars(outcome).items() if isinstance(value, int)}


def _found_by(traces: Iterable[Trace]) -> dict[str, list[str]]:
    """By what the line of a batch is found that a request led to: each once, in order of their events."""
    headers = (TraceHeader.parse(trace.header) for trace in traces)
    return {
        "stream_ids": list(dict.fromkeys(trace.stream_id for trace in traces)),
        "correlation_ids": list(dict.fromkeys(trace.correlation_id for trace in traces)),
        "trace_ids": list(dict.fromkeys(header.root for header in headers if header)),
    }
