"""A customer pays for a reservation. Each step is recorded before the next: the intent, the request, the outcome.

A crash or an unknown outcome leaves the reservation PAYING. Whoever looks next asks the provider, and settles it: a
repeat of the request here, a webhook or the sweep in `settling`.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias, assert_never

from msgspec import Struct

from shop_command import ports
from shop_command.application import expiring, settling
from shop_command.application.journal import Decided, Journal, first_of
from shop_command.application.request import Key, Request
from shop_command.domain import reservation
from shop_command.domain.errors import NotPayingError
from shop_command.domain.reservation import RequestPayment
from shop_command.domain.reservation_states import Active, Paying, Reservation
from shop_command.domain.stream import Snapshot
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentActionRequired, PaymentDeclined, PaymentRequested, PurchaseConfirmed
from shop_shared.values import Money


class PaymentUnavailableError(Exception):
    """The provider did not answer before any money could move. Nothing has changed; a later repeat helps."""


@dataclass(eq=False)
class PaymentRefusedError(Exception):
    """The provider never takes this amount or currency. Nothing has changed."""

    code: str


@dataclass(eq=False)
class CardDeclinedError(Exception):
    """The attempt has ended, and moved no money. A repeat gets the same answer; another card may be tried."""

    event: "Envelope[PaymentDeclined]"


class Pending(Struct, frozen=True):
    """The payment that this request, or an earlier one with its key, has begun is not settled yet."""

    reservation_id: str
    payment_intent_id: str
    total: Money
    stream_version: int
    action: ports.ActionRequired | None = None
    """If there is one, it waits for the customer."""


PurchaseOutcome: TypeAlias = "Envelope[PurchaseConfirmed] | Pending"


class Attempt(Struct, frozen=True):
    """A payment was requested by this event, and is to be confirmed with this method."""

    requested: "Envelope[PaymentRequested]"
    payment_method: str

    @property
    def intent(self) -> ports.AskedIntent:
        data = self.requested.data
        return ports.AskedIntent(data.payment_intent_id, data.reservation_id, data.amount)

    def pending(self, found: settling.Outcome | None = None) -> Pending:
        data = self.requested.data
        action = found if isinstance(found, ports.ActionRequired) else None
        return Pending(data.reservation_id, data.payment_intent_id, data.amount, self.requested.streamversion, action)


class Purchases(Struct, frozen=True):
    journal: Journal
    gateway: ports.PaymentGateway

    def purchase(self, request: Request, reservation_id: str, payment_method: str) -> PurchaseOutcome:
        """Returns the event of the purchase, or Pending while the attempt has no outcome. Raises CardDeclinedError."""

        key = Key.of(request, "purchase")

        def decide(loaded: Snapshot[Reservation], _rounds: int) -> Decided:
            expiring.owned(self.journal, request, reservation_id, loaded)
            return self._request(request, key, reservation_id, loaded)

        handled = self.journal.run(request, reservation.stream(reservation_id), decide, key=key, publish=False)
        attempt = Attempt(handled.event, payment_method)
        if handled.committed is None:
            return self._again(request, attempt)
        outcome, left = self.journal.publish_beside(handled.committed, partial(self._confirm, attempt))
        found = self._settle(request, attempt, outcome, left=left)
        if isinstance(found, Pending) and found.action is None:
            self.journal.nothing_follows(handled.committed, left)
        return found

    def _request(self, request: Request, key: Key, reservation_id: str, loaded: Snapshot[Reservation]) -> Decided:
        present = expiring.in_time(self.journal, request, reservation_id, loaded)
        if isinstance(loaded.state, Paying) and loaded.state.attempt < reservation.ATTEMPTS_MAX:
            settling.give_up(self.journal, self.gateway, request, loaded, key)
        active = reservation.payable(reservation_id, loaded.state, present)
        intent = active.payment_intent_id or self._intent(active)
        # The provider took its time, so the clock is asked again: what has expired meanwhile is not paid for.
        now = expiring.in_time(self.journal, request, reservation_id, loaded)
        return Decided(reservation.decide(RequestPayment(reservation_id, intent), loaded.state, now), now)

    def _intent(self, active: Active) -> str:
        created = self.gateway.create(active.terms.reservation_id, active.attempts + 1, active.terms.total)
        match created:
            case ports.IntentCreated(payment_intent_id=intent):
                return intent
            case ports.Refused(code=code):
                raise PaymentRefusedError(code)
            case ports.Unknown():
                raise PaymentUnavailableError
            case _:
                assert_never(created)

    def _confirm(self, attempt: Attempt) -> ports.ConfirmOutcome:
        return self.gateway.confirm(attempt.intent, attempt.requested.data.attempt, attempt.payment_method)

    def _again(self, request: Request, attempt: Attempt) -> PurchaseOutcome:
        """A repeat is answered with the recorded outcome of its attempt, or with the provider's where none is
        recorded."""
        later = self.journal.store.events(attempt.requested.subject, attempt.requested.streamversion + 1)
        if outcome := first_of(later, PurchaseConfirmed, PaymentDeclined):
            return _confirmed(outcome)
        action_required = first_of(later, PaymentActionRequired) is not None
        found = self.gateway.retrieve(attempt.intent)
        if isinstance(found, ports.Unconfirmed) and not action_required:
            # Declined or never received: the attempt's own key makes the provider tell which, and never charges twice.
            return self._settle(request, attempt, self._confirm(attempt))
        return self._settle(request, attempt, found, action_required=action_required)

    def _settle(
        self,
        request: Request,
        attempt: Attempt,
        found: settling.Outcome,
        *,
        action_required: bool = False,
        left: Snapshot[Reservation] | None = None,
    ) -> PurchaseOutcome:
        data = attempt.requested.data
        command = settling.outcome(data.reservation_id, data.attempt, found, action_required=action_required)
        if command is None:
            return self._recorded(attempt, found)
        try:
            event = settling.record(self.journal, request, command, cause=attempt.requested, left=left)
        except (ports.VersionConflictError, NotPayingError):
            # A repeat of this request, the sweep or a webhook was quicker to record what the provider said.
            return self._recorded(attempt, found)
        except (ports.ContentionError, ports.StoreUnavailableError):
            # The money may have moved: the honest answer is that it is not settled, and a repeat settles it.
            return attempt.pending(found)
        return attempt.pending(found) if isinstance(event.data, PaymentActionRequired) else _confirmed(event)

    def _recorded(self, attempt: Attempt, found: settling.Outcome) -> PurchaseOutcome:
        """The attempt's outcome is the first one after it, because no other attempt begins before."""
        later = self.journal.store.events(attempt.requested.subject, attempt.requested.streamversion + 1)
        outcome = first_of(later, PurchaseConfirmed, PaymentDeclined)
        return _confirmed(outcome) if outcome else attempt.pending(found)


def _confirmed(outcome: "Envelope[Any]") -> "Envelope[PurchaseConfirmed]":
    """Raises CardDeclinedError where the outcome of the attempt is a decline."""
    if isinstance(outcome.data, PaymentDeclined):
        raise CardDeclinedError(outcome)
    return outcome
