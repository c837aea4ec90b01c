"""Placing reservations as customers see it, over fakes: answers, effects, repeats and races."""

from collections.abc import Collection, Mapping

import pytest

from shop_command.application.journal import ROUNDS_MAX
from shop_command.domain.stock import ALLOCATIONS_MAX, Bucket
from shop_command.ports import Level
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import slug
from shop_http.testing import Answer


def test_a_reservation_is_placed_at_the_stores_prices_and_its_stock_is_held(stocked: Shop) -> None:
    stocked.list_product("CUP", price_minor=250)
    stocked.receive("CUP", 4, key="cups")
    answer = stocked.reserve(("MUG", 2), ("CUP", 3))
    reservation_id = answer.body["reservation_id"]
    assert answer.status == 201
    assert answer.headers["Location"] == f"/reservations/{reservation_id}"
    assert answer.body == {
        "reservation_id": reservation_id,
        "status": "active",
        "lines": [
            {"sku": "MUG", "quantity": 2, "unit_price_minor": 500, "name": "Product MUG"},
            {"sku": "CUP", "quantity": 3, "unit_price_minor": 250, "name": "Product CUP"},
        ],
        "total": {"amount_minor": 1750, "currency": "EUR"},
        "expires_at": "2026-11-23T09:15:00Z",
        "stream_id": f"reservation-{reservation_id}",
        "stream_version": 1,
    }
    assert stocked.totals("MUG") == Counters(8, 2, 0)
    assert stocked.totals("CUP") == Counters(1, 3, 0)
    assert stocked.store.due_states[f"reservation-{reservation_id}"].isoformat() == "2026-11-23T09:15:00+00:00"


def test_all_lines_are_held_or_none(stocked: Shop) -> None:
    stocked.list_product("CUP")
    answer = stocked.reserve(("MUG", 2), ("CUP", 1))
    assert slug(answer) == "out-of-stock"
    assert answer.body["lines"] == [{"sku": "CUP", "requested": 1, "available": 0}]
    assert stocked.totals("MUG") == Counters(10, 0, 0)


@pytest.mark.parametrize("quantity", range(1, 11))
def test_stock_is_found_in_whatever_buckets_it_is(stocked: Shop, quantity: int) -> None:
    assert stocked.reserve(("MUG", quantity)).status == 201
    assert stocked.totals() == Counters(10 - quantity, quantity, 0)


def test_the_last_unit_is_found_and_after_it_the_product_is_sold_out(stocked: Shop) -> None:
    for n in range(10):
        assert stocked.reserve(("MUG", 1), key=f"reserve-{n}").status == 201
    answer = stocked.reserve(("MUG", 1), key="too late")
    assert slug(answer) == "idempotency-key-malformed"
    assert slug(stocked.reserve(("MUG", 1), key="too-late")) == "out-of-stock"
    assert stocked.totals() == Counters(0, 10, 0)


def test_twenty_lines_fit(shop: Shop) -> None:
    lines = [(f"SKU-{n}", 4) for n in range(20)]
    for sku, _ in lines:
        shop.list_product(sku, buckets=4)
        shop.receive(sku, 4, key=sku)
    assert shop.reserve(*lines).status == 201


def test_stock_in_more_buckets_than_a_transaction_holds_is_not_called_sold_out(shop: Shop) -> None:
    for sku in ("A", "B"):
        shop.list_product(sku, buckets=64)
        shop.receive(sku, 64, key=sku)
    answer = shop.reserve(("A", 46), ("B", 45))
    assert (answer.status, slug(answer)) == (409, "stock-scattered")
    assert shop.reserve(("A", 45), ("B", 45), key="fits").status == 201
    assert ALLOCATIONS_MAX == 90


def test_a_repeated_reservation_gets_the_same_answer_for_ever(stocked: Shop) -> None:
    first = stocked.reserve(("MUG", 10))
    assert stocked.purchase(first.body["reservation_id"]).status == 201
    stocked.clock.advance(30 * 24 * 3600)
    before = stocked.contents()
    assert stocked.reserve(("MUG", 10)) == first
    assert stocked.contents() == before


def test_a_repeated_reservation_gets_the_same_answer_when_the_product_has_gone(stocked: Shop) -> None:
    first = stocked.reserve()
    del stocked.store.stored["product-MUG"]
    assert slug(stocked.reserve(key="new")) == "unknown-product"
    assert stocked.reserve() == first


def test_the_same_key_with_other_lines_is_refused(stocked: Shop) -> None:
    stocked.reserve(("MUG", 2))
    before = stocked.contents()
    answer = stocked.reserve(("MUG", 3))
    assert (answer.status, slug(answer)) == (422, "idempotency-key-reused")
    assert stocked.contents() == before


def test_two_equal_reservations_at_once_are_one(stocked: Shop) -> None:
    answers: list[Answer] = []
    stocked.store.before_commit.append(lambda: answers.append(stocked.reserve(("MUG", 10))))
    answers.append(stocked.reserve(("MUG", 10)))
    assert answers[0] == answers[1]
    assert answers[0].status == 201
    assert stocked.totals() == Counters(0, 10, 0)


def test_a_bucket_that_others_emptied_meanwhile_is_replaced_by_another(stocked: Shop) -> None:
    levels = stocked.store.buckets.copy()

    def emptied() -> None:
        stocked.store.buckets = {bucket: Counters() for bucket in levels}

    def refilled() -> None:
        stocked.store.buckets = levels

    stocked.store.before_commit.append(emptied)
    levels_of = stocked.store.levels

    def just_refilled(buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        refilled()
        return levels_of(buckets)

    stocked.store.levels = just_refilled  # type: ignore[method-assign]
    assert stocked.reserve(("MUG", 1)).status == 201
    assert stocked.totals() == Counters(9, 1, 0)


def test_a_lost_race_for_every_bucket_is_given_up_and_never_called_sold_out(stocked: Shop) -> None:
    def moved() -> None:
        """The stock is always in another bucket than the one that was just chosen."""
        stocked.store.buckets = {bucket: Counters() for bucket in stocked.store.buckets}
        stocked.store.before_commit.append(moved)

    def refilled(buckets: Collection[Bucket]) -> Mapping[Bucket, Level]:
        return dict.fromkeys(buckets, Level(10, 1))

    stocked.store.before_commit.append(moved)
    stocked.store.levels = refilled  # type: ignore[method-assign]
    answer = stocked.reserve(("MUG", 1))
    assert (answer.status, slug(answer)) == (503, "try-again")
    assert answer.headers["Retry-After"] == "2"
    assert ROUNDS_MAX == 5
