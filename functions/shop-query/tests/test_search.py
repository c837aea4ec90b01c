"""The catalogue is searched, filtered and sorted."""

from datetime import timedelta

import pytest

from shop_http.answers import ANYBODY_SHOWS
from shop_query.testing import PLACED, Shop


def skus(shop: Shop, **query: str) -> list[str]:
    answer = shop.get("/products", query)
    assert answer.status == 200, answer.body
    return [item["sku"] for item in answer.body["items"]]


@pytest.fixture
def catalogue(shop: Shop) -> Shop:
    for number, (sku, name, description, category, price_minor, stock) in enumerate(
        [
            ("ESPRESSO-KIT", "Espresso starter kit", "Lever press and a tamper.", "machines", 12_900, 3),
            ("GRINDER-HAND", "Hand grinder", "Steel burrs, from espresso to French press.", "grinders", 8_900, 0),
            ("MUG-BLUE", "Blue mug", "Stoneware, for coffee or tea.", "mugs", 1_250, 5),
            ("MUG-RED", "red mug", "Stoneware.", "mugs", 1_250, None),
            ("TEAPOT", "Teapot", "Glass.", None, 3_490, 1),
        ]
    ):
        shop.list_product(
            sku,
            name=name,
            description=description,
            category=category,
            price_minor=price_minor,
            stock=stock,
            listed_at=PLACED + timedelta(days=number),
        )
    shop.list_product("MUG-OLD", name="Old mug", category="mugs", price_minor=1, stock=9, status="retired")
    return shop


def test_a_word_is_found_in_name_sku_category_and_description_in_that_order(catalogue: Shop) -> None:
    assert skus(catalogue, q="espresso") == ["ESPRESSO-KIT", "GRINDER-HAND"]
    assert skus(catalogue, q="grinders") == ["GRINDER-HAND"]
    assert skus(catalogue, q="mug-blue") == ["MUG-BLUE"]
    assert skus(catalogue, q="machine") == ["ESPRESSO-KIT"]
    assert skus(catalogue, q="burr") == ["GRINDER-HAND"]


def test_all_words_must_be_there_whatever_their_order_and_form(catalogue: Shop) -> None:
    assert skus(catalogue, q="mugs, BLUE") == ["MUG-BLUE"]
    assert skus(catalogue, q="  pressing   hands ") == ["GRINDER-HAND"]
    assert skus(catalogue, q="glass burrs") == []


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("expresso", ["ESPRESSO-KIT", "GRINDER-HAND"]),
        ("grindr", ["GRINDER-HAND"]),
        ("teapt", ["TEAPOT"]),
        ("teh pot", []),
        ("sofa", []),
        ("xy", []),
        ("the", []),
    ],
)
def test_a_misspelt_word_finds_what_the_words_of_names_find_that_are_spelt_alike(
    catalogue: Shop, q: str, found: list[str]
) -> None:
    assert skus(catalogue, q=q) == found


@pytest.mark.parametrize("name", ["Café crème", "Cafe\u0301 cre\u0300me", "CAFE CREME"])
@pytest.mark.parametrize("q", ["cafee", "caffé", "caff creme", "CAFÈE", "creeme", "the cafee"])
def test_accents_make_no_difference_to_what_is_spelt_alike(shop: Shop, name: str, q: str) -> None:
    shop.list_product("X-1", name=name)
    shop.list_product("X-2", name="Tea")
    assert skus(shop, q=q) == ["X-1"]


def test_of_several_words_each_may_be_misspelt_and_one_may_stand_in_a_description(catalogue: Shop) -> None:
    catalogue.list_product("KIT", name="Starter kit")
    assert skus(catalogue, q="expreso startr kit") == ["ESPRESSO-KIT"]
    assert skus(catalogue, q="bleu mug stoneware") == []
    assert skus(catalogue, q="blu mug stoneware") == ["MUG-BLUE"]
    assert skus(catalogue, q="blue mug stonewear") == []


def test_a_word_that_a_name_has_is_not_taken_for_another(catalogue: Shop) -> None:
    catalogue.list_product("MUD-BLUE", name="Blue mud")
    assert skus(catalogue, q="mug bluee") == ["MUG-BLUE"]


def test_what_is_spelt_right_is_not_padded_with_what_looks_alike(catalogue: Shop) -> None:
    catalogue.list_product("JUG", name="Muk")
    assert skus(catalogue, q="mug") == ["MUG-BLUE", "MUG-RED"]


@pytest.mark.parametrize("typed", ["es", "esp", "espr", "espresso st", "Espresso Starter k", "kit esp"])
def test_the_beginning_of_the_last_word_finds_it_while_somebody_types(catalogue: Shop, typed: str) -> None:
    assert skus(catalogue, q=typed)[0] == "ESPRESSO-KIT"


