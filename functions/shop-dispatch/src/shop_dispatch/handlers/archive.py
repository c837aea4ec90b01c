"""Kinesis to Firehose. A raised error brings the whole batch again; the archive's views count an event once."""

from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.handlers.kinesis import consume, counts


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    return counts(consume("archived", event, bootstrap.archive()))
