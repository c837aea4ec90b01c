"""Money is given back for a purchase, at once or in parts, or for a charge that no purchase can come of."""

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import Final, assert_never

from msgspec import Struct

from shop_command.domain import errors, prices
from shop_command.domain.reservation_states import (
    Active,
    Cancelled,
    Expired,
    GivenBack,
    MadeRefund,
    Paying,
    Purchased,
    Refunded,
    Refunding,
    RequestedRefund,
    Reservation,
    Terms,
)
from shop_shared.events import PaymentRefunded, PurchaseRefunded, PurchaseRefundFailed, PurchaseRefundRequested
from shop_shared.values import Allocation, Money, RefundLine, RefundLines, RefundReason

REFUNDS_MAX: Final = 50
"""More for one purchase are a mistake of whoever sends them. The stored state has all of them."""
STRAY: Final = 0
"""A refund with this ordinal belongs to no purchase."""


class RequestRefund(Struct, frozen=True):
    """Gives back an amount, or units of some lines, or all that is left where neither is given."""

    reservation_id: str
    amount_minor: int | None = None
    lines: tuple[tuple[str, int], ...] = ()
    """Each is a SKU with a quantity."""
    restock: bool = True
    reason: RefundReason = "requested_by_customer"


class RecordRefund(Struct, frozen=True):
    reservation_id: str
    refund: int
    refund_id: str


class RecordRefundFailure(Struct, frozen=True):
    """The provider has refused it for good, or has tried and failed."""

    reservation_id: str
    refund: int
    payment_intent_id: str
    code: str
    refund_id: str | None = None


class RecordStrayRefund(Struct, frozen=True):
    """A charge that can't become this reservation's purchase was given back, as much as the provider says."""

    reservation_id: str
    payment_intent_id: str
    refund_id: str
    amount: Money


class RecordRefundElsewhere(Struct, frozen=True):
    """Somebody has given money back at the provider's dashboard."""

    reservation_id: str
    refund_id: str
    amount_minor: int
    reason: RefundReason | None


class RecordLateFailure(Struct, frozen=True):
    """A refund that was recorded as made has failed at the provider."""

    reservation_id: str
    refund_id: str
    code: str


Command = (
    RequestRefund | RecordRefund | RecordRefundFailure | RecordStrayRefund | RecordRefundElsewhere | RecordLateFailure
)
Sold = Purchased | Refunding | Refunded
RefundEvent = PurchaseRefundRequested | PurchaseRefunded | PurchaseRefundFailed


class LineLeft(Struct, frozen=True):
    """So much of a line can still be given back; the allocations are the units that are not for sale again."""

    sku: str
    quantity: int
    amount_minor: int
    unit_price_minor: int
    allocations: tuple[Allocation, ...]


def decide(command: Command, state: Reservation | None) -> RefundEvent | PaymentRefunded:
    match command:
        case RequestRefund():
            return request_refund(command, purchased(command.reservation_id, state))
        case RecordRefund():
            return refunded(command, state)
        case RecordRefundFailure():
            return refund_failed(command, state)
        case RecordStrayRefund():
            return stray_refunded(command, state)
        case RecordRefundElsewhere():
            return refunded_elsewhere(command, sold(command.reservation_id, state))
        case RecordLateFailure():
            return failed_late(command, sold(command.reservation_id, state))
        case _:
            assert_never(command)


def evolve(state: Reservation, event: RefundEvent) -> Reservation:
    match event, state:
        case PurchaseRefundRequested(), Purchased():
            return begun(state, event)
        case PurchaseRefunded(), Purchased() | Refunding():
            return made(state, event)
        case PurchaseRefundFailed(lines=()), Refunding():
            return failed(state)
        case PurchaseRefundFailed(), Purchased() | Refunding() | Refunded():
            return kept_after_all(state, event)
        case _:
            return state


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
        case Refunding(terms=terms):
            raise errors.RefundInProgressError(terms.reservation_id)
        case Refunded(terms=terms):
            raise errors.AlreadyRefundedError(terms.reservation_id)
        case Active(terms=terms) | Paying(terms=terms) | Cancelled(terms=terms) | Expired(terms=terms):
            raise errors.NotPurchasedError(terms.reservation_id)
        case _:
            assert_never(state)


