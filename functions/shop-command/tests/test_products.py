"""An administrator's commands as their callers see them, over fakes."""

import hashlib
import json
from collections.abc import Collection, Mapping

import pytest
from msgspec.structs import replace

from shop_command.application.products import REDISTRIBUTION_ROUNDS_MAX
from shop_command.domain.stock import Bucket
from shop_command.ports import Level, StockShortError
from shop_command.testing import Shop
from shop_command.testing.fakes import Counters
from shop_command.testing.shop import raising, slug
from shop_http.testing import Answer


def test_a_product_is_listed(shop: Shop) -> None:
    answer = shop.list_product(buckets=3)
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body == {
        "sku": "MUG",
        "name": "Product MUG",
        "description": "",
        "price": {"amount_minor": 500, "currency": "EUR"},
        "stock_buckets": 3,
        "category": None,
        "images": [],
        "stream_id": "product-MUG",
        "stream_version": 1,
    }


@pytest.mark.parametrize("sku", ["mug_blue.350-ml", "Mug", "a", "4006381333931", "1.5"])
def test_a_sku_may_be_as_other_shops_write_theirs(shop: Shop, sku: str) -> None:
    assert shop.list_product(sku).headers["Location"] == f"/products/{sku}"
    assert shop.receive(sku, 2).body["stream_id"] == f"product-{sku}"
    assert shop.reserve((sku, 2)).body["lines"][0]["sku"] == sku
    assert shop.totals(sku) == Counters(0, 2, 0)


def test_skus_that_differ_in_their_letters_case_are_different_products(shop: Shop) -> None:
    for sku in ("MUG", "Mug", "mug"):
        assert shop.list_product(sku).status == 201


def test_a_product_has_one_bucket_unless_told_otherwise(shop: Shop) -> None:
    body = {"sku": "CUP", "name": "Cup", "description": "", "price": {"amount_minor": 1, "currency": "EUR"}}
    assert shop.post("/products", body, groups="[admin staff]").body["stock_buckets"] == 1


def test_stock_is_received_into_all_buckets(shop: Shop) -> None:
    shop.list_product(buckets=3)
    answer = shop.receive(quantity=10)
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    assert answer.body == {"sku": "MUG", "quantity": 10, "stream_id": "product-MUG", "stream_version": 2}
    assert sorted(counters.available for counters in shop.store.buckets.values()) == [3, 3, 4]


def test_a_product_is_repriced_and_reservations_keep_the_price_that_they_were_made_at(stocked: Shop) -> None:
    first = stocked.reserve(key="before")
    answer = stocked.reprice(price_minor=700)
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    price = {"amount_minor": 700, "currency": "EUR"}
    assert answer.body == {"sku": "MUG", "price": price, "stream_id": "product-MUG", "stream_version": 3}
    assert stocked.reserve(key="after").body["total"]["amount_minor"] == 1_400
    purchased = stocked.purchase(first.body["reservation_id"])
    assert purchased.body["total"]["amount_minor"] == 1_000


def test_a_price_in_another_currency_is_set_where_that_is_said(stocked: Shop) -> None:
    body = {"price": {"amount_minor": 700, "currency": "JPY"}, "allow_currency_change": True}
    answer = stocked.post("/products/{sku}/price", body, groups="[admin]", key="meant", sku="MUG")
    assert (answer.status, answer.body["price"]) == (201, body["price"])
    assert stocked.reserve().body["total"] == {"amount_minor": 1_400, "currency": "JPY"}


def test_a_repeat_from_before_a_change_of_currency_had_to_be_said_is_still_recognized(shop: Shop) -> None:
    shop.list_product()
    first = shop.reprice()
    old = {"sku": "MUG", "price": {"amount_minor": 700, "currency": "EUR"}}
    [*_, key] = shop.store.key_uses.values()
    assert key.body_digest == hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()
    body = {"price": old["price"], "allow_currency_change": True}
    answer = shop.post("/products/{sku}/price", body, groups="[admin]", key="reprice", sku="MUG")
    assert slug(answer) == "idempotency-key-reused"
    assert shop.reprice() == first


def test_a_retired_product_is_not_sold_any_more_but_what_is_held_of_it_is(stocked: Shop) -> None:
    reserved = stocked.reserve(key="before").body["reservation_id"]
    answer = stocked.retire()
    assert answer.status == 200
    assert answer.body == {"sku": "MUG", "status": "retired", "stream_id": "product-MUG", "stream_version": 3}
    assert slug(stocked.reserve(key="after")) == "unknown-product"
    assert slug(stocked.retire(key="again")) == "product-retired"
    assert stocked.purchase(reserved).status == 201
    assert stocked.totals() == Counters(8, 0, 2)