def test_the_word_itself_comes_before_one_that_begins_with_it(catalogue: Shop) -> None:
    catalogue.list_product("AAA-MUGGER", name="Mugger")
    catalogue.list_product("AAB-MUGS", name="Mugs and more mugs", description="Mugs, mugs.")
    assert skus(catalogue, q="mug")[-1] == "AAA-MUGGER"


def test_one_letter_is_no_beginning_and_neither_is_a_word_that_another_follows(catalogue: Shop) -> None:
    assert skus(catalogue, q="coffee st") == ["MUG-BLUE"]
    for typed in ("coffee f", "stonew coffee", "k"):
        assert skus(catalogue, q=typed) == [], typed


JOINED = {
    "WH-1000XM4 headphones": ["wh-1000xm4", "WH 1000XM4", "wh1000xm4", "1000xm4", "wh1000", "headphones wh"],
    "Coffee/tea mug": ["coffee/tea", "coffee", "tea", "teas", "mug coffee"],
    "Node.js cup": ["node.js", "node js", "nodejs", "node", "js cup"],
    "Cable, USB-C/HDMI, 3.5 mm": ["usb-c", "usb c", "usbc", "hdmi", "usb-c/hdmi", "3.5", "3.5mm cable usb", "3.5 mm"],
    "Men's T-shirt, size L": [
        "men's",
        "mens",
        "men",
        "t-shirt",
        "tshirt",
        "shirt",
        "t shirt l",
        "men\u2019s t\u2011shirt",
    ],
    "filter_paper_N4": ["filter_paper_n4", "filter", "paper n4", "n4"],
    "Water 1.5l": ["1.5l", "water 1.5"],
}


@pytest.mark.parametrize(("name", "q"), [(name, q) for name, texts in JOINED.items() for q in texts])
def test_joined_words_are_found_together_and_apart(shop: Shop, name: str, q: str) -> None:
    shop.list_product("X-1", name=name, description="")
    shop.list_product("X-2", name="Another", description="Nothing of the kind.")
    assert skus(shop, q=q) == ["X-1"]


def test_a_sku_is_found_by_its_parts(shop: Shop) -> None:
    shop.list_product("BEANS-BRA-1000", name="Santos", description="")
    for q in ("beans-bra-1000", "BEANS BRA", "1000", "bra 1000", "beans-bra-10", "beansbra1000"):
        assert skus(shop, q=q) == ["BEANS-BRA-1000"], q


@pytest.mark.parametrize("name", ["Café crème", "Cafe\u0301 cre\u0300me", "Cafe creme", "CAFÉ CRÈME"])
@pytest.mark.parametrize("q", ["cafe", "café", "cafe\u0301", "CAFÉ", "caf", "creme cafe", "crème"])
def test_accents_make_no_difference_however_they_are_written(shop: Shop, name: str, q: str) -> None:
    shop.list_product("X-1", name=name, description="")
    shop.list_product("X-2", name="Tea", description="")
    assert skus(shop, q=q) == ["X-1"]
    shop.execute("UPDATE shop.product SET name = 'Milk', description = %s WHERE sku = 'X-1'", name)
    assert skus(shop, q=q) == ["X-1"]


@pytest.mark.parametrize(
    ("name", "q"), [("Smørrebrød", "smorrebrod"), ("Große Łódź", "grosse lodz"), ("Œuvre", "oeuvre")]
)
def test_letters_that_are_no_accented_ones_have_their_usual_spelling(shop: Shop, name: str, q: str) -> None:
    shop.list_product("X-1", name=name, description="")
    assert skus(shop, q=q) == skus(shop, q=name) == ["X-1"]


@pytest.mark.parametrize("q", ["the", "The Who", "it", "a", "who the"])
def test_stop_words_alone_are_words_of_names(shop: Shop, q: str) -> None:
    shop.list_product("CD-1", name="The Who: A quick one (it is)", description="")
    shop.list_product("CD-2", name="Tommy", description="A record by the who, it is.")
    assert skus(shop, q=q) == ["CD-1"]


def test_stop_words_beside_others_are_passed_over(catalogue: Shop) -> None:
    assert skus(catalogue, q="the mug for a blue") == ["MUG-BLUE"]


