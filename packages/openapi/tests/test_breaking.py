"""Each kind of change that breaks a client is planted, found and named; what adds something is let through."""

import copy
import re
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis.strategies import from_regex

from shop_openapi import document
from shop_openapi.breaking import WIDENED, breaking_changes, is_allowed

RELEASED = document.whole()
SKU_OF_1_0 = "^[A-Z0-9][A-Z0-9-]{0,39}$"
Change = Callable[[Any], object]


def changed(change: Change) -> dict[str, Any]:
    current = copy.deepcopy(RELEASED)
    change(current)
    return current


def schema(current: Any, name: str) -> Any:
    return current["components"]["schemas"][name]


def parameter(current: Any, path: str, name: str) -> Any:
    [found] = [it for it in current["paths"][path]["get"]["parameters"] if it.get("name") == name]
    return found


BREAKING: dict[str, tuple[Change, str]] = {
    "a route removed": (lambda it: it["paths"].pop("/purchases"), "GET /purchases: removed"),
    "a method removed": (
        lambda it: it["paths"]["/products/{sku}"].pop("delete"),
        "DELETE /products/{sku}: removed",
    ),
    "a token required": (
        lambda it: it["paths"]["/products"]["get"].update(security=[{"accessToken": []}]),
        "GET /products: needs a token",
    ),
    "a parameter removed": (
        lambda it: it["paths"]["/products"]["get"]["parameters"].remove(parameter(it, "/products", "q")),
        "GET /products: query parameter q removed",
    ),
    "a parameter required": (
        lambda it: parameter(it, "/products", "q").update(required=True),
        "GET /products: query parameter q is required",
    ),
    "a new parameter that is required": (
        lambda it: it["paths"]["/products"]["get"]["parameters"].append(
            {"name": "shop", "in": "query", "required": True, "schema": {}}
        ),
        "GET /products: query parameter shop is required",
    ),
    "a value of a parameter removed": (
        lambda it: parameter(it, "/products", "sort")["schema"]["enum"].remove("newest"),
        "GET /products: query parameter sort: takes fewer values",
    ),
    "a bound of a parameter tightened": (
        lambda it: parameter(it, "/products", "limit")["schema"].update(maximum=50),
        "GET /products: query parameter limit: maximum is tighter",
    ),
    "the type of a parameter changed": (
        lambda it: parameter(it, "/products", "limit")["schema"].update(type="string"),
        "GET /products: query parameter limit: its type changed",
    ),
    "a field required": (
        lambda it: schema(it, "ProductBody")["required"].append("stock_buckets"),
        "POST /products: body: field stock_buckets is required",
    ),
    "a field of a body removed": (
        lambda it: schema(it, "ProductBody")["properties"].pop("description"),
        "POST /products: body: field description removed",
    ),
    "a pattern within a body changed": (
        lambda it: schema(it, "LineBody")["properties"]["sku"].update(pattern="^X"),
        "POST /reservations: body.lines[].sku: pattern changed",
    ),
    "a body required": (
        lambda it: it["paths"]["/products/{sku}"]["delete"].update(
            requestBody={"required": True, "content": {"application/json": {"schema": {}}}}
        ),
        "DELETE /products/{sku}: a body is required",
    ),
    "a media type refused": (
        lambda it: it["paths"]["/purchase"]["post"]["requestBody"].update(content={"text/xml": {"schema": {}}}),
        "POST /purchase: takes no application/json any more",
    ),
    "an answer removed": (
        lambda it: it["paths"]["/purchase"]["post"]["responses"].pop("202"),
        "POST /purchase: is never answered with 202 any more",
    ),
    "a header of an answer removed": (
        lambda it: it["paths"]["/purchase"]["post"]["responses"]["201"]["headers"].pop("Location"),
        "POST /purchase 201: header Location is not always there any more",
    ),
    "an answer in another form": (
        lambda it: it["paths"]["/purchases"]["get"]["responses"]["200"].update(content={"text/csv": {"schema": {}}}),
        "GET /purchases 200: has no application/json any more",
    ),
    "a field of an answer removed": (
        lambda it: schema(it, "Product")["properties"].pop("available"),
        "GET /products/{sku} 200: answer: field available removed",
    ),
    "a field of an answer not always there": (
        lambda it: schema(it, "Product")["required"].remove("available"),
        "GET /products/{sku} 200: answer: field available is not always there any more",
    ),
    "a field of an item not always there": (
        lambda it: schema(it, "ShownLine")["required"].remove("quantity"),
        "GET /purchases 200: answer.items[].lines[]: field quantity is not always there any more",
    ),
    "the type of an answer's field changed": (
        lambda it: schema(it, "Product")["properties"]["available"].update(type="string"),
        "GET /products 200: answer.items[].available: its type changed",
    ),
    "another status alone": (
        lambda it: schema(it, "PendingRefund")["properties"].update(status={"type": "string", "enum": ["waiting"]}),
        "POST /purchases/{purchase_id}/refund 202: answer.status: const changed",
    ),
    "a field of an answer that may be null": (
        lambda it: schema(it, "Purchase")["properties"].update(
            payment_intent_id={"anyOf": [{"type": "string"}, {"type": "null"}]}
        ),
        "GET /purchases 200: answer.items[].payment_intent_id: its type changed",
    ),
}

