"""Whoever first meets a reservation whose time is over records that, and its stock can be sold again."""

from datetime import datetime

from shop_command.application.journal import Journal
from shop_command.application.request import Request
from shop_command.domain import reservation
from shop_command.domain.errors import AnothersReservationError, ReservationExpiredError, ReservationNotFoundError
from shop_command.domain.reservation import ExpireReservation
from shop_command.domain.reservation_states import Reservation
from shop_command.domain.stream import Snapshot
from shop_shared.envelope import Envelope


def owned(
    journal: Journal, request: Request, reservation_id: str, loaded: Snapshot[Reservation]
) -> tuple[Reservation, datetime]:
    """Returns the caller's reservation, and the present, in which its time is not over. Raises as `in_time` does."""
    if loaded.state is None:
        raise ReservationNotFoundError(reservation_id)
    if loaded.state.terms.customer_id != request.caller:
        raise AnothersReservationError(reservation_id)
    return loaded.state, in_time(journal, request, reservation_id, loaded)


def in_time(journal: Journal, request: Request, reservation_id: str, loaded: Snapshot[Reservation]) -> datetime:
    """Returns the present, in which the reservation's time is not over.

    Raises ReservationExpiredError where it is, whether or not anybody has recorded that before, and
    VersionConflictError where somebody else changes the reservation just then: load it again. It has to be asked at
    each decision, because the time may run out after the reservation was loaded.
    """
    now = journal.now()
    if reservation.is_overdue(loaded.state, now):
        expire(journal, request, reservation_id, loaded)
        raise ReservationExpiredError(reservation_id)
    return now


def expire(journal: Journal, request: Request, reservation_id: str, loaded: Snapshot[Reservation]) -> Envelope:
    now = journal.now()
    decided = reservation.decide(ExpireReservation(reservation_id), loaded.state, now)
    return journal.append(reservation.stream(reservation_id), loaded, decided, request, now=now)
