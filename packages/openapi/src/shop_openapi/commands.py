"""shop-command's routes: the customers', the payment provider's, and with `administration` the administrators'."""

from typing import Final

from shop_command.handlers import bodies
from shop_openapi import models
from shop_openapi.administration import ADMINISTERING
from shop_openapi.declarations import (
    LOCATION,
    RETRY_AFTER,
    AnswerShape,
    BodyShape,
    Operation,
    Operations,
    Who,
)
from shop_openapi.parameters import PURCHASE_IN_PATH, RESERVATION_IN_PATH, STRIPE_SIGNATURE, UUID_EXAMPLE
from shop_openapi.static import document_operation

STREAM: Final = {"stream_id": f"reservation-{UUID_EXAMPLE}"}
TOTAL: Final = {"amount_minor": 2500, "currency": "EUR"}
LINES: Final = [{"sku": "MUG-BLUE", "quantity": 2, "unit_price_minor": 1250}]
INTENT: Final = "pi_3PxExample0000000000000001"

RESERVATIONS: Final = "Reservations"
PURCHASES: Final = "Purchases"


_RESERVING: Final[Operations] = {
    "POST /reservations": Operation(
        "placeReservation",
        RESERVATIONS,
        "Hold stock",
        "All lines are held, or none, at the shop's prices of this moment, until `expires_at`. "
        "An unpaid reservation expires by itself and its stock can be sold again.",
        who=Who.CUSTOMER,
        keyed=True,
        body=BodyShape(bodies.ReservationBody, {"lines": [{"sku": "MUG-BLUE", "quantity": 2}]}),
        answers=(
            AnswerShape(
                201,
                "The stock is held.",
                models.PlacedReservation,
                {
                    "reservation_id": UUID_EXAMPLE,
                    "status": "active",
                    "lines": LINES,
                    "total": TOTAL,
                    "expires_at": "2026-11-23T09:44:06.821000Z",
                    **STREAM,
                    "stream_version": 1,
                },
                LOCATION,
            ),
        ),
        problems=(
            *("unknown-product", "mixed-currencies", "total-too-large", "out-of-stock", "stock-scattered"),
            "try-again",
        ),
    ),
    "DELETE /reservations/{reservation_id}": Operation(
        "cancelReservation",
        RESERVATIONS,
        "Give a reservation up",
        "Before it is paid for. It needs no Idempotency-Key: a repeat answers the same and does no more.",
        who=Who.CUSTOMER,
        parameters=(RESERVATION_IN_PATH,),
        answers=(
            AnswerShape(
                200,
                "Its stock can be sold again.",
                models.CancelledReservation,
                {
                    "reservation_id": UUID_EXAMPLE,
                    "status": "cancelled",
                    "lines": LINES,
                    "total": TOTAL,
                    **STREAM,
                    "stream_version": 2,
                },
                LOCATION,
            ),
        ),
        problems=("not-found", "reservation-expired", "already-purchased", "payment-in-progress", "try-again"),
    ),
}

_PURCHASING: Final[Operations] = {
    "POST /purchase": Operation(
        "purchase",
        PURCHASES,
        "Pay for a reservation",
        "A charge whose outcome is unknown is answered with 202, never as a failure: repeat the request with the same "
        "Idempotency-Key, or follow `Location`, to see how it ended. It is charged once at most.",
        who=Who.CUSTOMER,
        keyed=True,
        body=BodyShape(bodies.PurchaseBody, {"reservation_id": UUID_EXAMPLE, "payment_method": "pm_card_visa"}),
        answers=(
            AnswerShape(
                201,
                "It is paid for.",
                models.ConfirmedPurchase,
                {
                    "purchase_id": UUID_EXAMPLE,
                    "reservation_id": UUID_EXAMPLE,
                    "status": "purchased",
                    "total": TOTAL,
                    "payment_intent_id": INTENT,
                    **STREAM,
                    "stream_version": 3,
                },
                LOCATION,
            ),
            AnswerShape(
                202,
                "Not settled yet: the outcome of this payment, or of another one of the reservation, is not known.",
                models.PendingPurchase,
                {
                    "reservation_id": UUID_EXAMPLE,
                    "status": "paying",
                    "total": TOTAL,
                    "payment_intent_id": INTENT,
                    **STREAM,
                    "stream_version": 2,
                },
                {**LOCATION, **RETRY_AFTER},
            ),
        ),
        problems=(
            *("card-declined", "payment-refused", "payment-unavailable", "not-found", "already-purchased"),
            *("reservation-expired", "reservation-cancelled", "too-many-attempts", "try-again"),
        ),
    ),
    "POST /purchases/{purchase_id}/refund": Operation(
        "refundPurchase",
        PURCHASES,
        "Give all the money back",
        "The stock can be sold again as soon as the money is back.",
        who=Who.ADMINISTRATOR,
        keyed=True,
        parameters=(PURCHASE_IN_PATH,),
        answers=(
            AnswerShape(
                201,
                "The money is back.",
                models.Refund,
                {
                    "purchase_id": UUID_EXAMPLE,
                    "refund_id": "re_3PxExample0000000000000001",
                    "status": "refunded",
                    "total": TOTAL,
                    **STREAM,
                    "stream_version": 5,
                },
                LOCATION,
            ),
            AnswerShape(
                202,
                "It is recorded, and not known yet whether the money is back. It will be, without a repeat.",
                models.PendingRefund,
                {
                    "purchase_id": UUID_EXAMPLE,
                    "status": "refunding",
                    "total": TOTAL,
                    **STREAM,
                    "stream_version": 4,
                },
                {**LOCATION, **RETRY_AFTER},
            ),
        ),
        problems=("not-found", "not-purchased", "already-refunded", "try-again"),
    ),
    "POST /payments/webhook": Operation(
        "hearOfPayment",
        PURCHASES,
        "For the payment provider: something has happened to a payment",
        "In Stripe's format. The signature says who sent it; what has happened is asked of the provider, never read "
        "from here. A repeat changes nothing.",
        parameters=(STRIPE_SIGNATURE,),
        body=BodyShape(
            None,
            {
                "id": "evt_1PxExample",
                "type": "payment_intent.succeeded",
                "data": {"object": {"id": INTENT, "metadata": {"reservation_id": UUID_EXAMPLE}}},
            },
            reads_json=False,
        ),
        answers=(AnswerShape(200, "Heard, whether or not it was news.", models.WebhookReceipt, {"received": True}),),
        problems=("signature-invalid", "try-again"),
    ),
}

OPERATIONS: Final[Operations] = {
    **_RESERVING,
    **_PURCHASING,
    **ADMINISTERING,
    "GET /openapi/command.json": document_operation("Command", "shop-command's part of this document"),
}