def test_the_product_that_is_meant_is_found_and_comes_first_however_many_others_have_the_word(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shop_query.application.catalogue.RANKED_MAX", 5)
    for number in range(20):
        shop.list_product(f"A-{number:02}", name=f"Pan {number}", description="Steel, steel and steel. Iron.")
        shop.list_product(f"B-{number:02}", name=f"Iron steel pot {number}", description="Steel.")
    shop.list_product("STEEL", name="Tin", description="")
    shop.list_product("Z-1", name="Steel", description="")
    assert skus(shop, q="steel")[:2] == skus(shop, q="STEEL")[:2] == ["STEEL", "Z-1"]
    shop.list_product("Z-2", name="Cast iron skillet", description="")
    shop.execute("DELETE FROM shop.product WHERE sku LIKE 'B-%%'")
    assert skus(shop, q="iron")[0] == "Z-2"
    assert "Z-2" in skus(shop, q="iron", sort="name", limit="100")


@pytest.mark.parametrize("sort", ["relevance", "name"])
def test_what_is_found_in_several_ways_is_listed_once(shop: Shop, sort: str) -> None:
    shop.list_product("MUG", name="Mug", description="A mug.", category="mug")
    shop.list_product("MUG-2", name="mug", description="Mugs.")
    answer = shop.get("/products", {"q": "mug", "sort": sort, "total": "true"}).body
    assert (sorted(item["sku"] for item in answer["items"]), answer["total"]) == (["MUG", "MUG-2"], 2)


def test_filters_narrow_the_list_and_the_search(catalogue: Shop) -> None:
    catalogue.list_product("MUG-USD", name="Mug", category="mugs", price_minor=1_250, currency="USD", stock=1)
    assert skus(catalogue, category="mugs") == ["MUG-BLUE", "MUG-RED", "MUG-USD"]
    assert skus(catalogue, category="none") == []
    assert skus(catalogue, in_stock="true") == ["ESPRESSO-KIT", "MUG-BLUE", "MUG-USD", "TEAPOT"]
    assert skus(catalogue, in_stock="false", currency="USD") == ["MUG-USD"]
    assert skus(catalogue, price_min="1250", price_max="3490", currency="EUR") == ["MUG-BLUE", "MUG-RED", "TEAPOT"]
    assert skus(catalogue, price_min="1251", price_max="3489") == []
    assert skus(catalogue, price_min="3490", price_max="3490") == ["TEAPOT"]
    assert skus(catalogue, q="mug", in_stock="true", currency="EUR") == ["MUG-BLUE"]


def test_products_are_found_by_their_skus_and_who_is_not_for_sale_is_absent(catalogue: Shop) -> None:
    assert skus(catalogue, sku="TEAPOT,MUG-BLUE,MUG-OLD,UNKNOWN,TEAPOT") == ["MUG-BLUE", "TEAPOT"]
    assert skus(catalogue, sku="TEAPOT,MUG-BLUE", sort="-price", in_stock="true") == ["TEAPOT", "MUG-BLUE"]
    assert skus(catalogue, sku="TEAPOT,MUG-BLUE", q="mug") == ["MUG-BLUE"]
    assert skus(catalogue, sku="TEAPOT,MUG-BLUE", q="mugg") == ["MUG-BLUE"]
    pages = catalogue.pages("/products", {"sku": "TEAPOT,MUG-BLUE", "limit": "1"})
    assert [[item["sku"] for item in page] for page in pages] == [["MUG-BLUE"], ["TEAPOT"]]


def test_a_page_holds_all_products_that_can_be_asked_for_by_their_skus(shop: Shop) -> None:
    asked = [f"P-{number}" for number in range(21)]
    for sku in asked:
        shop.list_product(sku)
    assert sorted(skus(shop, sku=",".join(asked[:20]))) == sorted(asked[:20])
    assert shop.get("/products", {"sku": ",".join(asked)}).status == 422


@pytest.mark.parametrize("sent", [",", "MUG,", ",MUG", "MUG, TEAPOT", "MUG;TEAPOT"])
def test_what_is_no_list_of_skus_is_refused(shop: Shop, sent: str) -> None:
    answer = shop.get("/products", {"sku": sent})
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "sku")


def test_categories_are_listed_with_the_number_of_their_products_for_sale(catalogue: Shop) -> None:
    catalogue.list_product("OLD", category="old", status="retired")
    counted = [{"category": "grinders", "products": 1}, {"category": "machines", "products": 1}]
    counted.append({"category": "mugs", "products": 2})
    answer = catalogue.get("/categories")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, ANYBODY_SHOWS)
    assert answer.body == {"items": counted, "next_cursor": None}
    assert [item for page in catalogue.pages("/categories", {"limit": "2"}) for item in page] == counted
    assert catalogue.get("/categories", headers={"if-none-match": answer.headers["ETag"]}).status == 304


def test_a_shop_without_categories_lists_none(shop: Shop) -> None:
    shop.list_product("MUG")
    assert shop.get("/categories").body == {"items": [], "next_cursor": None}


def test_availability_is_current_in_the_filter_too(catalogue: Shop) -> None:
    catalogue.execute("UPDATE shop.stock SET held = received - 1, sold = 1 WHERE sku = 'MUG-BLUE'")
    assert "MUG-BLUE" not in skus(catalogue, in_stock="true")
    catalogue.execute("UPDATE shop.stock SET held = 0, sold = received + 2 WHERE sku = 'TEAPOT'")
    assert "TEAPOT" not in skus(catalogue, in_stock="true")


