"""shop-query's routes."""

from typing import Final

from shop_openapi import models
from shop_openapi.declarations import ETAG, AnswerShape, Operation, Operations, Parameter, Schema, Who
from shop_openapi.parameters import (
    CATEGORY_FORM,
    CURRENCY_FORM,
    IF_NONE_MATCH,
    PURCHASE_IN_PATH,
    RESERVATION_IN_PATH,
    SKU_FORM,
    SKU_IN_PATH,
    UUID_EXAMPLE,
)
from shop_openapi.static import PAGE, document_operation
from shop_query.application.catalogue import TOTAL_MAX, Sort
from shop_query.application.queries import DAYS_MAX
from shop_query.application.values import SEARCH_CHARACTERS_MAX
from shop_query.handlers.api import TopBy
from shop_query.handlers.parameters import AMOUNT_MINOR_MAX, LIMIT_DEFAULT, LIMIT_MAX, VERSION_MAX

CATALOGUE: Final = "Catalogue"
RESERVATIONS: Final = "Reservations"
PURCHASES: Final = "Purchases"
SALES: Final = "Sales"

MUG: Final = {
    "sku": "MUG-BLUE",
    "name": "Blue mug",
    "description": "Holds 300 ml.",
    "category": "mugs",
    "price": {"amount_minor": 1250, "currency": "EUR"},
    "available": 98,
    "status": "listed",
    "version": 4,
}
TOTAL: Final = {"amount_minor": 2500, "currency": "EUR"}
LINES: Final = [{"sku": "MUG-BLUE", "quantity": 2, "unit_price_minor": 1250}]
PLACED_AT: Final = "2026-11-23T09:29:06.821000Z"
PURCHASED_AT: Final = "2026-11-23T09:29:06.941000Z"
STREAM: Final = {"stream_id": f"reservation-{UUID_EXAMPLE}", "stream_version": 3}
RESERVATION: Final = {
    "reservation_id": UUID_EXAMPLE,
    "status": "purchased",
    "lines": LINES,
    "total": TOTAL,
    "placed_at": PLACED_AT,
    "expires_at": "2026-11-23T09:44:06.821000Z",
    **STREAM,
}
PURCHASE: Final = {
    "purchase_id": UUID_EXAMPLE,
    "reservation_id": UUID_EXAMPLE,
    "status": "purchased",
    "lines": LINES,
    "total": TOTAL,
    "payment_intent_id": "pi_3PxExample0000000000000001",
    "purchased_at": PURCHASED_AT,
    **STREAM,
}
TIMELINE: Final = [
    {"type": "placed", "time": PLACED_AT, "stream_version": 1},
    {"type": "payment-requested", "time": "2026-11-23T09:29:06.913000Z", "stream_version": 2},
    {"type": "purchased", "time": PURCHASED_AT, "stream_version": 3},
]
SOLD: Final = {"sku": "MUG-BLUE", "units": 2, "revenue": TOTAL}
NEXT_CURSOR: Final = "dGhpcyBpcyBvcGFxdWU"

_AWAY: Final = ("invalid-request", "read-model-unavailable", "read-timeout")


def _query(name: str, description: str, schema: Schema, example: str | int | bool) -> Parameter:
    return Parameter(name, "query", description, schema, example)


def _amount(name: str, description: str) -> Parameter:
    return _query(name, description, {"type": "integer", "minimum": 0, "maximum": AMOUNT_MINOR_MAX}, 1000)


def _day(name: str, description: str) -> Parameter:
    return _query(name, description, {"type": "string", "format": "date"}, "2026-11-23")


def _flag(name: str, description: str) -> Parameter:
    return _query(name, description, {"type": "boolean", "default": False}, True)


_PAGE: Final = (
    _query(
        "limit",
        "How many items at most.",
        {"type": "integer", "minimum": 1, "maximum": LIMIT_MAX, "default": LIMIT_DEFAULT},
        LIMIT_DEFAULT,
    ),
    _query(
        "cursor",
        "The `next_cursor` of the page before, unchanged and with the same other parameters.",
        {"type": "string"},
        NEXT_CURSOR,
    ),
)
_MIN_VERSION: Final = _query(
    "min_version",
    "Read your own write: the `stream_version` of the command's answer. The read waits for it, 2 s at most.",
    {"type": "integer", "minimum": 1, "maximum": VERSION_MAX},
    1,
)
_CURRENCY: Final = _query("currency", "Only prices in this currency, by ISO 4217.", CURRENCY_FORM, "EUR")
_PERIOD: Final = (
    _day("from", "The first day (UTC); by default 29 days before `to`."),
    _day("to", f"The last day (UTC), {DAYS_MAX} days from the first at most; today by default."),
)

