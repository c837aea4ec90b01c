"""A customer pays, an administrator gives money back, and the payment provider reports."""

from functools import partial
from typing import Annotated, Final, Literal, NotRequired, Self, assert_never

from pydantic import ConfigDict, Field, model_validator
from pydantic_core import PydanticCustomError
from typing_extensions import TypedDict

from shop_command import bootstrap
from shop_command.application.purchases import Pending
from shop_command.domain import reservation
from shop_command.domain.errors import PurchaseNotFoundError
from shop_command.domain.refunding import RequestRefund
from shop_command.handlers.function import WEBHOOK, Position, annotate, function, position, request_of
from shop_http.answers import Accepted, Created, Receipt
from shop_http.body import Body, OptionalBody, RawBody
from shop_http.route import HttpRequest, Who
from shop_shared import forms
from shop_shared.events import PurchaseRefunded, PurchaseRefundRequested
from shop_shared.values import AMOUNT_MINOR_MAX, LINES_MAX, AmountMinor, Money, Quantity, RefundReason, Sku, Uuid

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


_PAGE: Final = "https://hooks.stripe.com/3d_secure_2/hosted?merchant=acct_Example"
_SECRET: Final = "pi_3PxExample0000000000000001_secret_Example"  # noqa: S105 - nobody's


class NextAction(TypedDict):
    """The customer's browser has to do this."""

    type: Literal["redirect_to_url", "use_stripe_sdk"]
    url: NotRequired[
        Annotated[str, Field(description="Where 3-D Secure is, if `type` is `redirect_to_url`.", examples=[_PAGE])]
    ]


class PendingPurchase(Position):
    """The outcome of this payment is not known yet; with `requires_action`, it waits for the customer."""

    reservation_id: Uuid
    status: Literal["requires_action", "paying"]
    total: Money
    payment_intent_id: PaymentIntentId
    client_secret: NotRequired[
        Annotated[
            str,
            Field(description="For Stripe.js, if `status` is `requires_action`. Keep it nowhere.", examples=[_SECRET]),
        ]
    ]
    next_action: NotRequired[NextAction]


_PAYING: Final = (
    *("card-declined", "payment-refused", "payment-unavailable", "not-found", "already-purchased"),
    *("payment-in-progress", "reservation-expired", "reservation-cancelled", "too-many-attempts"),
    *("too-many-card-attempts", "try-again"),
)


@_route("POST /purchase", who=Who.CUSTOMER, keyed=True, problems=_PAYING)
def purchase(call: HttpRequest, body: PurchaseBody) -> Created[ConfirmedPurchase] | Accepted[PendingPurchase]:
    """Pays for a reservation.

    A charge whose outcome is unknown is answered with 202, never as a failure: repeat the request with the same
    Idempotency-Key, or follow `Location`, to see how it ended. It is charged once at most. While it is open, another
    key is refused with 409 `payment-in-progress`. With the status `requires_action` the customer has to go through 3-D
    Secure until the reservation expires: open `next_action.url`, or give `client_secret` to Stripe.js, and then repeat
    the request. Or pay in another way, with another key: that gives the payment up, which then is declined with the
    `decline_code` `given_up`, unless the customer has confirmed it before and so has bought.
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
        if action := outcome.action:
            pending["status"] = "requires_action"
            pending["client_secret"] = action.client_secret
            pending["next_action"] = (
                {"type": "redirect_to_url", "url": action.url} if action.url else {"type": "use_stripe_sdk"}
            )
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


class WantedRefundLine(Body):
    sku: Sku
    quantity: Quantity


class RefundBody(OptionalBody):
    """Without a body, all that is left is given back, and its stock can be sold again."""

    model_config = ConfigDict(json_schema_extra={"examples": [{"lines": [{"sku": "MUG-BLUE", "quantity": 1}]}]})

    amount_minor: Annotated[
        int | None, Field(ge=1, le=AMOUNT_MINOR_MAX, description="Money alone, spread over the lines; no stock moves.")
    ] = None
    lines: Annotated[
        tuple[WantedRefundLine, ...] | None,
        Field(min_length=1, max_length=LINES_MAX, description="Units, at the price that was paid. Each `sku` once."),
    ] = None
    restock: Annotated[bool | None, Field(description="Whether the units can be sold again, which is the default.")] = (
        None
    )
    reason: RefundReason = "requested_by_customer"

    @model_validator(mode="after")
    def _one_way(self) -> Self:
        if self.amount_minor is not None and (self.lines or self.restock is not None):
            raise PydanticCustomError("either", "send either amount_minor alone, or lines")
        if self.lines and len({line.sku for line in self.lines}) < len(self.lines):
            raise PydanticCustomError("once", "send each sku once in lines")
        return self


class RefundedLine(TypedDict):
    sku: Sku
    quantity: Annotated[int, Field(ge=0, description="0 where only money is given back.")]
    amount_minor: AmountMinor


class Refund(Position):
    """The money is back."""

    purchase_id: Uuid
    refund_id: Annotated[str, Field(description="The refund's id at the provider.")]
    status: Literal["refunded"]
    total: Annotated[Money, Field(description="What this refund gives back.")]
    lines: list[RefundedLine]
    reason: RefundReason


class PendingRefund(Position):
    """It is recorded, and not known yet whether the money is back. It will be, without a repeat, or be refused."""

    purchase_id: Uuid
    status: Literal["refunding"]
    total: Annotated[Money, Field(description="What this refund gives back.")]


_REFUNDING: Final = (
    *("not-found", "not-purchased", "already-refunded", "refund-in-progress", "purchase-disputed", "refund-too-large"),
    *("too-many-refunds", "refund-refused", "amount-not-payable", "try-again"),
)


@_route("POST /purchases/{purchase_id}/refund", who=Who.ADMINISTRATOR, keyed=True, problems=_REFUNDING)
def refund_purchase(call: HttpRequest, purchase_id: str, body: RefundBody) -> Created[Refund] | Accepted[PendingRefund]:
    """Gives money back: all that is left, an amount, or units of some lines.

    A purchase can be refunded several times, one after the other, until nothing is left.
    """
    if not forms.UUID.matches(purchase_id):
        raise PurchaseNotFoundError(purchase_id)
    annotate(reservation.stream(purchase_id))
    command = RequestRefund(
        purchase_id,
        body.amount_minor,
        tuple((line.sku, line.quantity) for line in body.lines or ()),
        restock=body.restock is not False,
        reason=body.reason,
    )
    outcome = bootstrap.application().refunds.refund(request_of(call), command)
    location = f"/purchases/{purchase_id}"
    match outcome.data:
        case PurchaseRefunded() as data:
            refund: Refund = {
                "purchase_id": purchase_id,
                "refund_id": data.refund_id,
                "status": "refunded",
                "total": data.amount,
                "lines": [
                    {"sku": line.sku, "quantity": line.quantity, "amount_minor": line.amount_minor}
                    for line in data.lines
                ],
                "reason": data.reason or "requested_by_customer",
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
        if hint.reservation_id is not None:
            annotate(reservation.stream(hint.reservation_id))
        application.settlement.follow(hint)
    return Receipt({"received": True})
