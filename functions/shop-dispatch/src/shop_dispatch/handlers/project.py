"""Kinesis to PostgreSQL. A raised error is an infrastructure failure, and brings the whole batch again."""

from datetime import UTC, datetime
from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.application.project import Projected
from shop_dispatch.handlers.kinesis import consume, counts
from shop_observability.metrics import Unit, emit


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    outcome = consume("projected", event, bootstrap.project())
    _measure(outcome)
    return counts(outcome)


def _measure(outcome: Projected) -> None:
    measured: dict[str, tuple[Unit, float]] = {
        "EventsApplied": (Unit.Count, outcome.applied),
        "EventsWaiting": (Unit.Count, outcome.waiting),
        "EventsParked": (Unit.Count, outcome.parked),
    }
    if outcome.oldest:
        seconds = (datetime.now(UTC) - outcome.oldest).total_seconds()
        measured["SecondsToVisible"] = (Unit.Seconds, seconds)
    emit(**measured)
