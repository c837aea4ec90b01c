"""The routes of shop-query answer behind the HTTP API. `$default` comes here too: a path without a route is a 404."""

from functools import partial
from pathlib import Path
from typing import Annotated, Final

from shop_http.answers import File, Private, Public
from shop_http.entry import HttpFunction
from shop_http.route import HttpRequest, Who
from shop_observability import work
from shop_query import bootstrap
from shop_query.application.catalogue import Selection
from shop_query.handlers import parameters as given
from shop_query.handlers.problems import problem
from shop_shared import forms
from shop_shared.forms import Form

handler: Final = HttpFunction("shop-query", problem)
_GENERATED: Final = Path(__file__).parent / "generated"
# The page has a style of its own and nothing else: no script, no other host, no frame.
_HARDENED: Final = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
}
_PAGE: Final = (given.LIMIT, given.CURSOR)

_LIST_PROBLEMS: Final = ("invalid-request", "read-model-unavailable", "read-timeout")
_ONE_PROBLEMS: Final = ("not-found", "not-yet-visible", *_LIST_PROBLEMS)
_list = partial(handler.route, problems=_LIST_PROBLEMS, compress=True)
_one = partial(handler.route, problems=_ONE_PROBLEMS, compress=True)
_document = partial(handler.route, tag="Documentation", query=None, compress=True)


@_list("GET /products", tag="Catalogue", query=given.PRODUCTS)
def list_products(call: HttpRequest) -> Annotated[Public, "ProductPage"]:
    """Lists what is for sale, searched, filtered and sorted.

    It comes in pages: what is added meanwhile neither repeats nor hides an item. Retired products are in no list.
    """
    selection = Selection(
        q=call.value(given.Q),
        skus=call.value(given.SKUS),
        category=call.value(given.CATEGORY),
        currency=call.value(given.CURRENCY),
        price_min=call.value(given.PRICE_MIN),
        price_max=call.value(given.PRICE_MAX),
        in_stock=call.value(given.IN_STOCK),
        sort=call.value(given.SORT),
    )
    total, limit, cursor = call.value(given.TOTAL), call.value(given.LIMIT), call.value(given.CURSOR)
    return _public(call, bootstrap.queries().products(selection, limit, cursor, total=total))


@_one("GET /products/{sku}", tag="Catalogue", query=(given.MIN_VERSION_OF_PRODUCT,))
def get_product(call: HttpRequest, sku: str) -> Annotated[Public, "Product"]:
    """Gets one product.

    Retired ones are found too, because purchases that name them outlive them.
    """
    _annotate("product", sku, forms.SKU)
    min_version = call.value(given.MIN_VERSION_OF_PRODUCT)
    document = bootstrap.queries().product(sku, min_version)
    return Public(document, call.header("if-none-match"), shared=min_version is None)


@_list("GET /categories", tag="Catalogue", query=_PAGE)
def list_categories(call: HttpRequest) -> Annotated[Public, "CategoryPage"]:
    """Lists the categories.

    They are those of what is for sale, each with the number of its products, in stock or not.
    """
    limit, cursor = call.value(given.LIMIT), call.value(given.CURSOR)
    return _public(call, bootstrap.queries().categories(limit, cursor))


@_list("GET /reservations", tag="Reservations", who=Who.CUSTOMER, query=_PAGE)
def list_reservations(call: HttpRequest) -> Annotated[Private, "ReservationPage"]:
    """Lists your reservations.

    The newest comes first, whatever has become of them.
    """
    limit, cursor = call.value(given.LIMIT), call.value(given.CURSOR)
    return Private(bootstrap.queries().reservations(call.caller.subject, limit, cursor))


@_one("GET /reservations/{reservation_id}", tag="Reservations", who=Who.CUSTOMER, query=(given.MIN_VERSION,))
def get_reservation(call: HttpRequest, reservation_id: str) -> Annotated[Private, "ReservationWithTimeline"]:
    """Gets one of your reservations, with its history.

    Another customer's is not found.
    """
    _annotate("reservation", reservation_id, forms.UUID)
    version = call.value(given.MIN_VERSION)
    return Private(bootstrap.queries().reservation(reservation_id, call.caller.subject, version))


