from collections import Counter
from random import Random

from hypothesis import given
from hypothesis import strategies as st

from shop_command.domain import stock
from shop_command.domain.stock import Bucket, BucketChange
from shop_shared.events import (
    EventData,
    PaymentActionRequired,
    PaymentDeclined,
    PaymentRefunded,
    PaymentRequested,
    ProductDescribed,
    ProductListed,
    ProductRelisted,
    ProductRepriced,
    ProductRetired,
    PurchaseConfirmed,
    PurchaseDisputeClosed,
    PurchaseDisputeOpened,
    PurchaseRefunded,
    PurchaseRefundFailed,
    PurchaseRefundRequested,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
    StockAdjusted,
    StockReceived,
    StockRedistributed,
)
from shop_shared.registry import EVENT_TYPES
from shop_shared.upcasting import UPCASTERS
from shop_shared.values import Allocation, ReservationLine

levels_of_buckets = st.dictionaries(st.integers(0, 63), st.integers(0, 20), min_size=1)
seeds = st.integers(0, 1_000)


@given(quantity=st.integers(1, 1_000), buckets=st.integers(1, 64), first=st.integers(0, 63))
def test_what_is_received_is_spread_whole_and_evenly(quantity: int, buckets: int, first: int) -> None:
    allocations = stock.spread(quantity, buckets, first % buckets)
    assert sum(a.quantity for a in allocations) == quantity
    assert {a.bucket for a in allocations} <= set(range(buckets))
    levels = [a.quantity for a in allocations] + [0] * (buckets - len(allocations))
    assert max(levels) - min(levels) <= 1


@given(quantity=st.integers(1, 100), available=levels_of_buckets, seed=seeds)
def test_stock_is_found_exactly_if_all_buckets_together_have_enough(
    quantity: int, available: dict[int, int], seed: int
) -> None:
    allocations = stock.allocate(quantity, available, Random(seed))  # noqa: S311
    assert bool(allocations) == (sum(available.values()) >= quantity)
    assert sum(a.quantity for a in allocations) in (0, quantity)
    assert all(0 < a.quantity <= available[a.bucket] for a in allocations)
    assert len({a.bucket for a in allocations}) == len(allocations)


@given(quantity=st.integers(1, 60), available=levels_of_buckets, seed=seeds)
def test_no_fewer_buckets_would_have_done(quantity: int, available: dict[int, int], seed: int) -> None:
    allocations = stock.allocate(quantity, available, Random(seed))  # noqa: S311
    if allocations:
        largest = sorted(available.values(), reverse=True)
        assert sum(largest[: len(allocations) - 1]) < quantity


def test_chance_chooses_among_the_buckets_that_have_enough() -> None:
    randomness = Random(1)  # noqa: S311
    chosen = Counter(stock.allocate(2, {0: 5, 1: 1, 2: 2}, randomness)[0].bucket for _ in range(200))
    assert set(chosen) == {0, 2}
    assert min(chosen.values()) > 50


@given(available=levels_of_buckets, buckets=st.integers(1, 64))
def test_evening_out_moves_all_that_is_available_to_the_new_buckets_and_no_more_than_that_takes(
    available: dict[int, int], buckets: int
) -> None:
    taken, given_to = stock.even_out(available, buckets)
    after = Counter(available)
    after.subtract({a.bucket: a.quantity for a in taken})
    after.update({a.bucket: a.quantity for a in given_to})
    assert after.total() == sum(available.values())
    assert not any(after[bucket] for bucket in range(buckets, 64))
    levels = [after[bucket] for bucket in range(buckets)]
    assert max(levels) - min(levels) <= 1
    assert not {a.bucket for a in taken} & {a.bucket for a in given_to}
    assert stock.even_out(after, buckets) == ((), ())


