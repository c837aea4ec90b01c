"""Brings the read model's schema up to date. Each deployment invokes it with `{}`."""

from typing import Any

from shop_dispatch import bootstrap
from shop_dispatch.handlers import operators
from shop_observability.logs import logger


def handler(_event: dict[str, Any], _context: Any) -> dict[str, Any]:
    with operators.errors_without_values():
        migrated = bootstrap.migrate()
    answer = {"applied": list(migrated.applied), "current": migrated.current}
    logger().info("migrated", extra=answer)
    return answer
