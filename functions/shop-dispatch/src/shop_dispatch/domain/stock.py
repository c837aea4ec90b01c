"""Stock by product. A row is fed by its product's stream and by those of all reservations of it, so changes add up."""

from collections import Counter
from collections.abc import Iterable
from typing import NamedTuple

from shop_shared import Envelope
from shop_shared.events import (
    PurchaseConfirmed,
    PurchaseRefunded,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
    StockReceived,
)
from shop_shared.values import Lines


class StockChange(NamedTuple):
    sku: str
    received: int
    held: int
    sold: int


def stock_changes(events: Iterable[Envelope]) -> list[StockChange]:
    received: Counter[str] = Counter()
    held: Counter[str] = Counter()
    sold: Counter[str] = Counter()
    for event in events:
        match event.data:
            case StockReceived(sku=sku, quantity=quantity):
                received[sku] += quantity
            case ReservationPlaced(lines=lines):
                held.update(_quantities(lines))
            case ReservationCancelled(lines=lines) | ReservationExpired(lines=lines):
                held.subtract(_quantities(lines))
            case PurchaseConfirmed(lines=lines):
                held.subtract(_quantities(lines))
                sold.update(_quantities(lines))
            case PurchaseRefunded(lines=lines):
                sold.subtract(_quantities(lines))
            case _:
                pass  # moves no stock
    skus = sorted(received.keys() | held.keys() | sold.keys())
    return [StockChange(sku, received[sku], held[sku], sold[sku]) for sku in skus]


def _quantities(lines: Lines) -> Counter[str]:
    quantities: Counter[str] = Counter()
    for line in lines:
        quantities[line.sku] += line.quantity
    return quantities
