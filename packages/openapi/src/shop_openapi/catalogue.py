"""Each problem type is explained here, with a sample that is made by the code that answers it."""

from datetime import UTC, datetime
from typing import Any, Final

from shop_command.adapters.webhook import ForgedWebhookError
from shop_command.application.purchases import CardDeclinedError, PaymentRefusedError, PaymentUnavailableError
from shop_command.application.refunds import RefundRefusedError
from shop_command.application.request import IdempotencyKeyReusedError
from shop_command.domain import errors
from shop_command.domain.refunding import REFUNDS_MAX, LineLeft
from shop_command.handlers import reservations
from shop_command.handlers.problems import problem_of
from shop_command.ports import ContentionError
from shop_http import body, entry, request
from shop_http.problem import ProblemError
from shop_http.route import Route, Who
from shop_openapi.problems import SAME_KEY, Problem, answered, raised
from shop_query.application.errors import NotYetVisibleError
from shop_query.handlers.problems import problem
from shop_query.ports import Query, ReadModelTimeoutError, ReadModelUnavailableError
from shop_shared import forms
from shop_shared.envelope import Envelope
from shop_shared.events import PaymentDeclined, PurchaseRefundFailed
from shop_shared.registry import dataschema
from shop_shared.values import Money

_ID: Final = forms.UUID.example
_JSON: Final = {"content-type": "application/json"}
_READ_AGAIN: Final = "Yes, after the seconds in `Retry-After`. A read changes nothing."
_FAULTS: Final = {
    "type": "array",
    "minItems": 1,
    "items": {
        "type": "object",
        "properties": {
            "pointer": {"type": "string", "description": "Of a field of the body (RFC 6901)."},
            "parameter": {"type": "string", "description": "The name of a query parameter."},
            "detail": {"type": "string"},
        },
        "required": ["detail"],
    },
}
_KEYED: Final = Route("POST", "/", lambda: None, "", Who.ANYONE, keyed=True, query=(), problems=())  # type: ignore[arg-type,return-value] # it is never answered
_DECLINED: Final[Envelope[PaymentDeclined]] = Envelope(
    id="01a207bc-da7e-7625-b882-a28e205073fc",
    type=PaymentDeclined.TYPE,
    subject=f"reservation-{_ID}",
    time=datetime(2026, 11, 23, 9, 29, 6, tzinfo=UTC),
    dataschema=dataschema(PaymentDeclined),
    streamversion=3,
    partitionkey=f"reservation-{_ID}",
    correlationid="checkout-7f3a",
    causationid="request",
    data=PaymentDeclined(
        reservation_id=_ID,
        attempt=1,
        payment_intent_id="pi_3PxExample0000000000000001",
        code="card_declined",
        decline_code="insufficient_funds",
    ),
)

_REFUND_FAILED: Final[Envelope[PurchaseRefundFailed]] = Envelope(
    id="01a207bc-da7e-7625-b882-a28e205073fd",
    type=PurchaseRefundFailed.TYPE,
    subject=f"reservation-{_ID}",
    time=datetime(2026, 11, 23, 9, 29, 6, tzinfo=UTC),
    dataschema=dataschema(PurchaseRefundFailed),
    streamversion=5,
    partitionkey=f"reservation-{_ID}",
    correlationid="return-81c0",
    causationid="request",
    data=PurchaseRefundFailed(
        purchase_id=_ID,
        reservation_id=_ID,
        refund=1,
        payment_intent_id="pi_3PxExample0000000000000001",
        amount=Money(amount_minor=1250, currency="EUR"),
        lines=(),
        code="charge_disputed",
    ),
)


_CUSTOMER: Final = {"sub": "6f1c8a52", "token_use": "access"}


def _event(text: str = "", **headers: str) -> dict[str, Any]:
    return {"body": text, "headers": headers, "requestContext": {"requestId": "request"}}


def _body(text: str, headers: dict[str, str]) -> ProblemError:
    return raised(reservations.ReservationBody.read, _event(text, **headers))


def _command(error: Exception) -> ProblemError:
    return answered(problem_of, error)


