"""Applies batches from Kinesis. A raised error is an infrastructure failure, after which the batch comes again."""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.application.project import Projected
from shop_dispatch.handlers.kinesis import consume, counts
from shop_observability.metrics import Metric, measure


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    return counts(consume("project", "projected", event, _project))


def _project(payloads: Sequence[bytes]) -> Projected:
    projected = bootstrap.project()(payloads)
    measure(Metric.EVENTS_APPLIED, projected.applied)
    measure(Metric.EVENTS_WAITING, projected.waiting)
    measure(Metric.EVENTS_PARKED, projected.parked)
    measure(Metric.EVENTS_CONFLICTING, projected.conflicts)
    if projected.oldest:
        measure(Metric.SECONDS_TO_VISIBLE, (datetime.now(UTC) - projected.oldest).total_seconds())
    return projected