def request_refund(command: RequestRefund, state: Purchased) -> PurchaseRefundRequested:
    left = lines_left(state.terms, state.given_back)
    for dispute in state.given_back.disputes:
        if dispute.holds_refunds:
            raise errors.PurchaseDisputedError(state.terms.reservation_id, dispute.dispute_id, dispute.status)
    if state.given_back.last_refund >= REFUNDS_MAX:
        raise errors.TooManyRefundsError(state.terms.reservation_id, REFUNDS_MAX)
    if command.amount_minor is not None:
        lines = spread(command.amount_minor, left)
    elif command.lines:
        lines = _units(dict(command.lines), left, restock=command.restock)
    else:
        lines = _units({line.sku: line.quantity for line in left}, left, restock=command.restock, with_all_money=True)
    amount_minor = sum(line.amount_minor for line in lines)
    if not 0 < amount_minor == (command.amount_minor or amount_minor):
        raise errors.RefundTooLargeError(state.terms.reservation_id, left)
    amount = Money(amount_minor=amount_minor, currency=state.terms.total.currency)
    prices.require_whole(amount)
    return PurchaseRefundRequested(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        refund=state.given_back.last_refund + 1,
        payment_intent_id=state.payment_intent_id,
        amount=amount,
        lines=lines,
        reason=command.reason,
    )


def refunding(purchase_id: str, refund: int, state: Reservation | None) -> tuple[Refunding, RequestedRefund]:
    if isinstance(state, Refunding):
        requested = requested_of(state)
        if requested.refund == refund:
            return state, requested
    raise errors.NotRefundingError(purchase_id)


def requested_of(state: Refunding) -> RequestedRefund:
    """Returns the refund that is under way; a state of before refunds had parts stands for all that was paid."""
    if state.requested is not None:
        return state.requested
    return RequestedRefund(1, state.terms.total.amount_minor, _whole(state.terms), "requested_by_customer")


def refunded(command: RecordRefund, state: Reservation | None) -> PurchaseRefunded:
    found, requested = refunding(command.reservation_id, command.refund, state)
    left = sum(line.amount_minor for line in lines_left(found.terms, found.given_back))
    return PurchaseRefunded(
        purchase_id=found.terms.reservation_id,
        reservation_id=found.terms.reservation_id,
        customer_id=found.terms.customer_id,
        refund=requested.refund,
        payment_intent_id=found.payment_intent_id,
        refund_id=command.refund_id,
        amount=Money(amount_minor=requested.amount_minor, currency=found.terms.total.currency),
        left_minor=left - requested.amount_minor,
        lines=requested.lines,
        reason=requested.reason,
    )


def refund_failed(command: RecordRefundFailure, state: Reservation | None) -> PurchaseRefundFailed:
    if command.refund == STRAY:
        stray = _stray(command.reservation_id, command.payment_intent_id, state)
        terms, amount_minor = stray.terms, stray.terms.total.amount_minor
    else:
        found, requested = refunding(command.reservation_id, command.refund, state)
        terms, amount_minor = found.terms, requested.amount_minor
    return PurchaseRefundFailed(
        purchase_id=terms.reservation_id,
        reservation_id=terms.reservation_id,
        refund=command.refund,
        payment_intent_id=command.payment_intent_id,
        refund_id=command.refund_id,
        amount=Money(amount_minor=amount_minor, currency=terms.total.currency),
        lines=(),
        code=command.code,
    )


def sold(purchase_id: str, state: Reservation | None) -> Sold:
    if isinstance(state, Purchased | Refunding | Refunded):
        return state
    raise errors.NotPurchasedError(purchase_id)


