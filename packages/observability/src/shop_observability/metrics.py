"""Metrics in CloudWatch's embedded metric format: one line in the log for each invocation, and no call.

Anything may count and measure while a request is answered or a batch is applied; `invocation` writes the line.
https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
"""

import json
import os
from enum import StrEnum
from functools import cache
from threading import Lock
from typing import Any, Final, Self

from aws_lambda_powertools.metrics import EphemeralMetrics
from aws_lambda_powertools.metrics import MetricUnit as Unit
from aws_lambda_powertools.metrics.functions import is_metrics_disabled

from shop_observability.logs import logger


class Metric(StrEnum):
    """Each metric has the name that CloudWatch knows. docs/operations.md explains what is usual, and when to look."""

    unit: Unit

    def __new__(cls, name: str, unit: Unit) -> Self:
        metric = str.__new__(cls, name)
        metric._value_ = name
        metric.unit = unit
        return metric

    COLD_STARTS = "ColdStarts", Unit.Count
    """An execution environment counts its first invocation."""

    REFUSALS_UNAUTHENTICATED = "RefusalsUnauthenticated", Unit.Count
    """The function saw no caller that the gateway had verified, and answered with 401."""
    REFUSALS_FORBIDDEN = "RefusalsForbidden", Unit.Count
    """Somebody who is no administrator asked for what only administrators may do."""
    REFUSALS_NOT_OWNER = "RefusalsNotOwner", Unit.Count
    """A customer asked for another customer's thing, and was answered that there is none."""

    COMMANDS_ACCEPTED = "CommandsAccepted", Unit.Count
    COMMANDS_PENDING = "CommandsPending", Unit.Count
    """The command was answered with 202: it is accepted, and its outcome is not known yet."""
    COMMANDS_REFUSED = "CommandsRefused", Unit.Count
    """The command was answered with 4xx."""
    COMMANDS_FAILED = "CommandsFailed", Unit.Count
    """The command was answered with 5xx."""

    PAYMENTS_CAPTURED = "PaymentsCaptured", Unit.Count
    """A purchase was recorded as paid by a request, by a webhook or by the sweep."""
    PAYMENTS_DECLINED = "PaymentsDeclined", Unit.Count
    PAYMENTS_UNKNOWN = "PaymentsUnknown", Unit.Count
    """The outcome of a confirmation is open. It is counted under its own name when it is known."""
    PAYMENTS_REFUNDED = "PaymentsRefunded", Unit.Count
    PAYMENT_ALERTS = "PaymentAlerts", Unit.Count
    """The provider gave an answer that no repeat mends: an operator has to look."""
    REFUNDS_FAILED = "RefundsFailed", Unit.Count
    """The provider has refused a refund for good, or it failed there."""
    DISPUTES_OPENED = "DisputesOpened", Unit.Count
    """A customer's bank has begun to question a charge, or has made a chargeback of its question."""
    PAYMENT_CALL_MILLISECONDS = "PaymentCallMilliseconds", Unit.Milliseconds
    """Each call to the provider is measured, whether it was answered or not."""

    COMMIT_CONFLICTS = "CommitConflicts", Unit.Count
    """Another command was first, at the stream or at the stock."""
    COMMIT_RETRIES = "CommitRetries", Unit.Count
    """A commit was tried again because of throttling or contention."""
    PUBLISH_RETRIES = "PublishRetries", Unit.Count
    """An event was sent to the stream again."""
    EVENTS_PUBLISHED = "EventsPublished", Unit.Count

    EVENTS_OVERWRITTEN = "EventsOverwritten", Unit.Count
    """An event was changed or removed in the store, which never happens by the shop itself."""
    EVENTS_SWEPT = "EventsSwept", Unit.Count
    """A sweep has published, expired, settled or refunded something that was due."""
    SWEEP_FAILURES = "SweepFailures", Unit.Count
    OLDEST_UNPUBLISHED_SECONDS = "OldestUnpublishedSeconds", Unit.Seconds
    OLDEST_UNSETTLED_SECONDS = "OldestUnsettledSeconds", Unit.Seconds
    DUE_COUNT = "DueCount", Unit.Count
    RECONCILIATION_BEHIND_SECONDS = "ReconciliationBehindSeconds", Unit.Seconds

    EVENTS_APPLIED = "EventsApplied", Unit.Count
    EVENTS_WAITING = "EventsWaiting", Unit.Count
    """Events of a batch's streams wait for a version that is missing."""
    EVENTS_PARKED = "EventsParked", Unit.Count
    EVENTS_CONFLICTING = "EventsConflicting", Unit.Count
    """An event's stream version is another event's already. It is parked, and not counted among the parked ones."""
    SECONDS_TO_VISIBLE = "SecondsToVisible", Unit.Seconds
    """It is measured from the oldest applied event's time to the commit."""
    EVENTS_ARCHIVED = "EventsArchived", Unit.Count
    EVENTS_TOO_LARGE = "EventsTooLarge", Unit.Count
    """The archive's delivery stream takes no event of this size, so it is lost to the archive."""


_counts: dict[Metric, int] = {}
_measured: dict[Metric, list[float]] = {}
"""These belong to the current invocation: an execution environment serves one at a time."""
_lock: Final = Lock()
"""An invocation may count in several threads."""
_is_cold = True
_line: Final = cache(EphemeralMetrics)
"""One serves all lines, because making it anew takes a third of the time of a line."""


def count(metric: Metric, number: int = 1) -> None:
    """Adds up to one value; a metric that was never counted is left out."""
    if number:
        with _lock:
            _counts[metric] = _counts.get(metric, 0) + number


def measure(metric: Metric, value: float) -> None:
    """Each measurement is a value of its own, also if it is 0."""
    with _lock:
        _measured.setdefault(metric, []).append(value)


def begin() -> None:
    """Drops what was counted outside of an invocation, or by one that was ended in the middle."""
    global _is_cold  # noqa: PLW0603 - see _is_cold
    _counts.clear()
    _measured.clear()
    if _is_cold:
        _is_cold = False
        count(Metric.COLD_STARTS)


def flush() -> None:
    """Writes one line with everything, or none if nothing was counted. The namespace and the dimensions `service` and
    `stage` come from POWERTOOLS_METRICS_NAMESPACE, POWERTOOLS_SERVICE_NAME and SHOP_STAGE. With SHOP_METRICS=logs the
    line is for readers of the log alone.

    Never fails the work that was measured."""
    if not (_counts or _measured):
        return
    try:
        if not is_metrics_disabled():
            _emit()
    except Exception:  # noqa: BLE001 - it is logged, and the work is done
        logger().exception("metrics are lost")
        _line.cache_clear()  # values of a line that failed are in no other
    finally:
        _counts.clear()
        _measured.clear()


def _emit() -> None:
    line = _line()
    line.add_dimension("stage", os.environ.get("SHOP_STAGE", "undefined"))  # one set with `service`: no more metrics
    for metric, values in _measured.items():
        for value in values:
            line.add_metric(metric, metric.unit, value)  # the format's 100th value of a metric is the end of a line
    for metric, number in _counts.items():
        line.add_metric(metric, metric.unit, number)
    if line.metric_set and os.environ.get("SHOP_METRICS") != "logs":
        line.flush_metrics()
        return
    if line.metric_set:
        fields: dict[str, Any] = {**line.serialize_metric_set()}
        # CloudWatch makes metrics, which cost money, of lines with its own name only.
        print(json.dumps({"metrics": fields.pop("_aws"), **fields}))
    line.clear_metrics()
