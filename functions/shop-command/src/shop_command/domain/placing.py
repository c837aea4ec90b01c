"""A reservation takes the store's prices, has one currency, and costs no more than can be charged."""

from datetime import datetime

from msgspec import Struct

from shop_command.domain import errors, prices
from shop_command.domain.product import Listed, Product
from shop_command.domain.stock import ALLOCATIONS_MAX
from shop_shared.events import ReservationPlaced
from shop_shared.values import Allocation, Money, ReservationLine


class RequestedLine(Struct, frozen=True):
    """The customer asks for this much of a product, and it is taken from these buckets."""

    sku: str
    quantity: int
    product: Product | None
    allocations: tuple[Allocation, ...]


class PlaceReservation(Struct, frozen=True):
    reservation_id: str
    customer_id: str
    lines: tuple[RequestedLine, ...]
    expires_at: datetime


def place(command: PlaceReservation) -> ReservationPlaced:
    products = {line.sku: line.product for line in command.lines if isinstance(line.product, Listed)}
    unknown = tuple(line.sku for line in command.lines if line.sku not in products)
    if unknown:
        raise errors.UnknownProductsError(unknown)
    currencies = sorted({product.price.currency for product in products.values()})
    if len(currencies) > 1:
        raise errors.MixedCurrenciesError(tuple(currencies))
    total_minor = sum(line.quantity * products[line.sku].price.amount_minor for line in command.lines)
    total = Money(amount_minor=total_minor, currency=currencies[0])
    prices.require_chargeable(total)
    buckets = sum(len(line.allocations) for line in command.lines)
    if buckets > ALLOCATIONS_MAX:
        raise errors.StockScatteredError(buckets, ALLOCATIONS_MAX)
    return ReservationPlaced(
        reservation_id=command.reservation_id,
        customer_id=command.customer_id,
        lines=tuple(
            ReservationLine(
                sku=line.sku,
                quantity=line.quantity,
                unit_price_minor=products[line.sku].price.amount_minor,
                allocations=line.allocations,
                name=products[line.sku].name,
            )
            for line in command.lines
        ),
        total=total,
        expires_at=command.expires_at,
    )
