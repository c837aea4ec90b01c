"""The decider of a reservation, from holding stock to the purchase that ends it."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Annotated, Final, Literal, assert_never

from pydantic import Field, TypeAdapter

from shop_command.domain import errors
from shop_command.domain.product import Listed, Product
from shop_command.domain.stock import ALLOCATIONS_MAX
from shop_command.domain.stream import Stream
from shop_shared.events import (
    PaymentDeclined,
    PaymentRequested,
    PurchaseConfirmed,
    PurchaseRefunded,
    ReservationCancelled,
    ReservationExpired,
    ReservationPlaced,
)
from shop_shared.values import Allocation, Lines, Money, ReservationLine

TOTAL_MINOR_MAX: Final = 99_999_999
"""The most that Stripe charges at once. https://docs.stripe.com/api/payment_intents/create#create_payment_intent-amount"""
ATTEMPTS_MAX: Final = 10
"""Cards tried for one reservation: more is somebody testing stolen ones."""
SETTLE_AFTER_SECONDS: Final = 60
"""A payment whose outcome is unknown is due this long after it was requested: longer than any request takes."""

ReservationEvent = (
    ReservationPlaced
    | ReservationCancelled
    | ReservationExpired
    | PaymentRequested
    | PaymentDeclined
    | PurchaseConfirmed
    | PurchaseRefunded
)


@dataclass(frozen=True)
class Terms:
    """What was agreed when the reservation was placed; the same in every status."""

    reservation_id: str
    customer_id: str
    lines: Lines
    total: Money
    expires_at: datetime


@dataclass(frozen=True)
class Active:
    """Held until it expires. After a declined attempt it holds the intent, which the next attempt confirms."""

    terms: Terms
    attempts: int = 0
    payment_intent_id: str | None = None
    status: Literal["active"] = "active"


@dataclass(frozen=True)
class Paying:
    """Money may have moved. Only the provider's answer leads out of here: it never expires."""

    terms: Terms
    attempt: int
    payment_intent_id: str
    status: Literal["paying"] = "paying"


@dataclass(frozen=True)
class Purchased:
    terms: Terms
    attempt: int
    payment_intent_id: str
    status: Literal["purchased"] = "purchased"


@dataclass(frozen=True)
class Cancelled:
    terms: Terms
    status: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True)
class Expired:
    terms: Terms
    status: Literal["expired"] = "expired"


@dataclass(frozen=True)
class Refunded:
    terms: Terms
    refund_id: str
    status: Literal["refunded"] = "refunded"


Reservation = Active | Paying | Purchased | Cancelled | Expired | Refunded
"""None stands for a reservation that was never placed."""


@dataclass(frozen=True)
class RequestedLine:
    """What the customer asks for, with what the store knows of it: the product, and the stock that is taken."""

    sku: str
    quantity: int
    product: Product | None
    allocations: tuple[Allocation, ...]


@dataclass(frozen=True)
class PlaceReservation:
    reservation_id: str
    customer_id: str
    lines: tuple[RequestedLine, ...]
    expires_at: datetime


@dataclass(frozen=True)
class RequestPayment:
    payment_intent_id: str


@dataclass(frozen=True)
class ConfirmPurchase:
    attempt: int


@dataclass(frozen=True)
class DeclinePayment:
    attempt: int
    code: str
    decline_code: str | None


Command = PlaceReservation | RequestPayment | ConfirmPurchase | DeclinePayment


def decide(command: Command, state: Reservation | None, now: datetime) -> tuple[ReservationEvent, ...]:
    match command:
        case PlaceReservation():
            if state is not None:
                raise errors.ReservationExistsError(command.reservation_id)
            return (_place(command),)
        case RequestPayment(payment_intent_id=intent):
            active = payable(state, now)
            return (
                PaymentRequested(
                    reservation_id=active.terms.reservation_id,
                    attempt=active.attempts + 1,
                    payment_intent_id=intent,
                    amount=active.terms.total,
                ),
            )
        case ConfirmPurchase():
            return (_confirm(_paying(state, command.attempt)),)
        case DeclinePayment():
            return (_decline(command, _paying(state, command.attempt)),)
        case _:
            assert_never(command)


