"""Bad input gets the right status and a problem that says what to do, and changes nothing in the event store."""

import json
import re
import uuid
from typing import Any

import pytest

from shop_cli.local import deploy, identity
from shop_cli.local.home import Home
from shop_cli.testing import Answer, Shop
from shop_openapi import document

WHOLE = document.whole()


def expect_problem(answer: Answer, status: int, slug: str) -> None:
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json"), answer
    assert answer.body["type"] == f"https://shop.example/problems/{slug}"
    assert answer.body["status"] == status
    assert len(answer.body["detail"]) > 20, "the detail says what to do"


@pytest.fixture(scope="module")
def sku(shop: Shop) -> str:
    return shop.new_product(stock=3)


def lines(sku: str, quantity: Any = 1) -> dict[str, Any]:
    return {"lines": [{"sku": sku, "quantity": quantity}]}


@pytest.mark.parametrize(
    ("body", "status", "slug"),
    [
        (lines("NO-SUCH-SKU"), 422, "unknown-product"),
        ({"lines": []}, 422, "invalid-request"),
        ({"lines": [{"sku": f"SKU-{number}", "quantity": 1} for number in range(21)]}, 422, "invalid-request"),
        ({}, 422, "invalid-request"),
        ([], 422, "invalid-request"),
        (lines("{sku}", 0), 422, "invalid-request"),
        (lines("{sku}", -1), 422, "invalid-request"),
        (lines("{sku}", "1"), 422, "invalid-request"),
        (lines("{sku}", 1.5), 422, "invalid-request"),
        ({"lines": [{"sku": "{sku}", "quantity": 1}] * 2}, 422, "invalid-request"),
        ({**lines("{sku}"), "discount": 100}, 422, "invalid-request"),
        (lines("{sku}", 4), 409, "out-of-stock"),
        (lines("lower case \u0000"), 422, "invalid-request"),
    ],
)
def test_a_reservation_that_cannot_be_placed(shop: Shop, sku: str, body: Any, status: int, slug: str) -> None:
    before = shop.items()
    content = json.dumps(body).replace("{sku}", sku).encode()
    expect_problem(shop.customer("POST", "/reservations", key=str(uuid.uuid4()), content=content), status, slug)
    assert shop.items() == before


@pytest.mark.parametrize(
    ("content", "headers", "status", "slug"),
    [
        (b'{"lines": [', {}, 400, "malformed-json"),
        (b"", {}, 400, "malformed-json"),
        (b"\xff\xfe", {}, 400, "malformed-json"),
        (b'{"lines": "' + b"x" * 65_536 + b'"}', {}, 413, "body-too-large"),
        (b"lines=1", {"Content-Type": "application/x-www-form-urlencoded"}, 415, "unsupported-media-type"),
        (b"<lines/>", {"Content-Type": "text/xml"}, 415, "unsupported-media-type"),
    ],
)
def test_a_body_that_cannot_be_read(
    shop: Shop, content: bytes, headers: dict[str, str], status: int, slug: str
) -> None:
    before = shop.items()
    answer = shop.customer("POST", "/reservations", key=str(uuid.uuid4()), content=content, headers=headers)
    expect_problem(answer, status, slug)
    assert shop.items() == before


@pytest.mark.parametrize("path", ["/reservations", "/purchase"])
def test_a_command_without_an_idempotency_key(shop: Shop, sku: str, path: str) -> None:
    before = shop.items()
    expect_problem(shop.customer("POST", path, body=lines(sku)), 400, "idempotency-key-required")
    malformed = shop.customer("POST", path, key="x" * 256, body=lines(sku))
    expect_problem(malformed, 400, "idempotency-key-malformed")
    assert shop.items() == before


BODILESS = [
    (method.upper(), re.sub(r"{\w+}", "00000000-0000-0000-0000-000000000000", path))
    for path, methods in WHOLE["paths"].items()
    for method, operation in methods.items()
    if "requestBody" not in operation
]


@pytest.mark.parametrize(("method", "path"), BODILESS)
def test_a_body_where_none_belongs(shop: Shop, method: str, path: str) -> None:
    before = shop.items()
    for content in (b"{}", b"nothing of ours"):
        answer = shop.administrator(method, path, key=str(uuid.uuid4()), content=content)
        expect_problem(answer, 422, "invalid-request")
    assert shop.items() == before


WITH_BODY = [
    (re.sub(r"{\w+}", "TEST-NONE", path), operation["requestBody"]["content"]["application/json"]["example"])
    for path, methods in WHOLE["paths"].items()
    for operation in methods.values()
    if "requestBody" in operation and operation["security"]
]


