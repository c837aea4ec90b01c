"""`shop verify` invokes this to read the read model page by page. What the rows should be, it judges by itself."""

import json
from typing import Any, Final

from shop_dispatch import bootstrap
from shop_dispatch.bootstrap import SERVICE
from shop_dispatch.domain.rebuild import RebuildError
from shop_dispatch.handlers import operators
from shop_observability.invocation import invocation
from shop_observability.logs import logger

ROWS_MAX: Final = 2_000
BYTES_MAX: Final = 4_000_000
"""Lambda refuses an answer of more than 6 MB. https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html"""


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers a mistake in the request with an `error`. When there are more rows, the answer's `next` is to be sent as
    `after`."""
    with invocation(SERVICE, function="verify", actor=operators.actor(event)):
        match event:
            case {"table": str(table)} if table in bootstrap.rows().tables:
                return _page(table, event.get("after"), rebuilt=event.get("rebuilt") is True)
        return {"error": f"a table is one of: {', '.join(bootstrap.rows().tables)}"}


def _page(table: str, after: list[Any] | None, *, rebuilt: bool) -> dict[str, Any]:
    rows = bootstrap.rows()
    try:
        found = rows.read(table, after, rebuilt=rebuilt, limit=ROWS_MAX)
    except RebuildError as refused:
        return {"error": str(refused)}
    page = _fitting(found)
    logger().info("read", extra={"table": table, "rows": len(page)})
    is_last = len(page) == len(found) < ROWS_MAX
    return {"rows": page} if is_last else {"rows": page, "next": rows.place(table, page[-1])}


def _fitting(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Returns the first rows that one answer has room for. A single row always fits: it has some kilobytes."""
    room = BYTES_MAX
    for count, row in enumerate(rows):
        room -= len(json.dumps(row))
        if room < 0 and count:
            return rows[:count]
    return rows
