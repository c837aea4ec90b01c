"""`shop rebuild` invokes this step by step until the read model is made anew beside the live one."""

from typing import Any, Final

from shop_dispatch import bootstrap
from shop_dispatch.application.rebuild import Rebuild
from shop_dispatch.bootstrap import SERVICE
from shop_dispatch.domain.rebuild import EventSource, Progress, RebuildError
from shop_dispatch.handlers import operators
from shop_observability.invocation import invocation
from shop_observability.logs import logger

SECONDS_DEFAULT: Final = 20.0
SECONDS_MAX: Final = 300.0
"""A batch or index that has begun by then is completed, and the function's own time-out is 900 s."""


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers an error with its `code` and a `message` that says what to do."""
    with invocation(SERVICE, function="rebuild", actor=operators.actor(event)):
        return _step(event)


def _step(event: dict[str, Any]) -> dict[str, Any]:
    more: dict[str, Any] = {}
    with bootstrap.rebuild() as rebuild:
        try:
            more = _act(rebuild, event) or {}
        except RebuildError as refused:
            more = {"error": {"code": refused.code, "message": str(refused)}}
        answer = _document(rebuild.status()) | more
    logger().info("rebuild", extra={"action": event.get("action"), **answer})
    return answer


def _act(rebuild: Rebuild, event: dict[str, Any]) -> dict[str, Any] | None:
    replace = event.get("replace") is True
    match event:
        case {"action": "begin", "source": source} if source in list(EventSource):
            rebuild.begin(EventSource(source))
        case {"action": "continue"}:
            rebuild.go_on(min(float(event.get("seconds", SECONDS_DEFAULT)), SECONDS_MAX), replace=replace)
        case {"action": "compare"}:
            difference = rebuild.difference()
            return {"lacks": difference.count, "replaces": difference.replaced}
        case {"action": "swap"}:
            rebuild.swap(replace=replace)
        case {"action": "drop-old"}:
            rebuild.drop_old()
        case {"action": "abandon"}:
            rebuild.abandon()
        case {"action": "status"}:
            pass
        case _:
            known = "begin with a source (log, store or archive), continue, compare, swap, drop-old, abandon or status"
            raise RebuildError("unknown-action", f"an action is one of: {known}")
    return None


def _document(progress: Progress) -> dict[str, Any]:
    if progress.started_at is None:
        return {"phase": progress.phase}
    return {
        "phase": progress.phase,
        "source": progress.source,
        "events": progress.events,
        "total": progress.total,
        "unreadable": progress.unreadable,
        "behind": progress.behind,
        "started_at": progress.started_at.isoformat(),
    }