@given(available=levels_of_buckets, buckets=st.integers(1, 64), halvings=st.integers(0, 9))
def test_each_halving_takes_at_most_half_from_half_as_many(
    available: dict[int, int], buckets: int, halvings: int
) -> None:
    before, given_before = stock.even_out(available, buckets, halvings)
    after, given_after = stock.even_out(available, buckets, halvings + 1)
    assert sum(a.quantity for a in after) <= sum(a.quantity for a in before) / 2
    assert len(after) <= len(before) / 2 + 1
    for taken, given_to in ((before, given_before), (after, given_after)):
        assert sum(a.quantity for a in taken) == sum(a.quantity for a in given_to)
        assert all(0 < a.quantity <= available[a.bucket] for a in taken)


def test_what_is_even_is_not_moved_and_the_fullest_give_first() -> None:
    assert stock.even_out({0: 1, 1: 2}, 2) == ((), ())
    taken, given_to = stock.even_out({0: 4, 1: 8, 2: 0, 3: 0}, 4, halvings=1)
    assert taken == (Allocation(bucket=1, quantity=2),)
    assert sum(a.quantity for a in given_to) == 2


def test_more_than_an_event_can_say_is_moved_in_several_steps() -> None:
    taken, given_to = stock.even_out({0: 5_000_000}, 3)
    assert [(a.bucket, a.quantity) for a in taken] == [(0, stock.MOVED_MAX)]
    assert sum(a.quantity for a in given_to) == stock.MOVED_MAX
    taken, given_to = stock.even_out({0: 3_000_000, 1: 3_000_000, 2: 3_000_000}, 1)
    assert sum(a.quantity for a in taken) == stock.MOVED_MAX
    assert [(a.bucket, a.quantity) for a in given_to] == [(0, stock.MOVED_MAX)]


def _moves(model: type[EventData], **fields: object) -> list[BucketChange]:
    return list(stock.changes(model.model_construct(**fields)))  # type: ignore[arg-type]


def test_every_event_type_says_how_it_moves_stock_and_creates_or_loses_none_on_the_way() -> None:
    allocations = (Allocation(bucket=0, quantity=2), Allocation(bucket=3, quantity=1))
    lines = (ReservationLine(sku="MUG", quantity=3, unit_price_minor=1, allocations=allocations),)
    first, second = Bucket("MUG", 0), Bucket("MUG", 3)
    received = _moves(StockReceived, sku="MUG", quantity=3, allocations=allocations)
    assert received == [BucketChange(first, available=2), BucketChange(second, available=1)]
    moves: dict[type[EventData], tuple[int, int, int]] = {
        ReservationPlaced: (-1, 1, 0),
        ReservationCancelled: (1, -1, 0),
        ReservationExpired: (1, -1, 0),
        PurchaseConfirmed: (0, -1, 1),
        PurchaseRefunded: (1, 0, -1),
    }
    for model, (available, held, sold) in moves.items():
        assert _moves(model, lines=lines) == [
            BucketChange(first, available * 2, held * 2, sold * 2),
            BucketChange(second, available, held, sold),
        ]
    redistributed = _moves(
        StockRedistributed, sku="MUG", allocations_from=allocations[:1], allocations_to=allocations[1:]
    )
    assert redistributed == [BucketChange(first, available=-2), BucketChange(second, available=1)]
    less = _moves(StockAdjusted, sku="MUG", quantity_change=-3, allocations=allocations)
    assert less == [BucketChange(first, available=-2), BucketChange(second, available=-1)]
    assert _moves(StockAdjusted, sku="MUG", quantity_change=3, allocations=allocations) == received
    still: set[type[EventData]] = {
        *(PaymentRequested, PaymentActionRequired, PaymentDeclined, PaymentRefunded, PurchaseRefundRequested),
        *(PurchaseRefundFailed, PurchaseDisputeOpened, PurchaseDisputeClosed),
        *(ProductListed, ProductDescribed, ProductRepriced, ProductRetired, ProductRelisted),
    }
    moved = {*moves, StockReceived, StockAdjusted, StockRedistributed}
    assert set(EVENT_TYPES.values()) == {*moved, *still, *UPCASTERS}
    assert not any(_moves(model) for model in still)
