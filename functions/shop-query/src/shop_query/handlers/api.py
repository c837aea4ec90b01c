"""The routes of shop-query behind the HTTP API. `$default` comes here too: what is no route is a 404 problem."""

from typing import Any, Final

from aws_lambda_powertools.event_handler import Response

from shop_observability.http import HttpFunction, administrator, caller
from shop_query import bootstrap
from shop_query.handlers.parameters import QueryString
from shop_query.handlers.problems import problem

handler: Final = HttpFunction("shop-query", problem)
_routes = handler.routes

# The catalogue is everyone's and always current; what belongs to a caller is kept by nobody.
PUBLIC: Final = "no-cache"
PRIVATE: Final = "no-store"


@_routes.get("/products")
def products() -> Response[str]:
    query = QueryString(_event(), "limit", "cursor")
    return _ok(bootstrap.queries().products(query.limit(), query.text("cursor")), PUBLIC)


@_routes.get("/products/<sku>")
def product(sku: str) -> Response[str]:
    QueryString(_event())
    return _ok(bootstrap.queries().product(sku), PUBLIC)


@_routes.get("/reservations/<reservation_id>")
def reservation(reservation_id: str) -> Response[str]:
    who = caller(_event())
    QueryString(_event())
    return _ok(bootstrap.queries().reservation(reservation_id, who.subject), PRIVATE)


@_routes.get("/purchases")
def purchases() -> Response[str]:
    who = caller(_event())
    query = QueryString(_event(), "limit", "cursor")
    return _ok(bootstrap.queries().purchases(who.subject, query.limit(), query.text("cursor")), PRIVATE)


@_routes.get("/sales/daily")
def daily_sales() -> Response[str]:
    administrator(_event())
    query = QueryString(_event(), "from", "to", "sku", "limit", "cursor")
    document = bootstrap.queries().daily_sales(
        query.day("from"), query.day("to"), query.text("sku"), query.limit(), query.text("cursor")
    )
    return _ok(document, PRIVATE)


def _event() -> dict[str, Any]:
    return _routes.current_event.raw_event


def _ok(document: str, cache_control: str) -> Response[str]:
    return Response(200, "application/json", document, headers={"Cache-Control": cache_control})
