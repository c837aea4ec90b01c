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
    """This attempt moved no money and never will. The intent may be confirmed again, with another card."""

    code: str
    decline_code: str | None = None


@dataclass(frozen=True)
class IntentCancelled:
    """The intent is dead: it moved no money and never will, whoever confirms it."""


@dataclass(frozen=True)
class Unconfirmed:
    """The intent waits for a confirmation: the current attempt's was declined, or never reached the provider."""


@dataclass(frozen=True)
class Processing:
    """The provider is at it. Money will move or not, and nobody can stop it."""


@dataclass(frozen=True)
class Returned:
    """The money is the customer's again."""

    refund_id: str


@dataclass(frozen=True)
class Unknown:
    """Timeout, connection lost, or the provider's own error. `reason` is for the log."""

    reason: str


class PaymentGateway(Protocol):
    """Idempotency keys derive from reservation, attempt and intent: a repeat is the same call, never a second charge.
    So the other arguments have to be the same in every call for the same one.
    """

    def create(self, reservation_id: str, attempt: int, amount: Money) -> Created | Refused | Unknown:
        """The provider keeps, and tells in its webhooks, which reservation the intent is for."""

    def confirm(
        self, payment_intent_id: str, reservation_id: str, attempt: int, payment_method: str
    ) -> Captured | Declined | IntentCancelled | Processing | Unknown: ...

    def retrieve(self, payment_intent_id: str) -> Captured | IntentCancelled | Unconfirmed | Processing | Unknown:
        """Reads what the provider's own record says. It works for ever, while it forgets idempotency keys after a
        day."""

    def cancel(self, payment_intent_id: str) -> Captured | IntentCancelled | Processing | Unknown:
        """Wins for good, or shows that the charge did: of a cancel and a confirmation at once, one takes effect."""

    def refund(self, payment_intent_id: str, reservation_id: str) -> Returned | Unknown:
        """All of a captured intent's money, once, however often it is asked for."""
