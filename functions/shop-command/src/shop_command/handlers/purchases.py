"""A customer pays, an administrator gives money back, and the payment provider reports."""

from functools import partial
from typing import Annotated, Final, Literal, assert_never

from pydantic import Field
from typing_extensions import TypedDict

from shop_command import bootstrap
from shop_command.application.purchases import Pending
from shop_command.domain import reservation
from shop_command.domain.errors import PurchaseNotFoundError
from shop_command.handlers.function import WEBHOOK, Position, annotate, function, position, request_of
from shop_http.answers import Accepted, Created, Receipt
from shop_http.body import Body, RawBody
from shop_http.route import HttpRequest, Who
from shop_shared import forms
from shop_shared.events import PurchaseRefunded, PurchaseRefundRequested
from shop_shared.values import Money, Uuid

_route = partial(function.route, tag="Purchases")
PaymentIntentId = Annotated[str, Field(description="The payment's id at the provider.")]


class PurchaseBody(Body):
    reservation_id: Uuid
    payment_method: Annotated[str, Field(pattern=r"^pm_[A-Za-z0-9_]{1,250}$", examples=["pm_card_visa"])]


class ConfirmedPurchase(Position):
    """It is paid for."""

    purchase_id: Uuid
    reservation_id: Uuid
    status: Literal["purchased"]
    total: Money
    payment_intent_id: PaymentIntentId


class PendingPurchase(Position):
    """The outcome of this payment, or of another one of the reservation, is not known yet."""

    reservation_id: Uuid
    status: Literal["paying"]
    total: Money
    payment_intent_id: PaymentIntentId


_PAYING: Final = (
    *("card-declined", "payment-refused", "payment-unavailable", "not-found", "already-purchased"),
    *("reservation-expired", "reservation-cancelled", "too-many-attempts", "too-many-card-attempts"),
    "try-again",
)


@_route("POST /purchase", who=Who.CUSTOMER, keyed=True, problems=_PAYING)
def purchase(call: HttpRequest, body: PurchaseBody) -> Created[ConfirmedPurchase] | Accepted[PendingPurchase]:
    """Pays for a reservation.

    A charge whose outcome is unknown is answered with 202, never as a failure: repeat the request with the same
    Idempotency-Key, or follow `Location`, to see how it ended. It is charged once at most.
    """
    stream = reservation.stream(body.reservation_id)
    annotate(stream)
    outcome = bootstrap.application().purchases.purchase(request_of(call), body.reservation_id, body.payment_method)
    if isinstance(outcome, Pending):
        pending: PendingPurchase = {
            "reservation_id": outcome.reservation_id,
            "status": "paying",
            "total": outcome.total,
            "payment_intent_id": outcome.payment_intent_id,
            "stream_id": stream.id,
            "stream_version": outcome.stream_version,
        }
        return Accepted(pending, f"/reservations/{outcome.reservation_id}")
    data = outcome.data
    confirmed: ConfirmedPurchase = {
        "purchase_id": data.purchase_id,
        "reservation_id": data.reservation_id,
        "total": data.total,
        "payment_intent_id": data.payment_intent_id,
        "status": "purchased",
        **position(outcome),
    }
    return Created(confirmed, f"/purchases/{data.purchase_id}")


class Refund(Position):
    """The money is back."""

    purchase_id: Uuid
    refund_id: Annotated[str, Field(description="The refund's id at the provider.")]
    status: Literal["refunded"]
    total: Money


class PendingRefund(Position):
    """It is recorded, and not known yet whether the money is back. It will be, without a repeat."""

    purchase_id: Uuid
    status: Literal["refunding"]
    total: Money


_REFUNDING: Final = ("not-found", "not-purchased", "already-refunded", "try-again")


@_route("POST /purchases/{purchase_id}/refund", who=Who.ADMINISTRATOR, keyed=True, problems=_REFUNDING)
def refund_purchase(call: HttpRequest, purchase_id: str) -> Created[Refund] | Accepted[PendingRefund]:
    """Gives all the money back.

    The stock can be sold again as soon as the money is back.
    """
    if not forms.UUID.matches(purchase_id):
        raise PurchaseNotFoundError(purchase_id)
    annotate(reservation.stream(purchase_id))
    outcome = bootstrap.application().refunds.refund(request_of(call), purchase_id)
    location = f"/purchases/{purchase_id}"
    match outcome.data:
        case PurchaseRefunded() as data:
            refund: Refund = {
                "purchase_id": purchase_id,
                "refund_id": data.refund_id,
                "status": "refunded",
                "total": data.total,
                **position(outcome),
            }
            return Created(refund, location)
        case PurchaseRefundRequested() as data:
            total = data.amount
            return Accepted(
                {"purchase_id": purchase_id, "status": "refunding", "total": total, **position(outcome)}, location
            )
        case _:
            assert_never(outcome.data)


class WebhookReceipt(TypedDict):
    """It has arrived, whether or not it was news."""

    received: Literal[True]


@_route(WEBHOOK, problems=("signature-invalid", "try-again"))
def receive_webhook(call: HttpRequest, body: RawBody) -> Receipt[WebhookReceipt]:
    """Takes the payment provider's report that something has happened to a payment.

    It is in Stripe's format. The signature proves who sent it; what has happened is asked of the provider, never read
    from here. A repeat changes nothing.
    """
    application = bootstrap.application()
    hint = application.webhook.read(body, call.header("stripe-signature") or "")
    if hint is not None:
        annotate(reservation.stream(hint.reservation_id))
        application.settlement.check(hint.reservation_id, hint.payment_intent_id)
    return Receipt({"received": True})
