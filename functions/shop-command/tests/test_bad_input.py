"""What is refused before or by the commands: status, headers and body of each answer, and that nothing was written."""

import base64
import json
import re
from typing import Any

import pytest

from shop_command.testing import Shop, http_event, invoke
from shop_http.body import BODY_BYTES_MAX
from shop_http.testing import Answer

ID = "0d3a8f6e-9b1c-5e2d-8f47-3c5a1b2d4e6f"
LINE = {"sku": "MUG", "quantity": 1}
PRICE = {"amount_minor": 500, "currency": "EUR"}
PRODUCT = {"sku": "CUP", "name": "Cup", "description": "Red", "price": PRICE}
RESERVATION = {"lines": [LINE]}
PURCHASE = {"reservation_id": ID, "payment_method": "pm_card_visa"}
ROUTES: list[tuple[str, Any]] = [
    ("/reservations", RESERVATION),
    ("/purchase", PURCHASE),
    ("/products", PRODUCT),
    ("/products/{sku}/stock", {"quantity": 1}),
    ("/products/{sku}/price", {"price": PRICE}),
    ("/products/{sku}/buckets", {"stock_buckets": 2}),
    ("/products/{sku}/stock-adjustment", {"quantity_change": -1, "reason": "Counted"}),
    ("/products/{sku}/details", {"name": "Cup", "description": ""}),
]
every_route = pytest.mark.parametrize(("path", "body"), ROUTES)


def post(shop: Shop, path: str, body: Any = None, **details: Any) -> Answer:
    """As an administrator, who may do everything. Checks that nothing was written."""
    before = shop.contents()
    if "{sku}" in path:
        details.setdefault("sku", "MUG")
    answer = shop.post(path, body, groups="[admin]", **details)
    assert shop.contents() == before
    assert not shop.gateway.calls
    return answer


def check_problem(answer: Answer, status: int, slug: str, **members: Any) -> None:
    assert answer.status == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Correlation-Id"] == answer.body["correlation_id"] == "request-1"
    assert answer.body["type"] == f"https://shop.example/problems/{slug}"
    assert answer.body["status"] == status
    assert answer.body["title"]
    assert len(answer.body["detail"]) > 20
    assert answer.body["instance"].startswith("/")
    for name, value in members.items():
        assert answer.body[name] == value


@every_route
@pytest.mark.parametrize("raw_body", ["", "{", '{"lines": [}', "{} {}", "'", "\ud800", "[" * 5_000])
def test_malformed_json(stocked: Shop, path: str, body: Any, raw_body: str) -> None:
    check_problem(post(stocked, path, raw_body=raw_body), 400, "malformed-json")


def test_bytes_that_are_no_utf_8(stocked: Shop) -> None:
    raw_body = base64.b64encode(b'{"lines": "\xff"}').decode()
    check_problem(post(stocked, "/reservations", raw_body=raw_body, base64_encoded=True), 400, "malformed-json")


