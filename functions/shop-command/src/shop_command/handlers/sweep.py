"""A schedule invokes this function, which does what is due, and answers how much that was.

Another schedule has it reconcile with the payment provider.
"""

from collections.abc import Collection
from typing import Any, Final

from shop_command import bootstrap
from shop_command.adapters.telemetry import SERVICE
from shop_command.application.sweeping import EVERY_SHARD, Failure, Report
from shop_command.handlers.reconciliation import reconcile
from shop_command.ports import deadline
from shop_observability.invocation import invocation
from shop_observability.logs import logger
from shop_observability.metrics import Metric, count, measure
from shop_observability.trace_header import TraceHeader

ENDING_SECONDS: Final = 12.0
"""So much of Lambda's time is left for the item that was begun last, and its call to the provider."""
RECONCILE: Final = "reconcile"
"""The input of the other schedule has this task."""
COUNTS: Final = ("due", "published", "expired", "settled", "refunded", "left")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:
    """A schedule names no shards, while a sweep that starts another does."""
    seconds = context.get_remaining_time_in_millis() / 1000
    with invocation(SERVICE, function="sweep"), deadline.ending_in(seconds):
        if event.get("task") == RECONCILE:
            return reconcile(seconds - ENDING_SECONDS)
        return _sweep(seconds - ENDING_SECONDS, event.get("shards", EVERY_SHARD))


def _sweep(seconds: float, shards: Collection[int]) -> dict[str, Any]:
    report = bootstrap.application().sweep.run(seconds, shards)
    for failure in report.failures:
        logger().error("could not be swept", extra=_identification(failure), exc_info=failure.error)
    _measure(report)
    answer = {name: getattr(report, name) for name in COUNTS} | {"failed": len(report.failures)}
    logger().info("sweep", extra=answer)
    return answer


def _identification(failure: Failure) -> dict[str, str]:
    """These fields identify the request that a failure belongs to."""
    fields = {"stream_id": failure.stream_id}
    if failure.last:
        fields["correlation_id"] = failure.last.correlationid
        if header := TraceHeader.parse(failure.last.awstraceheader):
            fields["trace_id"] = header.root
    return fields


def _measure(report: Report) -> None:
    measure(Metric.OLDEST_UNPUBLISHED_SECONDS, report.oldest_unpublished.total_seconds())
    measure(Metric.OLDEST_UNSETTLED_SECONDS, report.oldest_unsettled.total_seconds())
    measure(Metric.DUE_COUNT, report.due)
    count(Metric.EVENTS_SWEPT, report.published + report.expired + report.settled + report.refunded)
    count(Metric.SWEEP_FAILURES, len(report.failures))