def available(shop: Shop) -> list[int]:
    buckets = {bucket.number: counters.available for bucket, counters in shop.store.buckets.items()}
    return [buckets.get(number, 0) for number in range(max(buckets) + 1)]


def test_stock_is_redistributed_over_more_buckets_and_fewer(stocked: Shop) -> None:
    answer = stocked.redistribute(buckets=5)
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    position = {"stream_id": "product-MUG", "stream_version": 3}
    assert answer.body == {"sku": "MUG", "stock_buckets": 5, "moved": 4, **position}
    assert available(stocked) == [2, 2, 2, 2, 2]
    assert stocked.redistribute(buckets=1, key="fewer").body["moved"] == 8
    assert available(stocked) == [10, 0, 0, 0, 0]
    stocked.receive(quantity=5, key="more")
    assert available(stocked) == [15, 0, 0, 0, 0]


def test_stock_that_is_returned_to_a_bucket_out_of_use_is_still_sold(stocked: Shop) -> None:
    stocked.redistribute(buckets=5)
    held = [stocked.reserve(("MUG", 2), key=f"held-{n}") for n in range(5)]
    assert all(answer.status == 201 for answer in held)
    stocked.redistribute(buckets=1, key="fewer")
    stocked.store.buckets = {bucket: Counters(2, 0, 0, 9) for bucket in stocked.store.buckets}
    assert stocked.reserve(("MUG", 10), key="all").status == 201
    assert stocked.totals() == Counters(0, 10, 0)


@pytest.mark.parametrize("buckets", [1, 8, 64])
def test_customers_who_are_quicker_make_a_redistribution_move_less_and_never_fail(shop: Shop, buckets: int) -> None:
    shop.list_product(buckets=8)
    shop.receive(quantity=200)
    levels, sold = shop.store.levels, list[Answer]()

    def overtaken(read: Collection[Bucket]) -> Mapping[Bucket, Level]:
        found = levels(read)
        shop.store.levels = levels  # type: ignore[method-assign]
        sold.append(shop.reserve(("MUG", 8), key=f"sold-{len(sold)}"))
        if len(sold) < 4:
            shop.store.levels = overtaken  # type: ignore[method-assign,assignment]
        return found

    shop.store.levels = overtaken  # type: ignore[method-assign,assignment]
    assert shop.redistribute(buckets=buckets).status == 201
    assert all(answer.status == 201 for answer in sold)
    assert shop.totals() == Counters(200 - 8 * len(sold), 8 * len(sold), 0)
    assert len(sold) == (1 if buckets == 8 else 2)  # half as much is left in every bucket


def test_a_redistribution_that_never_is_quick_enough_is_given_up(shop: Shop) -> None:
    shop.list_product()
    shop.receive(quantity=1_000)
    before = shop.store.buckets.copy()
    shop.store.before_commit += [raising(StockShortError((Bucket("MUG", 0),)))] * REDISTRIBUTION_ROUNDS_MAX
    answer = shop.redistribute()
    assert (answer.status, slug(answer), answer.headers["Retry-After"]) == (503, "try-again", "2")
    assert shop.store.buckets == before
    assert shop.redistribute().status == 201


@pytest.mark.parametrize(
    "command", ["list_product", "receive", "adjust", "describe", "reprice", "redistribute", "retire"]
)
def test_a_repeated_product_command_gets_the_same_answer_and_no_second_effect(shop: Shop, command: str) -> None:
    shop.list_product()
    first = getattr(shop, command)()
    shop.receive(key="another")
    before = shop.contents()
    assert getattr(shop, command)() == first
    assert shop.contents() == before


def test_the_same_key_with_another_product_or_quantity_is_refused(shop: Shop) -> None:
    shop.list_product()
    shop.receive()
    before = shop.contents()
    assert slug(shop.receive(quantity=11)) == "idempotency-key-reused"
    body = {"sku": "CUP", "name": "Cup", "description": "", "price": {"amount_minor": 1, "currency": "EUR"}}
    assert slug(shop.post("/products", body, groups="[admin]", key="list-MUG")) == "idempotency-key-reused"
    assert shop.contents() == before