ADDING: dict[str, Change] = {
    "nothing": lambda _: None,
    "a route": lambda it: it["paths"].update({"/baskets": {"get": {"responses": {}}}}),
    "an optional parameter": lambda it: it["paths"]["/purchases"]["get"]["parameters"].append(
        {"name": "status", "in": "query", "required": False, "schema": {"type": "string"}}
    ),
    "an optional field of a body": lambda it: schema(it, "ProductBody")["properties"].update(
        weight={"type": "integer"}
    ),
    "a field of an answer": lambda it: schema(it, "Product")["properties"].update(weight={"type": "integer"}),
    "a status": lambda it: schema(it, "Product")["properties"]["status"]["enum"].append("announced"),
    "a second status": lambda it: schema(it, "PendingRefund")["properties"].update(
        status={"type": "string", "enum": ["refunding", "waiting"]}
    ),
    "a wider bound": lambda it: parameter(it, "/products", "limit")["schema"].update(maximum=1_000),
    "a value of a parameter": lambda it: parameter(it, "/products", "sort")["schema"]["enum"].append("rating"),
    "a field that is never null any more": lambda it: schema(it, "Product")["properties"].update(
        category={"type": "string", "pattern": "^[a-z0-9][a-z0-9-]{0,39}$"}
    ),
    "no token any more": lambda it: it["paths"]["/purchases"]["get"].update(security=[]),
}


@pytest.mark.parametrize(("change", "named"), BREAKING.values(), ids=BREAKING)
def test_what_breaks_a_client_is_named(change: Change, named: str) -> None:
    assert named in breaking_changes(RELEASED, changed(change))


@pytest.mark.parametrize("change", ADDING.values(), ids=ADDING)
def test_what_adds_something_breaks_nobody(change: Change) -> None:
    assert breaking_changes(RELEASED, changed(change)) == []


def with_skus(pattern: str) -> dict[str, Any]:
    def change(it: Any) -> None:
        schema(it, "Product")["properties"]["sku"]["pattern"] = pattern
        schema(it, "ProductBody")["properties"]["sku"]["pattern"] = pattern

    return changed(change)


def test_an_id_may_get_a_form_that_is_known_to_be_wider_and_no_other() -> None:
    wider = WIDENED[SKU_OF_1_0]
    assert breaking_changes(with_skus(SKU_OF_1_0), with_skus(wider)) == []
    for old, new in ((wider, SKU_OF_1_0), (SKU_OF_1_0, "^[A-Z]$")):
        named = breaking_changes(with_skus(old), with_skus(new))
        assert "GET /products/{sku} 200: answer.sku: pattern changed" in named
        assert "POST /products: body.sku: pattern changed" in named


@pytest.mark.parametrize(("narrow", "wide"), WIDENED.items())
def test_what_matched_the_released_form_matches_the_wider_one(narrow: str, wide: str) -> None:
    @settings(database=None, deadline=None)
    @given(from_regex(narrow.replace("$", r"\Z"), fullmatch=True))
    def check(text: str) -> None:
        assert re.search(wide, text)

    check()


@pytest.mark.parametrize(("version", "allowed"), [("1.0.0", False), ("1.9.0", False), ("2.0.0", True)])
def test_only_a_higher_major_version_may_break_a_client(version: str, allowed: bool) -> None:
    released = {"info": {"version": "1.0.0"}}
    assert is_allowed(released, {"info": {"version": version}}) is allowed
