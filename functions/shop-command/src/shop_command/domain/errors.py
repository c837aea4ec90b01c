"""Why a command is refused. Each error carries what its answer needs; none of them means that a retry would help.

DomainError
├── ProductAlreadyListedError, ProductNotFoundError, ProductRetiredError
├── UnknownProductsError, MixedCurrenciesError, TotalTooLargeError
├── OutOfStockError, StockScatteredError
└── ReservationExistsError, ReservationNotFoundError, ReservationExpiredError, ReservationCancelledError,
    AlreadyPurchasedError, AlreadyPayingError, NotPayingError, TooManyAttemptsError
"""

from dataclasses import dataclass


class DomainError(Exception):
    """The command is against the rules; nothing has changed."""


@dataclass(eq=False)
class ProductAlreadyListedError(DomainError):
    sku: str


@dataclass(eq=False)
class ProductNotFoundError(DomainError):
    sku: str


@dataclass(eq=False)
class ProductRetiredError(DomainError):
    sku: str


@dataclass(eq=False)
class UnknownProductsError(DomainError):
    """Never listed, or retired: in both cases not for sale."""

    skus: tuple[str, ...]


@dataclass(eq=False)
class MixedCurrenciesError(DomainError):
    currencies: tuple[str, ...]


@dataclass(eq=False)
class TotalTooLargeError(DomainError):
    total_minor: int
    total_minor_max: int


@dataclass(frozen=True)
class Shortage:
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
class ReservationExistsError(DomainError):
    reservation_id: str


@dataclass(eq=False)
class ReservationNotFoundError(DomainError):
    reservation_id: str


@dataclass(eq=False)
class ReservationExpiredError(DomainError):
    reservation_id: str


@dataclass(eq=False)
class ReservationCancelledError(DomainError):
    reservation_id: str


@dataclass(eq=False)
class AlreadyPurchasedError(DomainError):
    reservation_id: str


@dataclass(eq=False)
class AlreadyPayingError(DomainError):
    """Another attempt is under way, and only its outcome decides what comes next."""

    reservation_id: str


@dataclass(eq=False)
class NotPayingError(DomainError):
    """The attempt whose outcome came in is not under way any more: somebody else has recorded an outcome."""

    reservation_id: str
    attempt: int


@dataclass(eq=False)
class TooManyAttemptsError(DomainError):
    reservation_id: str
    attempts_max: int
