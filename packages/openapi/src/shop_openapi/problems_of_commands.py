"""A command on products or reservations is refused with one of these problems."""

from typing import Final

from shop_command.domain import errors
from shop_command.handlers.problems import problem_of
from shop_openapi.parameters import UUID_EXAMPLE
from shop_openapi.problem import SAME_KEY, Problem, answered

_SKU: Final = {"type": "string"}
_SKUS: Final = {"type": "array", "items": _SKU, "minItems": 1}
_SHORTAGES: Final = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "sku": _SKU,
            "requested": {"type": "integer", "minimum": 1},
            "available": {"type": "integer", "minimum": 0},
        },
        "required": ["sku", "requested", "available"],
    },
}

OF_COMMANDS: Final = (
    Problem(
        "product-exists",
        answered(problem_of, errors.ProductAlreadyListedError("MUG-BLUE")),
        "The SKU names a product already.",
        "It is for sale, or was once: a SKU is never used again.",
        "Choose another SKU, or change the price or stock of this product.",
        extensions={"sku": _SKU},
        instance="/products",
    ),
    Problem(
        "product-retired",
        answered(problem_of, errors.ProductRetiredError("MUG-BLUE")),
        "The product is not sold any more.",
        "An administrator has retired it.",
        "List a new product under another SKU.",
        extensions={"sku": _SKU},
        instance="/products/MUG-BLUE/price",
    ),
    Problem(
        "unknown-product",
        answered(problem_of, errors.UnknownProductsError(("MUG-BLUU",))),
        "Something in the reservation is not for sale; nothing is held.",
        "A SKU was never listed, or is retired. `skus` has each of them.",
        "Reserve what `GET /products` lists.",
        extensions={"skus": _SKUS},
    ),
    Problem(
        "mixed-currencies",
        answered(problem_of, errors.MixedCurrenciesError(("EUR", "USD"))),
        "The products are sold in different currencies, and a payment has one.",
        "The lines of one reservation have prices in more than one currency.",
        "Make one reservation for each currency.",
        extensions={"currencies": {"type": "array", "items": {"type": "string"}, "minItems": 2}},
    ),
    Problem(
        "total-too-large",
        answered(problem_of, errors.TotalTooLargeError(100_000_000, 99_999_999)),
        "The reservation costs more than can be charged at once.",
        "The sum of its lines is above 99,999,999 minor units.",
        "Split it.",
        extensions={"total_minor": {"type": "integer", "minimum": 1}},
    ),
    Problem(
        "out-of-stock",
        answered(problem_of, errors.OutOfStockError((errors.Shortage("MUG-BLUE", 3, 2),))),
        "There is less than was asked for; nothing of the reservation is held.",
        "All stock of a product together is less than its line. `lines` has each such product and what is left.",
        "Reserve at most what is available. What others hold comes back when they cancel or their time is over.",
        "It can: the key is not used up, and stock may have come back.",
        extensions={"lines": _SHORTAGES},
    ),
    Problem(
        "stock-scattered",
        answered(problem_of, errors.StockScatteredError(60, 40)),
        "There is enough, but in more places than one reservation can take from.",
        "A large reservation of products whose stock is nearly used up in many buckets.",
        "Make several reservations with fewer lines each.",
        "It can, once stock has come back.",
    ),
    Problem(
        "reservation-expired",
        answered(problem_of, errors.ReservationExpiredError(UUID_EXAMPLE)),
        "The time for which the stock was held is over. No money was taken.",
        "It is after `expires_at`.",
        "Make a new reservation.",
        instance="/purchase",
    ),
    Problem(
        "reservation-cancelled",
        answered(problem_of, errors.ReservationCancelledError(UUID_EXAMPLE)),
        "The reservation was given up. No money was taken.",
        "Its owner has cancelled it before.",
        "Make a new reservation.",
        instance="/purchase",
    ),
    Problem(
        "payment-in-progress",
        answered(problem_of, errors.AlreadyPayingError(UUID_EXAMPLE)),
        "The reservation is being paid for, and only the outcome decides what becomes of it.",
        "It is cancelled while a payment's outcome is not known.",
        "Read the reservation until it is `purchased` or `active` again; cancel it then.",
        SAME_KEY,
        instance=f"/reservations/{UUID_EXAMPLE}",
    ),
)