@pytest.mark.parametrize(("path", "example"), WITH_BODY, ids=[path for path, _ in WITH_BODY])
def test_a_body_that_says_more_than_is_read(shop: Shop, path: str, example: dict[str, Any]) -> None:
    before = shop.items()
    text = json.dumps(example)
    name = next(iter(example))
    for content, status, slug in (
        (json.dumps({**example, "no_such_field": 1}), 422, "invalid-request"),
        (f'{text[:-1]}, "{name}": {json.dumps(example[name])}}}', 400, "malformed-json"),
    ):
        answer = shop.administrator("POST", path, key=str(uuid.uuid4()), content=content.encode())
        expect_problem(answer, status, slug)
    answer = shop.administrator("POST", f"{path}?dry_run=true", key=str(uuid.uuid4()), content=text.encode())
    expect_problem(answer, 422, "invalid-request")
    assert shop.items() == before


def test_an_idempotency_key_that_a_proxy_has_joined(shop: Shop, sku: str) -> None:
    answer = shop.customer("POST", "/reservations", key=f"{uuid.uuid4()}, {uuid.uuid4()}", body=lines(sku))
    expect_problem(answer, 400, "idempotency-key-malformed")
    answer = shop.customer("POST", "/reservations", key=f"{uuid.uuid4()},{uuid.uuid4()}", body=lines(sku))
    expect_problem(answer, 400, "idempotency-key-malformed")


def test_a_key_that_was_used_for_another_body(shop: Shop, sku: str) -> None:
    key = str(uuid.uuid4())
    assert shop.customer("POST", "/reservations", key=key, body=lines(sku)).status == 201
    before = shop.items()
    expect_problem(shop.customer("POST", "/reservations", key=key, body=lines(sku, 2)), 422, "idempotency-key-reused")
    assert shop.items() == before


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("POST", "/reservations"),
        ("POST", "/purchase"),
        ("POST", "/products"),
        ("POST", "/products/MUG/stock"),
        ("GET", "/purchases"),
        ("GET", "/reservations/00000000-0000-0000-0000-000000000000"),
        ("GET", "/sales/daily"),
        ("GET", "/streams/product-MUG/activity"),
    ],
)
@pytest.mark.parametrize("token", [None, "nonsense", "tampered"])
def test_a_request_without_a_valid_token_never_reaches_a_function(
    shop: Shop, method: str, path: str, token: str | None
) -> None:
    before = shop.items()
    if token == "tampered":
        header, _, signature = shop.status["customer_token"].split(".")
        forged = shop.status["admin_token"].split(".")[1]
        token = f"{header}.{forged}.{signature}"
    answer = shop.request(method, path, token=token, key=str(uuid.uuid4()), body={})
    # The gateway's own answer, which HTTP APIs let nobody change: docs/adr/0005-gateway-401.md.
    assert answer.status == 401
    assert shop.items() == before


def test_an_id_token_is_refused_by_the_running_shop(shop: Shop) -> None:
    state = Home(shop.home).state()
    who = {"USERNAME": identity.PEOPLE["administrator"], "PASSWORD": state.secrets["administrator_password"]}
    signed_in = shop.client("cognito-idp").initiate_auth(
        ClientId=deploy.outputs(state)["UserPoolClientId"], AuthFlow="USER_PASSWORD_AUTH", AuthParameters=who
    )["AuthenticationResult"]
    for method, path in (("GET", "/purchases"), ("GET", "/sales/daily"), ("DELETE", "/products/MUG")):
        answer = shop.request(method, path, token=signed_in["IdToken"], key=str(uuid.uuid4()))
        expect_problem(answer, 401, "unauthenticated")
    assert shop.request("GET", "/sales/daily", token=signed_in["AccessToken"]).status == 200


def test_a_customer_may_not_do_what_administrators_do(shop: Shop, sku: str) -> None:
    before = shop.items()
    stock = shop.customer("POST", f"/products/{sku}/stock", key=str(uuid.uuid4()), body={"quantity": 5})
    expect_problem(stock, 403, "forbidden")
    expect_problem(shop.customer("POST", "/products", key=str(uuid.uuid4()), body={}), 403, "forbidden")
    expect_problem(shop.customer("GET", "/sales/daily"), 403, "forbidden")
    assert shop.items() == before


def test_a_purchase_of_a_reservation_that_does_not_exist(shop: Shop) -> None:
    before = shop.items()
    expect_problem(shop.purchase(str(uuid.uuid4()), "pm_card_visa"), 404, "not-found")
    assert shop.items() == before


def test_an_unknown_card_buys_nothing(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    answer = shop.purchase(reservation["reservation_id"], "pm_card_nobody_has")
    assert answer.status in (402, 422)
    assert answer.headers["content-type"] == "application/problem+json"
    assert shop.purchase(reservation["reservation_id"], "pm_card_visa").status == 201


@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/products/NO-SUCH-SKU", 404),
        ("/products/%00", 404),
        ("/products?limit=0", 422),
        ("/products?limit=1000000000", 422),
        ("/products?cursor=nonsense", 422),
        ("/no/such/route", 404),
    ],
)
def test_a_query_that_has_no_answer(shop: Shop, path: str, status: int) -> None:
    answer = shop.request("GET", path)
    assert (answer.status, answer.headers["content-type"]) == (status, "application/problem+json")
