"""This table says how each error is answered over HTTP: its status, its slug, and what the caller can do."""

from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

from msgspec.structs import asdict

from shop_command.adapters.secrets import SecretUnavailableError
from shop_command.adapters.webhook import ForgedWebhookError
from shop_command.application.purchases import CardDeclinedError, PaymentRefusedError, PaymentUnavailableError
from shop_command.application.refunds import RefundRefusedError
from shop_command.application.request import IdempotencyKeyReusedError
from shop_command.domain import errors
from shop_command.ports import ContentionError, StoreUnavailableError
from shop_http.problem import ProblemError

RETRY_SECONDS: Final = 2
_RETRY: Final = {"Retry-After": str(RETRY_SECONDS)}


class ProblemType(NamedTuple):
    status: int
    slug: str
    title: str
    extensions: Callable[[Any], Mapping[str, Any]] = lambda _error: {}
    """Makes the problem's further members from the error."""
    headers: Mapping[str, str] | None = None


def problem_of(error: Exception) -> ProblemError | None:
    """Returns None for what no caller can bring about, which is a bug."""
    if type(error) not in _TABLE:
        return None
    kind, detail = _TABLE[type(error)]
    extensions = kind.extensions(error)
    detail = detail.format_map(vars(error))
    seconds = getattr(error, "retry_after_seconds", None)
    headers = {"Retry-After": str(seconds)} if seconds else kind.headers
    is_anothers = isinstance(error, errors.AnothersReservationError)
    return ProblemError(
        kind.status, kind.slug, kind.title, detail, headers=headers, is_anothers=is_anothers, **extensions
    )


def _declined(error: CardDeclinedError) -> Mapping[str, Any]:
    data = error.event.data
    return {
        "code": data.code,
        "decline_code": data.decline_code or data.code,
        "reservation_id": data.reservation_id,
        "payment_intent_id": data.payment_intent_id,
        "stream_id": error.event.subject,
        "stream_version": error.event.streamversion,
    }


def _refused(error: RefundRefusedError) -> Mapping[str, Any]:
    event = error.event
    return {"code": event.data.code, "stream_id": event.subject, "stream_version": event.streamversion}


def _left(error: errors.RefundTooLargeError) -> Mapping[str, Any]:
    lines = [{"sku": it.sku, "quantity": it.quantity, "amount_minor": it.amount_minor} for it in error.left]
    return {"left": {"amount_minor": sum(it.amount_minor for it in error.left), "lines": lines}}


