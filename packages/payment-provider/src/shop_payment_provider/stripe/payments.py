"""The state machine of a payment intent, with its charges and refunds: one method is one transition.

https://docs.stripe.com/payments/paymentintents/lifecycle
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Final

from . import amounts
from .cards import CARDS, Card, Fault
from .disputes import Disputes
from .records import Records
from .store import Record, Store
from .wire import ApiError, Reply, error_reply

WAITING: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
ALLOWED_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "confirm": WAITING,
    "cancel": WAITING,
    "authenticate": ("requires_action",),
    "fail_authentication": ("requires_action",),
    "settle": ("processing",),
    "refund": ("succeeded",),
}
"""The statuses of an intent in which each transition may begin."""
SERVER_ERROR: Final = error_reply(500, "An unknown error occurred", kind="api_error")


class Payments(Records):
    """A request that is refused raises ApiError before it has changed anything."""

    def __init__(self, store: Store, *, now: float, new_id: Callable[[str], str], pages: str) -> None:
        super().__init__(store, now=now, new_id=new_id)
        self.disputes = Disputes(store, now=now, new_id=new_id)
        self._pages = pages

    def create(self, given: Record, key: str | None) -> Reply:
        method = given.get("payment_method")
        if method is not None:
            _card(method)
        amounts.check_charge(given["amount"], given["currency"])
        intent = self._new_intent(given)
        if given.get("confirm"):
            return self._confirm(intent, given, key)
        return Reply(200, self._put(intent))

    def confirm(self, intent_id: str, given: Record, key: str | None) -> Reply:
        return self._confirm(self.find("payment_intent", intent_id), given, key)

    def _confirm(self, intent: Record, given: Record, key: str | None) -> Reply:
        method = given.get("payment_method") or intent["payment_method"]
        _require(intent, "confirm", "it's missing a payment method." if method is None else None)
        fault = _card(method).fault
        _refuse_redirect(intent, given)
        match fault:
            case Fault.ERROR_BEFORE_CHARGE:
                self._put(intent)
                return SERVER_ERROR
            case Fault.SLOW | Fault.PROCESSING:
                intent |= {"payment_method": method, "status": "processing", "next_action": None}
                self._begin(intent, key if fault is Fault.SLOW else None)
                return Reply(200, self._put(intent), fault, pending=intent["id"])
            case Fault.AUTHENTICATION:
                intent |= {"payment_method": method, "status": "requires_action", "last_payment_error": None}
                intent["next_action"] = self._next_action(intent, given.get("return_url"))
                self._announce("payment_intent.requires_action", intent)
                return Reply(200, self._put(intent))
            case Fault.DISPUTE | Fault.INQUIRY:
                reply = self._charge(intent, method)
                charge = self.find("charge", intent["latest_charge"])
                self._begin(charge, None)
                return replace(reply, fault=fault, pending=charge["id"])
            case _:
                reply = self._charge(intent, method)
                return SERVER_ERROR if fault is Fault.ERROR_AFTER_CHARGE else replace(reply, fault=fault)

    def authenticate(self, intent_id: str) -> Reply:
        """The customer completes 3-D Secure in the browser."""
        intent = self.find("payment_intent", intent_id)
        _require(intent, "authenticate")
        return self._charge(intent, intent["payment_method"], three_d_secure={"result": "authenticated"})

    def fail_authentication(self, intent_id: str) -> Reply:
        """The customer fails 3-D Secure, or gives it up, in the browser: another payment method may follow."""
        intent = self.find("payment_intent", intent_id)
        _require(intent, "fail_authentication")
        method = intent["payment_method"]
        intent |= {"payment_method": None, "status": "requires_payment_method", "next_action": None}
        intent["last_payment_error"] = {
            "type": "invalid_request_error",
            "code": "payment_intent_authentication_failure",
            "message": "The provided PaymentMethod has failed authentication.",
            "payment_method": {"id": method, "object": "payment_method", "type": "card"},
        }
        self._announce("payment_intent.payment_failed", self._put(intent))
        return Reply(200, intent)

    def settle(self, name: str) -> Reply:
        """Ends the payment or the refund of this id, which an earlier request began, or disputes the charge."""
        pending = self.find("pending", f"pending_{name}")
        self._store.remove("pending", pending["id"])
        charge = self._store.get("charge", name)
        if charge is not None:
            is_inquiry = CARDS[charge["payment_method"]].fault is Fault.INQUIRY
            is_over = charge["refunded"] or charge["disputed"]
            return Reply(200, charge if is_over else self.disputes.open(name, is_inquiry=is_inquiry))
        refund = self._store.get("refund", name)
        if refund is not None:
            return self._end_refund(refund)
        intent = self.find("payment_intent", name)
        _require(intent, "settle")
        reply = self._charge(intent, intent["payment_method"])
        if pending["key"]:
            kept = self.find("idempotency_key", pending["key"])
            self._put(kept | {"status": reply.status, "body": reply.body})
        return reply

    def cancel(self, intent_id: str, given: Record) -> Reply:
        intent = self.find("payment_intent", intent_id)
        _require(intent, "cancel")
        intent |= {"status": "canceled", "canceled_at": self._now, "next_action": None}
        intent["cancellation_reason"] = given.get("cancellation_reason")
        self._announce("payment_intent.canceled", intent)
        return Reply(200, self._put(intent))

    def refund(self, given: Record) -> Reply:
        intent = self.find("payment_intent", given["payment_intent"], param="payment_intent", status=400)
        if intent["status"] not in ALLOWED_IN["refund"]:
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise ApiError(400, message, param="payment_intent")
        charge = self.find("charge", intent["latest_charge"])
        left = charge["amount"] - charge["amount_refunded"]
        amount = given.get("amount", left)
        amounts.check_digits(amount, charge["currency"])
        if left == 0:
            message = f"Charge {charge['id']} has already been refunded."
            raise ApiError(400, message, code="charge_already_refunded")
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise ApiError(400, message, param="amount")
        self.disputes.refuse_refund(charge)
        charge |= {"amount_refunded": charge["amount_refunded"] + amount, "refunded": amount == left}
        fault = CARDS[charge["payment_method"]].fault
        is_pending, ends_later = fault is Fault.PENDING_REFUND, fault in (Fault.PENDING_REFUND, Fault.FAILED_REFUND)
        refund = {
            "id": self._new_id("re"),
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "created": self._now,
            "currency": charge["currency"],
            "metadata": given.get("metadata", {}),
            "payment_intent": charge["payment_intent"],
            "reason": given.get("reason"),
            "status": "pending" if is_pending else "succeeded",
        }
        if ends_later:
            self._begin(refund, None)
        self._announce("charge.refunded", self._put(charge))
        self.disputes.refunded(charge)
        return Reply(200, self._put(refund), pending=refund["id"] if ends_later else None)

    def _end_refund(self, refund: Record) -> Reply:
        """A refund that was pending arrives, and one that had succeeded fails: the money is the shop's again."""
        if refund["status"] == "pending":
            refund |= {"status": "succeeded"}
            self._announce("refund.updated", self._put(refund))
            return Reply(200, refund)
        refund |= {"status": "failed", "failure_reason": "expired_or_canceled_card"}
        charge = self.find("charge", refund["charge"])
        self._put(charge | {"amount_refunded": charge["amount_refunded"] - refund["amount"], "refunded": False})
        self._announce("refund.failed", self._put(refund))
        return Reply(200, refund)

    def _charge(self, intent: Record, method: str, three_d_secure: Record | None = None) -> Reply:
        card = CARDS[method]
        intent["next_action"] = None
        charge = self._put(self._new_charge(intent, method, three_d_secure))
        intent["latest_charge"] = charge["id"]
        if card.decline is None:
            intent |= {"payment_method": method, "status": "succeeded", "amount_received": intent["amount"]}
            intent["last_payment_error"] = None
            self._announce("payment_intent.succeeded", self._put(intent))
            return Reply(200, intent)
        error = {
            "charge": charge["id"],
            "code": card.decline.code,
            "decline_code": card.decline.decline_code,
            "payment_method": {
                "id": method,
                "object": "payment_method",
                "type": "card",
                "card": {"brand": card.brand, "last4": card.last4},
            },
        }
        intent |= {"payment_method": None, "status": "requires_payment_method"}
        intent["last_payment_error"] = {"type": "card_error", "message": card.decline.message, **error}
        self._announce("payment_intent.payment_failed", self._put(intent))
        return error_reply(402, card.decline.message, kind="card_error", **error, payment_intent=intent)

    def _next_action(self, intent: Record, return_url: str | None) -> Record:
        """https://docs.stripe.com/api/payment_intents/object#payment_intent_object-next_action"""
        if return_url is None:
            return {"type": "use_stripe_sdk", "use_stripe_sdk": {"type": "three_d_secure_redirect"}}
        url = f"{self._pages}/3d-secure/{intent['id']}?client_secret={intent['client_secret']}"
        return {"type": "redirect_to_url", "redirect_to_url": {"return_url": return_url, "url": url}}

    def _begin(self, record: Record, key: str | None) -> None:
        """The answer to `key` waits until `settle`, if there is one."""
        pending = {"id": f"pending_{record['id']}", "object": "pending", "of": record["id"]}
        self._put({**pending, "key": key, "since": self._now})

    def _new_intent(self, given: Record) -> Record:
        intent_id = self._new_id("pi")
        automatic = given.get("automatic_payment_methods")
        if automatic is None and "payment_method_types" not in given:
            automatic = {"enabled": True, "allow_redirects": "always"}
        return {
            "id": intent_id,
            "object": "payment_intent",
            "amount": given["amount"],
            "amount_capturable": 0,
            "amount_received": 0,
            "automatic_payment_methods": automatic if automatic and automatic["enabled"] else None,
            "canceled_at": None,
            "cancellation_reason": None,
            "capture_method": given.get("capture_method", "automatic"),
            "client_secret": f"{intent_id}_{self._new_id('secret')}",
            "confirmation_method": "automatic",
            "created": self._now,
            "currency": given["currency"],
            "description": given.get("description"),
            "last_payment_error": None,
            "latest_charge": None,
            "livemode": False,
            "metadata": given.get("metadata", {}),
            "next_action": None,
            "payment_method": given.get("payment_method"),
            "payment_method_types": ["card"],
            "status": "requires_confirmation" if given.get("payment_method") else "requires_payment_method",
        }

    def _new_charge(self, intent: Record, method: str, three_d_secure: Record | None) -> Record:
        card = CARDS[method]
        decline = card.decline
        return {
            "id": self._new_id("ch"),
            "object": "charge",
            "amount": intent["amount"],
            "amount_captured": 0 if decline else intent["amount"],
            "amount_refunded": 0,
            "billing_details": {"address": None, "email": None, "name": None, "phone": None},
            "captured": decline is None,
            "created": self._now,
            "currency": intent["currency"],
            "disputed": False,
            "failure_code": decline.code if decline else None,
            "failure_message": decline.message if decline else None,
            "livemode": False,
            "metadata": intent["metadata"],
            "paid": decline is None,
            "payment_intent": intent["id"],
            "payment_method": method,
            "payment_method_details": {
                "type": "card",
                "card": {"brand": card.brand, "last4": card.last4, "three_d_secure": three_d_secure},
            },
            "refunded": False,
            "status": "failed" if decline else "succeeded",
        }


