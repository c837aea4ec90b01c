"""Each dispute of a purchase has one row, by its id: the stream's events replace it field by field."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

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
    changes: Changes = {}
    for event in events:
        if fold := _FOLDS.get(event.data.TYPE):
            fold(changes, event, event.data)
    return sorted(changes.values())


Changes = dict[tuple[str, str], DisputeChange]


def _opened(changes: Changes, event: Envelope, data: PurchaseDisputeOpened) -> None:
    change = _change(data)
    earlier = changes.get(change[:2], change)
    changes[change[:2]] = change._replace(reason=data.reason, opened_at=event.time, closed_at=earlier.closed_at)


def _closed(changes: Changes, event: Envelope, data: PurchaseDisputeClosed) -> None:
    change = _change(data)
    earlier = changes.get(change[:2], change)
    changes[change[:2]] = change._replace(reason=earlier.reason, opened_at=earlier.opened_at, closed_at=event.time)


def _change(data: PurchaseDisputeOpened | PurchaseDisputeClosed) -> DisputeChange:
    amount = data.amount
    return DisputeChange(data.reservation_id, data.dispute_id, data.status, amount.amount_minor, amount.currency)


_FOLDS: Final[dict[str, Callable[[Changes, Envelope, Any], None]]] = {
    PurchaseDisputeOpened.TYPE: _opened,
    PurchaseDisputeClosed.TYPE: _closed,
}
