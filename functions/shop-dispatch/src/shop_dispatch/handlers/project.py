"""Kinesis to PostgreSQL. A raised error is an infrastructure failure, and brings the whole batch again."""

from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.handlers.kinesis import consume


def handler(event: dict[str, Any], _context: Any) -> dict[str, int]:
    return consume("projected", event, bootstrap.project())
