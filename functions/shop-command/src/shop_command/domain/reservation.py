"""The reservation's decider covers its life, from holding stock to the purchase that ends it."""

from dataclasses import replace
from datetime import datetime, timedelta
from typing import Annotated, Any, Final, assert_never

from msgspec import Struct
from pydantic import ConfigDict, Field, TypeAdapter

from shop_command.domain import disputing, errors, refunding
from shop_command.domain.disputing import RecordDispute
from shop_command.domain.placing import PlaceReservation, place
from shop_command.domain.reservation_states import (
    Active,
    Cancelled,
    Expired,
    Paying,
    Purchased,
    Refunded,
    Refunding,
    Reservation,
    Terms,
)
from shop_command.domain.stream import Stream
from shop_shared import events

ATTEMPTS_MAX: Final = 10
"""A customer tries fewer cards for one reservation; somebody who tries more is testing stolen ones."""
SETTLE_AFTER_SECONDS: Final = 60
"""A payment or refund with an unknown outcome is due this long after its request: longer than any request takes."""
INTENT_CANCELED: Final = "intent_canceled"
INTENT_MISSING: Final = "intent_missing"
"""After a decline with one of these codes the intent is never charged, and the next attempt makes a new one."""
GIVEN_UP: Final = "given_up"
"""The decline code of an intent that was cancelled because its customer wanted something else than 3-D Secure."""
_PREFIX: Final = "reservation-"

ReservationEvent = (
    events.ReservationPlaced
    | events.ReservationCancelled
    | events.ReservationExpired
    | events.PaymentRequested
    | events.PaymentActionRequired
    | events.PaymentDeclined
    | events.PurchaseConfirmed
    | events.PurchaseRefundRequested
    | events.PurchaseRefunded
    | events.PurchaseRefundFailed
    | events.PurchaseDisputeOpened
    | events.PurchaseDisputeClosed
    | events.PaymentRefunded
)


class RequestPayment(Struct, frozen=True):
    reservation_id: str
    payment_intent_id: str


class RequireAction(Struct, frozen=True):
    """The customer was asked for 3-D Secure."""

    reservation_id: str
    attempt: int


class ConfirmPurchase(Struct, frozen=True):
    reservation_id: str
    attempt: int


class DeclinePayment(Struct, frozen=True):
    reservation_id: str
    attempt: int
    code: str
    decline_code: str | None


class CancelReservation(Struct, frozen=True):
    reservation_id: str


class ExpireReservation(Struct, frozen=True):
    reservation_id: str


Command = (
    PlaceReservation
    | RequestPayment
    | RequireAction
    | ConfirmPurchase
    | DeclinePayment
    | CancelReservation
    | ExpireReservation
    | refunding.Command
    | RecordDispute
)


def decide(command: Command, state: Reservation | None, now: datetime) -> tuple[ReservationEvent, ...]:
    match command:
        case PlaceReservation():
            if state is not None:
                raise errors.ReservationExistsError(command.reservation_id)
            return (place(command),)
        case RequestPayment(payment_intent_id=intent):
            active = payable(command.reservation_id, state, now)
            return (
                events.PaymentRequested(
                    reservation_id=active.terms.reservation_id,
                    attempt=active.attempts + 1,
                    payment_intent_id=intent,
                    amount=active.terms.total,
                ),
            )
        case RequireAction():
            return (_require_action(_paying(command.reservation_id, state, command.attempt)),)
        case ConfirmPurchase():
            return (_confirm(_paying(command.reservation_id, state, command.attempt)),)
        case DeclinePayment():
            return (_decline(command, _paying(command.reservation_id, state, command.attempt)),)
        case CancelReservation():
            held = _held_at(command.reservation_id, state, now)
            return (events.ReservationCancelled(**_ending(held), reason="customer"),)
        case ExpireReservation():
            held = _held(command.reservation_id, state)
            if now < held.terms.expires_at:
                raise errors.ReservationHeldError(held.terms.reservation_id)
            return (events.ReservationExpired(**_ending(held)),)
        case RecordDispute():
            return disputing.decide(command, state)
        case _:
            return (refunding.decide(command, state),)


