"""The one table from errors to HTTP: status, slug, and what the caller can do."""

from typing import Final

from shop_command.adapters.system import SecretUnavailableError
from shop_command.adapters.webhook import ForgedWebhookError
from shop_command.application.purchases import PaymentRefusedError, PaymentUnavailableError
from shop_command.application.request import IdempotencyKeyReusedError
from shop_command.domain import errors
from shop_command.ports import ContentionError, StoreUnavailableError
from shop_http.problem import ProblemError

RETRY_SECONDS: Final = 2
_RETRY: Final = {"Retry-After": str(RETRY_SECONDS)}


def problem_of(error: Exception) -> ProblemError | None:
    """Returns None for what no caller can bring about, which is a bug."""
    match error:
        case errors.DomainError():
            return _refused(error)
        case IdempotencyKeyReusedError():
            detail = "This Idempotency-Key came with another body before. Send a new key for a new purpose."
            return ProblemError(422, "idempotency-key-reused", "Idempotency-Key reused", detail)
        case PaymentRefusedError(code=code):
            detail = "The payment provider does not take this amount or currency; reserve something else."
            return ProblemError(422, "payment-refused", "Payment refused", detail, code=code)
        case PaymentUnavailableError():
            detail = "No money was taken. Repeat the request, with the same Idempotency-Key."
            return ProblemError(503, "payment-unavailable", "Payment unavailable", detail, headers=_RETRY)
        case ForgedWebhookError():
            detail = "Sign the payload with the endpoint's secret, at most five minutes before sending it."
            return ProblemError(400, "signature-invalid", "Signature invalid", detail)
        case ContentionError() | StoreUnavailableError() | SecretUnavailableError():
            detail = "Too many requests for the same thing, or a short outage. Repeat with the same Idempotency-Key."
            return ProblemError(503, "try-again", "Try again", detail, headers=_RETRY)
        case _:
            return None


def _refused(error: errors.DomainError) -> ProblemError | None:
    match error:
        case errors.ProductAlreadyListedError(sku=sku):
            detail = "Choose another sku, or change the price or stock of this one."
            return ProblemError(409, "product-exists", "Product exists", detail, sku=sku)
        case errors.ProductNotFoundError():
            return _not_found("There is no such product. GET /products lists them.")
        case errors.ProductRetiredError(sku=sku):
            detail = "The product is not sold any more; list a new one."
            return ProblemError(409, "product-retired", "Product retired", detail, sku=sku)
        case errors.UnknownProductsError(skus=skus):
            detail = "Reserve only what GET /products lists; `skus` are not for sale."
            return ProblemError(422, "unknown-product", "Unknown product", detail, skus=skus)
        case errors.MixedCurrenciesError(currencies=currencies):
            detail = "Make one reservation for each currency."
            return ProblemError(422, "mixed-currencies", "Mixed currencies", detail, currencies=currencies)
        case errors.TotalTooLargeError(total_minor=total, total_minor_max=most):
            detail = f"Split it: one reservation may cost at most {most} minor units."
            return ProblemError(422, "total-too-large", "Total too large", detail, total_minor=total)
        case errors.OutOfStockError(shortages=shortages):
            detail = "Reserve at most what is available of each product; nothing of this reservation is held."
            lines = [{"sku": s.sku, "requested": s.requested, "available": s.available} for s in shortages]
            return ProblemError(409, "out-of-stock", "Out of stock", detail, lines=lines)
        case errors.StockScatteredError():
            detail = "There is enough, but spread too wide for one reservation. Make several with fewer lines each."
            return ProblemError(409, "stock-scattered", "Stock scattered", detail)
        case _:
            return _not_payable(error)


def _not_payable(error: errors.DomainError) -> ProblemError | None:
    match error:
        case errors.ReservationNotFoundError():
            return _not_found("You have no such reservation.")
        case errors.ReservationExpiredError():
            detail = "The stock is not held any more. Make a new reservation."
            return ProblemError(409, "reservation-expired", "Reservation expired", detail)
        case errors.ReservationCancelledError():
            detail = "The reservation was cancelled. Make a new one."
            return ProblemError(409, "reservation-cancelled", "Reservation cancelled", detail)
        case errors.AlreadyPurchasedError(reservation_id=reservation_id):
            detail = f"It is paid for, once. See GET /purchases/{reservation_id}."
            return ProblemError(409, "already-purchased", "Already purchased", detail, purchase_id=reservation_id)
        case errors.AlreadyPayingError(reservation_id=reservation_id):
            detail = f"A payment is under way, and its outcome decides. See GET /reservations/{reservation_id}."
            return ProblemError(409, "payment-in-progress", "Payment in progress", detail, headers=_RETRY)
        case errors.PurchaseNotFoundError():
            return _not_found("There is no such purchase.")
        case errors.NotPurchasedError():
            detail = "Only what was paid for can be refunded; a reservation is cancelled instead."
            return ProblemError(409, "not-purchased", "Not purchased", detail)
        case errors.AlreadyRefundedError(reservation_id=reservation_id):
            detail = f"The money was given back, or is about to be, once. See GET /purchases/{reservation_id}."
            return ProblemError(409, "already-refunded", "Already refunded", detail)
        case errors.TooManyAttemptsError():
            detail = "Too many cards were declined. Make a new reservation."
            return ProblemError(409, "too-many-attempts", "Too many attempts", detail)
        case _:
            return None


def _not_found(detail: str) -> ProblemError:
    return ProblemError(404, "not-found", "Not found", detail)
