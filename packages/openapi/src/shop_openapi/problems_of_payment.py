"""Why money is not taken, or not given back."""

from typing import Final

from shop_command.adapters.webhook import ForgedWebhookError
from shop_command.application.purchases import CardDeclinedError, PaymentRefusedError, PaymentUnavailableError
from shop_command.domain import errors
from shop_command.handlers.problems import problem_of
from shop_openapi.parameters import UUID_EXAMPLE
from shop_openapi.problem import SAME_KEY, Problem, answered
from shop_openapi.samples import DECLINED

_TEXT: Final = {"type": "string"}
_CODE: Final = {"type": "string", "description": "The payment provider's."}

OF_PAYMENT: Final = (
    Problem(
        "card-declined",
        answered(problem_of, CardDeclinedError(DECLINED)),
        "The card was declined. No money was taken.",
        "The bank or the payment provider refuses it; `decline_code` says why, as far as they tell.",
        "Until the reservation expires, purchase it with another `payment_method` and a new Idempotency-Key.",
        "No: the same key gets this same answer, for ever.",
        extensions={
            "code": _CODE,
            "decline_code": _CODE,
            "reservation_id": _TEXT,
            "payment_intent_id": _TEXT,
            "stream_id": _TEXT,
            "stream_version": {"type": "integer", "minimum": 1},
        },
        instance="/purchase",
    ),
    Problem(
        "payment-refused",
        answered(problem_of, PaymentRefusedError("amount_too_small")),
        "The payment provider does not take such a payment. No money was taken.",
        "The amount is too small or too large, or the currency is not supported; `code` says which.",
        "Reserve something else.",
        extensions={"code": _CODE},
        instance="/purchase",
    ),
    Problem(
        "payment-unavailable",
        answered(problem_of, PaymentUnavailableError()),
        "The payment provider did not answer before any money could move.",
        "It is away, or too slow.",
        "Wait for `Retry-After` and repeat it.",
        SAME_KEY,
        instance="/purchase",
    ),
    Problem(
        "already-purchased",
        answered(problem_of, errors.AlreadyPurchasedError(UUID_EXAMPLE)),
        "The reservation was paid for before, once.",
        "It is purchased with another key, or cancelled after it was purchased.",
        "Read the purchase, `purchase_id`. To undo it, ask an administrator for a refund.",
        extensions={"purchase_id": _TEXT},
        instance="/purchase",
    ),
    Problem(
        "too-many-attempts",
        answered(problem_of, errors.TooManyAttemptsError(UUID_EXAMPLE, 10)),
        "Too many cards were declined for one reservation. No money was taken.",
        "Each decline counts, whatever the card.",
        "Make a new reservation.",
        instance="/purchase",
    ),
    Problem(
        "not-purchased",
        answered(problem_of, errors.NotPurchasedError(UUID_EXAMPLE)),
        "There is no money to give back.",
        "The reservation was not paid for, or is being paid for just now.",
        "Cancel the reservation instead, or let it expire.",
        "It can, once the payment that is under way has succeeded.",
        instance=f"/purchases/{UUID_EXAMPLE}/refund",
    ),
    Problem(
        "already-refunded",
        answered(problem_of, errors.AlreadyRefundedError(UUID_EXAMPLE)),
        "The money was given back, or is about to be, once.",
        "A refund is requested again with another key.",
        "Read the purchase.",
        instance=f"/purchases/{UUID_EXAMPLE}/refund",
    ),
    Problem(
        "signature-invalid",
        answered(problem_of, ForgedWebhookError()),
        "The webhook does not prove who sent it; it was not read.",
        "It is not signed with the endpoint's secret, or was signed more than five minutes ago.",
        "Sign it anew.",
        instance="/payments/webhook",
    ),
)
