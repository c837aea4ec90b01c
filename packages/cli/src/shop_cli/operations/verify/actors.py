"""Every administrator's event names who brought it about, from the first event on that does."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta
from typing import Any, Final

from shop_cli.operations.verify.findings import ABSENT, Difference

BY_ADMINISTRATORS: Final = ("shop.product.", "shop.purchase.refund-requested.")
"""The types of what administrators do begin so."""
RELEASED_WITHIN: Final = timedelta(minutes=5)
"""While a release begins, the one before it may still make events."""
_NAMED: Final = "app_user, and an administrator's id"


def differences(subject: str, event: Mapping[str, Any], since: datetime | None) -> Iterator[Difference]:
    """Judges an administrator's event; `since` is when the first event of the shop had an actor."""
    is_earlier = since is None or datetime.fromisoformat(event["time"]) <= since + RELEASED_WITHIN
    if "authtype" not in event and is_earlier:
        return
    if event.get("authtype") != "app_user" or "authid" not in event:
        found = event.get("authtype", ABSENT), event.get("authid", ABSENT)
        yield Difference("actors", subject, "actor", _NAMED, ", ".join(found))
