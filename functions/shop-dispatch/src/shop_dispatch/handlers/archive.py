"""Kinesis to Firehose. A raised error brings the whole batch again; the archive's views count an event once."""

from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.handlers.kinesis import consume


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    return consume("archived", event, bootstrap.archive())
