"""Each refund of a purchase has one row, by its ordinal: the stream's events replace it field by field."""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

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
    changes: dict[tuple[str, int], RefundChange] = {}
    for event in events:
        match event.data:
            case PurchaseRefunded() as data:
                amount = data.amount
                changes[data.reservation_id, data.refund] = RefundChange(
                    data.reservation_id,
                    data.refund,
                    data.refund_id,
                    amount.amount_minor,
                    amount.currency,
                    data.reason,
                    data.origin,
                    event.time,
                )
            case PurchaseRefundFailed(reservation_id=name, refund=refund, lines=lines) if lines:
                earlier = changes.get((name, refund)) or RefundChange(name, refund)
                changes[name, refund] = earlier._replace(failed_at=event.time)
            case _:
                pass  # another projection folds it
    return sorted(changes.values(), key=lambda change: change[:2])
