"""A customer places and cancels reservations."""

from functools import partial
from typing import Annotated, Final, Literal

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from shop_command import bootstrap
from shop_command.application.stock_search import WantedLine
from shop_command.domain import reservation
from shop_command.domain.errors import ReservationNotFoundError
from shop_command.handlers.function import Position, annotate, function, position, request_of
from shop_http.answers import Created, Done
from shop_http.body import Body
from shop_http.route import HttpRequest, Who
from shop_shared import forms
from shop_shared.values import LINES_MAX, Lines, Money, ProductName, Quantity, Sku, UnitPriceMinor, Uuid

_route = partial(function.route, tag="Reservations", who=Who.CUSTOMER)
Instant = Annotated[str, Field(json_schema_extra={"format": "date-time"})]


class LineBody(Body):
    sku: Sku
    quantity: Quantity


def _without_duplicates(lines: list[LineBody]) -> list[LineBody]:
    if len({line.sku for line in lines}) < len(lines):
        raise PydanticCustomError("duplicate_sku", "Each sku may stand in one line only: add up its quantities")
    return lines


class ReservationBody(Body):
    lines: Annotated[list[LineBody], Field(min_length=1, max_length=LINES_MAX), AfterValidator(_without_duplicates)]


class ReservedLine(TypedDict):
    sku: Sku
    quantity: Quantity
    unit_price_minor: UnitPriceMinor
    name: Annotated[
        ProductName | None,
        Field(description="What the product was called when it was reserved, or null where nobody knows."),
    ]


class PlacedReservation(Position):
    """The stock is held."""

    reservation_id: Uuid
    status: Literal["active"]
    lines: list[ReservedLine]
    total: Money
    expires_at: Instant


_PLACING: Final = (
    *("unknown-product", "mixed-currencies", "total-too-large", "out-of-stock", "stock-scattered"),
    *("total-too-small", "unsupported-currency", "amount-not-payable", "too-many-reservations", "too-many-units"),
    "try-again",
)


@_route("POST /reservations", keyed=True, problems=_PLACING)
def place_reservation(call: HttpRequest, body: ReservationBody) -> Created[PlacedReservation]:
    """Holds stock.

    All lines are held, or none, at the shop's prices of this moment, until `expires_at`. An unpaid reservation expires
    by itself and its stock can be sold again.
    """
    request = request_of(call)
    lines = tuple(WantedLine(line.sku, line.quantity) for line in body.lines)
    annotate(reservation.stream(request.reservation_id))
    placed = bootstrap.application().reservations.place(request, lines)
    data = placed.data
    answer: PlacedReservation = {
        "reservation_id": data.reservation_id,
        "lines": _lines(data.lines),
        "total": data.total,
        "expires_at": data.expires_at.isoformat().replace("+00:00", "Z"),
        "status": "active",
        **position(placed),
    }
    return Created(answer, _location(data.reservation_id))


class CancelledReservation(Position):
    """It is cancelled, and its stock can be sold again."""

    reservation_id: Uuid
    status: Literal["cancelled"]
    lines: list[ReservedLine]
    total: Money


_CANCELLING: Final = ("not-found", "reservation-expired", "already-purchased", "payment-in-progress", "try-again")


@_route("DELETE /reservations/{reservation_id}", problems=_CANCELLING)
def cancel_reservation(call: HttpRequest, reservation_id: str) -> Done[CancelledReservation]:
    """Gives a reservation up.

    This works before it is paid for, and while the customer is asked for 3-D Secure. It needs no Idempotency-Key: a
    repeat answers the same and does no more.
    """
    if not forms.UUID.matches(reservation_id):
        raise ReservationNotFoundError(reservation_id)
    annotate(reservation.stream(reservation_id))
    terms, event = bootstrap.application().reservations.cancel(request_of(call), reservation_id)
    answer: CancelledReservation = {
        "reservation_id": reservation_id,
        "lines": _lines(terms.lines),
        "total": terms.total,
        "status": "cancelled",
        **position(event),
    }
    return Done(answer, _location(reservation_id))


def _lines(lines: Lines) -> list[ReservedLine]:
    """The answer leaves out the buckets that the stock came from."""
    return [
        {"sku": it.sku, "quantity": it.quantity, "unit_price_minor": it.unit_price_minor, "name": it.name}
        for it in lines
    ]


def _location(reservation_id: str) -> str:
    return f"/reservations/{reservation_id}"
