"""A reservation is stored in one of these states. A new field needs a default, because old states are read for ever."""

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from shop_shared.values import DisputeStatus, Lines, Money, RefundLines, RefundReason


@dataclass(frozen=True)
class Terms:
    """The customer agreed to these terms when the reservation was placed; they are the same in every status."""

    reservation_id: str
    customer_id: str
    lines: Lines
    total: Money
    expires_at: datetime


@dataclass(frozen=True)
class Active:
    """It is held until it expires. After a declined attempt it holds the intent, which the next attempt confirms."""

    terms: Terms
    attempts: int = 0
    payment_intent_id: str | None = None
    status: Literal["active"] = "active"


@dataclass(frozen=True)
class Paying:
    """Money may have moved. Only the provider's answer leads out of here: it never expires."""

    terms: Terms
    attempt: int
    payment_intent_id: str
    action_required: bool = False
    """The customer was asked for 3-D Secure, and has time for it until the reservation expires."""
    status: Literal["paying"] = "paying"


@dataclass(frozen=True)
class RequestedRefund:
    """This was asked for last, and is being given back."""

    refund: int
    amount_minor: int
    lines: RefundLines
    reason: RefundReason


@dataclass(frozen=True)
class MadeRefund:
    """This was given back. `refund` counts the refunds of the purchase from 1, those that failed included."""

    refund: int
    refund_id: str
    lines: RefundLines

    @property
    def has_money(self) -> bool:
        """Returns False once it has failed at the provider: then only its units came back."""
        return any(line.amount_minor for line in self.lines)


@dataclass(frozen=True)
class KnownDispute:
    """The customer's bank has questioned the charge, or so much of it as the provider says."""

    dispute_id: str
    status: DisputeStatus
    lines: RefundLines = ()
    """This money is lost."""

    @property
    def holds_refunds(self) -> bool:
        """Returns whether the provider refuses to give anything else back."""
        return self.status in ("chargeback", "lost")


@dataclass(frozen=True)
class GivenBack:
    refunds: tuple[MadeRefund, ...] = ()
    last_refund: int = 0
    disputes: tuple[KnownDispute, ...] = ()


@dataclass(frozen=True)
class Purchased:
    """Some of the money may be the customer's again."""

    terms: Terms
    attempt: int
    payment_intent_id: str
    given_back: GivenBack = GivenBack()
    status: Literal["purchased"] = "purchased"


@dataclass(frozen=True)
class Refunding:
    """An administrator wants money given back. For its customer it stays purchased until it is.

    `requested` is absent in states of before refunds had parts, which gave everything back.
    """

    terms: Terms
    payment_intent_id: str
    requested: RequestedRefund | None = None
    given_back: GivenBack = GivenBack()
    attempt: int = 0
    status: Literal["refunding"] = "refunding"


@dataclass(frozen=True)
class Refunded:
    """Nothing is left of what was paid."""

    terms: Terms
    refund_id: str
    payment_intent_id: str = ""
    given_back: GivenBack = GivenBack()
    attempt: int = 0
    status: Literal["refunded"] = "refunded"


@dataclass(frozen=True)
class Cancelled:
    """Declined attempts leave an intent behind, which could be charged until it is closed."""

    terms: Terms
    payment_intent_id: str | None = None
    status: Literal["cancelled"] = "cancelled"


@dataclass(frozen=True)
class Expired:
    """It keeps the intent as Cancelled does."""

    terms: Terms
    payment_intent_id: str | None = None
    status: Literal["expired"] = "expired"


Reservation = Active | Paying | Purchased | Refunding | Refunded | Cancelled | Expired
"""A reservation that was never placed has the state None."""
