"""Each refund of a purchase has one row, by its ordinal: the stream's events replace it field by field."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseRefunded, PurchaseRefundFailed


class RefundChange(NamedTuple):
    reservation_id: str
    refund: int
    refund_id: str | None = None
    amount_minor: int | None = None
    currency: str | None = None
    reason: str | None = None
    origin: str | None = None
    refunded_at: datetime | None = None
    failed_at: datetime | None = None
    """The provider could not deliver the money after all."""


def refund_changes(events: Iterable[Envelope]) -> list[RefundChange]:
    changes: Changes = {}
    for event in events:
        if fold := _FOLDS.get(event.data.TYPE):
            fold(changes, event, event.data)
    return sorted(changes.values())


Changes = dict[tuple[str, int], RefundChange]


def _refunded(changes: Changes, event: Envelope, data: PurchaseRefunded) -> None:
    changes[data.reservation_id, data.refund] = RefundChange(
        data.reservation_id,
        data.refund,
        data.refund_id,
        data.amount.amount_minor,
        data.amount.currency,
        data.reason,
        data.origin,
        event.time,
    )


def _failed(changes: Changes, event: Envelope, data: PurchaseRefundFailed) -> None:
    if data.lines:
        key = data.reservation_id, data.refund
        changes[key] = changes.get(key, RefundChange(*key))._replace(failed_at=event.time)


_FOLDS: Final[dict[str, Callable[[Changes, Envelope, Any], None]]] = {
    PurchaseRefunded.TYPE: _refunded,
    PurchaseRefundFailed.TYPE: _failed,
}
