"""A refund is recorded as wanted, asked of the provider, and recorded as done. A crash leaves it due."""

from dataclasses import dataclass
from functools import partial
from typing import Any, TypeAlias

from msgspec import Struct

from shop_command import ports
from shop_command.application import settling
from shop_command.application.journal import Decided, Journal, first_of
from shop_command.application.request import Key, Request
from shop_command.domain import reservation
from shop_command.domain.errors import NotRefundingError
from shop_command.domain.refunding import RequestRefund
from shop_command.domain.reservation_states import Reservation
from shop_command.domain.stream import Snapshot
from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseRefunded, PurchaseRefundFailed, PurchaseRefundRequested

RefundEvent: TypeAlias = "Envelope[PurchaseRefunded] | Envelope[PurchaseRefundRequested]"


@dataclass(eq=False)
class RefundRefusedError(Exception):
    """The provider refuses this refund for good. The money can be asked for again, with another key."""

    event: "Envelope[PurchaseRefundFailed]"


class Refunds(Struct, frozen=True):
    journal: Journal
    gateway: ports.PaymentGateway

    def refund(self, request: Request, command: RequestRefund) -> RefundEvent:
        """Returns purchase.refunded, or purchase.refund-requested while it is not known whether the money is back.

        Raises RefundRefusedError.
        """

        def decide(loaded: Snapshot[Reservation], _rounds: int) -> Decided:
            now = self.journal.now()
            return Decided(reservation.decide(command, loaded.state, now), now)

        key = Key.of(request, "refund")
        handled = self.journal.run(request, reservation.stream(command.reservation_id), decide, key=key, publish=False)
        if handled.committed is None:
            return self._again(request, handled.event)
        send = partial(self.gateway.refund, _order(handled.event))
        found, left = self.journal.publish_beside(handled.committed, send)
        event = self._return_money(request, handled.event, found, left=left)
        if event is handled.event:
            self.journal.nothing_follows(handled.committed, left)
        return event

    def _again(self, request: Request, requested: "Envelope[PurchaseRefundRequested]") -> RefundEvent:
        recorded = self._recorded(requested)
        if recorded is not requested:
            return recorded
        return self._return_money(request, requested, settling.order_again(self.gateway, _order(requested)))

    def _return_money(
        self,
        request: Request,
        requested: "Envelope[PurchaseRefundRequested]",
        found: ports.RefundOutcome,
        *,
        left: Snapshot[Reservation] | None = None,
    ) -> RefundEvent:
        command = settling.returned(_order(requested), found)
        if command is None:
            return self._recorded(requested)
        try:
            return _done(settling.record(self.journal, request, command, cause=requested, left=left))
        except (ports.VersionConflictError, NotRefundingError):
            return self._recorded(requested)
        except (ports.ContentionError, ports.StoreUnavailableError):
            # The money is back, and the sweep records it.
            return requested

    def _recorded(self, requested: "Envelope[PurchaseRefundRequested]") -> RefundEvent:
        """Other refunds of the purchase may follow: the outcome is the first one with the same ordinal."""
        later = self.journal.store.events(requested.subject, requested.streamversion + 1)
        same = (event for event in later if getattr(event.data, "refund", None) == requested.data.refund)
        outcome = first_of(same, PurchaseRefunded, PurchaseRefundFailed)
        return _done(outcome) if outcome else requested


def _order(requested: "Envelope[PurchaseRefundRequested]") -> ports.RefundOrder:
    data = requested.data
    amount = data.amount
    return ports.RefundOrder(
        data.payment_intent_id, data.reservation_id, data.refund, amount.currency, amount.amount_minor, data.reason
    )


def _done(outcome: "Envelope[Any]") -> "Envelope[PurchaseRefunded]":
    if isinstance(outcome.data, PurchaseRefundFailed):
        raise RefundRefusedError(outcome)
    return outcome
