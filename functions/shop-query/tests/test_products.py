import pytest

from shop_http.answers import ANYBODY_SHOWS, NOBODY_KEEPS
from shop_query.testing import Shop


def test_details_have_price_availability_and_version(shop: Shop) -> None:
    shop.list_product("MUG", stock=7, name='Mug "Ünïcode" \\ 12 oz')
    answer = shop.get("/products/MUG")
    assert answer.status == 200
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == ANYBODY_SHOWS
    assert answer.body == {
        "sku": "MUG",
        "name": 'Mug "Ünïcode" \\ 12 oz',
        "description": "For tea.",
        "category": None,
        "images": [],
        "price": {"amount_minor": 1250, "currency": "EUR"},
        "available": 7,
        "status": "listed",
        "version": 1,
    }


def test_a_list_is_in_the_order_of_sku_and_its_items_are_what_the_details_say(shop: Shop) -> None:
    shop.list_product("B", stock=1)
    shop.list_product("A-2")
    shop.list_product("A")
    answer = shop.get("/products")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, ANYBODY_SHOWS)
    assert answer.body["next_cursor"] is None
    assert [item["sku"] for item in answer.body["items"]] == ["A", "A-2", "B"]
    assert answer.body["items"][2] == shop.get("/products/B").body


@pytest.mark.parametrize("query", [{}, {"sort": "name"}, {"q": "mug"}])
def test_a_product_has_its_pictures_wherever_it_is_shown(shop: Shop, query: dict[str, str]) -> None:
    image = {"path": "/media/a.webp", "width": 960, "height": 720, "alt": "A mug"}
    shop.list_product("MUG", images=[image])
    [item] = shop.get("/products", query).body["items"]
    assert item["images"] == shop.get("/products/MUG").body["images"] == [image]


def test_what_was_adjusted_by_hand_is_available_or_not(shop: Shop) -> None:
    shop.list_product("MUG", stock=7)
    shop.execute("UPDATE shop.stock SET adjusted = -3, held = 1")
    assert shop.get("/products/MUG").body["available"] == 3


def test_an_empty_catalogue_is_an_empty_list(shop: Shop) -> None:
    assert shop.get("/products").body == {"items": [], "next_cursor": None}


def test_a_retired_product_leaves_the_list_but_keeps_its_details(shop: Shop) -> None:
    shop.list_product("MUG")
    shop.list_product("OLD", status="retired")
    assert [item["sku"] for item in shop.get("/products").body["items"]] == ["MUG"]
    details = shop.get("/products/OLD")
    assert (details.status, details.body["status"]) == (200, "retired")


def test_a_sku_as_other_shops_write_theirs_is_found_in_every_way(shop: Shop) -> None:
    sku = "mug_blue.350-ml"
    shop.list_product(sku, stock=1)
    shop.list_product(sku.upper())
    assert shop.get(f"/products/{sku}").body["sku"] == sku
    for query in ({"sku": sku}, {"q": sku, "limit": "1"}, {"q": "350", "limit": "1", "sort": "-price"}):
        [item] = shop.get("/products", query).body["items"]
        assert item["sku"] == sku


def test_an_unknown_product_is_a_404_problem(shop: Shop) -> None:
    answer = shop.get("/products/NONE")
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.body == {
        "type": "https://shop.example/problems/not-found",
        "title": "Not found",
        "status": 404,
        "detail": "There is no such product.",
        "instance": "/products/NONE",
        "correlation_id": "request-1",
    }


def test_pages_hold_every_product_once(shop: Shop) -> None:
    skus = [f"P-{number:02}" for number in range(10)]
    for sku in reversed(skus):
        shop.list_product(sku)
    pages = [[item["sku"] for item in page] for page in shop.pages("/products", {"limit": "4"})]
    assert pages == [skus[:4], skus[4:8], skus[8:]]


def test_a_full_last_page_has_no_next_cursor(shop: Shop) -> None:
    shop.list_product("A")
    shop.list_product("B")
    assert shop.get("/products", {"limit": "2"}).body["next_cursor"] is None


def test_products_listed_between_two_pages_repeat_and_hide_nothing(shop: Shop) -> None:
    for sku in ("B", "D", "F"):
        shop.list_product(sku)
    pages = shop.pages("/products", {"limit": "2"})
    seen = [item["sku"] for item in next(pages)]
    for sku in ("A", "C", "E"):
        shop.list_product(sku)
    seen += [item["sku"] for page in pages for item in page]
    assert seen == ["B", "D", "E", "F"]


def test_a_page_is_20_products_unless_the_caller_says(shop: Shop) -> None:
    for number in range(101):
        shop.list_product(f"P-{number:03}")
    assert len(shop.get("/products").body["items"]) == 20
    assert len(shop.get("/products", {"limit": "1"}).body["items"]) == 1
    assert len(shop.get("/products", {"limit": "100"}).body["items"]) == 100


def test_who_has_the_current_answer_gets_none(shop: Shop) -> None:
    shop.list_product("MUG", stock=1)
    for path in ("/products", "/products/MUG"):
        answer = shop.get(path)
        tag = answer.headers["ETag"]
        strong = tag.removeprefix("W/")
        for sent in (tag, strong, f'"other", {strong}', f'"other",W/{strong} , "more"', "*"):
            again = shop.get(path, headers={"if-none-match": sent})
            assert (again.status, again.body) == (304, None), sent
            assert (again.headers["ETag"], again.headers["Cache-Control"]) == (tag, ANYBODY_SHOWS)
            assert "Content-Type" not in again.headers


@pytest.mark.parametrize("sent", ["", "other", '"other"', "W/", '""', "**", "\x00", '"' * 10_000, '"a", ' * 2_000])
def test_who_has_another_answer_gets_this_one(shop: Shop, sent: str) -> None:
    shop.list_product("MUG", stock=1)
    answer = shop.get("/products/MUG", headers={"if-none-match": sent})
    assert (answer.status, answer.body["sku"]) == (200, "MUG")
    assert shop.get("/products/MUG", headers={"if-none-match": answer.headers["ETag"][3:-1]}).status == 200


def test_who_waits_for_a_version_gets_an_answer_that_no_cache_keeps(shop: Shop) -> None:
    shop.list_product("MUG", stock=1)
    shown = shop.get("/products/MUG")
    waited = shop.get("/products/MUG", {"min_version": "1"})
    assert (waited.body, waited.headers["Cache-Control"]) == (shown.body, NOBODY_KEEPS)
    again = shop.get("/products/MUG", {"min_version": "1"}, headers={"if-none-match": shown.headers["ETag"]})
    assert (again.status, again.headers["Cache-Control"]) == (304, NOBODY_KEEPS)


def test_a_sale_changes_the_tags_of_what_shows_the_product(shop: Shop) -> None:
    for sku in ("MUG", "TEA"):
        shop.list_product(sku, stock=2)
    paths = ("/products", "/products/MUG", "/products/TEA")
    before = [shop.get(path).headers["ETag"] for path in paths]
    assert len(set(before)) == 3
    shop.execute("UPDATE shop.stock SET sold = 1 WHERE sku = 'MUG'")
    after = [shop.get(path).headers["ETag"] for path in paths]
    assert [old == new for old, new in zip(before, after, strict=True)] == [False, False, True]


def test_an_unknown_product_is_404_whatever_the_client_has(shop: Shop) -> None:
    assert shop.get("/products/NONE", headers={"if-none-match": "*"}).status == 404