def evolve(state: Reservation | None, event: ReservationEvent) -> Reservation | None:
    if isinstance(event, ReservationPlaced):
        terms = Terms(event.reservation_id, event.customer_id, event.lines, event.total, event.expires_at)
        return Active(terms)
    if state is None:
        return None
    match event:
        case PaymentRequested():
            return Paying(state.terms, event.attempt, event.payment_intent_id)
        case PaymentDeclined():
            return Active(state.terms, event.attempt, event.payment_intent_id)
        case PurchaseConfirmed():
            return Purchased(state.terms, event.attempt, event.payment_intent_id)
        case ReservationCancelled():
            return Cancelled(state.terms)
        case ReservationExpired():
            return Expired(state.terms)
        case PurchaseRefunded():
            return Refunded(state.terms, event.refund_id)
        case _:
            assert_never(event)


def payable(state: Reservation | None, now: datetime) -> Active:
    """The reservation, if a payment may be requested now; raises why not. Asked before a payment intent is made."""
    match state:
        case None:
            raise errors.ReservationNotFoundError("")
        case Active(terms=terms, attempts=attempts):
            if now >= terms.expires_at:
                raise errors.ReservationExpiredError(terms.reservation_id)
            if attempts >= ATTEMPTS_MAX:
                raise errors.TooManyAttemptsError(terms.reservation_id, ATTEMPTS_MAX)
            return state
        case Paying(terms=terms):
            raise errors.AlreadyPayingError(terms.reservation_id)
        case Purchased(terms=terms) | Refunded(terms=terms):
            raise errors.AlreadyPurchasedError(terms.reservation_id)
        case Cancelled(terms=terms):
            raise errors.ReservationCancelledError(terms.reservation_id)
        case Expired(terms=terms):
            raise errors.ReservationExpiredError(terms.reservation_id)
        case _:
            assert_never(state)


def stream(reservation_id: str) -> Stream[Reservation, ReservationEvent]:
    return Stream(f"reservation-{reservation_id}", _STATES, evolve, _due_at)


def _place(command: PlaceReservation) -> ReservationPlaced:
    products = {line.sku: line.product for line in command.lines if isinstance(line.product, Listed)}
    unknown = tuple(line.sku for line in command.lines if line.sku not in products)
    if unknown:
        raise errors.UnknownProductsError(unknown)
    currencies = sorted({product.price.currency for product in products.values()})
    if len(currencies) > 1:
        raise errors.MixedCurrenciesError(tuple(currencies))
    total_minor = sum(line.quantity * products[line.sku].price.amount_minor for line in command.lines)
    if total_minor > TOTAL_MINOR_MAX:
        raise errors.TotalTooLargeError(total_minor, TOTAL_MINOR_MAX)
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
            )
            for line in command.lines
        ),
        total=Money(amount_minor=total_minor, currency=currencies[0]),
        expires_at=command.expires_at,
    )


def _paying(state: Reservation | None, attempt: int) -> Paying:
    if isinstance(state, Paying) and state.attempt == attempt:
        return state
    raise errors.NotPayingError(state.terms.reservation_id if state else "")


def _confirm(state: Paying) -> PurchaseConfirmed:
    return PurchaseConfirmed(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        customer_id=state.terms.customer_id,
        attempt=state.attempt,
        payment_intent_id=state.payment_intent_id,
        lines=state.terms.lines,
        total=state.terms.total,
    )


def _decline(command: DeclinePayment, state: Paying) -> PaymentDeclined:
    return PaymentDeclined(
        reservation_id=state.terms.reservation_id,
        attempt=state.attempt,
        payment_intent_id=state.payment_intent_id,
        code=command.code,
        decline_code=command.decline_code,
    )


def _due_at(state: Reservation, now: datetime) -> datetime | None:
    match state:
        case Active(terms=terms):
            return terms.expires_at
        case Paying():
            return now + timedelta(seconds=SETTLE_AFTER_SECONDS)
        case Purchased() | Cancelled() | Expired() | Refunded():
            return None
        case _:
            assert_never(state)


_STATES: Final[TypeAdapter[Reservation]] = TypeAdapter(Annotated[Reservation, Field(discriminator="status")])
