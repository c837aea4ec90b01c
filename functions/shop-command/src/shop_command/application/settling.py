"""What has become of money is found out from the provider's own record, and recorded.

Nobody waits here for an answer: the sweep and the provider's webhooks settle what a request could not, or did not live
to settle. All may do so at once: the stream's version lets one of them record it.
"""

from contextlib import suppress
from typing import Any, Literal, assert_never, cast

from msgspec import Struct
from msgspec.structs import replace

from shop_command import ports
from shop_command.application.journal import ROUNDS_MAX, Journal
from shop_command.application.request import Key, Request
from shop_command.domain import disputing, refunding, reservation
from shop_command.domain.disputing import RecordDispute
from shop_command.domain.errors import NotPayingError, NotStrayError, RefundTooLargeError
from shop_command.domain.refunding import RecordRefund, RecordRefundFailure, RecordStrayRefund, is_stray
from shop_command.domain.reservation import ConfirmPurchase, DeclinePayment, RequireAction
from shop_command.domain.reservation_states import (
    Cancelled,
    Expired,
    Paying,
    Purchased,
    Refunded,
    Refunding,
    Reservation,
    Terms,
)
from shop_command.domain.stream import Snapshot
from shop_command.ports import Captured, IntentCancelled, Processing, RefundOrder, RefundRefused, Returned, Unknown
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentRefunded, PurchaseRefundFailed
from shop_shared.values import RefundReason

Outcome = ports.ConfirmOutcome | ports.RetrieveOutcome
Progress = Literal["settled", "refunded", "open", "nothing"]
"""What is `open` stays due: the provider does not know yet, or does not answer. At `nothing`, somebody else has ended
it."""


