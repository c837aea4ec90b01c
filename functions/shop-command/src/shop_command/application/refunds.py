"""An administrator's refund: recorded as wanted, asked of the provider, recorded as done. A crash leaves it due."""

from dataclasses import dataclass
from typing import Final

from shop_command.application import settling
from shop_command.application.journal import Journal
from shop_command.application.request import Key, Request
from shop_command.domain import reservation
from shop_command.domain.errors import NotRefundingError, PurchaseNotFoundError, ReservationError
from shop_command.domain.reservation import RecordRefund, RequestRefund
from shop_command.ports import (
    ContentionError,
    KeyUsedError,
    PaymentGateway,
    StoreUnavailableError,
    Unknown,
    VersionConflictError,
)
from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseRefunded, PurchaseRefundRequested

ROUNDS_MAX: Final = 5
"""How often a command decides anew because another one was first."""


@dataclass(frozen=True)
class Refunds:
    journal: Journal
    gateway: PaymentGateway

    def refund(self, request: Request, purchase_id: str) -> Envelope:
        """The event purchase.refunded, or purchase.refund-requested while it is not known whether the money is back."""
        key = Key.of(request, "refund", purchase_id=purchase_id)
        stream = reservation.stream(purchase_id)
        for _ in range(ROUNDS_MAX):
            use = self.journal.store.key_use(key.id)
            if use is not None:
                key.check(use)
                return self._return_money(request, self.journal.store.events(use.stream_id, use.version)[0])
            loaded = self.journal.load(stream)
            if loaded.state is None:
                raise PurchaseNotFoundError(purchase_id)
            now = self.journal.now()
            try:
                decided = reservation.decide(RequestRefund(), loaded.state, now)
                requested = self.journal.append(stream, loaded, decided, request, now=now, key=key)
            except (VersionConflictError, KeyUsedError):
                continue
            except ReservationError:
                # The same request, sent twice at once, may have been quicker: then what it did is no reason to refuse.
                if self.journal.store.key_use(key.id) is None:
                    raise
                continue
            return self._return_money(request, requested)
        raise ContentionError

    def _return_money(self, request: Request, requested: Envelope) -> Envelope:
        wanted = requested.data
        assert isinstance(wanted, PurchaseRefundRequested), requested.type  # noqa: S101 - what the key is stored with
        refunded = self._refunded(requested)
        if refunded is not None:
            return refunded
        returned = self.gateway.refund(wanted.payment_intent_id, wanted.reservation_id)
        if isinstance(returned, Unknown):
            return self._refunded(requested) or requested
        command = RecordRefund(returned.refund_id)
        try:
            return settling.record(self.journal, request, wanted.reservation_id, command, cause=requested)
        except (VersionConflictError, NotRefundingError):
            return self._refunded(requested) or requested
        except (ContentionError, StoreUnavailableError):
            # The money is back, and the sweep records it.
            return requested

    def _refunded(self, requested: Envelope) -> Envelope | None:
        later = self.journal.store.events(requested.subject, requested.streamversion + 1)
        return next((event for event in later if isinstance(event.data, PurchaseRefunded)), None)
