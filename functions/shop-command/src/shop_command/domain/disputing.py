"""The customer's bank may question the charge of a purchase, and take its money. The goods stay sold."""

from dataclasses import replace
from datetime import datetime
from typing import Any

from msgspec import Struct

from shop_command.domain import errors, refunding
from shop_command.domain.refunding import LineLeft, Sold
from shop_command.domain.reservation_states import KnownDispute, Reservation
from shop_shared.events import PurchaseDisputeClosed, PurchaseDisputeOpened
from shop_shared.values import DisputeStatus, Money, RefundLines


class RecordDispute(Struct, frozen=True):
    """The provider has this dispute, in this status."""

    reservation_id: str
    dispute_id: str
    status: DisputeStatus
    amount: Money
    reason: str
    evidence_due_by: datetime | None


DisputeEvent = PurchaseDisputeOpened | PurchaseDisputeClosed


def decide(command: RecordDispute, state: Reservation | None) -> tuple[DisputeEvent, ...]:
    """A dispute that was decided before the shop has heard of it is opened and closed at once."""
    found = refunding.sold(command.reservation_id, state)
    known = known_dispute(found, command.dispute_id)
    match command.status:
        case status if known and known.status == status:
            raise errors.DisputeKnownError(command.reservation_id)
        case "inquiry" | "chargeback" as status:
            return (_opened(command, found, status=status),)
        case status:
            closed = PurchaseDisputeClosed(**_named(command, found), status=status, lines=_moved(command, found, known))
            if known:
                return (closed,)
            return _opened(command, found, status="inquiry" if status == "withdrawn" else "chargeback"), closed


def evolve(state: Sold, event: DisputeEvent) -> Sold:
    known = known_dispute(state, event.dispute_id) or KnownDispute(event.dispute_id, event.status)
    changed = replace(known, status=event.status)
    if isinstance(event, PurchaseDisputeClosed) and event.lines:
        changed = replace(changed, lines=event.lines if event.status == "lost" else ())
    given_back = refunding.given_back_of(state)
    others = (it for it in given_back.disputes if it.dispute_id != event.dispute_id)
    return replace(state, given_back=replace(given_back, disputes=(*others, changed)))


def known_dispute(state: Sold, dispute_id: str) -> KnownDispute | None:
    disputes = refunding.given_back_of(state).disputes
    return next((it for it in disputes if it.dispute_id == dispute_id), None)


def _opened(command: RecordDispute, state: Sold, **status: Any) -> PurchaseDisputeOpened:
    return PurchaseDisputeOpened(
        **_named(command, state), **status, reason=command.reason, evidence_due_by=command.evidence_due_by
    )


def _named(command: RecordDispute, state: Sold) -> dict[str, Any]:
    return {
        "purchase_id": state.terms.reservation_id,
        "reservation_id": state.terms.reservation_id,
        "payment_intent_id": state.payment_intent_id,
        "dispute_id": command.dispute_id,
        "amount": _at_stake(command, state),
    }


def _at_stake(command: RecordDispute, state: Sold) -> Money:
    """A bank may dispute in another currency: then all that refunds have left is at stake."""
    currency = state.terms.total.currency
    if command.amount.currency == currency:
        return command.amount
    return Money(amount_minor=sum(line.amount_minor for line in _left(state)), currency=currency)


def _left(state: Sold) -> tuple[LineLeft, ...]:
    return refunding.lines_left(state.terms, refunding.given_back_of(state))


def _moved(command: RecordDispute, state: Sold, known: KnownDispute | None) -> RefundLines:
    """Returns the money that is lost now, or that had been and comes back."""
    lost = known.lines if known else ()
    if command.status != "lost":
        return lost
    if lost:
        return ()
    left = _left(state)
    left_minor = sum(line.amount_minor for line in left)
    return refunding.spread(min(_at_stake(command, state).amount_minor, left_minor), left)
