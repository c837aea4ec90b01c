"""Stock in buckets: a product's stock is split so that many can sell it at once without waiting for one counter.

In each bucket `available + held + sold` is what it has received, and none of the three is ever negative.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from random import Random
from typing import Final

from shop_shared.events import (
    EventData,
    PurchaseConfirmed,
    PurchaseRefunded,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
    StockReceived,
)
from shop_shared.values import Allocation, ReservationLine

ALLOCATIONS_MAX: Final = 90
"""Buckets of all lines together: one transaction has 100 actions, and the rest is for events, state and key."""


@dataclass(frozen=True)
class Bucket:
    sku: str
    number: int


@dataclass(frozen=True)
class StockChange:
    """What a transaction adds to a bucket's counters. It fails where a counter would become negative."""

    bucket: Bucket
    available: int = 0
    held: int = 0
    sold: int = 0


def spread(quantity: int, buckets: int, first: int) -> tuple[Allocation, ...]:
    """As evenly as possible. The remainder goes to `first` and those after it, so chance should choose it."""
    share, remainder = divmod(quantity, buckets)
    amounts = (((first + i) % buckets, share + (i < remainder)) for i in range(buckets))
    return tuple(Allocation(bucket=bucket, quantity=amount) for bucket, amount in sorted(amounts) if amount)


def allocate(quantity: int, available: Mapping[int, int], chance: Random) -> tuple[Allocation, ...]:
    """One bucket that has enough, chosen by chance; else as few as possible. Empty if all together have too little."""
    if sum(available.values()) < quantity:
        return ()
    enough = [bucket for bucket, level in available.items() if level >= quantity]
    if enough:
        return (Allocation(bucket=chance.choice(enough), quantity=quantity),)
    taken = []
    for bucket, level in sorted(available.items(), key=lambda item: -item[1]):
        if quantity:
            taken.append(Allocation(bucket=bucket, quantity=min(level, quantity)))
            quantity -= taken[-1].quantity
    return tuple(taken)


def changes(event: EventData) -> tuple[StockChange, ...]:
    """The one place that says how an event moves stock."""
    match event:
        case StockReceived(sku=sku, allocations=allocations):
            return tuple(StockChange(Bucket(sku, a.bucket), available=a.quantity) for a in allocations)
        case ReservationPlaced(lines=lines):
            return tuple(StockChange(b, available=-n, held=n) for b, n in _allocations(lines))
        case ReservationCancelled(lines=lines) | ReservationExpired(lines=lines):
            return tuple(StockChange(b, held=-n, available=n) for b, n in _allocations(lines))
        case PurchaseConfirmed(lines=lines):
            return tuple(StockChange(b, held=-n, sold=n) for b, n in _allocations(lines))
        case PurchaseRefunded(lines=lines):
            return tuple(StockChange(b, sold=-n, available=n) for b, n in _allocations(lines))
        case _:
            return ()


def _allocations(lines: Iterable[ReservationLine]) -> Iterable[tuple[Bucket, int]]:
    return ((Bucket(line.sku, a.bucket), a.quantity) for line in lines for a in line.allocations)
