"""The Telemetry port is implemented by shop_observability, and what happens during the work is counted here.

What came of an invocation as a whole is counted by its handler.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Final

from shop_command.ports import ConfirmOutcome, Processing, Unknown
from shop_observability import tracing, work
from shop_observability.logs import logger
from shop_observability.metrics import Metric, count, measure
from shop_observability.trace_header import TraceHeader
from shop_shared.envelope import Envelope
from shop_shared.events import (
    EventData,
    PaymentDeclined,
    PaymentRefunded,
    PurchaseConfirmed,
    PurchaseDisputeOpened,
    PurchaseRefunded,
    PurchaseRefundFailed,
)

SERVICE: Final = "shop-command"
_PAYMENTS: Final[Mapping[type[EventData], Metric]] = {
    PurchaseConfirmed: Metric.PAYMENTS_CAPTURED,
    PaymentDeclined: Metric.PAYMENTS_DECLINED,
    PurchaseRefunded: Metric.PAYMENTS_REFUNDED,
    PaymentRefunded: Metric.PAYMENTS_REFUNDED,
    PurchaseRefundFailed: Metric.REFUNDS_FAILED,
    PurchaseDisputeOpened: Metric.DISPUTES_OPENED,
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


def commit_conflicted() -> None:
    count(Metric.COMMIT_CONFLICTS)


def commit_retried() -> None:
    count(Metric.COMMIT_RETRIES)


def publishing_retried(events: int) -> None:
    count(Metric.PUBLISH_RETRIES, events)


def published(events: int) -> None:
    count(Metric.EVENTS_PUBLISHED, events)


def confirmed(outcome: ConfirmOutcome) -> None:
    count(Metric.PAYMENTS_UNKNOWN, isinstance(outcome, Processing | Unknown))


def payment_alert(reason: str, payment_intent_id: str | None) -> None:
    """The provider's answer needs an operator: no repeat mends it."""
    count(Metric.PAYMENT_ALERTS)
    extra = {"reason": reason, "payment_intent_id": payment_intent_id}
    logger().error("the payment provider's answer needs an operator", extra=extra)


@contextmanager
def payment_call(host: str, http: dict[str, Any]) -> Iterator[None]:
    started = time.monotonic()
    try:
        with tracing.subsegment(host, "remote", http=http):
            yield
    finally:
        measure(Metric.PAYMENT_CALL_MILLISECONDS, round((time.monotonic() - started) * 1000, 1))
