"""The routes of shop-query answer behind the HTTP API. `$default` comes here too: a path without a route is a 404."""

from enum import StrEnum
from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from shop_http.entry import HttpFunction
from shop_http.request import administrator, caller, header
from shop_observability import work
from shop_query import bootstrap
from shop_query.application.catalogue import Selection, Sort
from shop_query.handlers import documents, etags
from shop_query.handlers.parameters import QueryString
from shop_query.handlers.problems import problem
from shop_shared import forms
from shop_shared.forms import Form

handler: Final = HttpFunction("shop-query", problem)
_routes = handler.routes

# The catalogue is everyone's and always current: whoever keeps a copy asks whether it still holds. What belongs to a
# caller is kept by nobody.
PUBLIC: Final = "no-cache"
PRIVATE: Final = "no-store"


class TopBy(StrEnum):
    UNITS = "units"
    REVENUE = "revenue"


@_routes.get("/products")
def products() -> Response[str]:
    filters = ("category", "currency", "price_min", "price_max", "in_stock")
    query = QueryString(_event(), "q", *filters, "sort", "total", "limit", "cursor")
    selection = Selection(
        q=query.search(),
        category=query.category(),
        currency=query.currency(),
        price_min=query.amount_minor("price_min"),
        price_max=query.amount_minor("price_max"),
        in_stock=query.flag("in_stock"),
        sort=query.choice("sort", Sort),
    )
    total, limit, cursor = query.flag("total"), query.limit(), query.text("cursor")
    return _public(bootstrap.queries().products(selection, limit, cursor, total=total))


@_routes.get("/products/<sku>")
def product(sku: str) -> Response[str]:
    _annotate("product", sku, forms.SKU)
    query = QueryString(_event(), "min_version")
    return _public(bootstrap.queries().product(sku, query.min_version()))


@_routes.get("/reservations")
def reservations() -> Response[str]:
    who = caller(_event())
    query = QueryString(_event(), "limit", "cursor")
    return _private(bootstrap.queries().reservations(who.subject, query.limit(), query.text("cursor")))


@_routes.get("/reservations/<reservation_id>")
def reservation(reservation_id: str) -> Response[str]:
    who = caller(_event())
    _annotate("reservation", reservation_id, forms.UUID)
    query = QueryString(_event(), "min_version")
    return _private(bootstrap.queries().reservation(reservation_id, who.subject, query.min_version()))


@_routes.get("/purchases")
def purchases() -> Response[str]:
    who = caller(_event())
    query = QueryString(_event(), "limit", "cursor")
    return _private(bootstrap.queries().purchases(who.subject, query.limit(), query.text("cursor")))


@_routes.get("/purchases/<purchase_id>")
def purchase(purchase_id: str) -> Response[str]:
    who = caller(_event())
    _annotate("reservation", purchase_id, forms.UUID)
    query = QueryString(_event(), "min_version")
    return _private(bootstrap.queries().purchase(purchase_id, who.subject, query.min_version()))


@_routes.get("/sales/daily")
def daily_sales() -> Response[str]:
    administrator(_event())
    query = QueryString(_event(), "from", "to", "sku", "limit", "cursor")
    return _private(
        bootstrap.queries().daily_sales(
            query.day("from"), query.day("to"), query.text("sku"), query.limit(), query.text("cursor")
        )
    )


@_routes.get("/sales/top")
def top_sales() -> Response[str]:
    administrator(_event())
    query = QueryString(_event(), "from", "to", "currency", "sort", "limit")
    sort = (query.choice("sort", TopBy) or TopBy.UNITS).value
    first, last, currency = query.day("from"), query.day("to"), query.currency()
    return _private(bootstrap.queries().top_sales(first, last, currency, sort, query.limit()))


@_routes.get("/openapi/query.json", compress=True)
def openapi() -> Response[str]:
    return documents.openapi()


@_routes.get("/docs", compress=True)
def docs() -> Response[str]:
    return documents.page()


def _annotate(kind: str, identifier: str, form: Form) -> None:
    """Annotates the work only with a well-formed identifier: anything else in its place could be personal data."""
    if form.matches(identifier):
        work.annotate(stream_id=f"{kind}-{identifier}")


def _event() -> dict[str, Any]:
    return _routes.current_event.raw_event


def _public(document: str) -> Response[str]:
    tag = etags.of(document)
    headers = {"Cache-Control": PUBLIC, "ETag": tag}
    if etags.matches(tag, header(_event(), "if-none-match")):
        return Response(304, headers=headers, body="")
    return Response(200, "application/json", document, headers=headers)


def _private(document: str) -> Response[str]:
    return Response(200, "application/json", document, headers={"Cache-Control": PRIVATE})