def refunded_elsewhere(command: RecordRefundElsewhere, state: Sold) -> PurchaseRefunded:
    given_back = given_back_of(state)
    left = lines_left(state.terms, given_back)
    lines = spread(command.amount_minor, _less_what_is_under_way(state)) or spread(command.amount_minor, left)
    if not lines:
        raise errors.RefundTooLargeError(state.terms.reservation_id, left)
    return PurchaseRefunded(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        customer_id=state.terms.customer_id,
        refund=given_back.last_refund + 1,
        payment_intent_id=state.payment_intent_id,
        refund_id=command.refund_id,
        amount=Money(amount_minor=command.amount_minor, currency=state.terms.total.currency),
        left_minor=sum(line.amount_minor for line in left) - command.amount_minor,
        lines=lines,
        reason=command.reason,
        origin="provider",
    )


def failed_late(command: RecordLateFailure, state: Sold) -> PurchaseRefundFailed:
    refunds = (it for it in given_back_of(state).refunds if it.refund_id == command.refund_id)
    made = next((it for it in refunds if it.has_money), None)
    if made is None:
        raise errors.NotRefundingError(command.reservation_id)
    lines = (RefundLine(sku=line.sku, quantity=0, amount_minor=line.amount_minor) for line in made.lines)
    amount_minor = sum(line.amount_minor for line in made.lines)
    return PurchaseRefundFailed(
        purchase_id=state.terms.reservation_id,
        reservation_id=state.terms.reservation_id,
        refund=made.refund,
        payment_intent_id=state.payment_intent_id,
        refund_id=command.refund_id,
        amount=Money(amount_minor=amount_minor, currency=state.terms.total.currency),
        lines=tuple(line for line in lines if line.amount_minor),
        code=command.code,
    )


def stray_refunded(command: RecordStrayRefund, state: Reservation | None) -> PaymentRefunded:
    return PaymentRefunded(
        reservation_id=_stray(command.reservation_id, command.payment_intent_id, state).terms.reservation_id,
        payment_intent_id=command.payment_intent_id,
        refund_id=command.refund_id,
        amount=command.amount,
        reason="unconfirmable",
    )


def begun(state: Purchased, event: PurchaseRefundRequested) -> Refunding:
    lines = event.lines or _whole(state.terms)
    requested = RequestedRefund(event.refund, event.amount.amount_minor, lines, event.reason)
    given_back = replace(state.given_back, last_refund=event.refund)
    return Refunding(state.terms, event.payment_intent_id, requested, given_back, state.attempt)


def made(state: Purchased | Refunding, event: PurchaseRefunded) -> Sold:
    before = state.given_back
    refunds = (*before.refunds, MadeRefund(event.refund, event.refund_id, event.lines))
    given_back = replace(before, refunds=refunds, last_refund=max(before.last_refund, event.refund))
    if isinstance(state, Refunding) and requested_of(state).refund != event.refund:
        return replace(state, given_back=given_back)  # by somebody else, while the shop's own is under way
    return _by_what_is_left(state, given_back)


def kept_after_all(state: Sold, event: PurchaseRefundFailed) -> Sold:
    """The money is the shop's again; units that came back stay where they are."""
    before = given_back_of(state)
    refunds = tuple(
        replace(it, lines=tuple(line.model_copy(update={"amount_minor": 0}) for line in it.lines))
        if it.refund == event.refund
        else it
        for it in before.refunds
    )
    given_back = replace(before, refunds=refunds)
    return (
        replace(state, given_back=given_back) if isinstance(state, Refunding) else _by_what_is_left(state, given_back)
    )


def failed(state: Refunding) -> Sold:
    """The ordinal stays used, because the provider may still know its key."""
    last_refund = max(state.given_back.last_refund, requested_of(state).refund)
    return _by_what_is_left(state, replace(state.given_back, last_refund=last_refund))


def given_back_of(state: Sold) -> GivenBack:
    """A state of before refunds had parts names a single one, which gave everything back."""
    if isinstance(state, Refunded) and not state.given_back.refunds:
        return replace(state.given_back, refunds=(MadeRefund(1, state.refund_id, _whole(state.terms)),), last_refund=1)
    return state.given_back


