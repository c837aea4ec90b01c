"""Each command has its route here, which says who may, what was sent, and which use case answers."""

from typing import Any, Final

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from shop_command import bootstrap
from shop_command.adapters.telemetry import SERVICE
from shop_command.application.stock_search import WantedLine
from shop_command.domain import product, reservation
from shop_command.domain.errors import ProductNotFoundError, PurchaseNotFoundError, ReservationNotFoundError
from shop_command.domain.product import ListProduct
from shop_command.domain.stream import Stream
from shop_command.handlers import answers, documents
from shop_command.handlers.bodies import (
    BucketsBody,
    PriceBody,
    ProductBody,
    PurchaseBody,
    RepriceBody,
    ReservationBody,
    StockBody,
    body_of,
    bytes_of,
    keyless_request_of,
    request_of,
)
from shop_command.handlers.problems import problem_of
from shop_command.ports import deadline
from shop_http.entry import HttpFunction
from shop_http.request import administrator, caller, header
from shop_observability import work
from shop_observability.metrics import Metric, count
from shop_shared import forms
from shop_shared.values import Price

WEBHOOK: Final = "POST /payments/webhook"
DOCUMENT: Final = "GET /openapi/command.json"


def _count(route: str, status: int) -> None:
    """Every route is a command but these two."""
    if route in (WEBHOOK, DOCUMENT):
        return
    if status == 202:
        count(Metric.COMMANDS_PENDING)
    elif status < 400:
        count(Metric.COMMANDS_ACCEPTED)
    elif status < 500:
        count(Metric.COMMANDS_REFUSED)
    else:
        count(Metric.COMMANDS_FAILED)


handler = HttpFunction(SERVICE, problem_of, _count)


def _in_time(routes: APIGatewayHttpResolver, answer: NextMiddleware) -> Response[str]:
    with deadline.ending_in(routes.lambda_context.get_remaining_time_in_millis() / 1000):
        return answer(routes)


handler.routes.use([_in_time])


@handler.routes.post("/reservations")
def place_reservation() -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, caller(event))
    body = body_of(event, ReservationBody)
    lines = tuple(WantedLine(line.sku, line.quantity) for line in body.lines)
    _annotate(reservation.stream(request.reservation_id()))
    return answers.reserved(bootstrap.application().reservations.place(request, lines))


@handler.routes.delete("/reservations/<reservation_id>")
def cancel_reservation(reservation_id: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = keyless_request_of(event, caller(event))
    if not forms.UUID.matches(reservation_id):
        raise ReservationNotFoundError(reservation_id)
    _annotate(reservation.stream(reservation_id))
    return answers.cancelled(*bootstrap.application().reservations.cancel(request, reservation_id))


@handler.routes.post("/purchase")
def purchase() -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, caller(event))
    body = body_of(event, PurchaseBody)
    _annotate(reservation.stream(body.reservation_id))
    outcome = bootstrap.application().purchases.purchase(request, body.reservation_id, body.payment_method)
    return answers.purchase(outcome)


@handler.routes.post("/purchases/<purchase_id>/refund")
def refund(purchase_id: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    if not forms.UUID.matches(purchase_id):
        raise PurchaseNotFoundError(purchase_id)
    _annotate(reservation.stream(purchase_id))
    return answers.refund(bootstrap.application().refunds.refund(request, purchase_id))


@handler.routes.post("/payments/webhook")
def receive_webhook() -> Response[str]:
    """Open to everybody: the signature says who sent it."""
    event = handler.routes.current_event.raw_event
    application = bootstrap.application()
    hint = application.webhook.read(bytes_of(event), header(event, "stripe-signature") or "")
    if hint is not None:
        _annotate(reservation.stream(hint.reservation_id))
        application.settlement.check(hint.reservation_id, hint.payment_intent_id)
    return answers.received()


@handler.routes.post("/products")
def list_product() -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    body = body_of(event, ProductBody)
    price = _price(body.price)
    _annotate(product.stream(body.sku))
    command = ListProduct(body.sku, body.name, body.description, price, body.stock_buckets, body.category)
    return answers.product(bootstrap.application().products.list_product(request, command))


@handler.routes.post("/products/<sku>/price")
def reprice(sku: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    body = body_of(event, RepriceBody)
    return answers.repriced(bootstrap.application().products.reprice(request, _known(sku), _price(body.price)))


@handler.routes.post("/products/<sku>/stock")
def receive_stock(sku: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    body = body_of(event, StockBody)
    return answers.stock(bootstrap.application().products.receive_stock(request, _known(sku), body.quantity))


@handler.routes.post("/products/<sku>/buckets")
def redistribute_stock(sku: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    body = body_of(event, BucketsBody)
    redistributed = bootstrap.application().products.redistribute_stock(request, _known(sku), body.stock_buckets)
    return answers.redistributed(redistributed)


@handler.routes.delete("/products/<sku>")
def retire_product(sku: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    return answers.retired(bootstrap.application().products.retire(request, _known(sku)))


@handler.routes.get("/openapi/command.json", compress=True)
def openapi() -> Response[str]:
    return documents.openapi()


def _annotate(stream: Stream[Any, Any]) -> None:
    work.annotate(stream_id=stream.id)


def _known(sku: str) -> str:
    """A path segment that no product can have needs no look into the store."""
    if not forms.SKU.matches(sku):
        raise ProductNotFoundError(sku)
    _annotate(product.stream(sku))
    return sku


def _price(body: PriceBody) -> Price:
    return Price(amount_minor=body.amount_minor, currency=body.currency)