def evolve(state: Reservation | None, event: ReservationEvent) -> Reservation | None:
    if isinstance(event, events.ReservationPlaced):
        terms = Terms(event.reservation_id, event.customer_id, event.lines, event.total, event.expires_at)
        return Active(terms)
    if state is None:
        return None
    match event:
        case events.PaymentRequested():
            return Paying(state.terms, event.attempt, event.payment_intent_id)
        case events.PaymentActionRequired():
            return replace(state, action_required=True) if isinstance(state, Paying) else state
        case events.PaymentDeclined():
            dead = event.code in (INTENT_CANCELED, INTENT_MISSING)
            return Active(state.terms, event.attempt, None if dead else event.payment_intent_id)
        case events.PurchaseConfirmed():
            return Purchased(state.terms, event.attempt, event.payment_intent_id)
        case events.ReservationCancelled():
            return Cancelled(state.terms, _left_behind(state))
        case events.ReservationExpired():
            return Expired(state.terms, _left_behind(state))
        case events.PurchaseRefundFailed(refund=refunding.STRAY) | events.PaymentRefunded():
            return _without(state, event.payment_intent_id)
        case events.PurchaseRefundRequested() | events.PurchaseRefunded() | events.PurchaseRefundFailed():
            return refunding.evolve(state, event)
        case events.PurchaseDisputeOpened() | events.PurchaseDisputeClosed():
            return disputing.evolve(state, event) if isinstance(state, Purchased | Refunding | Refunded) else state
        case _:
            assert_never(event)


def payable(reservation_id: str, state: Reservation | None, now: datetime) -> Active:
    """Returns the reservation if a payment may be requested now, before an intent is made for it; raises why not."""
    held = _held_at(reservation_id, state, now)
    if held.attempts >= ATTEMPTS_MAX:
        raise errors.TooManyAttemptsError(reservation_id, ATTEMPTS_MAX)
    return held


def is_overdue(state: Reservation | None, now: datetime) -> bool:
    """Returns whether it should have expired, and nobody has recorded that yet."""
    return isinstance(state, Active) and now >= state.terms.expires_at


def stream(reservation_id: str) -> Stream[Reservation, ReservationEvent]:
    return Stream(_PREFIX + reservation_id, _STATES, evolve, _due_at)


def id_of(stream_id: str) -> str:
    return stream_id.removeprefix(_PREFIX)


def _paying(reservation_id: str, state: Reservation | None, attempt: int) -> Paying:
    if isinstance(state, Paying) and state.attempt == attempt:
        return state
    raise errors.NotPayingError(reservation_id)


def _require_action(state: Paying) -> events.PaymentActionRequired:
    if state.action_required:
        raise errors.NotPayingError(state.terms.reservation_id)
    return events.PaymentActionRequired(
        reservation_id=state.terms.reservation_id, attempt=state.attempt, payment_intent_id=state.payment_intent_id
    )


def _confirm(state: Paying) -> events.PurchaseConfirmed:
    return events.PurchaseConfirmed(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        customer_id=state.terms.customer_id,
        attempt=state.attempt,
        payment_intent_id=state.payment_intent_id,
        lines=state.terms.lines,
        total=state.terms.total,
    )


def _decline(command: DeclinePayment, state: Paying) -> events.PaymentDeclined:
    return events.PaymentDeclined(
        reservation_id=state.terms.reservation_id,
        attempt=state.attempt,
        payment_intent_id=state.payment_intent_id,
        code=command.code,
        decline_code=command.decline_code,
    )


def _held(reservation_id: str, state: Reservation | None) -> Active:
    """Raises for any other status what has become of the reservation."""
    match state:
        case None:
            raise errors.ReservationNotFoundError(reservation_id)
        case Active():
            return state
        case Paying(terms=terms):
            raise errors.AlreadyPayingError(terms.reservation_id)
        case Purchased(terms=terms) | Refunding(terms=terms) | Refunded(terms=terms):
            raise errors.AlreadyPurchasedError(terms.reservation_id)
        case Cancelled(terms=terms):
            raise errors.ReservationCancelledError(terms.reservation_id)
        case Expired(terms=terms):
            raise errors.ReservationExpiredError(terms.reservation_id)
        case _:
            assert_never(state)


def _held_at(reservation_id: str, state: Reservation | None, now: datetime) -> Active:
    held = _held(reservation_id, state)
    if now >= held.terms.expires_at:
        raise errors.ReservationExpiredError(reservation_id)
    return held


def _ending(state: Active) -> dict[str, Any]:
    return {"reservation_id": state.terms.reservation_id, "lines": state.terms.lines}


def _left_behind(state: Reservation) -> str | None:
    return state.payment_intent_id if isinstance(state, Active) else None


def _without(state: Reservation, payment_intent_id: str) -> Reservation:
    if isinstance(state, Active | Cancelled | Expired) and state.payment_intent_id == payment_intent_id:
        return replace(state, payment_intent_id=None)
    return state


def _due_at(state: Reservation, now: datetime) -> datetime | None:
    match state:
        case Active(terms=terms) | Paying(terms=terms, action_required=True):
            return terms.expires_at
        case Paying() | Refunding():
            return now + timedelta(seconds=SETTLE_AFTER_SECONDS)
        case Cancelled(payment_intent_id=intent) | Expired(payment_intent_id=intent):
            return now if intent else None
        case Purchased() | Refunded():
            return None
        case _:
            assert_never(state)


_STATES: Final[TypeAdapter[Reservation]] = TypeAdapter(
    Annotated[Reservation, Field(discriminator="status")], config=ConfigDict(defer_build=True)
)
