"""Whatever is sent: refused with what is allowed or not found, never a 500, and the data is still there."""

from collections.abc import Iterator
from typing import Any

import pytest

from shop_http.testing import http_event
from shop_query.handlers.api import handler
from shop_query.testing import Shop

ID = "0198c6f2-7a10-7c3e-9b0d-000000000001"
CALLER: dict[str, Any] = {"customer": "ada", "groups": "[admin]"}
HOSTILE = [
    "",
    " ",
    "'",
    "' OR 1=1 --",
    "MUG'; DROP TABLE shop.product; --",
    "%s",
    "%(sku)s",
    "\x00",
    "MUG\x00",
    "MUG\nMUG",
    "%00",
    "\ud800",
    "Ａ",  # noqa: RUF001 - a capital letter, but not of ASCII
    "🫖",
    "null",
    "-1",
    "../products",
    "A" * 41,
    "A" * 100_000,
]


@pytest.fixture
def stocked(shop: Shop) -> Iterator[Shop]:
    shop.list_product("MUG", stock=1)
    yield shop
    assert [item["sku"] for item in shop.get("/products").body["items"]] == ["MUG"]


def test_any_text_as_a_key_in_the_path_is_not_found(stocked: Shop) -> None:
    for text in HOSTILE:
        for path in ("/products/", "/reservations/", "/purchases/", "/streams/product-"):
            answer = stocked.get(path + text + ("/activity" if "streams" in path else ""), **CALLER)
            assert (answer.status, answer.body["type"]) == (404, "https://shop.example/problems/not-found"), path + text


def test_any_text_as_a_parameter_is_refused_by_name(stocked: Shop) -> None:
    for text in HOSTILE:
        for path, name in (
            *(("/products", name) for name in ("limit", "cursor", "sku", "category", "currency", "price_min")),
            *(("/products", name) for name in ("price_max", "in_stock", "sort", "total")),
            ("/categories", "cursor"),
            ("/products/MUG", "min_version"),
            ("/reservations", "cursor"),
            (f"/reservations/{ID}", "min_version"),
            ("/purchases", "cursor"),
            (f"/purchases/{ID}", "min_version"),
            ("/sales/daily", "cursor"),
            ("/sales/daily", "from"),
            ("/sales/daily", "sku"),
            ("/sales/top", "to"),
            ("/sales/top", "sort"),
            ("/sales/top", "currency"),
        ):
            if text == "null" and name in ("category", "sku"):  # which is one like any other
                continue
            answer = stocked.get(path, {name: text}, **CALLER)
            assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, name), (path, name, text)


@pytest.mark.parametrize(
    "limit", ["0", "101", "1000000000", "9" * 5_000, "1.0", "+5", "1_0", "\u0665", "5,5", " 5", "5\n"]
)
def test_a_limit_outside_1_to_100_is_refused(stocked: Shop, limit: str) -> None:
    answer = stocked.get("/products", {"limit": limit})
    assert answer.status == 422
    assert answer.body["errors"] == [{"parameter": "limit", "detail": "A whole number from 1 to 100; 20 by default."}]


@pytest.mark.parametrize(
    ("path", "known"),
    [
        ("/products", "q, sku, category, currency, price_min, price_max, in_stock, sort, total, limit, cursor"),
        ("/products/MUG", "min_version"),
        ("/categories", "limit, cursor"),
        ("/reservations", "limit, cursor"),
        (f"/reservations/{ID}", "min_version"),
        ("/purchases", "limit, cursor"),
        (f"/purchases/{ID}", "min_version"),
        ("/sales/daily", "from, to, sku, limit, cursor"),
        ("/sales/top", "from, to, currency, sort, limit"),
    ],
)
def test_a_parameter_that_the_route_does_not_have_is_refused_with_those_that_it_has(
    stocked: Shop, path: str, known: str
) -> None:
    for name in ("Limit", "customer_id", "\x00", "N" * 10_000):
        answer = stocked.get(path, {name: "1"}, **CALLER)
        assert answer.status == 422
        assert answer.body["errors"] == [
            {"parameter": name[:100], "detail": f"There is no such parameter here. Allowed: {known}."}
        ]


SEARCHES_REFUSED = (
    *("", " ", "\x00", "MUG\x00", "mug\nmug", "\ud800", "%%%", "'", '""""', "***", "()&|!<->:*", "_" * 100, "🫖" * 50),
    *("m" * 101, "mug " * 10_000, "\\" * 100, "\u200b", "\u0301"),
)
SEARCHES_OF_WORDS = (
    *("mug' OR 1=1 --", "mug & !", "!mug | (mug:*) <-> 'mug':ABCD", "%mug%", "m_g\\", "mug\u2028mug", "\U000e0041mug"),
    *(
        "a " * 50,
        "-" * 99 + "a",
        "\u0627\u0644\u0642\u0647\u0648\u0629",
        "e\u0301" * 50,
        "ﷺ" * 100,
        "𝔪𝔲𝔤",
        "İ" * 100,
        "²",
    ),
)


def test_a_search_for_nothing_or_for_too_much_is_refused(stocked: Shop) -> None:
    for q in SEARCHES_REFUSED:
        answer = stocked.get("/products", {"q": q})
        assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "q"), q
        assert answer.body["errors"][0]["detail"].startswith("1 to 100 characters"), q


def test_operators_and_foreign_letters_are_only_words_to_look_for(stocked: Shop) -> None:
    for q in SEARCHES_OF_WORDS:
        for sort in ("relevance", "name"):
            answer = stocked.get("/products", {"q": q, "sort": sort, "total": "true"})
            assert answer.status == 200, (q, answer.body)
            assert answer.body["total"] == len(answer.body["items"]) <= 1, q


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"sort": "relevance"}, "sort"),
        ({"sort": "Name"}, "sort"),
        ({"sort": "name,sku"}, "sort"),
        ({"price_min": "2", "price_max": "1"}, "price_min"),
        ({"price_max": "100000000"}, "price_max"),
        ({"price_min": "1.50"}, "price_min"),
        ({"in_stock": "yes"}, "in_stock"),
        ({"total": "True"}, "total"),
        ({"category": "Mugs"}, "category"),
        ({"currency": "eur"}, "currency"),
    ],
)
def test_a_filter_that_makes_no_sense_is_named(stocked: Shop, query: dict[str, str], parameter: str) -> None:
    answer = stocked.get("/products", query)
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, parameter)


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/products/MUG/more", "/products/", "/sales", "/sales/weekly", "//products"]
)
def test_what_is_no_route_is_a_404_problem(stocked: Shop, path: str) -> None:
    answer = stocked.get(path, **CALLER)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["instance"] == path


def test_another_method_is_a_404_problem(stocked: Shop) -> None:
    answer = stocked.send(http_event("PUT /products", {}, declared=handler.declared))
    assert (answer.status, answer.body["type"]) == (404, "https://shop.example/problems/not-found")