class Settlement(Struct, frozen=True):
    journal: Journal
    gateway: ports.PaymentGateway

    def follow(self, hint: ports.Hint) -> None:
        """A hint is a reason to ask the provider, and proves nothing. Somebody else's intent is left alone.

        Raises what `check` does.
        """
        if hint.reservation_id is not None:
            self.check(hint.reservation_id, hint.payment_intent_id)
            return
        reservation_id = self.gateway.reservation_of(hint.payment_intent_id)
        if isinstance(reservation_id, Unknown):
            raise ports.ContentionError
        if reservation_id is None:
            return
        match self.check(reservation_id, hint.payment_intent_id):
            case "open":
                raise ports.ContentionError  # the money of a payment that is open cannot have gone back
            case "settled":  # what the hint is about came after that
                self.check(reservation_id, hint.payment_intent_id)

    def check(self, reservation_id: str, payment_intent_id: str) -> Progress:
        """Finds out what has happened to this intent. Returns what has become of the payment if it was open.

        Cancels nothing: an intent that is not confirmed yet is about to be, by the request that made it. Raises
        ContentionError and StoreUnavailableError, after which a repeat of the webhook helps.
        """
        stream = reservation.stream(reservation_id)
        for _ in range(ROUNDS_MAX):
            loaded = self.journal.load(stream)
            state = loaded.state
            if isinstance(state, Purchased | Refunding | Refunded) and state.payment_intent_id == payment_intent_id:
                try:
                    self._catch_up(loaded, state)
                except ports.VersionConflictError:
                    continue
                return "nothing"
            is_current = isinstance(state, Paying) and state.payment_intent_id == payment_intent_id
            if state is None or not (is_current or is_stray(state, payment_intent_id)):
                return "nothing"
            last = self.journal.last(stream, loaded)
            try:
                with self.journal.telemetry.following(last):
                    found = self.gateway.retrieve(_asked(state.terms, payment_intent_id))
                    if isinstance(state, Paying) and is_current:
                        return self._record(loaded, last, _outcome_of(state, found))
                    if found == Captured():
                        self._give_back(loaded, last, payment_intent_id)
                    return "nothing"
            except (ports.VersionConflictError, NotPayingError, NotStrayError):
                continue
        raise ports.ContentionError

    def _catch_up(self, loaded: Snapshot[Reservation], state: refunding.Sold) -> None:
        """Records each refund and dispute of the provider's lists that the stream does not have yet, each refund that
        has failed, and each dispute that was decided.

        Nothing else would ask for it again, so the webhook has to come again where the provider does not answer: that
        is a ContentionError.
        """
        stream, now = reservation.stream(state.terms.reservation_id), self.journal.now()
        last = self.journal.last(stream, loaded)
        with self.journal.telemetry.following(last):
            # A dispute leaves out what was refunded before it, so those refunds are in a list that is read later.
            disputes = self.gateway.disputes_of(state.payment_intent_id)
            refunds = self.gateway.refunds_of(state.payment_intent_id, state.terms.reservation_id)
            if isinstance(refunds, Unknown) or isinstance(disputes, Unknown):
                raise ports.ContentionError
            decided: list[reservation.ReservationEvent] = []
            failed_first = sorted(refunds, key=lambda refund: refund.status != "failed")
            every: list[ports.ListedRefund | ports.ListedDispute] = [*failed_first, *disputes]
            for listed in every:
                found = stream.fold(state, decided)
                command = news(found, listed) if isinstance(found, Purchased | Refunding | Refunded) else None
                if command is None:
                    continue
                try:
                    decided += reservation.decide(command, found, now)
                except RefundTooLargeError as error:
                    raise ports.ContentionError from error  # more than was paid: a failure is not listed yet
            if decided:
                self.journal.append(stream, loaded, tuple(decided), Request.following(last), now=now)

    def settle(self, loaded: Snapshot[Reservation], last: Envelope) -> Progress:
        """Ends what is under way and due; `last` is the event that led to what was loaded.

        Raises VersionConflictError where somebody else has just ended it.
        """
        match loaded.state:
            case Paying() as paying:
                return self._record(loaded, last, _outcome_of(paying, self._end(paying)))
            case Refunding() as state:
                order = ordered(state)
                return self._record(loaded, last, returned(order, order_again(self.gateway, order)))
            case Cancelled(terms, str(intent)) | Expired(terms, str(intent)):
                return self._close(loaded, last, _asked(terms, intent))
            case _:
                return "nothing"

    def _end(self, paying: Paying) -> Outcome:
        intent = _asked(paying.terms, paying.payment_intent_id)
        if self.journal.now() < paying.terms.expires_at:
            found = self.gateway.retrieve(intent)
            if not isinstance(found, ports.Unconfirmed):
                return found  # for one, a person who goes through 3-D Secure needs minutes
        # The request that started the payment has ended. Without this, a confirmation that is still on its way could
        # charge at any time: the cancellation wins for good, or shows that the charge did.
        return self.gateway.cancel(intent)

    def _close(self, loaded: Snapshot[Reservation], last: Envelope, intent: ports.AskedIntent) -> Progress:
        """Nobody may be charged any more for a reservation that has ended."""
        closed = self.gateway.cancel(intent)
        match closed:
            case IntentCancelled() | ports.IntentMissing() if loaded.unpublished is not None:
                return "open"
            case IntentCancelled() | ports.IntentMissing():
                self.journal.store.mark_settled(last.subject, loaded.version)
                return "settled"
            case Captured():
                return self._give_back(loaded, last, intent.id)
            case Processing() | Unknown():
                return "open"
            case _:
                assert_never(closed)

    def _give_back(self, loaded: Snapshot[Reservation], last: Envelope, intent: str) -> Progress:
        """Refunds a charge that no purchase can come of."""
        for data in (event.data for event in self.journal.store.events(last.subject)):
            if isinstance(data, PaymentRefunded | PurchaseRefundFailed) and data.payment_intent_id == intent:
                return "refunded"
        if loaded.state is None:
            return "nothing"
        terms = loaded.state.terms
        order = RefundOrder(intent, terms.reservation_id, refunding.STRAY, terms.total.currency)
        return self._record(loaded, last, returned(order, order_again(self.gateway, order)))

    def _record(self, loaded: Snapshot[Reservation], last: Envelope, command: reservation.Command | None) -> Progress:
        if command is None:
            return "open"
        stream = reservation.stream(command.reservation_id)
        now = self.journal.now()
        decided = reservation.decide(command, loaded.state, now)
        self.journal.append(stream, loaded, decided, Request.following(last), now=now)
        if isinstance(command, RequireAction):
            return "open"
        return "refunded" if isinstance(command, RecordRefund | RecordStrayRefund) else "settled"


