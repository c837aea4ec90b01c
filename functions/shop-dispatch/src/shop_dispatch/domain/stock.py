"""Each product has one row of stock. Its own stream and all reservations of it feed the row, so changes add up."""

from collections import defaultdict
from collections.abc import Iterable
from typing import NamedTuple

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
from shop_shared.values import Lines


class StockChange(NamedTuple):
    sku: str
    received: int
    held: int
    sold: int
    adjusted: int


def stock_changes(events: Iterable[Envelope]) -> list[StockChange]:
    totals: defaultdict[str, list[int]] = defaultdict(lambda: [0, 0, 0, 0])  # received, held, sold, adjusted
    for event in events:
        match event.data:
            case StockReceived(sku=sku, quantity=quantity):
                totals[sku][0] += quantity
            case StockAdjusted(sku=sku, quantity_change=change):
                totals[sku][3] += change
            case ReservationPlaced(lines=lines):
                _move(totals, lines, held=1, sold=0)
            case ReservationCancelled(lines=lines) | ReservationExpired(lines=lines):
                _move(totals, lines, held=-1, sold=0)
            case PurchaseConfirmed(lines=lines):
                _move(totals, lines, held=-1, sold=1)
            case PurchaseRefunded(lines=refunded):
                for line in refunded:
                    totals[line.sku][2] -= sum(allocation.quantity for allocation in line.allocations)
            case _:
                pass  # moves no stock
    return [StockChange(sku, *total) for sku, total in sorted(totals.items())]


def _move(totals: dict[str, list[int]], lines: Lines, *, held: int, sold: int) -> None:
    for line in lines:
        total = totals[line.sku]
        total[1] += held * line.quantity
        total[2] += sold * line.quantity
