"""Whatever is sent: refused with what is allowed or not found, never a 500, and the data is still there."""

import json
from base64 import urlsafe_b64encode
from collections.abc import Iterator
from typing import Any

import pytest

from shop_query.testing import Shop

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


def a_cursor(*parts: object) -> str:
    return urlsafe_b64encode(json.dumps(parts).replace(" ", "").encode()).decode().rstrip("=")


@pytest.fixture
def stocked(shop: Shop) -> Iterator[Shop]:
    shop.list_product("MUG", stock=1)
    yield shop
    assert [item["sku"] for item in shop.get("/products").body["items"]] == ["MUG"]


def test_any_text_as_a_key_in_the_path_is_not_found(stocked: Shop) -> None:
    for text in HOSTILE:
        for path in ("/products/", "/reservations/"):
            answer = stocked.get(path + text, **CALLER)
            assert (answer.status, answer.body["type"]) == (404, "https://shop.example/problems/not-found"), path + text


def test_any_text_as_a_parameter_is_refused_by_name(stocked: Shop) -> None:
    for text in HOSTILE:
        for path, name in (
            ("/products", "limit"),
            ("/products", "cursor"),
            ("/purchases", "cursor"),
            ("/sales/daily", "cursor"),
            ("/sales/daily", "from"),
            ("/sales/daily", "sku"),
        ):
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
        ("/products", "limit, cursor"),
        ("/products/MUG", "none"),
        ("/reservations/0198c6f2-7a10-7c3e-9b0d-000000000001", "none"),
        ("/purchases", "limit, cursor"),
        ("/sales/daily", "from, to, sku, limit, cursor"),
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


@pytest.mark.parametrize(
    "cursor",
    [
        a_cursor("products"),
        a_cursor("products", "MUG", "MUG"),
        a_cursor("products", "MUG\x00"),
        a_cursor("products", "\ud800"),
        a_cursor("products", 1),
        a_cursor("products", None),
        a_cursor("products", ["MUG"]),
        a_cursor("sales", "MUG"),
        a_cursor("products", "MUG") + "=",
        a_cursor("products", "MUG") + "!",
        a_cursor("products", "MUG")[:-1],
        urlsafe_b64encode(b'["products", "MUG"]').decode().rstrip("="),
        urlsafe_b64encode(b'{"products":"MUG"}').decode().rstrip("="),
        urlsafe_b64encode(b"[" * 150).decode(),
        urlsafe_b64encode(b"\xff\xfe").decode().rstrip("="),
    ],
)
def test_a_cursor_that_we_did_not_write_is_refused(stocked: Shop, cursor: str) -> None:
    answer = stocked.get("/products", {"cursor": cursor})
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "cursor")


def test_a_cursor_that_we_did_write_is_taken(stocked: Shop) -> None:
    assert stocked.get("/products", {"cursor": a_cursor("products", "MUG")}).body["items"] == []


@pytest.mark.parametrize(
    "key",
    [
        ("2026-13-01T00:00:00.000000Z", "0198c6f2-7a10-7c3e-9b0d-000000000001"),
        ("2026-09-01T25:00:00.000000Z", "0198c6f2-7a10-7c3e-9b0d-000000000001"),
        ("2026-09-01T00:00:60.000000Z", "0198c6f2-7a10-7c3e-9b0d-000000000001"),
        ("infinity", "0198c6f2-7a10-7c3e-9b0d-000000000001"),
        ("2026-09-01T00:00:00.000000Z", "1"),
    ],
)
def test_a_moment_or_id_that_cannot_be_is_refused_before_the_database_is_asked(
    stocked: Shop, key: tuple[str, str]
) -> None:
    assert stocked.get("/purchases", {"cursor": a_cursor("purchases", *key)}, customer="ada").status == 422


def test_the_cursor_of_another_list_is_refused(stocked: Shop) -> None:
    stocked.list_product("TEA")
    cursor = stocked.get("/products", {"limit": "1"}).body["next_cursor"]
    assert stocked.get("/purchases", {"cursor": cursor}, customer="ada").status == 422
    stocked.execute("DELETE FROM shop.product WHERE sku = 'TEA'")


@pytest.mark.parametrize(
    "path", ["/", "/nothing", "/products/MUG/more", "/products/", "/sales", "/sales/weekly", "//products"]
)
def test_what_is_no_route_is_a_404_problem(stocked: Shop, path: str) -> None:
    answer = stocked.get(path, **CALLER)
    assert answer.status == 404
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.body["instance"] == path


def test_another_method_is_a_404_problem(stocked: Shop) -> None:
    event = {
        "version": "2.0",
        "routeKey": "$default",
        "rawPath": "/products",
        "rawQueryString": "",
        "headers": {},
        "requestContext": {
            "http": {"method": "PUT", "path": "/products"},
            "requestId": "request-1",
            "stage": "$default",
        },
        "body": "{}",
        "isBase64Encoded": False,
    }
    answer = stocked.send(event)
    assert (answer.status, answer.body["type"]) == (404, "https://shop.example/problems/not-found")
