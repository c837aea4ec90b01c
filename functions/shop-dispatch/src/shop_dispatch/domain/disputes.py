"""Each dispute of a purchase has one row, by its id: the stream's events replace it field by field."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseDisputeClosed, PurchaseDisputeOpened


class DisputeChange(NamedTuple):
    reservation_id: str
    dispute_id: str
    status: str
    amount_minor: int
    currency: str
    reason: str | None = None
    opened_at: datetime | None = None
    closed_at: datetime | None = None


def dispute_changes(events: Iterable[Envelope]) -> list[DisputeChange]:
    changes: dict[tuple[str, str], DisputeChange] = {}
    for event in events:
        data = event.data
        if not isinstance(data, PurchaseDisputeOpened | PurchaseDisputeClosed):
            continue  # another projection folds it
        key = data.reservation_id, data.dispute_id
        amount = data.amount
        change = DisputeChange(*key, data.status, amount.amount_minor, amount.currency)
        earlier = changes.get(key, change)
        if isinstance(data, PurchaseDisputeOpened):
            changes[key] = change._replace(reason=data.reason, opened_at=event.time, closed_at=earlier.closed_at)
        else:
            changes[key] = change._replace(reason=earlier.reason, opened_at=earlier.opened_at, closed_at=event.time)
    return sorted(changes.values(), key=lambda change: change[:2])
