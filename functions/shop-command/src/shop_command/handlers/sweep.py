"""The schedule's function: pays what is due, and tells how much that was."""

from typing import Any, Final

from shop_command import bootstrap
from shop_command.adapters import deadline
from shop_observability.logs import logger
from shop_observability.metrics import Unit, emit

ENDING_SECONDS: Final = 12.0
"""Kept back from the time that Lambda gives: for the item that was begun last, and its call to the provider."""
COUNTS: Final = ("due", "published", "expired", "settled", "refunded", "left")


def handler(event: dict[str, Any], context: Any) -> dict[str, Any]:  # noqa: ARG001 - a schedule says nothing
    seconds = context.get_remaining_time_in_millis() / 1000
    with deadline.ending_in(seconds):
        report = bootstrap.application().sweep.run(seconds - ENDING_SECONDS)
    for failure in report.failures:
        logger().error("could not be swept", extra={"stream_id": failure.stream_id}, exc_info=failure.error)
    emit(
        OldestUnpublishedSeconds=(Unit.Seconds, report.oldest_unpublished.total_seconds()),
        OldestUnsettledSeconds=(Unit.Seconds, report.oldest_unsettled.total_seconds()),
        DueCount=(Unit.Count, report.due),
    )
    answer = {name: getattr(report, name) for name in COUNTS} | {"failed": len(report.failures)}
    logger().info("sweep", extra=answer)
    return answer