def test_a_repeat_from_before_there_were_categories_is_still_recognized(shop: Shop) -> None:
    body = {"sku": "MUG", "name": "Mug", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    first = shop.post("/products", body, groups="[admin]", key="list")
    [key] = shop.store.key_uses.values()
    old = {"sku": "MUG", "name": "Mug", "description": "", "price": body["price"], "stock_buckets": 1}
    assert key.body_digest == hashlib.sha256(json.dumps(old, sort_keys=True).encode()).hexdigest()
    assert shop.post("/products", {**body, "category": None}, groups="[admin]", key="list") == first
    with_category = shop.post("/products", {**body, "category": "mugs"}, groups="[admin]", key="list")
    assert slug(with_category) == "idempotency-key-reused"


@pytest.mark.parametrize("category", ["", "Mugs", "mugs ", "-mugs", "m" * 41, "m\u00fcgs", 1, ["mugs"]])
def test_a_category_is_small_letters_digits_and_hyphens(shop: Shop, category: object) -> None:
    body = {"sku": "MUG", "name": "Mug", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    answer = shop.post("/products", {**body, "category": category}, groups="[admin]", key="list")
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/category")
    assert (
        shop.post("/products", {**body, "category": "mugs"}, groups="[admin]", key="other").body["category"] == "mugs"
    )


def test_two_equal_product_commands_at_once_have_one_effect_and_the_same_answer(shop: Shop) -> None:
    shop.list_product()
    answers: list[Answer] = []
    shop.store.before_commit.append(lambda: answers.append(shop.receive()))
    answers.append(shop.receive())
    assert answers[0] == answers[1]
    assert shop.totals() == Counters(10, 0, 0)


def test_a_product_command_that_another_one_overtook_decides_again(shop: Shop) -> None:
    shop.list_product()
    shop.store.before_commit.append(lambda: shop.receive(key="first"))
    assert shop.receive(key="second").body["stream_version"] == 3
    assert shop.totals() == Counters(20, 0, 0)


def test_a_key_is_the_callers_own_and_the_routes_own(stocked: Shop) -> None:
    for subject in ("customer-1", "customer-2"):
        assert stocked.reserve(key="receive", subject=subject).status == 201
    reservation = stocked.reserve(key="same").body["reservation_id"]
    assert stocked.purchase(reservation, key="same").status == 201
    assert stocked.receive(key="list-MUG").status == 201
    other = {"quantity": 1}
    answer = stocked.post("/products/{sku}/stock", other, groups="[admin]", subject="b", key="receive", sku="MUG")
    assert answer.status == 201


def test_stock_is_adjusted_up_and_down_with_a_reason(stocked: Shop) -> None:
    more = stocked.adjust(quantity_change=5, key="more")
    assert more.status == 201
    assert more.headers["Location"] == "/products/MUG"
    assert more.body == {
        "sku": "MUG",
        "quantity_change": 5,
        "reason": "Counted",
        "stream_id": "product-MUG",
        "stream_version": 3,
    }
    assert stocked.totals() == Counters(15, 0, 0)
    assert stocked.adjust(quantity_change=-15, key="less").body["quantity_change"] == -15
    assert stocked.totals() == Counters(0, 0, 0)
    assert slug(stocked.reserve(("MUG", 1))) == "out-of-stock"


def test_only_what_is_available_is_taken_away(stocked: Shop) -> None:
    reserved = stocked.reserve(("MUG", 3), key="held").body["reservation_id"]
    sold = stocked.reserve(("MUG", 2), key="sold").body["reservation_id"]
    assert stocked.purchase(sold).status == 201
    before = stocked.contents()
    answer = stocked.adjust(quantity_change=-6)
    assert (answer.status, slug(answer), answer.body["available"]) == (409, "adjustment-too-large", 5)
    assert stocked.contents() == before
    assert stocked.adjust(quantity_change=-5, key="fits").status == 201
    assert stocked.totals() == Counters(0, 3, 2)
    assert stocked.purchase(reserved, key="theirs").status == 201
    assert stocked.totals() == Counters(0, 0, 5)


def test_a_customer_who_is_quicker_leaves_less_to_take_away(stocked: Shop) -> None:
    stocked.store.before_commit.append(lambda: stocked.reserve(("MUG", 4), key="quicker"))
    answer = stocked.adjust(quantity_change=-8)
    assert (answer.status, answer.body["available"]) == (409, 6)
    stocked.store.before_commit.append(lambda: stocked.reserve(("MUG", 1), key="quicker-still"))
    assert stocked.adjust(quantity_change=-5, key="again").status == 201
    assert stocked.totals() == Counters(0, 5, 0)


def test_stock_that_moves_while_it_is_taken_away_is_found(stocked: Shop) -> None:
    stocked.store.before_commit.append(lambda: stocked.redistribute(buckets=7))
    assert stocked.adjust(quantity_change=-10).status == 201
    assert stocked.totals() == Counters(0, 0, 0)


@pytest.mark.parametrize("change", [0, 1_000_001, -1_000_001, 1.0, "1"])
def test_a_change_of_stock_is_a_whole_number_other_than_nothing(stocked: Shop, change: object) -> None:
    body = {"quantity_change": change, "reason": "Counted"}
    answer = stocked.post("/products/{sku}/stock-adjustment", body, groups="[admin]", sku="MUG")
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/quantity_change")


@pytest.mark.parametrize("reason", ["", " ", "\u200b", "Counted\u202e", "r" * 201])
def test_a_change_of_stock_has_a_reason_that_people_can_read(stocked: Shop, reason: str) -> None:
    answer = stocked.adjust(quantity_change=1, reason=reason)
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, "/reason")


IMAGE = {"path": "/media/3f/9a0c51e2-960.webp", "width": 960, "height": 720, "alt": "A blue mug"}


def test_a_product_is_described_anew(stocked: Shop) -> None:
    answer = stocked.describe(name=" Blue cup ", description="Holds\r\ntea", category="cups", images=[IMAGE])
    assert answer.status == 201
    assert answer.headers["Location"] == "/products/MUG"
    assert answer.body == {
        "sku": "MUG",
        "name": "Blue cup",
        "description": "Holds\ntea",
        "category": "cups",
        "images": [IMAGE],
        "stream_id": "product-MUG",
        "stream_version": 3,
    }
    bare = stocked.describe(key="bare").body
    assert (bare["name"], bare["description"], bare["category"], bare["images"]) == ("Cup", "", None, [])
    assert stocked.reserve().body["total"] == {"amount_minor": 1_000, "currency": "EUR"}


def test_a_product_is_listed_with_pictures(shop: Shop) -> None:
    body = {"sku": "MUG", "name": "Mug", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    answer = shop.post("/products", {**body, "images": [IMAGE]}, groups="[admin]")
    assert (answer.status, answer.body["images"]) == (201, [IMAGE])


@pytest.mark.parametrize(
    ("image", "pointer"),
    [
        *(
            (IMAGE | {"path": path}, "path")
            for path in (
                *("https://elsewhere.example/a.webp", "//elsewhere.example/a.webp", "/media/../config.json"),
                *(
                    "/media/a.svg",
                    "/media/.webp",
                    "media/a.webp",
                    "/other/a.webp",
                    "/media/a.webp?x=1",
                    "/media//a.webp",
                ),
            )
        ),
        (IMAGE | {"width": 0}, "width"),
        (IMAGE | {"height": 10_001}, "height"),
        (IMAGE | {"alt": "\u202egum"}, "alt"),
        (IMAGE | {"alt": "a" * 201}, "alt"),
        (IMAGE | {"title": "Mug"}, "title"),
    ],
)
def test_a_picture_lies_beside_the_shops_pages_and_nowhere_else(
    stocked: Shop, image: dict[str, object], pointer: str
) -> None:
    answer = stocked.describe(images=[image])
    assert (answer.status, answer.body["errors"][0]["pointer"]) == (422, f"/images/0/{pointer}")


def test_a_product_has_only_so_many_pictures(stocked: Shop) -> None:
    assert stocked.describe(images=[IMAGE] * 9).body["errors"][0]["pointer"] == "/images"
    assert stocked.describe(images=[IMAGE] * 8).status == 201


def test_a_retired_product_is_sold_again_as_it_was(stocked: Shop) -> None:
    stocked.redistribute(buckets=5)
    stocked.reprice(price_minor=700)
    stocked.retire()
    answer = stocked.relist()
    assert (answer.status, answer.headers["Location"]) == (200, "/products/MUG")
    assert answer.body == {"sku": "MUG", "status": "listed", "stream_id": "product-MUG", "stream_version": 6}
    assert stocked.reserve(("MUG", 10)).body["total"] == {"amount_minor": 7_000, "currency": "EUR"}
    assert slug(stocked.relist(key="again")) == "product-not-retired"
    assert stocked.relist() == answer


def test_a_product_that_an_older_release_retired_is_sold_again_too(stocked: Shop) -> None:
    stocked.retire()
    stored = stocked.store.stored["product-MUG"]
    stocked.store.stored["product-MUG"] = replace(stored, state='{"sku":"MUG","status":"retired"}')
    assert stocked.relist().status == 200
    assert stocked.reserve().body["total"] == {"amount_minor": 1_000, "currency": "EUR"}


def test_a_product_that_was_never_listed_is_not_relisted(shop: Shop) -> None:
    assert slug(shop.relist()) == "not-found"