def news(
    state: refunding.Sold, listed: ports.ListedRefund | ports.ListedDispute
) -> refunding.Command | RecordDispute | None:
    """Returns what the provider's list tells that the stream does not have, by the id of the refund or dispute."""
    return (
        _news_of_dispute(state, listed) if isinstance(listed, ports.ListedDispute) else _news_of_refund(state, listed)
    )


def _news_of_dispute(state: refunding.Sold, listed: ports.ListedDispute) -> RecordDispute | None:
    known = disputing.known_dispute(state, listed.dispute_id)
    if known and known.status == listed.status:
        return None
    return RecordDispute(
        state.terms.reservation_id,
        listed.dispute_id,
        listed.status,
        listed.amount,
        listed.reason,
        listed.evidence_due_by,
    )


def _news_of_refund(state: refunding.Sold, listed: ports.ListedRefund) -> refunding.Command | None:
    name, intent = state.terms.reservation_id, state.payment_intent_id
    recorded = next((it for it in refunding.given_back_of(state).refunds if it.refund_id == listed.refund_id), None)
    if recorded is not None:
        has_failed = listed.status == "failed" and recorded.has_money
        return refunding.RecordLateFailure(name, listed.refund_id, listed.code) if has_failed else None
    if isinstance(state, Refunding) and listed.refund == refunding.requested_of(state).refund:
        match listed.status:
            case "succeeded" if listed.amount.amount_minor == refunding.requested_of(state).amount_minor:
                return RecordRefund(name, listed.refund, listed.refund_id)
            case "failed":
                return RecordRefundFailure(name, listed.refund, intent, listed.code, listed.refund_id)
            case _:
                return None
    if listed.status != "succeeded" or listed.amount.currency != state.terms.total.currency:
        return None
    reason = cast("RefundReason | None", listed.reason)
    return refunding.RecordRefundElsewhere(name, listed.refund_id, listed.amount.amount_minor, reason)


def order_again(gateway: ports.PaymentGateway, order: RefundOrder) -> ports.RefundOutcome:
    """The provider forgets keys, and would execute the order twice: so its list is searched before it is sent."""
    return gateway.find_refund(order) or gateway.refund(order)


def ordered(state: Refunding) -> RefundOrder:
    requested, terms = refunding.requested_of(state), state.terms
    return RefundOrder(
        state.payment_intent_id,
        terms.reservation_id,
        requested.refund,
        terms.total.currency,
        requested.amount_minor,
        requested.reason,
    )


def returned(
    order: RefundOrder, found: ports.RefundOutcome
) -> RecordRefund | RecordStrayRefund | RecordRefundFailure | None:
    """Returns what the provider's answer lets us record of a refund, or None while that is nothing yet."""
    intent, reservation_id = order.payment_intent_id, order.reservation_id
    match found:
        case Returned(refund_id=refund_id, amount=amount) if order.refund == refunding.STRAY:
            return RecordStrayRefund(reservation_id, intent, refund_id, amount)
        case Returned(refund_id=refund_id):
            return RecordRefund(reservation_id, order.refund, refund_id)
        case RefundRefused(code=code, refund_id=failed_id):
            return RecordRefundFailure(reservation_id, order.refund, intent, code, failed_id)
        case Processing() | Unknown():
            return None
        case _:
            assert_never(found)


