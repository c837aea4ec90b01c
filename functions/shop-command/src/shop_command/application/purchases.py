"""Paying for a reservation. Each step is recorded before the next: the intent, the request, the outcome.

A crash or an unknown outcome leaves the reservation PAYING. Whoever looks next asks the provider, and settles it: a
repeat of the request here, a webhook or the sweep in `settling`.
"""

from dataclasses import dataclass
from typing import Final, assert_never

from shop_command.application import expiring, settling
from shop_command.application.journal import Journal
from shop_command.application.request import Key, Request
from shop_command.domain import reservation
from shop_command.domain.errors import NotPayingError, ReservationError
from shop_command.domain.reservation import Active, Paying, RequestPayment, Reservation
from shop_command.domain.stream import Snapshot
from shop_command.ports import (
    ContentionError,
    Created,
    KeyUse,
    KeyUsedError,
    PaymentGateway,
    Refused,
    StoreUnavailableError,
    Unconfirmed,
    Unknown,
    VersionConflictError,
)
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentDeclined, PaymentRequested, PurchaseConfirmed
from shop_shared.values import Money

ROUNDS_MAX: Final = 5
"""How often a command decides anew because another one was first."""


class PaymentUnavailableError(Exception):
    """The provider did not answer before any money could move. Nothing has changed; a later repeat helps."""


@dataclass(eq=False)
class PaymentRefusedError(Exception):
    """The provider never takes this amount or currency. Nothing has changed."""

    code: str


@dataclass(frozen=True)
class Pending:
    """Not settled yet: this request's own attempt, or another one's."""

    reservation_id: str
    payment_intent_id: str
    total: Money
    stream_version: int


@dataclass(frozen=True)
class Attempt:
    """A payment that was requested: its event, and what its confirmation takes."""

    requested: Envelope
    data: PaymentRequested
    payment_method: str

    def pending(self) -> Pending:
        data = self.data
        return Pending(data.reservation_id, data.payment_intent_id, data.amount, self.requested.streamversion)


@dataclass(frozen=True)
class Purchases:
    journal: Journal
    gateway: PaymentGateway

    def purchase(self, request: Request, reservation_id: str, payment_method: str) -> Envelope | Pending:
        """The event with the attempt's outcome, purchase.confirmed or payment.declined, or that there is none yet."""
        key = Key.of(request, "purchase", reservation_id=reservation_id, payment_method=payment_method)
        for _ in range(ROUNDS_MAX):
            use = self.journal.store.key_use(key.id)
            if use is not None:
                key.check(use)
                return self._again(request, use, payment_method)
            try:
                loaded = expiring.owned(self.journal, request, reservation_id)
            except VersionConflictError:
                continue
            if isinstance(loaded.state, Paying):
                return Pending(reservation_id, loaded.state.payment_intent_id, loaded.state.terms.total, loaded.version)
            try:
                attempt = self._request(request, reservation_id, loaded, key, payment_method)
            except (VersionConflictError, KeyUsedError):
                continue
            except ReservationError:
                # The same request, sent twice at once, may have been quicker: then what it did is no reason to refuse.
                if self.journal.store.key_use(key.id) is None:
                    raise
                continue
            return self._confirm(request, attempt)
        raise ContentionError

    def _request(
        self, request: Request, reservation_id: str, loaded: Snapshot[Reservation], key: Key, payment_method: str
    ) -> Attempt:
        active = reservation.payable(loaded.state, expiring.in_time(self.journal, request, reservation_id, loaded))
        intent = active.payment_intent_id or self._intent(active)
        # The provider took its time, so the clock is asked again: what has expired meanwhile is not paid for.
        now = expiring.in_time(self.journal, request, reservation_id, loaded)
        decided = reservation.decide(RequestPayment(intent), loaded.state, now)
        stream = reservation.stream(reservation_id)
        requested = self.journal.append(stream, loaded, decided, request, now=now, key=key)
        return _attempt(requested, payment_method)

    def _intent(self, active: Active) -> str:
        created = self.gateway.create(active.terms.reservation_id, active.attempts + 1, active.terms.total)
        match created:
            case Created(payment_intent_id=intent):
                return intent
            case Refused(code=code):
                raise PaymentRefusedError(code)
            case Unknown():
                raise PaymentUnavailableError
            case _:
                assert_never(created)

    def _confirm(self, request: Request, attempt: Attempt) -> Envelope | Pending:
        data = attempt.data
        outcome = self.gateway.confirm(
            data.payment_intent_id, data.reservation_id, data.attempt, attempt.payment_method
        )
        return self._settle(request, attempt, outcome)

    def _again(self, request: Request, use: KeyUse, payment_method: str) -> Envelope | Pending:
        """A repeat: the recorded outcome of its attempt, else the provider's."""
        attempt = _attempt(self.journal.store.events(use.stream_id, use.version)[0], payment_method)
        recorded = self._recorded(attempt)
        if recorded is not None:
            return recorded
        found = self.gateway.retrieve(attempt.data.payment_intent_id)
        if isinstance(found, Unconfirmed):
            # Declined or never received: the attempt's own key makes the provider tell which, and never charges twice.
            return self._confirm(request, attempt)
        return self._settle(request, attempt, found)

    def _settle(self, request: Request, attempt: Attempt, found: settling.Outcome) -> Envelope | Pending:
        data = attempt.data
        command = settling.outcome(data.attempt, found)
        if command is None:
            return self._recorded(attempt) or attempt.pending()
        try:
            return settling.record(self.journal, request, data.reservation_id, command, cause=attempt.requested)
        except (VersionConflictError, NotPayingError):
            # A repeat of this request, the sweep or a webhook was quicker to record what the provider said.
            return self._recorded(attempt) or attempt.pending()
        except (ContentionError, StoreUnavailableError):
            # The money may have moved: the honest answer is that it is not settled, and a repeat settles it.
            return attempt.pending()

    def _recorded(self, attempt: Attempt) -> Envelope | None:
        """Its outcome is the first one after it: no other attempt begins before."""
        later = self.journal.store.events(attempt.requested.subject, attempt.requested.streamversion + 1)
        return next((event for event in later if isinstance(event.data, PurchaseConfirmed | PaymentDeclined)), None)


def _attempt(requested: Envelope, payment_method: str) -> Attempt:
    assert isinstance(requested.data, PaymentRequested), requested.type  # noqa: S101 - what the key was stored with
    return Attempt(requested, requested.data, payment_method)