@pytest.mark.parametrize(
    ("path", "body", "pointer"),
    [
        ("/reservations", {"lines": []}, "/lines"),
        ("/reservations", {"lines": [{"sku": f"SKU-{n}", "quantity": 1} for n in range(21)]}, "/lines"),
        ("/reservations", {"lines": [LINE, LINE]}, "/lines"),
        ("/reservations", {"lines": [LINE | {"quantity": 0}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"quantity": -1}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"quantity": 1_001}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"quantity": 1.5}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"quantity": 1.0}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"quantity": "1"}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"quantity": True}]}, "/lines/0/quantity"),
        ("/reservations", {"lines": [LINE | {"unit_price_minor": 1}]}, "/lines/0/unit_price_minor"),
        ("/reservations", {"lines": [{"quantity": 1}]}, "/lines/0/sku"),
        ("/reservations", {"lines": [LINE | {"sku": "MUG#0"}]}, "/lines/0/sku"),
        ("/reservations", RESERVATION | {"a/b~c": 1}, "/a~1b~0c"),
        ("/reservations", [], ""),
        ("/reservations", None, ""),
        ("/purchase", PURCHASE | {"amount": 1}, "/amount"),
        ("/purchase", PURCHASE | {"reservation_id": "1"}, "/reservation_id"),
        ("/purchase", PURCHASE | {"payment_method": "4242424242424242"}, "/payment_method"),
        ("/products", PRODUCT | {"stock_buckets": 0}, "/stock_buckets"),
        ("/products", PRODUCT | {"stock_buckets": 65}, "/stock_buckets"),
        *(
            ("/products", PRODUCT | {"sku": sku}, "/sku")
            for sku in ("CUP/1", "CUP 1", "A,B", "..", "_CUP", "Tässe", "C" * 41)
        ),
        ("/products", PRODUCT | {"name": ""}, "/name"),
        ("/products", PRODUCT | {"name": "Cup\x00"}, "/name"),
        ("/products", PRODUCT | {"description": "Red\x00"}, "/description"),
        ("/products", PRODUCT | {"price": PRICE | {"amount_minor": 0}}, "/price/amount_minor"),
        ("/products", PRODUCT | {"price": PRICE | {"currency": "eur"}}, "/price/currency"),
        ("/products", PRODUCT | {"price": PRICE | {"tax": 1}}, "/price/tax"),
        ("/products/{sku}/price", {"price": PRICE | {"amount_minor": 0}}, "/price/amount_minor"),
        ("/products/{sku}/price", {}, "/price"),
        ("/products/{sku}/buckets", {"stock_buckets": 0}, "/stock_buckets"),
        ("/products/{sku}/buckets", {"stock_buckets": 65}, "/stock_buckets"),
        ("/products/{sku}/buckets", {"stock_buckets": "2"}, "/stock_buckets"),
        ("/products/{sku}/buckets", {}, "/stock_buckets"),
        ("/products/{sku}/stock", {"quantity": 0}, "/quantity"),
        ("/products/{sku}/stock", {"quantity": 1_000_001}, "/quantity"),
    ],
)
def test_a_body_against_the_rules(stocked: Shop, path: str, body: Any, pointer: str) -> None:
    answer = post(stocked, path, body)
    check_problem(answer, 422, "invalid-request")
    assert [error["pointer"] for error in answer.body["errors"]] == [pointer]
    assert all(error["detail"] for error in answer.body["errors"])


def test_every_mistake_in_a_body_is_named_and_none_is_repeated_back(stocked: Shop) -> None:
    answer = post(stocked, "/purchase", {"reservation_id": "secret-1", "payment_method": "secret-2"})
    assert [error["pointer"] for error in answer.body["errors"]] == ["/reservation_id", "/payment_method"]
    assert "secret" not in json.dumps(answer.body)


def doubled(text: str, name: str) -> str:
    """The member stands twice, once with its first letter written as an escape."""
    [member] = re.findall(f'"{name}": [^,}}]+', text)
    escaped = member.replace(name, chr(92) + f"u{ord(name[0]):04x}{name[1:]}")
    return text.replace(member, f"{member}, {escaped}")


@pytest.mark.parametrize(
    ("path", "body", "name"),
    [
        ("/reservations", RESERVATION, "quantity"),
        ("/purchase", PURCHASE, "payment_method"),
        ("/products", PRODUCT, "currency"),
        ("/products/{sku}/stock", {"quantity": 1}, "quantity"),
    ],
)
def test_a_member_that_stands_twice_at_any_depth(stocked: Shop, path: str, body: Any, name: str) -> None:
    raw_body = doubled(json.dumps(body), name)
    assert raw_body.count(":") == json.dumps(body).count(":") + 1
    check_problem(post(stocked, path, raw_body=raw_body), 400, "malformed-json")


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity", "1e999"])
def test_a_number_that_json_does_not_have(stocked: Shop, number: str) -> None:
    assert post(stocked, "/products/{sku}/stock", raw_body=f'{{"quantity": {number}}}').status in (400, 422)


@pytest.mark.parametrize("text", ["{}", "null", " ", "no JSON"])
@pytest.mark.parametrize("content_type", ["application/json", "text/plain"])
def test_a_body_where_none_belongs(stocked: Shop, reserved: str, text: str, content_type: str) -> None:
    before = stocked.contents()
    routes: dict[str, dict[str, Any]] = {
        "DELETE /reservations/{reservation_id}": {"reservation_id": reserved},
        "DELETE /products/{sku}": {"sku": "MUG"},
        "GET /openapi/command.json": {},
    }
    for route, named in routes.items():
        event = http_event(route, raw_body=text, groups="[admin]", headers={"content-type": content_type}, **named)
        event["body"] = text
        answer = invoke(event)
        check_problem(answer, 422, "invalid-request", errors=[{"pointer": "", "detail": "This route takes no body."}])
    assert stocked.contents() == before


@every_route
def test_no_idempotency_key(stocked: Shop, path: str, body: Any) -> None:
    check_problem(post(stocked, path, body, key=None), 400, "idempotency-key-required")
    check_problem(post(stocked, path, body, key=""), 400, "idempotency-key-required")


