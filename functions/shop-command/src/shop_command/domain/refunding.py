"""Money is given back for a purchase, or for a charge that no purchase can come of."""

from typing import assert_never

from shop_command.domain import errors
from shop_command.domain.reservation_states import (
    Active,
    Cancelled,
    Expired,
    Paying,
    Purchased,
    Refunded,
    Refunding,
    Reservation,
)
from shop_shared.events import PaymentRefunded, PurchaseRefunded, PurchaseRefundRequested


def is_stray(state: Reservation | None, payment_intent_id: str) -> bool:
    """Returns whether a charge of this intent can't be, nor become, what this reservation's purchase was paid with.

    Not while it may still be paid with that very intent: the next attempt finds it charged, and is a purchase. Only the
    end of the reservation makes the charge a stray one.
    """
    match state:
        case None:
            return False
        case Cancelled() | Expired():
            return True
        case Active() | Paying() | Purchased() | Refunding() | Refunded():
            return state.payment_intent_id != payment_intent_id
        case _:
            assert_never(state)


def purchased(purchase_id: str, state: Reservation | None) -> Purchased:
    match state:
        case None:
            raise errors.PurchaseNotFoundError(purchase_id)
        case Purchased():
            return state
        case Refunding(terms=terms) | Refunded(terms=terms):
            raise errors.AlreadyRefundedError(terms.reservation_id)
        case Active(terms=terms) | Paying(terms=terms) | Cancelled(terms=terms) | Expired(terms=terms):
            raise errors.NotPurchasedError(terms.reservation_id)
        case _:
            assert_never(state)


def request_refund(state: Purchased) -> PurchaseRefundRequested:
    return PurchaseRefundRequested(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        payment_intent_id=state.payment_intent_id,
        amount=state.terms.total,
        reason="requested_by_customer",
    )


def refunding(purchase_id: str, state: Reservation | None) -> Refunding:
    if isinstance(state, Refunding):
        return state
    raise errors.NotRefundingError(purchase_id)


def refunded(refund_id: str, state: Refunding) -> PurchaseRefunded:
    return PurchaseRefunded(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        customer_id=state.terms.customer_id,
        refund_id=refund_id,
        reason="requested_by_customer",
        lines=state.terms.lines,
        total=state.terms.total,
    )


def stray_refunded(
    reservation_id: str, payment_intent_id: str, refund_id: str, state: Reservation | None
) -> PaymentRefunded:
    if state is None or not is_stray(state, payment_intent_id):
        raise errors.NotStrayError(reservation_id)
    return PaymentRefunded(
        reservation_id=state.terms.reservation_id,
        payment_intent_id=payment_intent_id,
        refund_id=refund_id,
        amount=state.terms.total,
        reason="unconfirmable",
    )
