"""An administrator's refund: recorded as wanted, asked of the provider, recorded as done. A crash leaves it due."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from shop_command.application import settling
from shop_command.application.journal import Journal, first_of
from shop_command.application.request import Key, Request
from shop_command.application.runner import Decided, run
from shop_command.domain import reservation
from shop_command.domain.errors import NotRefundingError
from shop_command.domain.reservation import RecordRefund, RequestRefund, Reservation, ReservationEvent
from shop_command.domain.stream import Snapshot
from shop_command.ports import (
    ContentionError,
    PaymentGateway,
    StoreUnavailableError,
    Unknown,
    VersionConflictError,
)
from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseRefunded, PurchaseRefundRequested

if TYPE_CHECKING:
    RefundEvent = Envelope[PurchaseRefunded] | Envelope[PurchaseRefundRequested]


@dataclass(frozen=True)
class Refunds:
    journal: Journal
    gateway: PaymentGateway

    def refund(self, request: Request, purchase_id: str) -> "RefundEvent":
        """The event purchase.refunded, or purchase.refund-requested while it is not known whether the money is back."""

        def decide(loaded: Snapshot[Reservation], _rounds: int) -> Decided[ReservationEvent]:
            now = self.journal.now()
            return Decided(reservation.decide(RequestRefund(purchase_id), loaded.state, now), now)

        key = Key.of(request, "refund", purchase_id=purchase_id)
        handled = run(self.journal, request, reservation.stream(purchase_id), decide, key=key)
        return self._return_money(request, cast("Envelope[PurchaseRefundRequested]", handled.event))

    def _return_money(self, request: Request, requested: "Envelope[PurchaseRefundRequested]") -> "RefundEvent":
        wanted = requested.data
        refunded = self._refunded(requested)
        if refunded is not None:
            return refunded
        returned = self.gateway.refund(wanted.payment_intent_id, wanted.reservation_id)
        if isinstance(returned, Unknown):
            return self._refunded(requested) or requested
        command = RecordRefund(wanted.reservation_id, returned.refund_id)
        try:
            recorded = settling.record(self.journal, request, command, cause=requested)
            return cast("Envelope[PurchaseRefunded]", recorded)
        except (VersionConflictError, NotRefundingError):
            return self._refunded(requested) or requested
        except (ContentionError, StoreUnavailableError):
            # The money is back, and the sweep records it.
            return requested

    def _refunded(self, requested: Envelope) -> "Envelope[PurchaseRefunded] | None":
        return first_of(PurchaseRefunded, self.journal.store.events(requested.subject, requested.streamversion + 1))