@pytest.mark.parametrize("key", ["a b", "ключ", "a" * 256, "a\t", "\x7f", "one,two", "one, two", ","])
def test_a_malformed_idempotency_key(stocked: Shop, key: str) -> None:
    check_problem(post(stocked, "/reservations", RESERVATION, key=key), 400, "idempotency-key-malformed")


@pytest.mark.parametrize("key", ["!", "a" * 255, '"8e03978e-40d5-43e8-bc93-6894a57f9324"'])
def test_an_idempotency_key_is_any_visible_ascii(stocked: Shop, key: str) -> None:
    assert stocked.reserve(key=key).status == 201


@every_route
@pytest.mark.parametrize("content_type", ["text/plain", "", "application/x-www-form-urlencoded", "application/jsonp"])
def test_another_content_type(stocked: Shop, path: str, body: Any, content_type: str) -> None:
    answer = post(stocked, path, body, headers={"content-type": content_type})
    check_problem(answer, 415, "unsupported-media-type")


@pytest.mark.parametrize("content_type", ["application/json; charset=utf-8", "Application/JSON"])
def test_a_content_type_may_have_parameters(stocked: Shop, content_type: str) -> None:
    assert stocked.post("/reservations", RESERVATION, headers={"content-type": content_type}).status == 201


def test_no_content_type_at_all(stocked: Shop) -> None:
    event = http_event("POST /reservations", RESERVATION)
    del event["headers"]["content-type"]
    check_problem(invoke(event), 415, "unsupported-media-type")


@every_route
@pytest.mark.parametrize("base64_encoded", [False, True])
def test_a_body_over_the_limit(stocked: Shop, path: str, body: Any, base64_encoded: bool) -> None:
    text = json.dumps(body).ljust(BODY_BYTES_MAX + 1)
    raw_body = base64.b64encode(text.encode()).decode() if base64_encoded else text
    answer = post(stocked, path, raw_body=raw_body, base64_encoded=base64_encoded)
    check_problem(answer, 413, "body-too-large")


