"""Requests that Schemathesis makes of the API's document, sent to the running shop: every answer is a documented one.

By a fixed seed they are the same each time, but for the ids and keys that a request needs to do anything at all.
"""

import copy
import hashlib
import hmac
import itertools
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, seed, settings
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import GenerationConfig, ProjectConfig, ProjectsConfig, SchemathesisConfig
from schemathesis.core.failures import FailureGroup
from schemathesis.specs.openapi import checks

from shop_cli.testing import Shop, eventually
from shop_openapi import document

CASES = 18
SEED = 20261123
CARDS = ("pm_card_visa", "pm_card_visa_chargeDeclined", "pm_card_error_after_charge", "pm_card_visa_chargeDeclined")
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_headers_conformance,
    checks.response_schema_conformance,
]
CONFIG = SchemathesisConfig(
    seed=SEED,
    projects=ProjectsConfig(default=ProjectConfig(generation=GenerationConfig(with_security_parameters=False))),
)


def closed(schema: Any) -> Any:
    """So that a field that is not in the document is noticed, which clients are asked to pass over."""
    if isinstance(schema, list):
        return [closed(it) for it in schema]
    if not isinstance(schema, dict):
        return schema
    inner = {name: closed(it) for name, it in schema.items()}
    is_object = schema.get("type") == "object" and "properties" in schema
    # Not those that others are built on, nor documents in somebody else's format.
    if is_object and "correlation_id" not in schema["properties"] and "openapi" not in schema["properties"]:
        inner = {name: it for name, it in inner.items() if name != "additionalProperties"}
        inner["unevaluatedProperties"] = False
    return inner


def loaded(whole: dict[str, Any]) -> Any:
    return schemathesis.openapi.from_dict(closed(whole), config=CONFIG)


WHOLE = document.whole()
API = loaded(WHOLE)
ROUTES = [(method, path) for path, methods in WHOLE["paths"].items() for method in methods]


@dataclass
class Customer:
    """Makes a case meet what there is in the shop."""

    shop: Shop
    sku: str
    cards: Iterator[str] = field(default_factory=lambda: itertools.cycle(CARDS))

    def helped(self, case: Any) -> None:
        route = case.operation.label
        if "Idempotency-Key" in case.headers:
            case.headers["Idempotency-Key"] = str(uuid.uuid4())
        for name in case.path_parameters or {}:
            case.path_parameters[name] = self._existing(route, name)
            if route.startswith("GET") and name != "stream_id":
                case.query = {"min_version": 1}
        match route:
            case "POST /reservations":
                case.body = {"lines": [{"sku": self.sku, "quantity": 1}]}
            case "POST /purchase":
                reservation = self.shop.reserve(self.sku)
                case.body = {"reservation_id": reservation["reservation_id"], "payment_method": next(self.cards)}
            case "POST /products" if isinstance(case.body, dict):  # else it is one that is no JSON on purpose
                # Most codes that have a currency's form are none, and most characters are no name.
                sellable = {"name": "Case", "price": {"amount_minor": 500, "currency": "EUR"}}
                case.body = {**case.body, **sellable, "sku": f"CASE-{uuid.uuid4().hex[:12].upper()}"}
            case "POST /products/{sku}/price" if isinstance(case.body, dict):
                case.body = {"price": {"amount_minor": 500, "currency": "EUR"}}
            case "POST /products/{sku}/stock-adjustment" if isinstance(case.body, dict):
                case.body = {**case.body, "quantity_change": 5}  # there is none that could be taken away
            case "POST /payments/webhook":
                case.headers["Stripe-Signature"] = self._signed(b"{}")
                case.body = {}

    def _existing(self, route: str, name: str) -> str:
        if not route.startswith("GET") and name == "sku":
            sku = self.shop.new_product(stock=0)
            if route == "POST /products/{sku}/relist":
                self.shop.administrator("DELETE", f"/products/{sku}", key=f"retire-{sku}")
            return sku
        if name == "sku":
            return self.sku
        if name == "stream_id":
            return f"product-{self.sku}"
        if route.startswith("GET"):
            return self.visible
        return self._purchased() if name == "purchase_id" else str(self.shop.reserve(self.sku)["reservation_id"])

    @cached_property
    def visible(self) -> str:
        """A purchase that the read model has, with its product."""
        purchase_id = self._purchased()
        path = f"/purchases/{purchase_id}"
        eventually(lambda: self.shop.customer("GET", path), lambda answer: answer.status == 200)
        return purchase_id

    def _purchased(self) -> str:
        reservation_id = str(self.shop.reserve(self.sku)["reservation_id"])
        assert self.shop.purchase(reservation_id, "pm_card_visa").status == 201
        return reservation_id

    def _signed(self, payload: bytes) -> str:
        secret = (self.shop.home / "payment-webhook-secret").read_text().strip()
        now = str(int(time.time()))
        digest = hmac.new(secret.encode(), now.encode() + b"." + payload, hashlib.sha256).hexdigest()
        return f"t={now},v1={digest}"


