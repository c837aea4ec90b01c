"""Payment in two steps, so that no outcome is ever lost: an intent, which moves no money, and its confirmation.

A call's outcome is a value. `Unknown` is never a failure: money may have moved, and only the provider can say.
"""

from dataclasses import dataclass
from typing import Protocol

from shop_shared.values import Money


@dataclass(frozen=True)
class Created:
    payment_intent_id: str


@dataclass(frozen=True)
class Refused:
    """The provider will never take this amount or currency."""

    code: str


@dataclass(frozen=True)
class Captured:
    """The money is ours."""


@dataclass(frozen=True)
class Declined:
    """This attempt moved no money and never will."""

    code: str
    decline_code: str | None = None


@dataclass(frozen=True)
class Unconfirmed:
    """The intent waits for a confirmation: the current attempt's was declined, or never reached the provider."""


@dataclass(frozen=True)
class Unknown:
    """Timeout, connection lost, provider's own error, or still under way. `reason` is for the log."""

    reason: str


class PaymentGateway(Protocol):
    """Idempotency keys derive from the reservation and the attempt: a repeat is the same call, never a second charge.

    So the other arguments have to be the same in every call for the same reservation, or the same attempt.
    """

    def create(self, reservation_id: str, amount: Money) -> Created | Refused | Unknown: ...

    def confirm(
        self, payment_intent_id: str, reservation_id: str, attempt: int, payment_method: str
    ) -> Captured | Declined | Unknown: ...

    def retrieve(self, payment_intent_id: str) -> Captured | Declined | Unconfirmed | Unknown:
        """What the provider's own record says. Works for ever, while it forgets idempotency keys after a day."""
