"""Tracing by shop_observability."""

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from shop_observability import tracing, work
from shop_observability.trace_header import TraceHeader
from shop_shared import Envelope

SERVICE: Final = "shop-command"


class Segments:
    def header(self) -> str | None:
        return tracing.current_header()

    def about(self, stream_id: str, event_type: str) -> None:
        work.annotate(stream_id=stream_id, event_type=event_type)

    def following(self, event: Envelope) -> AbstractContextManager[None]:
        header = TraceHeader.parse(event.awstraceheader)
        return tracing.segment(
            SERVICE, header, stream_id=event.subject, event_type=event.type, correlation_id=event.correlationid
        )

    @contextmanager
    def for_all(self) -> Iterator[list[Envelope]]:
        events: list[Envelope] = []
        with tracing.timeline() as done:
            yield events
        traces = ((event.awstraceheader or "", event.subject, event.type, event.correlationid) for event in events)
        tracing.tell(SERVICE, done, traces)