@pytest.fixture(scope="module")
def customer(shop: Shop) -> Customer:
    customer = Customer(shop, shop.new_product(stock=100_000))
    assert customer.visible
    return customer


@pytest.fixture(scope="module")
def session() -> Iterator[requests.Session]:
    with requests.Session() as session:
        yield session


@pytest.mark.parametrize(("method", "path"), ROUTES, ids=[f"{method.upper()} {path}" for method, path in ROUTES])
def test_every_answer_is_a_documented_one(
    shop: Shop, customer: Customer, session: requests.Session, method: str, path: str
) -> None:
    operation = API[path][method]
    who = WHOLE["paths"][path][method]["x-who"]
    tokens = {"anyone": None, "customer": shop.status["customer_token"], "administrator": shop.status["admin_token"]}
    role = next(name for name in tokens if name in who)
    # Whose turn it is, and whether ids and key are such that something happens.
    others = [("anyone", False), ("customer", False), ("administrator", False)]
    turns = itertools.cycle([(role, True), *others, (role, True), (role, False)])
    seen: set[tuple[str, int]] = set()

    @seed(SEED)
    @settings(
        max_examples=CASES,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    @given(operation.as_strategy() | operation.as_strategy(generation_mode=GenerationMode.NEGATIVE))
    def exchange(case: Any) -> None:
        caller, is_helped = next(turns)
        if is_helped:
            customer.helped(case)
        token = tokens[caller]
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        answer = case.call(base_url=shop.status["api_url"], session=session, headers=headers, timeout=40)
        case.validate_response(answer, checks=CHECKS)
        seen.add((caller, answer.status_code))

    exchange()
    allowed = {status for caller, status in seen if caller == role}
    assert any(status < 300 for status in allowed), f"nothing ever happened: {seen}"
    if role != "anyone":
        assert {status for caller, status in seen if caller == "anyone"} == {401}
    if role == "administrator":
        # 404: an id with a slash in it is the path of no route.
        assert {403} <= {status for caller, status in seen if caller == "customer"} <= {403, 404}


PLANTED: dict[str, Callable[[Any], object]] = {
    "a field": lambda whole: whole["components"]["schemas"]["Product"]["properties"].pop("available"),
    "a status": lambda whole: whole["paths"]["/products"]["get"]["responses"].pop("200"),
    "a header": lambda whole: whole["paths"]["/products"]["get"]["responses"]["200"]["headers"].update(
        {"X-Promised": {"required": True, "schema": {"type": "string"}}}
    ),
    "a media type": lambda whole: whole["paths"]["/products"]["get"]["responses"]["200"].update(
        content={"text/csv": {"schema": {"type": "string"}}}
    ),
}


@pytest.mark.parametrize("change", PLANTED.values(), ids=PLANTED)
def test_an_answer_that_differs_from_the_document_in_one_thing_is_noticed(
    shop: Shop, customer: Customer, change: Callable[[Any], object]
) -> None:
    assert customer.visible, "or the list could be empty"
    whole = copy.deepcopy(WHOLE)
    change(whole)
    for document_, raises in ((WHOLE, nullcontext()), (whole, pytest.raises(FailureGroup))):
        case = loaded(document_)["/products"]["get"].Case()
        answer = case.call(base_url=shop.status["api_url"])
        with raises:
            case.validate_response(answer, checks=CHECKS)