_NOT_FOUND: Final = ProblemType(404, "not-found", "Not found")
_NO_SUCH_RESERVATION: Final = (_NOT_FOUND, "You have no such reservation.")
_BUSY: Final = (
    ProblemType(503, "try-again", "Try again", headers=_RETRY),
    "Too many requests for the same thing, or a short outage. Repeat with the same Idempotency-Key.",
)
_UNITS: Final = ("sku", "held", "units_max")
# A detail may name the error's fields.
_TABLE: Final[Mapping[type[Exception], tuple[ProblemType, str]]] = {
    errors.ProductAlreadyListedError: (
        ProblemType(409, "product-exists", "Product exists", lambda error: {"sku": error.sku}),
        "Choose another sku, or change the price or stock of this one.",
    ),
    errors.ProductNotFoundError: (_NOT_FOUND, "There is no such product. GET /products lists them."),
    errors.ProductRetiredError: (
        ProblemType(409, "product-retired", "Product retired", lambda error: {"sku": error.sku}),
        "The product is not sold any more. Relist it first, with POST /products/{sku}/relist.",
    ),
    errors.UnknownProductsError: (
        ProblemType(422, "unknown-product", "Unknown product", lambda error: {"skus": error.skus}),
        "Reserve only what GET /products lists; `skus` are not for sale.",
    ),
    errors.MixedCurrenciesError: (
        ProblemType(422, "mixed-currencies", "Mixed currencies", lambda error: {"currencies": error.currencies}),
        "Make one reservation for each currency.",
    ),
    errors.TotalTooLargeError: (
        ProblemType(422, "total-too-large", "Total too large", lambda error: {"total_minor": error.total_minor}),
        "Split it: one reservation may cost at most {total_minor_max} minor units.",
    ),
    errors.TotalTooSmallError: (
        ProblemType(422, "total-too-small", "Total too small", lambda error: {"total_minor": error.total_minor}),
        "Add to it: one reservation has to cost at least {total_minor_min} minor units.",
    ),
    errors.UnsupportedCurrencyError: (
        ProblemType(422, "unsupported-currency", "Unsupported currency", lambda error: {"currency": error.currency}),
        "Choose a currency of today that the payment provider takes.",
    ),
    errors.AmountNotPayableError: (
        ProblemType(
            422,
            "amount-not-payable",
            "Amount not payable",
            lambda error: {"currency": error.currency, "multiple_of": error.multiple_of},
        ),
        "In {currency} an amount is a multiple of {multiple_of} and at most {amount_minor_max} minor units.",
    ),
    errors.ProductNotRetiredError: (
        ProblemType(409, "product-not-retired", "Product not retired", lambda error: {"sku": error.sku}),
        "The product is for sale already. Only a retired one is relisted.",
    ),
    errors.AdjustmentTooLargeError: (
        ProblemType(409, "adjustment-too-large", "Adjustment too large", lambda error: {"available": error.available}),
        "Take away at most what is available. What is held comes back when its customer cancels or runs out of time.",
    ),
    errors.CurrencyChangeError: (
        ProblemType(409, "currency-change", "Currency change", lambda error: {"currency": error.currency}),
        "The product is sold in {currency}. Send allow_currency_change if {new_currency} is meant.",
    ),
    errors.OutOfStockError: (
        ProblemType(409, "out-of-stock", "Out of stock", lambda error: {"lines": list(map(asdict, error.shortages))}),
        "Reserve at most what is available of each product; nothing of this reservation is held.",
    ),
    errors.StockScatteredError: (
        ProblemType(409, "stock-scattered", "Stock scattered"),
        "There is enough, but spread too wide for one reservation. Make several with fewer lines each.",
    ),
    errors.TooManyReservationsError: (
        ProblemType(429, "too-many-reservations", "Too many reservations"),
        "Purchase or cancel one first: you may have {open_max} open reservations.",
    ),
    errors.TooManyUnitsError: (
        ProblemType(
            429, "too-many-units", "Too many units", lambda error: {name: getattr(error, name) for name in _UNITS}
        ),
        "Your open reservations may hold {units_max} units of one product. Reserve fewer, or purchase or cancel first.",
    ),
    errors.TooManyCardAttemptsError: (
        ProblemType(429, "too-many-card-attempts", "Too many card attempts"),
        "You may try {attempts_max} cards in an hour. No money was taken; try again after the seconds in Retry-After.",
    ),
    errors.ReservationNotFoundError: _NO_SUCH_RESERVATION,
    errors.AnothersReservationError: _NO_SUCH_RESERVATION,
    errors.ReservationExpiredError: (
        ProblemType(409, "reservation-expired", "Reservation expired"),
        "The stock is not held any more. Make a new reservation.",
    ),
    errors.ReservationCancelledError: (
        ProblemType(409, "reservation-cancelled", "Reservation cancelled"),
        "The reservation was cancelled. Make a new one.",
    ),
    errors.AlreadyPurchasedError: (
        ProblemType(409, "already-purchased", "Already purchased", lambda error: {"purchase_id": error.reservation_id}),
        "It is paid for, once. See GET /purchases/{reservation_id}.",
    ),
    errors.AlreadyPayingError: (
        ProblemType(409, "payment-in-progress", "Payment in progress", headers=_RETRY),
        "A payment is under way, and its outcome decides. See GET /reservations/{reservation_id}.",
    ),
    errors.TooManyAttemptsError: (
        ProblemType(409, "too-many-attempts", "Too many attempts"),
        "Too many cards were declined. Make a new reservation.",
    ),
    CardDeclinedError: (
        ProblemType(402, "card-declined", "Card declined", _declined),
        "No money was taken. Until the reservation expires it can be purchased with another payment_method and a new "
        "Idempotency-Key.",
    ),
    PaymentRefusedError: (
        ProblemType(422, "payment-refused", "Payment refused", lambda error: {"code": error.code}),
        "The payment provider does not take this amount or currency; reserve something else.",
    ),
    PaymentUnavailableError: (
        ProblemType(503, "payment-unavailable", "Payment unavailable", headers=_RETRY),
        "No money was taken. Repeat the request, with the same Idempotency-Key.",
    ),
    errors.PurchaseNotFoundError: (_NOT_FOUND, "There is no such purchase."),
    errors.NotPurchasedError: (
        ProblemType(409, "not-purchased", "Not purchased"),
        "Only what was paid for can be refunded; a reservation is cancelled instead.",
    ),
    errors.AlreadyRefundedError: (
        ProblemType(409, "already-refunded", "Already refunded"),
        "All the money was given back. See GET /purchases/{reservation_id}.",
    ),
    errors.RefundInProgressError: (
        ProblemType(409, "refund-in-progress", "Refund in progress", headers=_RETRY),
        "Another refund of this purchase is under way, and its outcome decides what is left. Try again afterwards.",
    ),
    errors.PurchaseDisputedError: (
        ProblemType(
            409,
            "purchase-disputed",
            "Purchase disputed",
            lambda error: {"dispute_id": error.dispute_id, "dispute_status": error.dispute_status},
        ),
        "The customer's bank has the money, or decides about it. What is won can be refunded.",
    ),
    errors.RefundTooLargeError: (
        ProblemType(409, "refund-too-large", "Refund too large", _left),
        "Refund at most what is `left` of the purchase, and of each of its lines.",
    ),
    errors.TooManyRefundsError: (
        ProblemType(409, "too-many-refunds", "Too many refunds"),
        "A purchase has at most {refunds_max} refunds, those that failed included.",
    ),
    RefundRefusedError: (
        ProblemType(409, "refund-refused", "Refund refused", _refused),
        "The payment provider refuses this refund for good, see `code`. Nothing was given back.",
    ),
    IdempotencyKeyReusedError: (
        ProblemType(422, "idempotency-key-reused", "Idempotency-Key reused"),
        "This Idempotency-Key came with another body before. Send a new key for a new purpose.",
    ),
    ForgedWebhookError: (
        ProblemType(400, "signature-invalid", "Signature invalid"),
        "Sign the payload with the endpoint's secret, at most five minutes before sending it.",
    ),
    ContentionError: _BUSY,
    StoreUnavailableError: _BUSY,
    SecretUnavailableError: _BUSY,
}