_BROWSING: Final[Operations] = {
    "GET /products": Operation(
        "listProducts",
        CATALOGUE,
        "What is for sale, searched, filtered and sorted",
        "In pages: what is added meanwhile neither repeats nor hides an item. Retired products are in no list.",
        parameters=(
            _query(
                "q",
                "Words to look for in SKU, name, category and description; a misspelt one finds names that look alike.",
                {"type": "string", "minLength": 1, "maxLength": SEARCH_CHARACTERS_MAX},
                "blue mug",
            ),
            _query("category", "Only this category.", CATEGORY_FORM, "mugs"),
            _CURRENCY,
            _amount("price_min", "Only prices from this one, in minor units."),
            _amount("price_max", "Only prices up to this one, in minor units."),
            _flag("in_stock", "Only what can be reserved."),
            _query(
                "sort",
                "By default `relevance` where there is a `q`, else `sku`. `relevance` needs a `q`. A `-` reverses.",
                {"type": "string", "enum": [it.value for it in Sort]},
                Sort.PRICE.value,
            ),
            _flag("total", f"Count the items of all pages, up to {TOTAL_MAX:,}, which takes longer."),
            *_PAGE,
            IF_NONE_MATCH,
        ),
        answers=(
            AnswerShape(200, "A page.", models.ProductPage, {"items": [MUG], "next_cursor": NEXT_CURSOR}, ETAG),
            AnswerShape(304, "The copy that `If-None-Match` names still holds.", None, headers=ETAG),
        ),
        problems=_AWAY,
    ),
    "GET /products/{sku}": Operation(
        "getProduct",
        CATALOGUE,
        "One product",
        "Retired ones too, because purchases that name them outlive them.",
        parameters=(SKU_IN_PATH, _MIN_VERSION, IF_NONE_MATCH),
        answers=(
            AnswerShape(200, "The product.", models.Product, MUG, ETAG),
            AnswerShape(304, "The copy that `If-None-Match` names still holds.", None, headers=ETAG),
        ),
        problems=("not-found", "not-yet-visible", *_AWAY),
    ),
}

_OWN: Final[Operations] = {
    "GET /reservations": Operation(
        "listReservations",
        RESERVATIONS,
        "Your reservations",
        "Newest first, whatever has become of them.",
        who=Who.CUSTOMER,
        parameters=_PAGE,
        answers=(AnswerShape(200, "A page.", models.ReservationPage, {"items": [RESERVATION], "next_cursor": None}),),
        problems=_AWAY,
    ),
    "GET /reservations/{reservation_id}": Operation(
        "getReservation",
        RESERVATIONS,
        "One of your reservations, with its history",
        "Another customer's is not found.",
        who=Who.CUSTOMER,
        parameters=(RESERVATION_IN_PATH, _MIN_VERSION),
        answers=(
            AnswerShape(200, "The reservation.", models.ReservationWithTimeline, {**RESERVATION, "timeline": TIMELINE}),
        ),
        problems=("not-found", "not-yet-visible", *_AWAY),
    ),
    "GET /purchases": Operation(
        "listPurchases",
        PURCHASES,
        "Your purchases",
        "Newest first.",
        who=Who.CUSTOMER,
        parameters=_PAGE,
        answers=(AnswerShape(200, "A page.", models.PurchasePage, {"items": [PURCHASE], "next_cursor": None}),),
        problems=_AWAY,
    ),
    "GET /purchases/{purchase_id}": Operation(
        "getPurchase",
        PURCHASES,
        "One of your purchases, with its history",
        "Another customer's is not found.",
        who=Who.CUSTOMER,
        parameters=(PURCHASE_IN_PATH, _MIN_VERSION),
        answers=(AnswerShape(200, "The purchase.", models.PurchaseWithTimeline, {**PURCHASE, "timeline": TIMELINE}),),
        problems=("not-found", "not-yet-visible", *_AWAY),
    ),
}

_SELLING: Final[Operations] = {
    "GET /sales/daily": Operation(
        "listDailySales",
        SALES,
        "What was sold, by day, product and currency",
        "Net of refunds, each counted on the day it happened: a day that is over never changes.",
        who=Who.ADMINISTRATOR,
        parameters=(*_PERIOD, _query("sku", "Only this product.", SKU_FORM, "MUG-BLUE"), *_PAGE),
        answers=(
            AnswerShape(
                200,
                "A page.",
                models.DailySalesPage,
                {"items": [{"day": "2026-11-23", **SOLD}], "next_cursor": None},
            ),
        ),
        problems=_AWAY,
    ),
    "GET /sales/top": Operation(
        "listTopSales",
        SALES,
        "What was sold most, by product and currency",
        "Net of refunds.",
        who=Who.ADMINISTRATOR,
        parameters=(
            *_PERIOD,
            _CURRENCY,
            _query(
                "sort",
                "`units` by default; `revenue` needs a `currency`.",
                {"type": "string", "enum": [it.value for it in TopBy]},
                TopBy.UNITS.value,
            ),
            _PAGE[0],
        ),
        answers=(AnswerShape(200, "The most first.", models.TopSales, {"items": [SOLD]}),),
        problems=_AWAY,
    ),
}

OPERATIONS: Final[Operations] = {
    **_BROWSING,
    **_OWN,
    **_SELLING,
    "GET /openapi/query.json": document_operation("Query", "shop-query's part of this document"),
    "GET /docs": PAGE,
}
