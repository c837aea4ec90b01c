"""This task of the sweep's function reconciles with the payment provider, and answers how far it came."""

from typing import Any

from shop_command import bootstrap
from shop_observability.logs import logger
from shop_observability.metrics import Metric, measure


def reconcile(seconds: float) -> dict[str, Any]:
    report = bootstrap.application().reconciliation.run(seconds)
    for hint, error in report.failures:
        extra = {"payment_intent_id": hint.payment_intent_id}
        logger().error("could not be reconciled", extra=extra, exc_info=error)
    behind = report.behind.total_seconds()
    measure(Metric.RECONCILIATION_BEHIND_SECONDS, behind)
    answer = {"events": report.events, "failed": len(report.failures), "behind_seconds": behind}
    logger().info("reconciliation", extra=answer)
    return answer