def give_up(
    journal: Journal,
    gateway: ports.PaymentGateway,
    request: Request,
    loaded: Snapshot[Reservation],
    key: Key | None = None,
) -> None:
    """Ends the payment of a customer who was asked for 3-D Secure, and now wants something else.

    Does nothing for any other reservation, nor where the provider works on the payment already. Otherwise it raises
    VersionConflictError: the payment has ended, as a purchase if the customer had confirmed it before, so that the
    command is to be decided anew. Raises ContentionError where only a repeat can tell.
    """
    state, now = loaded.state, journal.now()
    if not isinstance(state, Paying) or not state.action_required or now >= state.terms.expires_at:
        return
    if key and journal.store.key_use(key.id):
        raise ports.VersionConflictError  # the same request, sent twice at once, has begun this very payment
    # The cancellation comes first, as in the sweep: nothing else may be begun while a confirmation could still charge.
    found = gateway.cancel(_asked(state.terms, state.payment_intent_id))
    if isinstance(found, Unknown):
        raise ports.ContentionError
    command = _outcome_of(state, found)
    if command is None:
        return
    if isinstance(found, IntentCancelled) and isinstance(command, DeclinePayment):
        command = replace(command, decline_code=reservation.GIVEN_UP)
    decided = reservation.decide(command, state, now)
    journal.append(reservation.stream(command.reservation_id), loaded, decided, request, now=now)
    raise ports.VersionConflictError


def record(
    journal: Journal,
    request: Request,
    command: reservation.Command,
    *,
    cause: Envelope,
    left: Snapshot[Reservation] | None = None,
) -> "Envelope[Any]":
    """Records what a request has just learned from the provider, whatever else has happened to the stream meanwhile.

    `left` is the stream as the request left it before it asked: while nobody has moved it on, it need not be read.
    """
    if left is not None:
        with suppress(ports.VersionConflictError):
            return _append(journal, request, command, cause, left)
    return _append(journal, request, command, cause, journal.load(reservation.stream(command.reservation_id)))


def _append(
    journal: Journal, request: Request, command: reservation.Command, cause: Envelope, loaded: Snapshot[Reservation]
) -> "Envelope[Any]":
    stream = reservation.stream(command.reservation_id)
    now = journal.now()
    decided = reservation.decide(command, loaded.state, now)
    return journal.append(stream, loaded, decided, request, now=now, cause=cause.id)


def outcome(
    reservation_id: str, attempt: int, found: Outcome, *, action_required: bool
) -> RequireAction | ConfirmPurchase | DeclinePayment | None:
    """Returns what the provider's answer lets us record of an attempt, or None while that is nothing new.

    `action_required` tells that the attempt's confirmation is known to have arrived: what is unconfirmed then was
    declined since, while otherwise the last decline may be an earlier attempt's.
    """
    match found:
        case Captured():
            return ConfirmPurchase(reservation_id, attempt)
        case ports.Declined(code=code, decline_code=decline_code):
            return DeclinePayment(reservation_id, attempt, code, decline_code)
        case IntentCancelled():
            return DeclinePayment(reservation_id, attempt, reservation.INTENT_CANCELED, None)
        case ports.IntentMissing():
            return DeclinePayment(reservation_id, attempt, reservation.INTENT_MISSING, None)
        case ports.ActionRequired():
            return None if action_required else RequireAction(reservation_id, attempt)
        case ports.Unconfirmed(code=str(code), decline_code=decline_code) if action_required:
            return DeclinePayment(reservation_id, attempt, code, decline_code)
        case ports.Unconfirmed() | Processing() | Unknown():
            return None
        case _:
            assert_never(found)


def _outcome_of(paying: Paying, found: Outcome) -> RequireAction | ConfirmPurchase | DeclinePayment | None:
    return outcome(paying.terms.reservation_id, paying.attempt, found, action_required=paying.action_required)


def _asked(terms: Terms, payment_intent_id: str) -> ports.AskedIntent:
    return ports.AskedIntent(payment_intent_id, terms.reservation_id, terms.total)