def _card(method: str) -> Card:
    if method not in CARDS:
        message = f"No such PaymentMethod: '{method}'"
        raise ApiError(400, message, code="resource_missing", param="payment_method")
    return CARDS[method]


def _require(intent: Record, transition: str, otherwise: str | None = None) -> None:
    """Refuses a transition that cannot begin in the intent's status, or for the other reason that is given."""
    status, allowed = intent["status"], ALLOWED_IN[transition]
    reason = otherwise
    if transition == "confirm" and status == "succeeded":
        reason = "it has already succeeded after being previously confirmed."
    elif status not in allowed:
        reason = f"it has a status of {status}."
        if transition == "cancel":
            allowed_statuses = ", ".join(allowed)
            reason += f" Only a PaymentIntent with one of the following statuses may be canceled: {allowed_statuses}."
    if reason is not None:
        message = f"You cannot {transition} this PaymentIntent because {reason}"
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)


def _refuse_redirect(intent: Record, given: Record) -> None:
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and "return_url" not in given:
        # Stripe does so since its version 2023-08-16, where automatic payment methods are the default.
        raise ApiError(
            400,
            "This PaymentIntent accepts payment methods that may redirect the customer, so a `return_url` is needed to "
            "confirm it. To do without, create it with `payment_method_types[]=card`, or with "
            "`automatic_payment_methods[enabled]=true` and `automatic_payment_methods[allow_redirects]=never`.",
            param="return_url",
        )
