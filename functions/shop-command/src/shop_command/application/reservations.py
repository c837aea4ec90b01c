"""A customer places a reservation, which holds all lines or none, and may cancel it before it is paid for."""

from datetime import timedelta
from random import Random
from typing import cast

from msgspec import Struct

from shop_command.application import expiring, settling
from shop_command.application.journal import ROUNDS_MAX, Decided, Journal, first_of
from shop_command.application.request import IdempotencyKeyReusedError, Request
from shop_command.application.stock_search import StockSearch, WantedLine
from shop_command.domain import product, reservation
from shop_command.domain.errors import DomainError
from shop_command.domain.placing import PlaceReservation, RequestedLine
from shop_command.domain.reservation import CancelReservation
from shop_command.domain.reservation_states import Cancelled, Reservation, Terms
from shop_command.domain.stream import Snapshot
from shop_command.ports import ContentionError, PaymentGateway, StockShortError, VersionConflictError
from shop_shared.envelope import Envelope
from shop_shared.events import ReservationCancelled, ReservationPlaced


class Reservations(Struct, frozen=True):
    journal: Journal
    gateway: PaymentGateway
    randomness: Random
    hold_seconds: int

    def place(self, request: Request, lines: tuple[WantedLine, ...]) -> "Envelope[ReservationPlaced]":
        stream = reservation.stream(request.reservation_id)
        stored = self.journal.store.states([stream.id, *(product.stream(line.sku).id for line in lines)])
        if stream.id in stored:
            return self._first_answer(request, stream.id)
        try:
            return self._place(request, StockSearch(self.journal.store, self.randomness, lines, stored))
        except (VersionConflictError, DomainError):
            # The same request, sent twice at once, may have been quicker: then what it took is no reason to refuse.
            if not self.journal.store.states([stream.id]):
                raise
            return self._first_answer(request, stream.id)

    def cancel(self, request: Request, reservation_id: str) -> "tuple[Terms, Envelope[ReservationCancelled]]":
        """Returns the reservation's terms, and always the event of whoever cancelled it first."""
        stream = reservation.stream(reservation_id)

        def decide(loaded: Snapshot[Reservation], _rounds: int) -> Decided | Cancelled:
            state, now = expiring.owned(self.journal, request, reservation_id, loaded)
            if isinstance(state, Cancelled):
                return state
            settling.give_up(self.journal, self.gateway, request, loaded)
            return Decided(reservation.decide(CancelReservation(reservation_id), state, now), now)

        handled = self.journal.run(request, stream, decide)
        if isinstance(handled, Cancelled):
            first = first_of(self.journal.store.events(stream.id), ReservationCancelled)
            return handled.terms, cast("Envelope[ReservationCancelled]", first)
        # A command without a key has no repeats, and `owned` has refused a stream without a state.
        return cast("Reservation", handled.before).terms, handled.event

    def _place(self, request: Request, search: StockSearch) -> "Envelope[ReservationPlaced]":
        # The first round takes from buckets chosen blindly, each further one from what was just read. A round is lost
        # only to somebody who took from the same bucket, so there is no pause between two: waiting would only lose the
        # next one too.
        stream = reservation.stream(request.reservation_id)
        for _ in range(ROUNDS_MAX):
            now = self.journal.now()
            command = PlaceReservation(
                reservation_id=request.reservation_id,
                customer_id=request.caller,
                lines=tuple(
                    RequestedLine(line.sku, line.quantity, search.products[line.sku], search.allocations[line.sku])
                    for line in search.lines
                ),
                expires_at=now + timedelta(seconds=self.hold_seconds),
            )
            decided = reservation.decide(command, None, now)
            try:
                return self.journal.append(stream, Snapshot(0, None), decided, request, now=now)
            except StockShortError as short:
                search.look({bucket.sku for bucket in short.buckets})
        raise ContentionError

    def _first_answer(self, request: Request, stream_id: str) -> "Envelope[ReservationPlaced]":
        # Every reservation begins with this event.
        placed = cast("Envelope[ReservationPlaced]", self.journal.store.events(stream_id)[0])
        # A field that is added to the body has to be found in the event too, or else no repeat would be recognized.
        first = {"lines": [{"sku": line.sku, "quantity": line.quantity} for line in placed.data.lines]}
        if first != request.content:
            raise IdempotencyKeyReusedError
        request.repeated()
        return placed