_OF_REQUESTS: Final = (
    Problem(
        _body('{"lines": [', _JSON),
        "The body is no JSON document.",
        "It is empty, cut off, not in UTF-8, has a member twice in one object, or a syntax error; `detail` says where.",
    ),
    Problem(
        _body('{"lines": [{"sku": "MUG-BLUE", "quantity": 0}]}', _JSON),
        "The body or a query parameter is against this document.",
        "A field is missing, unknown, of another type or out of its limits; or a query parameter is; or a route "
        "without a body got one. `errors` names each: `pointer` a place in the body, `parameter` a query parameter.",
        extensions={"errors": _FAULTS},
    ),
    Problem(
        _body(" " * (body.BODY_BYTES_MAX + 1), _JSON),
        "The body is larger than any request needs.",
        f"It has more than {body.BODY_BYTES_MAX:,} bytes.",
    ),
    Problem(
        _body("lines=1", {"content-type": "application/x-www-form-urlencoded"}),
        "The body is said to be something other than JSON.",
        "The header Content-Type is absent, or not `application/json`.",
    ),
    Problem(
        raised(_KEYED.answer, _event(), {}),
        "A command could not be told from its own repeat.",
        "A route that takes an Idempotency-Key got none.",
        "Only with a key.",
    ),
    Problem(
        raised(_KEYED.answer, _event(**{"idempotency-key": "two words"}), {}),
        "The Idempotency-Key cannot be kept as it is.",
        "It has more than 255 characters, other than visible ASCII ones, or a comma: then the header was sent twice.",
        "Only with another key.",
    ),
    Problem(
        _command(IdempotencyKeyReusedError()),
        "The key was used for something else before, and nothing was done this time.",
        "This caller sent the same key to the same route with another body or path, in any field, at any time in the "
        "past.",
        "Only with what was sent first: it gets the first answer.",
    ),
    Problem(
        raised(request.caller, {"requestContext": {}}),
        "The shop does not know who is asking.",
        "The token is an ID token, or an administrator's access token that was issued more than 15 minutes ago: "
        "refresh it. A missing or invalid token never comes this far: the gateway refuses it with 401 and a body of "
        'its own, `{"message": "Unauthorized"}`.',
    ),
    Problem(
        raised(request.administrator, {"requestContext": {"authorizer": {"jwt": {"claims": _CUSTOMER}}}}),
        "The route is not for you.",
        "The token is valid, and its user is not in the group `admin`.",
        instance="/products",
    ),
    Problem(
        entry.NOT_FOUND,
        "There is no such thing, or it is not yours: the answer never tells the two apart.",
        "The path names no route, or a product, reservation or purchase that does not exist, is another customer's, or "
        "is so new that the read model does not have it yet: send the command's `stream_version` as `min_version`.",
        instance="/products/NO-SUCH-SKU",
    ),
    Problem(
        _command(ContentionError()),
        "The command was not done, because too many others changed the same thing, or a system was away for a moment.",
        "Many customers reserve the same product at once, or the store does not answer in time.",
        SAME_KEY,
    ),
    Problem(
        entry.INTERNAL,
        "A mistake of ours. It was logged under `correlation_id`.",
        "Never, we hope. If a repeat fails too, send us the `correlation_id`.",
        "Perhaps, with the same key: if the command was done, the repeat gets its answer and has no second effect.",
    ),
)
_OF_COMMANDS: Final = (
    Problem(
        _command(errors.ProductAlreadyListedError("MUG-BLUE")),
        "The SKU names a product already.",
        "It is for sale, or was once: a SKU never names another product.",
        instance="/products",
    ),
    Problem(
        _command(errors.ProductRetiredError("MUG-BLUE")),
        "The product is not sold any more.",
        "An administrator has retired it.",
        instance="/products/MUG-BLUE/price",
    ),
    Problem(
        _command(errors.ProductNotRetiredError("MUG-BLUE")),
        "The product is for sale already.",
        "It was never retired, or somebody else has relisted it.",
        instance="/products/MUG-BLUE/relist",
    ),
    Problem(
        _command(errors.AdjustmentTooLargeError("MUG-BLUE", 3)),
        "So much is not there to be taken away; the stock is as before.",
        "There is less than that, as `available` says. What customers hold or have bought does not count.",
        "It can: the key is not used up, and stock may have come back.",
        instance="/products/MUG-BLUE/stock-adjustment",
    ),
    Problem(
        _command(errors.UnknownProductsError(("MUG-BLUU",))),
        "Something in the reservation is not for sale; nothing is held.",
        "A SKU was never listed, or is retired. `skus` has each of them.",
    ),
    Problem(
        _command(errors.MixedCurrenciesError(("EUR", "USD"))),
        "The products are sold in different currencies, and a payment has one.",
        "The lines of one reservation have prices in more than one currency.",
    ),
    Problem(
        _command(errors.TotalTooLargeError(100_000_000, 99_999_999)),
        "The reservation costs more than can be charged at once.",
        "The sum of its lines is above 99,999,999 minor units, or the currency's own maximum.",
    ),
    Problem(
        _command(errors.TotalTooSmallError(30, 50)),
        "The reservation costs less than can be charged.",
        "The sum of its lines is below the least that the payment provider charges in this currency, such as 0.50 EUR.",
    ),
    Problem(
        _command(errors.UnsupportedCurrencyError("DEM")),
        "Nobody could pay in this currency.",
        "A price is in a code that ISO 4217 does not have any more, or never had, or that the payment provider does "
        "not take. A product that was listed so before is given another price first.",
        instance="/products",
    ),
    Problem(
        _command(errors.AmountNotPayableError(5_123, "KWD", 10, 99_999_999)),
        "Nobody could pay such an amount in this currency.",
        "The amount is no multiple of `multiple_of`: the last digit of a price in KWD, BHD, JOD, OMR or TND is 0, and "
        "MGA has whole units alone. Or it is more than can be charged at once.",
        instance="/products",
    ),
    Problem(
        _command(errors.CurrencyChangeError("MUG-BLUE", "EUR", "JPY")),
        "The product is sold in another currency, and the price was not changed.",
        "A price is sent in another currency than the present one, without `allow_currency_change`.",
        "Only with `allow_currency_change`, and a new key.",
        instance="/products/MUG-BLUE/price",
    ),
    Problem(
        _command(errors.OutOfStockError((errors.Shortage("MUG-BLUE", 3, 2),))),
        "There is less than was asked for; nothing of the reservation is held.",
        "All stock of a product together is less than its line. `lines` has each such product and what is left. What "
        "others hold comes back when they cancel or their time is over.",
        "It can: the key is not used up, and stock may have come back.",
    ),
    Problem(
        _command(errors.StockScatteredError(60, 40)),
        "There is enough, but in more places than one reservation can take from.",
        "A large reservation of products whose stock is nearly used up in many buckets.",
        "It can, once stock has come back.",
    ),
    Problem(
        _command(errors.ReservationExpiredError(_ID)),
        "The time for which the stock was held is over. No money was taken.",
        "It is after `expires_at`.",
        instance="/purchase",
    ),
    Problem(
        _command(errors.ReservationCancelledError(_ID)),
        "The reservation was given up. No money was taken.",
        "Its owner has cancelled it before.",
        instance="/purchase",
    ),
    Problem(
        _command(errors.AlreadyPayingError(_ID)),
        "The reservation is being paid for, and only the outcome decides what becomes of it.",
        "It is cancelled while a payment's outcome is not known.",
        SAME_KEY,
        instance=f"/reservations/{_ID}",
    ),
)
_OF_LIMITS: Final = (
    Problem(
        _command(errors.TooManyReservationsError(20)),
        "You hold as many open reservations as one customer may. Nothing was reserved.",
        "Each reservation counts until it is purchased, cancelled or expired.",
        "It can, once one of them has ended.",
    ),
    Problem(
        _command(errors.TooManyUnitsError("MUG-BLUE", 99, 100)),
        "You hold as much of this product as one customer may. Nothing was reserved.",
        "The open reservations have `held` units of `sku`, and with these they would pass `units_max`.",
        "It can, once some of them are purchased, cancelled or expired.",
    ),
    Problem(
        _command(errors.TooManyCardAttemptsError(30, 1_800)),
        "You have tried as many cards as one customer may, and this one was not tried.",
        "Each attempt counts, over all reservations, until the hour of the clock (UTC) is over.",
        "Yes, with the same key, after the seconds in `Retry-After`.",
        instance="/purchase",
    ),
)
_OF_PAYMENT: Final = (
    Problem(
        _command(CardDeclinedError(_DECLINED)),
        "The card was declined. No money was taken.",
        "The bank or the payment provider refuses it; `decline_code` says why, as far as they tell.",
        "No: the same key gets this same answer, for ever.",
        instance="/purchase",
    ),
    Problem(
        _command(PaymentRefusedError("amount_too_small")),
        "The payment provider does not take such a payment. No money was taken.",
        "The amount is too small or too large, or the currency is not supported; the provider's `code` says which.",
        instance="/purchase",
    ),
    Problem(
        _command(PaymentUnavailableError()),
        "The payment provider did not answer before any money could move.",
        "It is away, or too slow.",
        SAME_KEY,
        instance="/purchase",
    ),
    Problem(
        _command(errors.AlreadyPurchasedError(_ID)),
        "The reservation was paid for before, once.",
        "It is purchased with another key, or cancelled after it was purchased. Only a refund undoes it.",
        instance="/purchase",
    ),
    Problem(
        _command(errors.TooManyAttemptsError(_ID, 10)),
        "Too many cards were declined for one reservation. No money was taken.",
        "Each decline counts, whatever the card.",
        instance="/purchase",
    ),
    Problem(
        _command(errors.NotPurchasedError(_ID)),
        "There is no money to give back.",
        "The reservation was not paid for, or is being paid for just now.",
        "It can, once the payment that is under way has succeeded.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(errors.AlreadyRefundedError(_ID)),
        "Nothing is left of the money.",
        "Everything was given back, at once or in parts.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(errors.RefundInProgressError(_ID)),
        "Another refund of the purchase is under way.",
        "The provider has not said yet how it ended.",
        "Yes, with another key, once that refund has ended.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(errors.PurchaseDisputedError(_ID, "du_3PxExample0000000000000001", "chargeback")),
        "The customer's bank disputes the payment, or has given its money back.",
        "The bank decides while `dispute_status` is `chargeback`; after `lost` the customer has the money.",
        "It gets the same answer, unless the dispute is won.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(errors.RefundTooLargeError(_ID, (LineLeft("MUG-BLUE", 1, 1250, 1250, ()),))),
        "More is asked for than is left of the purchase. Nothing was given back.",
        "The amount is larger than what is `left`, a line has fewer units left, or nothing is left of its money.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(errors.TooManyRefundsError(_ID, REFUNDS_MAX)),
        "The purchase has been refunded in too many parts.",
        "Each refund counts, also one that failed.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(RefundRefusedError(_REFUND_FAILED)),
        "The payment provider refuses this refund for good.",
        "The provider's `code` says why: the charge was refunded at its dashboard, is disputed, or the card is closed.",
        "A repeat with the same key gets the same answer; ask with another key for what is left.",
        instance=f"/purchases/{_ID}/refund",
    ),
    Problem(
        _command(ForgedWebhookError()),
        "The webhook does not prove who sent it; it was not read.",
        "It is not signed with the endpoint's secret, or was signed more than five minutes ago.",
        instance="/payments/webhook",
    ),
)
_OF_QUERIES: Final = (
    Problem(
        answered(problem, NotYetVisibleError("product", 4)),
        "What you want to read back has not reached the read model yet.",
        "A read with `min_version` has waited for that version, or could not: it is late, or no `stream_version` of "
        "this thing; the product is not known yet; or too many others wait.",
        _READ_AGAIN,
        instance="/products/MUG-BLUE",
    ),
    Problem(
        answered(problem, ReadModelUnavailableError(Query.PRODUCTS, "connection refused")),
        "The database that answers reads is away for a moment. Commands still work.",
        "It is being restarted or moved, or a connection to it was cut.",
        _READ_AGAIN,
        instance="/products",
    ),
    Problem(
        answered(problem, ReadModelTimeoutError(Query.PRODUCTS, "3 s")),
        "The answer took longer than we let it.",
        "The database is overloaded, or the question is too large.",
        _READ_AGAIN,
        instance="/products",
    ),
)

CATALOGUE: Final = {it.slug: it for it in (*_OF_REQUESTS, *_OF_COMMANDS, *_OF_LIMITS, *_OF_PAYMENT, *_OF_QUERIES)}