def _by_what_is_left(state: Sold, given_back: GivenBack) -> Purchased | Refunded:
    if sum(line.amount_minor for line in lines_left(state.terms, given_back)):
        return Purchased(state.terms, state.attempt, state.payment_intent_id, given_back)
    return Refunded(state.terms, given_back.refunds[-1].refund_id, state.payment_intent_id, given_back, state.attempt)


def _less_what_is_under_way(state: Sold) -> tuple[LineLeft, ...]:
    given_back = given_back_of(state)
    if isinstance(state, Refunding):
        under_way = MadeRefund(0, "", requested_of(state).lines)
        given_back = replace(given_back, refunds=(*given_back.refunds, under_way))
    return lines_left(state.terms, given_back)


def lines_left(terms: Terms, given_back: GivenBack) -> tuple[LineLeft, ...]:
    quantities, amounts = Counter[str](), Counter[str]()
    restocked = Counter[tuple[str, int]]()
    for line in (line for refund in given_back.refunds for line in refund.lines):
        quantities[line.sku] += line.quantity
        amounts[line.sku] += line.amount_minor
        restocked.update({(line.sku, each.bucket): each.quantity for each in line.allocations})
    return tuple(
        LineLeft(
            line.sku,
            line.quantity - quantities[line.sku],
            line.total_minor() - amounts[line.sku],
            line.unit_price_minor,
            _limited(((a.bucket, a.quantity - restocked[line.sku, a.bucket]) for a in line.allocations), line.quantity),
        )
        for line in terms.lines
    )


def _units(
    wanted: dict[str, int], left: Sequence[LineLeft], *, restock: bool, with_all_money: bool = False
) -> RefundLines:
    """Units come back at their price, less what was given back for them before. Nothing is a refusal."""
    known = {line.sku: line for line in left}
    if any(sku not in known or quantity > known[sku].quantity for sku, quantity in wanted.items()):
        return ()
    lines = []
    for sku, quantity in wanted.items():
        line = known[sku]
        buckets = ((each.bucket, each.quantity) for each in line.allocations)
        lines.append(
            RefundLine(
                sku=sku,
                quantity=quantity,
                amount_minor=line.amount_minor
                if with_all_money
                else min(quantity * line.unit_price_minor, line.amount_minor),
                allocations=_limited(buckets, quantity) if restock else (),
            )
        )
    return tuple(line for line in lines if line.quantity or line.amount_minor)


def spread(amount_minor: int, left: Sequence[LineLeft]) -> RefundLines:
    """Spreads money over the lines in proportion to what is left of each; the largest remainders get the last units."""
    total = sum(line.amount_minor for line in left)
    if not 0 < amount_minor <= total:
        return ()
    shares = {line.sku: divmod(amount_minor * line.amount_minor, total) for line in left}
    missing = amount_minor - sum(share for share, _ in shares.values())
    rounded_up = sorted(shares, key=lambda sku: -shares[sku][1])[:missing]
    lines = (
        RefundLine(sku=sku, quantity=0, amount_minor=share + (sku in rounded_up)) for sku, (share, _) in shares.items()
    )
    return tuple(line for line in lines if line.amount_minor)


def _limited(buckets: Iterable[tuple[int, int]], quantity: int) -> tuple[Allocation, ...]:
    made = []
    for bucket, units in buckets:
        if part := min(units, quantity):
            made.append(Allocation(bucket=bucket, quantity=part))
            quantity -= part
    return tuple(made)


def _whole(terms: Terms) -> RefundLines:
    left = lines_left(terms, GivenBack())
    return _units({line.sku: line.quantity for line in left}, left, restock=True)


def _stray(reservation_id: str, payment_intent_id: str, state: Reservation | None) -> Reservation:
    if state is None or not is_stray(state, payment_intent_id):
        raise errors.NotStrayError(reservation_id)
    return state
