"""A refund is recorded as wanted, asked of the provider, and recorded as done. A crash leaves it due."""

from dataclasses import dataclass
from typing import TypeAlias

from shop_command import ports
from shop_command.application import settling
from shop_command.application.journal import Decided, Journal, first_of
from shop_command.application.request import Key, Request
from shop_command.domain import reservation
from shop_command.domain.errors import NotRefundingError
from shop_command.domain.reservation import RecordRefund, RequestRefund
from shop_command.domain.reservation_states import Reservation
from shop_command.domain.stream import Snapshot
from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseRefunded, PurchaseRefundRequested

RefundEvent: TypeAlias = "Envelope[PurchaseRefunded] | Envelope[PurchaseRefundRequested]"


@dataclass(frozen=True)
class Refunds:
    journal: Journal
    gateway: ports.PaymentGateway

    def refund(self, request: Request, purchase_id: str) -> RefundEvent:
        """Returns purchase.refunded, or purchase.refund-requested while it is not known whether the money is back."""

        def decide(loaded: Snapshot[Reservation], _rounds: int) -> Decided:
            now = self.journal.now()
            return Decided(reservation.decide(RequestRefund(purchase_id), loaded.state, now), now)

        key = Key.of(request, "refund")
        handled = self.journal.run(request, reservation.stream(purchase_id), decide, key=key)
        return self._return_money(request, handled.event)

    def _return_money(self, request: Request, requested: "Envelope[PurchaseRefundRequested]") -> RefundEvent:
        wanted = requested.data
        refunded = self._refunded(requested)
        if refunded is not None:
            return refunded
        returned = self.gateway.refund(wanted.payment_intent_id, wanted.reservation_id)
        if isinstance(returned, ports.Unknown):
            return self._refunded(requested) or requested
        command = RecordRefund(wanted.reservation_id, returned.refund_id)
        try:
            return settling.record(self.journal, request, command, cause=requested)
        except (ports.VersionConflictError, NotRefundingError):
            return self._refunded(requested) or requested
        except (ports.ContentionError, ports.StoreUnavailableError):
            # The money is back, and the sweep records it.
            return requested

    def _refunded(self, requested: Envelope) -> "Envelope[PurchaseRefunded] | None":
        return first_of(self.journal.store.events(requested.subject, requested.streamversion + 1), PurchaseRefunded)
