"""The commands over HTTP. Routes only: who may, what was sent, and which use case answers."""

from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
from aws_lambda_powertools.event_handler.middlewares import NextMiddleware

from shop_command import bootstrap
from shop_command.adapters import deadline
from shop_command.application.reservations import Line
from shop_command.domain.errors import ProductNotFoundError
from shop_command.domain.product import ListProduct
from shop_command.handlers import answers
from shop_command.handlers.bodies import SKU, ProductBody, PurchaseBody, ReservationBody, StockBody, body_of, request_of
from shop_command.handlers.problems import problem_of
from shop_observability.http import HttpFunction, administrator, caller
from shop_shared.values import Price

handler = HttpFunction("shop-command", problem_of)


def _in_time(routes: APIGatewayHttpResolver, answer: NextMiddleware) -> Response[str]:
    with deadline.ending_in(routes.lambda_context.get_remaining_time_in_millis() / 1000):
        return answer(routes)


handler.routes.use([_in_time])


@handler.routes.post("/reservations")
def place_reservation() -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, caller(event))
    body = body_of(event, ReservationBody)
    lines = tuple(Line(line.sku, line.quantity) for line in body.lines)
    return answers.reserved(bootstrap.application().reservations.place(request, lines))


@handler.routes.post("/purchase")
def purchase() -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, caller(event))
    body = body_of(event, PurchaseBody)
    outcome = bootstrap.application().purchases.purchase(request, body.reservation_id, body.payment_method)
    return answers.purchase(outcome)


@handler.routes.post("/products")
def list_product() -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    body = body_of(event, ProductBody)
    price = Price(amount_minor=body.price.amount_minor, currency=body.price.currency)
    command = ListProduct(body.sku, body.name, body.description, price, body.stock_buckets)
    return answers.product(bootstrap.application().products.list_product(request, command))


@handler.routes.post("/products/<sku>/stock")
def receive_stock(sku: str) -> Response[str]:
    event = handler.routes.current_event.raw_event
    request = request_of(event, administrator(event))
    body = body_of(event, StockBody)
    if not SKU.fullmatch(sku):
        raise ProductNotFoundError(sku)
    return answers.stock(bootstrap.application().products.receive_stock(request, sku, body.quantity))
