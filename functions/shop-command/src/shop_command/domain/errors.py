"""Each error says why a command is refused. Each error carries what its answer needs; none of them means that a retry
would help.

DomainError
├── ProductError: ProductAlreadyListedError, ProductNotFoundError, ProductRetiredError, ProductNotRetiredError,
│   CurrencyChangeError, AdjustmentTooLargeError
├── UnknownProductsError, MixedCurrenciesError, TotalTooLargeError, TotalTooSmallError
├── UnsupportedCurrencyError, AmountNotPayableError
├── OutOfStockError, StockScatteredError
├── TooManyReservationsError, TooManyUnitsError, TooManyCardAttemptsError
└── ReservationError: ReservationExistsError, ReservationNotFoundError (AnothersReservationError),
    ReservationExpiredError, ReservationHeldError, ReservationCancelledError, AlreadyPurchasedError,
    AlreadyPayingError, NotPayingError, TooManyAttemptsError, PurchaseNotFoundError, NotPurchasedError,
    AlreadyRefundedError, RefundInProgressError, RefundTooLargeError, TooManyRefundsError, NotRefundingError,
    NotStrayError, PurchaseDisputedError, DisputeKnownError
"""

from dataclasses import dataclass
from typing import Any

from msgspec import Struct


class DomainError(Exception):
    """The command is against the rules; nothing has changed."""


@dataclass(eq=False)
class ProductError(DomainError):
    sku: str


class ProductAlreadyListedError(ProductError): ...


class ProductNotFoundError(ProductError): ...


class ProductRetiredError(ProductError): ...


class ProductNotRetiredError(ProductError): ...


@dataclass(eq=False)
class AdjustmentTooLargeError(ProductError):
    """Only what is available can be taken away: what is held or sold belongs to somebody."""

    available: int


@dataclass(eq=False)
class CurrencyChangeError(ProductError):
    """The new price is in another currency, and nobody has said that this is meant."""

    currency: str
    new_currency: str


@dataclass(eq=False)
class UnknownProductsError(DomainError):
    """These were never listed, or are retired, and so are not for sale."""

    skus: tuple[str, ...]


@dataclass(eq=False)
class MixedCurrenciesError(DomainError):
    currencies: tuple[str, ...]


@dataclass(eq=False)
class TotalTooLargeError(DomainError):
    total_minor: int
    total_minor_max: int


@dataclass(eq=False)
class TotalTooSmallError(DomainError):
    total_minor: int
    total_minor_min: int


@dataclass(eq=False)
class UnsupportedCurrencyError(DomainError):
    """It is no currency of today, or the payment provider does not take it."""

    currency: str


@dataclass(eq=False)
class AmountNotPayableError(DomainError):
    """The currency has no coin for such an amount, or it is more than can be charged at once."""

    amount_minor: int
    currency: str
    multiple_of: int
    amount_minor_max: int


class Shortage(Struct, frozen=True):
    sku: str
    requested: int
    available: int


@dataclass(eq=False)
class OutOfStockError(DomainError):
    """All buckets of each of these products together have less than was asked for."""

    shortages: tuple[Shortage, ...]


@dataclass(eq=False)
class StockScatteredError(DomainError):
    """There is enough, but in more buckets than one transaction can take from. Fewer or smaller lines can help."""

    buckets_needed: int
    buckets_max: int


@dataclass(eq=False)
class TooManyReservationsError(DomainError):
    """The customer has so many open ones already."""

    open_max: int


@dataclass(eq=False)
class TooManyUnitsError(DomainError):
    """The customer's open reservations hold so much of this product already."""

    sku: str
    held: int
    units_max: int


@dataclass(eq=False)
class TooManyCardAttemptsError(DomainError):
    """The customer has tried that many cards, over all reservations."""

    attempts_max: int
    retry_after_seconds: int


@dataclass(eq=False)
class ReservationError(DomainError):
    reservation_id: str


class ReservationExistsError(ReservationError): ...


class ReservationNotFoundError(ReservationError): ...


class AnothersReservationError(ReservationNotFoundError):
    """It is answered like one that does not exist: its existence is nobody else's business."""


class ReservationExpiredError(ReservationError): ...


class ReservationHeldError(ReservationError):
    """The reservation does not expire yet."""


class ReservationCancelledError(ReservationError): ...


class AlreadyPurchasedError(ReservationError): ...


class AlreadyPayingError(ReservationError):
    """Another attempt is under way, and only its outcome decides what comes next."""


class NotPayingError(ReservationError):
    """What came in of the attempt is no news: somebody else has recorded it, or how the attempt ended."""


@dataclass(eq=False)
class TooManyAttemptsError(ReservationError):
    attempts_max: int


class PurchaseNotFoundError(ReservationError): ...


class NotPurchasedError(ReservationError): ...


class AlreadyRefundedError(ReservationError):
    """Nothing is left of the money."""


class RefundInProgressError(ReservationError):
    """Another refund is under way, and only its outcome decides what can still be given back."""


@dataclass(eq=False)
class RefundTooLargeError(ReservationError):
    """It is more money, or more units of a line, than is left of the purchase."""

    left: tuple[Any, ...]
    """Each has a `sku`, a `quantity` and an `amount_minor`."""


@dataclass(eq=False)
class TooManyRefundsError(ReservationError):
    refunds_max: int


@dataclass(eq=False)
class PurchaseDisputedError(ReservationError):
    """The customer's bank has the money, or decides about it."""

    dispute_id: str
    dispute_status: str


class DisputeKnownError(ReservationError):
    """The dispute is known to be in this status: somebody else has recorded it."""


class NotRefundingError(ReservationError):
    """No refund is under way any more: somebody else has recorded its outcome."""


class NotStrayError(ReservationError):
    """The charge is what this reservation's purchase is, or may still be, paid with: it is not given back."""