def test_the_limit_counts_bytes_and_not_characters(stocked: Shop) -> None:
    text = json.dumps({"lines": "é" * (BODY_BYTES_MAX // 2)}, ensure_ascii=False)
    assert len(text) < BODY_BYTES_MAX
    check_problem(post(stocked, "/reservations", raw_body=text), 413, "body-too-large")


@pytest.mark.parametrize("base64_encoded", [False, True])
def test_a_body_of_exactly_the_limit_is_taken(stocked: Shop, base64_encoded: bool) -> None:
    text = json.dumps(RESERVATION).ljust(BODY_BYTES_MAX)
    raw_body = base64.b64encode(text.encode()).decode() if base64_encoded else text
    answer = stocked.post("/reservations", raw_body=raw_body, base64_encoded=base64_encoded)
    assert answer.status == 201


@pytest.mark.parametrize(("path", "body"), ROUTES[2:])
@pytest.mark.parametrize("groups", [None, "[staff]", "[administrators]"])
def test_an_administrators_command_by_somebody_else(stocked: Shop, path: str, body: Any, groups: str | None) -> None:
    before = stocked.contents()
    details: dict[str, Any] = {"sku": "MUG"} if "{sku}" in path else {}
    answer = invoke(http_event(f"POST {path}", body, groups=groups, **details))
    check_problem(answer, 403, "forbidden")
    assert stocked.contents() == before


@every_route
def test_a_route_that_lost_its_authorizer_lets_nobody_in(stocked: Shop, path: str, body: Any) -> None:
    check_problem(post(stocked, path, body, subject=None), 401, "unauthenticated")


def test_an_unknown_product_in_a_reservation(stocked: Shop) -> None:
    answer = post(stocked, "/reservations", {"lines": [LINE, {"sku": "NONE", "quantity": 1}]})
    check_problem(answer, 422, "unknown-product", skus=["NONE"])


@pytest.mark.parametrize("sku", ["NONE", "lower", "A" * 2_000, "%00", "x%20y"])
def test_a_command_about_an_unknown_product(stocked: Shop, sku: str) -> None:
    before = stocked.contents()
    for path, body in ROUTES[3:]:
        check_problem(post(stocked, path, body, sku=sku), 404, "not-found")
    check_problem(stocked.retire(sku), 404, "not-found")
    assert stocked.contents() == before


def test_a_product_is_retired_by_an_administrator_and_with_a_key(stocked: Shop) -> None:
    before = stocked.contents()
    route = "DELETE /products/{sku}"
    check_problem(invoke(http_event(route, raw_body="", sku="MUG")), 403, "forbidden")
    check_problem(invoke(http_event(route, raw_body="", subject=None, sku="MUG")), 401, "unauthenticated")
    without = http_event(route, raw_body="", groups="[admin]", key=None, sku="MUG")
    check_problem(invoke(without), 400, "idempotency-key-required")
    malformed = http_event(route, raw_body="", groups="[admin]", key="a b", sku="MUG")
    check_problem(invoke(malformed), 400, "idempotency-key-malformed")
    assert stocked.contents() == before


def test_a_retired_product_is_changed_no_more(stocked: Shop) -> None:
    stocked.retire()
    for path, body in ROUTES[3:]:
        check_problem(post(stocked, path, body), 409, "product-retired", sku="MUG")


def test_more_than_there_is_in_stock(stocked: Shop) -> None:
    answer = post(stocked, "/reservations", {"lines": [LINE | {"quantity": 11}]})
    lines = [{"sku": "MUG", "requested": 11, "available": 10}]
    check_problem(answer, 409, "out-of-stock", lines=lines)


def test_products_of_two_currencies(stocked: Shop) -> None:
    stocked.list_product("CUP", currency="USD")
    answer = post(stocked, "/reservations", {"lines": [LINE, {"sku": "CUP", "quantity": 1}]})
    check_problem(answer, 422, "mixed-currencies", currencies=["EUR", "USD"])


def test_a_reservation_that_costs_too_much(stocked: Shop) -> None:
    stocked.list_product("GOLD", price_minor=99_999_999)
    answer = post(stocked, "/reservations", {"lines": [{"sku": "GOLD", "quantity": 2}]})
    check_problem(answer, 422, "total-too-large", total_minor=199_999_998)


@pytest.mark.parametrize("path", ["/products", "/products/{sku}/price"])
@pytest.mark.parametrize(
    ("amount_minor", "problem", "extensions"),
    [
        (500, "unsupported-currency", {"currency": "ZZZ"}),
        (500, "unsupported-currency", {"currency": "XXX"}),
        (500, "unsupported-currency", {"currency": "DEM"}),
        (5_123, "amount-not-payable", {"currency": "KWD", "multiple_of": 10}),
    ],
)
def test_a_price_that_nobody_can_pay(
    stocked: Shop, path: str, amount_minor: int, problem: str, extensions: dict[str, Any]
) -> None:
    price = {"price": {"amount_minor": amount_minor, "currency": extensions["currency"]}}
    body = PRODUCT | price if path == "/products" else price | {"allow_currency_change": True}
    check_problem(post(stocked, path, body), 422, problem, **extensions)


def test_a_reservation_that_costs_too_little(stocked: Shop) -> None:
    stocked.list_product("PIN", price_minor=10)
    answer = post(stocked, "/reservations", {"lines": [{"sku": "PIN", "quantity": 4}]})
    check_problem(answer, 422, "total-too-small", total_minor=40)


def test_a_price_in_another_currency_that_nobody_said_was_meant(stocked: Shop) -> None:
    price = {"price": {"amount_minor": 700, "currency": "USD"}}
    check_problem(post(stocked, "/products/{sku}/price", price), 409, "currency-change", currency="EUR")


def test_a_product_that_is_listed_already(stocked: Shop) -> None:
    answer = post(stocked, "/products", PRODUCT | {"sku": "MUG"}, key="another")
    check_problem(answer, 409, "product-exists", sku="MUG")


def test_a_purchase_of_an_unknown_reservation(stocked: Shop) -> None:
    check_problem(post(stocked, "/purchase", PURCHASE), 404, "not-found")


def test_another_customers_reservation_is_answered_like_one_that_does_not_exist(stocked: Shop) -> None:
    theirs = stocked.reserve(subject="customer-2").body["reservation_id"]
    answer = post(stocked, "/purchase", PURCHASE | {"reservation_id": theirs})
    nobodys = post(stocked, "/purchase", PURCHASE)
    check_problem(answer, 404, "not-found")
    assert answer.body == nobodys.body


def test_a_route_that_does_not_exist(stocked: Shop) -> None:
    check_problem(post(stocked, "/refunds", {}), 404, "not-found")


def test_a_mistake_of_ours_is_a_problem_too_and_says_nothing_of_its_cause(
    stocked: Shop,
) -> None:
    stocked.store.key_uses = None  # type: ignore[assignment]
    answer = post(stocked, "/products/{sku}/stock", {"quantity": 1}, key="new")
    check_problem(answer, 500, "internal-error")
    assert "NoneType" not in json.dumps(answer.body)
