"""What has become of money is found out from the provider's own record, and recorded.

Nobody waits here for an answer: the sweep and the provider's webhooks settle what a request could not, or did not live
to settle. All may do so at once: the stream's version lets one of them record it.
"""

from dataclasses import dataclass
from typing import Any, Literal, assert_never

from shop_command import ports
from shop_command.application.journal import ROUNDS_MAX, Journal
from shop_command.application.request import Request
from shop_command.domain import reservation
from shop_command.domain.errors import NotPayingError, NotStrayError
from shop_command.domain.refunding import is_stray
from shop_command.domain.reservation import (
    ConfirmPurchase,
    DeclinePayment,
    RecordRefund,
    RecordStrayRefund,
    RequireAction,
)
from shop_command.domain.reservation_states import Cancelled, Expired, Paying, Refunding, Reservation, Terms
from shop_command.domain.stream import Snapshot
from shop_command.ports import Captured, IntentCancelled, Processing, Returned, Unknown
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentRefunded

Outcome = ports.ConfirmOutcome | ports.RetrieveOutcome
Progress = Literal["settled", "refunded", "open", "nothing"]
"""What is `open` stays due: the provider does not know yet, or does not answer. At `nothing`, somebody else has ended
it."""


@dataclass(frozen=True)
class Settlement:
    journal: Journal
    gateway: ports.PaymentGateway

    def check(self, reservation_id: str, payment_intent_id: str) -> None:
        """Something has happened to this intent, as the provider says. That is a reason to ask it, and proves nothing.

        Cancels nothing: an intent that is not confirmed yet is about to be, by the request that made it. Raises
        ContentionError and StoreUnavailableError, after which a repeat of the webhook helps.
        """
        stream = reservation.stream(reservation_id)
        for _ in range(ROUNDS_MAX):
            loaded = self.journal.load(stream)
            state = loaded.state
            is_current = isinstance(state, Paying) and state.payment_intent_id == payment_intent_id
            if state is None or not (is_current or is_stray(state, payment_intent_id)):
                return
            last = self.journal.last(stream, loaded)
            try:
                with self.journal.telemetry.following(last):
                    found = self.gateway.retrieve(_asked(state.terms, payment_intent_id))
                    if isinstance(state, Paying) and is_current:
                        self._record(loaded, last, _outcome_of(state, found))
                    elif found == Captured():
                        self._give_back(loaded, last, payment_intent_id)
            except (ports.VersionConflictError, NotPayingError, NotStrayError):
                continue
            return
        raise ports.ContentionError

    def settle(self, loaded: Snapshot[Reservation], last: Envelope) -> Progress:
        """Ends what is under way and due; `last` is the event that led to what was loaded.

        Raises VersionConflictError where somebody else has just ended it.
        """
        match loaded.state:
            case Paying() as paying:
                return self._record(loaded, last, _outcome_of(paying, self._end(paying)))
            case Refunding(payment_intent_id=intent):
                reservation_id = reservation.id_of(last.subject)
                returned = self.gateway.refund(intent, reservation_id)
                command = RecordRefund(reservation_id, returned.refund_id) if isinstance(returned, Returned) else None
                return self._record(loaded, last, command)
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
        events = self.journal.store.events(last.subject)
        if any(isinstance(e.data, PaymentRefunded) and e.data.payment_intent_id == intent for e in events):
            return "refunded"
        reservation_id = reservation.id_of(last.subject)
        returned = self.gateway.refund(intent, reservation_id)
        if not isinstance(returned, Returned):
            return "open"
        command = RecordStrayRefund(reservation_id, intent, returned.refund_id)
        return self._record(loaded, last, command)

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


def record(journal: Journal, request: Request, command: reservation.Command, *, cause: Envelope) -> "Envelope[Any]":
    """Records what a request has just learned from the provider, whatever else has happened to the stream meanwhile."""
    stream = reservation.stream(command.reservation_id)
    loaded = journal.load(stream)
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