SORTED = {
    "sku": ["ESPRESSO-KIT", "GRINDER-HAND", "MUG-BLUE", "MUG-RED", "TEAPOT"],
    "name": ["MUG-BLUE", "ESPRESSO-KIT", "GRINDER-HAND", "MUG-RED", "TEAPOT"],
    "price": ["MUG-BLUE", "MUG-RED", "TEAPOT", "GRINDER-HAND", "ESPRESSO-KIT"],
    "-price": ["ESPRESSO-KIT", "GRINDER-HAND", "TEAPOT", "MUG-RED", "MUG-BLUE"],
    "newest": ["TEAPOT", "MUG-RED", "MUG-BLUE", "GRINDER-HAND", "ESPRESSO-KIT"],
}


@pytest.mark.parametrize("sort", SORTED)
@pytest.mark.parametrize("filters", [{}, {"in_stock": "false", "price_min": "0"}])
def test_pages_in_any_order_hold_every_product_once(catalogue: Shop, sort: str, filters: dict[str, str]) -> None:
    assert skus(catalogue, sort=sort, **filters) == SORTED[sort]
    for limit in ("1", "2", "4"):
        pages = list(catalogue.pages("/products", {"sort": sort, "limit": limit, **filters}))
        assert [item["sku"] for page in pages for item in page] == SORTED[sort]
        assert all(len(page) == int(limit) for page in pages[:-1])


@pytest.mark.parametrize("sort", [*SORTED, "relevance"])
@pytest.mark.parametrize("q", ["mug", "mugg"])
def test_pages_of_a_search_hold_every_match_once(shop: Shop, sort: str, q: str) -> None:
    for number in range(23):
        words = "mug " * (number % 3)
        shop.list_product(f"P-{number:02}", name=f"Mug {number % 5}", description=words, price_minor=100 + number % 7)
    shop.list_product("TEA", name="Tea")
    query = {"q": q, "sort": sort, "limit": "5"}
    pages = [[item["sku"] for item in page] for page in shop.pages("/products", query)]
    assert [len(page) for page in pages] == [5, 5, 5, 5, 3]
    assert sorted(sku for page in pages for sku in page) == [f"P-{number:02}" for number in range(23)]
    assert [sku for page in pages for sku in page] == skus(shop, q=q, sort=sort, limit="100")


def test_an_item_is_what_its_details_say_whichever_way_it_was_found(catalogue: Shop) -> None:
    details = catalogue.get("/products/MUG-BLUE").body
    for query in ({}, {"sort": "name"}, {"q": "blue"}, {"q": "bluee"}):
        items = catalogue.get("/products", query).body["items"]
        assert [item for item in items if item["sku"] == "MUG-BLUE"] == [details], query


def test_the_total_is_counted_only_when_it_is_asked_for(catalogue: Shop) -> None:
    for query, total in (
        ({}, 5),
        ({"category": "mugs"}, 2),
        ({"in_stock": "true"}, 3),
        ({"q": "mug"}, 2),
        ({"q": "expresso"}, 2),
        ({"q": "sofa"}, 0),
        ({"sort": "name", "limit": "1"}, 5),
    ):
        assert catalogue.get("/products", query | {"total": "true"}).body["total"] == total
        assert "total" not in catalogue.get("/products", query).body
        assert "total" not in catalogue.get("/products", query | {"total": "false"}).body


@pytest.mark.parametrize(("total_max", "total", "exact"), [(4, 4, False), (5, 5, True), (6, 5, True)])
def test_a_total_is_counted_to_a_bound_and_says_whether_it_is_exact(
    catalogue: Shop, monkeypatch: pytest.MonkeyPatch, total_max: int, total: int, exact: bool
) -> None:
    monkeypatch.setattr("shop_query.application.catalogue.TOTAL_MAX", total_max)
    monkeypatch.setattr("shop_query.application.queries.TOTAL_MAX", total_max)
    for query in ({}, {"sort": "name", "limit": "1"}):
        body = catalogue.get("/products", query | {"total": "true"}).body
        assert (body["total"], body["total_is_exact"]) == (total, exact)
    assert "total_is_exact" not in catalogue.get("/products").body


@pytest.mark.parametrize(("ranked_max", "exact"), [(2, False), (3, True)])
def test_a_total_of_as_many_as_a_search_ranks_does_not_claim_to_be_all(
    catalogue: Shop, monkeypatch: pytest.MonkeyPatch, ranked_max: int, exact: bool
) -> None:
    for module in ("catalogue", "queries"):
        monkeypatch.setattr(f"shop_query.application.{module}.RANKED_MAX", ranked_max)
    body = catalogue.get("/products", {"q": "mug", "total": "true"}).body
    assert (body["total"], body["total_is_exact"]) == (2, exact)
