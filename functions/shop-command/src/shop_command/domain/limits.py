"""A customer may hold so much, and try so many cards. Otherwise one could hold all stock for ever, for nothing.

What counts is kept beside the streams and changes in the transaction that opens a reservation or requests a payment.
There the limit is checked, so that requests sent at once cannot pass it together. A reservation that is over may count
for some seconds more, which makes the limits no looser.
"""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from msgspec import Struct

from shop_command.domain.errors import TooManyCardAttemptsError, TooManyReservationsError, TooManyUnitsError
from shop_command.domain.reservation_states import Active, Cancelled, Expired, Paying, Purchased, Refunded, Refunding
from shop_shared.events import EventData, PaymentRequested
from shop_shared.values import Lines

ATTEMPTS_WINDOW: Final = timedelta(hours=1)
"""Attempts count until the hour of the clock is over, so up to twice the limit fits into 60 minutes around its end."""


class Limits(Struct, frozen=True):
    open_reservations_max: int = 20
    units_held_max: int = 100
    """All open reservations together hold at most so many units of one product."""
    card_attempts_max: int = 30
    """The customer tries at most so many cards in one window, over all reservations; the same card counts again."""


class Opening(Struct, frozen=True):
    """The reservation counts from now on."""

    customer_id: str
    reservation_id: str
    units: Mapping[str, int]
    limits: Limits


class Closing(Struct, frozen=True):
    """The reservation counts no more. One that never counted, from before there were limits, gives nothing back."""

    customer_id: str
    reservation_id: str
    units: Mapping[str, int]


class CardAttempt(Struct, frozen=True):
    customer_id: str
    at: datetime
    attempts_max: int

    @property
    def window(self) -> datetime:
        return self.at.replace(minute=0, second=0, microsecond=0)


CustomerChange: TypeAlias = Opening | Closing | CardAttempt


class CustomerCounts(Struct, frozen=True):
    """These reservations are open, and hold so much of each product."""

    open: frozenset[str]
    held: Mapping[str, int]


def change(
    limits: Limits, before: object, after: object, decided: Sequence[EventData], now: datetime
) -> CustomerChange | None:
    """Returns what these events, which lead from one state to the other, change for the reservation's customer."""
    match before, after:
        case ((Active() | Paying()), (Active(terms=terms) | Paying(terms=terms))):
            is_attempt = any(isinstance(event, PaymentRequested) for event in decided)
            return CardAttempt(terms.customer_id, now, limits.card_attempts_max) if is_attempt else None
        case _, (Active(terms=terms) | Paying(terms=terms)):
            return Opening(terms.customer_id, terms.reservation_id, _units(terms.lines), limits)
        case ((Active() | Paying()), _):
            return closing(after)
        case _:
            return None


def closing(state: object) -> Closing | None:
    """Returns what a reservation that is over gives back, also where it has given it back before."""
    match state:
        case (
            Purchased(terms=terms)
            | Refunding(terms=terms)
            | Refunded(terms=terms)
            | Cancelled(terms=terms)
            | Expired(terms=terms)
        ):
            return Closing(terms.customer_id, terms.reservation_id, _units(terms.lines))
        case _:
            return None


def check_opening(opening: Opening, counts: CustomerCounts) -> None:
    """Raises which limit the reservation would pass."""
    limits = opening.limits
    if len(counts.open) >= limits.open_reservations_max:
        raise TooManyReservationsError(limits.open_reservations_max)
    for sku, units in opening.units.items():
        held = counts.held.get(sku, 0)
        if held + units > limits.units_held_max:
            raise TooManyUnitsError(sku, held, limits.units_held_max)


def check_attempt(attempt: CardAttempt, attempts: int) -> None:
    """Raises when the window has no attempt left."""
    if attempts >= attempt.attempts_max:
        left = attempt.window + ATTEMPTS_WINDOW - attempt.at
        raise TooManyCardAttemptsError(attempt.attempts_max, left // timedelta(seconds=1) + 1)


def _units(lines: Lines) -> Mapping[str, int]:
    units: dict[str, int] = {}
    for line in lines:
        units[line.sku] = units.get(line.sku, 0) + line.quantity
    return units
