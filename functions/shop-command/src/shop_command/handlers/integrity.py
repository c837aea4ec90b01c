"""The table's change stream invokes this function, which reports each event that was changed or removed."""

from typing import Any

from msgspec.structs import asdict

from shop_command.adapters.dynamodb.changes import changed_event
from shop_command.adapters.telemetry import SERVICE
from shop_observability.invocation import invocation
from shop_observability.logs import logger
from shop_observability.metrics import Metric, count


def handler(event: dict[str, Any], context: Any) -> None:  # noqa: ARG001 - every handler is called with both
    with invocation(SERVICE, function="integrity"):
        for record in event["Records"]:
            if changed := changed_event(record):
                logger().error("an event was changed in the store", extra=asdict(changed))
                count(Metric.EVENTS_OVERWRITTEN)