@_list("GET /purchases", tag="Purchases", who=Who.CUSTOMER, query=_PAGE)
def list_purchases(call: HttpRequest) -> Annotated[Private, "PurchasePage"]:
    """Lists your purchases.

    The newest comes first.
    """
    limit, cursor = call.value(given.LIMIT), call.value(given.CURSOR)
    return Private(bootstrap.queries().purchases(call.caller.subject, limit, cursor))


@_one("GET /purchases/{purchase_id}", tag="Purchases", who=Who.CUSTOMER, query=(given.MIN_VERSION,))
def get_purchase(call: HttpRequest, purchase_id: str) -> Annotated[Private, "PurchaseWithTimeline"]:
    """Gets one of your purchases, with its history.

    Another customer's is not found.
    """
    _annotate("reservation", purchase_id, forms.UUID)
    version = call.value(given.MIN_VERSION)
    return Private(bootstrap.queries().purchase(purchase_id, call.caller.subject, version))


@_list("GET /sales/daily", tag="Sales", who=Who.ADMINISTRATOR, query=(given.FROM, given.TO, given.SKU, *_PAGE))
def list_daily_sales(call: HttpRequest) -> Annotated[Private, "DailySalesPage"]:
    """Lists what was sold, by day, product and currency.

    Sales are net of refunds, each counted on the day it happened: a day that is over never changes.
    """
    first, last, sku = call.value(given.FROM), call.value(given.TO), call.value(given.SKU)
    limit, cursor = call.value(given.LIMIT), call.value(given.CURSOR)
    return Private(bootstrap.queries().daily_sales(first, last, sku, limit, cursor))


@_list(
    "GET /sales/top",
    tag="Sales",
    who=Who.ADMINISTRATOR,
    query=(given.FROM, given.TO, given.CURRENCY, given.TOP_BY, given.LIMIT),
)
def list_top_sales(call: HttpRequest) -> Annotated[Private, "TopSales"]:
    """Lists what was sold most, by product and currency.

    Sales are net of refunds.
    """
    first, last, currency = call.value(given.FROM), call.value(given.TO), call.value(given.CURRENCY)
    sort = call.value(given.TOP_BY) or given.TopBy.UNITS
    return Private(bootstrap.queries().top_sales(first, last, currency, sort.value, call.value(given.LIMIT)))


@_list(
    "GET /streams/{stream_id}/activity",
    tag="Activity",
    who=Who.ADMINISTRATOR,
    query=_PAGE,
    problems=("not-found", *_LIST_PROBLEMS),
)
def list_activity(call: HttpRequest, stream_id: str) -> Annotated[Private, "ActivityPage"]:
    """Lists what has happened to a product or a purchase, and who did it.

    The newest comes first.
    """
    if forms.STREAM_ID.matches(stream_id):
        work.annotate(stream_id=stream_id)
    limit, cursor = call.value(given.LIMIT), call.value(given.CURSOR)
    return Private(bootstrap.queries().activity(stream_id, limit, cursor))


@_document("GET /openapi/query.json")
def get_query_open_api(_: HttpRequest) -> Annotated[File, "OpenApiDocument"]:
    """Gets shop-query's part of this document.

    It is as the function that answers was built, and changes with that function's releases.
    """
    return File(_GENERATED / "openapi.json")


@_document("GET /docs")
def get_docs(_: HttpRequest) -> Annotated[File, "text/html"]:
    """Shows this document as a page.

    The page loads nothing from anywhere else.
    """
    return File(_GENERATED / "docs.html", "text/html; charset=utf-8", _HARDENED)


def _annotate(kind: str, identifier: str, form: Form) -> None:
    """Annotates the work only with a well-formed identifier: anything else in its place could be personal data."""
    if form.matches(identifier):
        work.annotate(stream_id=f"{kind}-{identifier}")


def _public(call: HttpRequest, document: str) -> Public:
    return Public(document, call.header("if-none-match"))


bootstrap.initialize()
