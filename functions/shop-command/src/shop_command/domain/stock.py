"""A product's stock is split into buckets, so that many can sell it at once without waiting for one counter.

In each bucket `available + held + sold` is what it has received, and none of the three is ever negative.
"""

from collections.abc import Iterable, Mapping
from random import Random
from typing import Final

from msgspec import Struct

from shop_shared import events
from shop_shared.values import Allocation, RefundLine, ReservationLine

ALLOCATIONS_MAX: Final = 90
"""All lines together take from no more buckets: a transaction's other actions are for events, state and key."""
MOVED_MAX: Final = 1_000_000
"""No more moves out of or into one bucket at once, because an event's allocation can't say more."""


class Bucket(Struct, frozen=True):
    sku: str
    number: int


class BucketChange(Struct, frozen=True):
    """A transaction adds these numbers to a bucket's counters. It fails where a counter would become negative."""

    bucket: Bucket
    available: int = 0
    held: int = 0
    sold: int = 0


def spread(quantity: int, buckets: int, first: int) -> tuple[Allocation, ...]:
    """Spreads stock as evenly as possible. The remainder goes to `first` and those after it: choose it at random."""
    share, remainder = divmod(quantity, buckets)
    amounts = (((first + i) % buckets, share + (i < remainder)) for i in range(buckets))
    return tuple(Allocation(bucket=bucket, quantity=amount) for bucket, amount in sorted(amounts) if amount)


def even_out(
    available: Mapping[int, int], buckets: int, halvings: int = 0
) -> tuple[tuple[Allocation, ...], tuple[Allocation, ...]]:
    """Returns what to take from and to give to which buckets, so that the first `buckets` have equally much.

    Each of the `halvings` takes half as much, from half as many: customers may be quicker where everything was to be
    moved at once. Moves no more than MOVED_MAX out of or into one bucket, so it may take several times to get there.
    """
    share, remainder = divmod(sum(available.values()), buckets)
    fullest = sorted(range(buckets), key=lambda bucket: -available.get(bucket, 0))
    # The remainder stays where most is, so that what is even already is not moved.
    wanted = {bucket: share + (place < remainder) for place, bucket in enumerate(fullest)}
    surplus = {bucket: level - wanted.get(bucket, 0) for bucket, level in available.items()}
    lack = {bucket: level - available.get(bucket, 0) for bucket, level in wanted.items()}
    takers = sorted((bucket for bucket, amount in surplus.items() if amount > 0), key=lambda b: -surplus[b])
    takers = takers[: -(-len(takers) >> halvings)]
    taken = {bucket: min(surplus[bucket] >> halvings, MOVED_MAX) for bucket in takers}
    given = {bucket: min(amount, MOVED_MAX) for bucket, amount in lack.items() if amount > 0}
    moved = min(sum(taken.values()), sum(given.values()))
    return _limited(taken, moved), _limited(given, moved)


def allocate(quantity: int, available: Mapping[int, int], randomness: Random) -> tuple[Allocation, ...]:
    """Takes one bucket that has enough, chosen at random, or else as few as possible. It is empty if all together have
    too little."""
    if sum(available.values()) < quantity:
        return ()
    enough = [bucket for bucket, level in available.items() if level >= quantity]
    if enough:
        return (Allocation(bucket=randomness.choice(enough), quantity=quantity),)
    return _limited(available, quantity)


def changes(event: events.EventData) -> tuple[BucketChange, ...]:
    """Only this function says how an event moves stock."""
    match event:
        case events.StockReceived(sku=sku, allocations=allocations):
            return tuple(BucketChange(Bucket(sku, a.bucket), available=a.quantity) for a in allocations)
        case events.StockAdjusted(sku=sku, quantity_change=change, allocations=allocations):
            sign = 1 if change > 0 else -1
            return tuple(BucketChange(Bucket(sku, a.bucket), available=sign * a.quantity) for a in allocations)
        case events.StockRedistributed(sku=sku, allocations_from=taken, allocations_to=given):
            return (
                *(BucketChange(Bucket(sku, a.bucket), available=-a.quantity) for a in taken),
                *(BucketChange(Bucket(sku, a.bucket), available=a.quantity) for a in given),
            )
        case events.ReservationPlaced(lines=lines):
            return tuple(BucketChange(b, available=-n, held=n) for b, n in _allocations(lines))
        case events.ReservationCancelled(lines=lines) | events.ReservationExpired(lines=lines):
            return tuple(BucketChange(b, held=-n, available=n) for b, n in _allocations(lines))
        case events.PurchaseConfirmed(lines=lines):
            return tuple(BucketChange(b, held=-n, sold=n) for b, n in _allocations(lines))
        case events.PurchaseRefunded(lines=lines):
            return tuple(BucketChange(b, sold=-n, available=n) for b, n in _allocations(lines))
        case _:
            return ()


def _limited(amounts: Mapping[int, int], total: int) -> tuple[Allocation, ...]:
    """Takes the largest amounts first, until they are `total` together."""
    made = []
    for bucket, amount in sorted(amounts.items(), key=lambda item: -item[1]):
        if part := min(amount, total):
            made.append(Allocation(bucket=bucket, quantity=part))
            total -= part
    return tuple(made)


def _allocations(lines: Iterable[ReservationLine | RefundLine]) -> Iterable[tuple[Bucket, int]]:
    return ((Bucket(line.sku, a.bucket), a.quantity) for line in lines for a in line.allocations)
