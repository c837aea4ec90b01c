"""Sold out is said only where, at one moment, all buckets together had too little."""

from collections.abc import Callable, Collection, Mapping

import pytest

from shop_command.application.stock_search import READS_MAX
from shop_command.domain.stock import Bucket
from shop_command.ports import Level, StoredState
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_http.testing import Answer


def slug(answer: Answer) -> str:
    return str(answer.body["type"].rpartition("/")[2])


@pytest.fixture
def scarce(shop: Shop) -> Shop:
    """A product with two buckets, of which one holds the last unit, and a choice that falls on the other."""
    shop.list_product(buckets=2)
    put(shop, 0, 1)

    def first(*_: object) -> int:
        return 0

    shop.application.reservations.randomness.randrange = first  # type: ignore[method-assign,assignment]
    return shop


def put(shop: Shop, *available: int) -> None:
    """Changes it as transactions do: the versions count."""
    for number, level in enumerate(available):
        before = shop.store.buckets.get(Bucket("MUG", number), Counters())
        if before.available != level:
            shop.store.buckets[Bucket("MUG", number)] = Counters(level, before.held, before.sold, before.version + 1)


def at_each_read(shop: Shop, *then: Callable[[], object]) -> None:
    """Reads bucket by bucket, as BatchGetItem may, and lets the next of these happen after the first bucket."""
    levels, waiting = shop.store.levels, list(then)

    def read(buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        first, *others = buckets
        found = dict(levels([first]))
        if waiting:
            waiting.pop(0)()
        return {**found, **levels(others)}

    shop.store.levels = read  # type: ignore[method-assign]


def test_a_unit_that_moves_from_bucket_to_bucket_while_they_are_read_is_not_missed(scarce: Shop) -> None:
    at_each_read(scarce, lambda: put(scarce, 1, 0))
    assert scarce.reserve(("MUG", 1)).status == 201


def test_levels_that_look_alike_but_have_changed_in_between_prove_nothing(scarce: Shop) -> None:
    """Both reads find nothing, and never was there nothing: each time the unit is where the read is not."""
    states = scarce.store.states

    def between_two_reads(stream_ids: Collection[str]) -> Mapping[str, StoredState]:
        put(scarce, 0, 1)
        return states(stream_ids)

    def moved() -> None:
        put(scarce, 1, 0)
        scarce.store.states = between_two_reads  # type: ignore[method-assign]

    at_each_read(scarce, moved, moved)
    assert scarce.reserve(("MUG", 1)).status == 201


def test_stock_that_never_holds_still_is_not_called_sold_out(scarce: Shop) -> None:
    levels, reads = scarce.store.levels, 0

    def read(buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        nonlocal reads
        reads += 1
        found = levels(buckets)
        return {bucket: Level(0, level.version + reads) for bucket, level in found.items()}

    scarce.store.levels = read  # type: ignore[method-assign]
    answer = scarce.reserve(("MUG", 1))
    assert (answer.status, slug(answer), answer.headers["Retry-After"]) == (503, "try-again", "2")
    assert reads == READS_MAX + 1


def test_what_is_sold_out_indeed_is_said_with_what_there_was(scarce: Shop) -> None:
    answer = scarce.reserve(("MUG", 2))
    assert (answer.status, slug(answer)) == (409, "out-of-stock")
    assert answer.body["lines"] == [{"sku": "MUG", "requested": 2, "available": 1}]


def test_stock_that_is_redistributed_to_buckets_that_the_request_does_not_know_of_is_found(shop: Shop) -> None:
    shop.list_product()
    shop.receive(quantity=10)
    shop.store.before_commit.append(lambda: shop.redistribute(buckets=10))
    assert shop.reserve(("MUG", 8)).status == 201
    assert shop.totals() == Counters(2, 8, 0)


def test_a_product_that_is_retired_while_its_stock_is_looked_for_is_not_for_sale(scarce: Shop) -> None:
    at_each_read(scarce, scarce.retire)
    answer = scarce.reserve(("MUG", 2))
    assert (answer.status, slug(answer)) == (422, "unknown-product")


def test_the_same_request_twice_at_once_for_the_last_units_is_one_reservation(scarce: Shop) -> None:
    """The second one finds its stock gone: to the first one, whose answer is its own too."""
    first: list[Answer] = []
    at_each_read(scarce, lambda: first.append(scarce.reserve(("MUG", 1))))
    assert scarce.reserve(("MUG", 1)) == first[0]
    assert first[0].status == 201
    assert scarce.totals() == Counters(0, 1, 0)


def test_scattered_is_said_only_of_stock_that_holds_still(shop: Shop) -> None:
    for sku in ("A", "B"):
        shop.list_product(sku, buckets=64)
        shop.receive(sku, 64, key=sku)
    at_each_read(shop, lambda: None, lambda: shop.redistribute("A", 1, key="gathered"))
    assert shop.reserve(("A", 46), ("B", 45)).status == 201


def test_what_was_spread_in_an_earlier_round_is_gathered_again_before_scattered_is_said(shop: Shop) -> None:
    for sku, buckets in (("A", 64), ("B", 1)):
        shop.list_product(sku, buckets=buckets)
        shop.receive(sku, 64, key=sku)

    def only_b_is_scattered_now() -> None:
        shop.receive("A", 64 * 46, key="more")
        shop.redistribute("B", 64)

    shop.store.before_commit += [lambda: None, only_b_is_scattered_now]
    assert shop.reserve(("A", 46), ("B", 45)).status == 201


def test_all_lines_are_held_or_none_while_others_buy(shop: Shop) -> None:
    for sku in ("A", "B"):
        shop.list_product(sku, buckets=3)
        shop.receive(sku, 3, key=sku)
    shop.store.before_commit += [lambda: shop.reserve(("B", 3), key="other")]
    answer = shop.reserve(("A", 3), ("B", 1))
    assert slug(answer) == "out-of-stock"
    assert answer.body["lines"] == [{"sku": "B", "requested": 1, "available": 0}]
    assert shop.totals("A") == Counters(3, 0, 0)
    assert shop.totals("B") == Counters(0, 3, 0)
