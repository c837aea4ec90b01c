"""Each product has one row of stock. Its own stream and all reservations of it feed the row, so changes add up."""

from collections import defaultdict
from collections.abc import Callable, Iterable
from typing import Any, Final, NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import (
    PurchaseConfirmed,
    PurchaseRefunded,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
    StockAdjusted,
    StockReceived,
)


class StockChange(NamedTuple):
    sku: str
    received: int
    held: int
    sold: int
    adjusted: int


def stock_changes(events: Iterable[Envelope]) -> list[StockChange]:
    totals: Totals = defaultdict(lambda: [0, 0, 0, 0])
    for event in events:
        if fold := _FOLDS.get(event.data.TYPE):
            fold(totals, event.data)
    return [StockChange(sku, *total) for sku, total in sorted(totals.items())]


Totals = defaultdict[str, list[int]]
"""A product's received, held, sold and adjusted units."""


def _received(totals: Totals, data: StockReceived) -> None:
    totals[data.sku][0] += data.quantity


def _adjusted(totals: Totals, data: StockAdjusted) -> None:
    totals[data.sku][3] += data.quantity_change


def _placed(totals: Totals, data: ReservationPlaced) -> None:
    for line in data.lines:
        totals[line.sku][1] += line.quantity


def _ended(totals: Totals, data: ReservationCancelled | ReservationExpired) -> None:
    for line in data.lines:
        totals[line.sku][1] -= line.quantity


def _confirmed(totals: Totals, data: PurchaseConfirmed) -> None:
    for line in data.lines:
        total = totals[line.sku]
        total[1] -= line.quantity
        total[2] += line.quantity


def _refunded(totals: Totals, data: PurchaseRefunded) -> None:
    for line in data.lines:
        totals[line.sku][2] -= sum(allocation.quantity for allocation in line.allocations)


_FOLDS: Final[dict[str, Callable[[Totals, Any], None]]] = {
    StockReceived.TYPE: _received,
    StockAdjusted.TYPE: _adjusted,
    ReservationPlaced.TYPE: _placed,
    ReservationCancelled.TYPE: _ended,
    ReservationExpired.TYPE: _ended,
    PurchaseConfirmed.TYPE: _confirmed,
    PurchaseRefunded.TYPE: _refunded,
}
"""No other event moves stock."""
