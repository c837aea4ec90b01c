"""The Telemetry port is implemented by shop_observability."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Final

from shop_observability import tracing, work
from shop_observability.metrics import Metric, count
from shop_observability.trace_header import TraceHeader
from shop_shared.envelope import Envelope
from shop_shared.events import EventData, PaymentDeclined, PaymentRefunded, PurchaseConfirmed, PurchaseRefunded

SERVICE: Final = "shop-command"
_PAYMENTS: Final[Mapping[type[EventData], Metric]] = {
    PurchaseConfirmed: Metric.PAYMENTS_CAPTURED,
    PaymentDeclined: Metric.PAYMENTS_DECLINED,
    PurchaseRefunded: Metric.PAYMENTS_REFUNDED,
    PaymentRefunded: Metric.PAYMENTS_REFUNDED,
}


class Observability:
    def header(self) -> str | None:
        return tracing.current_header()

    def annotate(self, stream_id: str, event_type: str) -> None:
        work.annotate(stream_id=stream_id, event_type=event_type)

    def committed(self, events: Sequence[Envelope]) -> None:
        for event in events:
            if metric := _PAYMENTS.get(type(event.data)):
                count(metric)

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
        tracing.trace_events(SERVICE, done, traces)
