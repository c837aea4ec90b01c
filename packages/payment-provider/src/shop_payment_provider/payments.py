"""Executes each request for payment intents, charges and refunds in the caller's transaction, and never waits."""

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .cards import CARDS, Card, Decline, Fault
from .store import Store
from .wire import ApiError, Reply, error_reply

CONFIRMABLE = ("requires_payment_method", "requires_confirmation")


@dataclass(frozen=True)
class Begun:
    """A confirmation that takes time leaves its intent `processing` until `settle`."""

    intent: str


@dataclass(frozen=True)
class Late:
    """The request is done and its answer kept, but the client gets the answer only after its own timeout."""

    reply: Reply


Outcome = Reply | Begun | Late


class Payments:
    def __init__(self, store: Store, announce: Callable[[str, dict[str, Any]], None]) -> None:
        """`announce` gets the Stripe event type that says how an intent ended, and must be quick."""
        self._store = store
        self._announce = announce

    def create(self, parameters: dict[str, Any], key: str | None) -> Outcome:
        method = parameters.get("payment_method")
        if method is not None:
            _card(method)
        intent = _new_intent(parameters)
        if parameters.get("confirm"):
            confirmation = {name: parameters[name] for name in ("return_url",) if name in parameters}
            _refuse_unconfirmable(intent, method, confirmation)
            return self._confirm(intent, str(method), key)
        self._store.put(intent)
        return Reply(200, intent)

    def confirm(self, intent_id: str, parameters: dict[str, Any], key: str | None) -> Outcome:
        intent = self.find("payment_intent", intent_id)
        method = parameters.get("payment_method") or intent["payment_method"]
        _refuse_unconfirmable(intent, method, parameters)
        return self._confirm(intent, method, key)

    def _confirm(self, intent: dict[str, Any], method: str, key: str | None) -> Outcome:
        fault = _card(method).fault
        if fault is Fault.ERROR_BEFORE_CHARGE:
            self._store.put(intent)
            return _server_error()
        if fault is Fault.SLOW:
            intent |= {"payment_method": method, "status": "processing"}
            self._store.put(intent)
            self._store.begin_pending(intent["id"], method, key)
            return Begun(intent["id"])
        reply = self._charge(intent, method)
        if fault is Fault.ERROR_AFTER_CHARGE:
            return _server_error()
        return Late(reply) if fault is Fault.TIMEOUT_AFTER_CHARGE else reply

    def settle(self, intent_id: str) -> Reply:
        """Charges what `confirm` began, and keeps the answer under its idempotency key."""
        method, key = self._store.end_pending(intent_id)
        reply = self._charge(self.find("payment_intent", intent_id), method)
        if key is not None:
            self._store.finish_key(key, reply)
        return reply

    def _charge(self, intent: dict[str, Any], method: str) -> Reply:
        card = _card(method)
        charge = _new_charge(intent, method, card)
        intent["latest_charge"] = charge["id"]
        if card.decline is None:
            intent |= {"payment_method": method, "status": "succeeded", "amount_received": intent["amount"]}
            intent["last_payment_error"] = None
            reply = Reply(200, intent)
        else:
            reply = _decline(intent, charge, method, card, card.decline)
        self._store.put(charge)
        self._store.put(intent)
        self._announce("payment_intent.payment_failed" if card.decline else "payment_intent.succeeded", intent)
        return reply

    def cancel(self, intent_id: str, parameters: dict[str, Any]) -> Reply:
        intent = self.find("payment_intent", intent_id)
        if intent["status"] not in CONFIRMABLE:
            raise ApiError(
                400,
                f"You cannot cancel this PaymentIntent because it has a status of {intent['status']}. Only a "
                f"PaymentIntent with one of the following statuses may be canceled: {', '.join(CONFIRMABLE)}.",
                code="payment_intent_unexpected_state",
                payment_intent=intent,
            )
        intent |= {"status": "canceled", "canceled_at": int(time.time())}
        intent["cancellation_reason"] = parameters.get("cancellation_reason")
        self._store.put(intent)
        self._announce("payment_intent.canceled", intent)
        return Reply(200, intent)

    def refund(self, parameters: dict[str, Any]) -> Reply:
        intent = self.find("payment_intent", parameters["payment_intent"], param="payment_intent", status=400)
        if intent["status"] != "succeeded":
            message = f"This PaymentIntent ({intent['id']}) does not have a successful charge to refund."
            raise ApiError(400, message, param="payment_intent")
        charge = self.find("charge", intent["latest_charge"])
        left = charge["amount"] - charge["amount_refunded"]
        amount = parameters.get("amount", left)
        if left == 0:
            message = f"Charge {charge['id']} has already been refunded."
            raise ApiError(400, message, code="charge_already_refunded")
        if amount > left:
            message = f"Refund amount ({amount}) is greater than unrefunded amount on charge ({left})"
            raise ApiError(400, message, param="amount")
        charge["amount_refunded"] += amount
        charge["refunded"] = amount == left
        refund = {
            "id": _new_id("re"),
            "object": "refund",
            "amount": amount,
            "charge": charge["id"],
            "created": int(time.time()),
            "currency": charge["currency"],
            "metadata": parameters.get("metadata", {}),
            "payment_intent": charge["payment_intent"],
            "reason": parameters.get("reason"),
            "status": "succeeded",
        }
        self._store.put(charge)
        self._store.put(refund)
        return Reply(200, refund)

    def find(self, kind: str, object_id: str, *, param: str = "id", status: int = 404) -> dict[str, Any]:
        found = self._store.get(kind, object_id)
        if found is None:
            if kind == "payment_intent" and param == "id":
                param = "intent"
            raise ApiError(status, f"No such {kind}: '{object_id}'", code="resource_missing", param=param)
        return found

    def page(self, kind: str, url: str, parameters: dict[str, Any]) -> Reply:
        limit = parameters.get("limit", 10)
        after, intent = parameters.get("starting_after"), parameters.get("payment_intent")
        if after is not None:
            self.find(kind, after, param="starting_after", status=400)
        found = self._store.newest(kind, limit=limit + 1, after=after, intent=intent)
        return Reply(200, {"object": "list", "url": url, "has_more": len(found) > limit, "data": found[:limit]})


def _card(method: str) -> Card:
    if method not in CARDS:
        message = f"No such PaymentMethod: '{method}'"
        raise ApiError(400, message, code="resource_missing", param="payment_method")
    return CARDS[method]


def _refuse_unconfirmable(intent: dict[str, Any], method: str | None, parameters: dict[str, Any]) -> None:
    reason = None
    if intent["status"] == "succeeded":
        reason = "it has already succeeded after being previously confirmed."
    elif intent["status"] not in CONFIRMABLE:
        reason = f"it has a status of {intent['status']}."
    elif method is None:
        reason = "it's missing a payment method."
    if reason is not None:
        message = f"You cannot confirm this PaymentIntent because {reason}"
        raise ApiError(400, message, code="payment_intent_unexpected_state", payment_intent=intent)
    _card(str(method))
    automatic = intent["automatic_payment_methods"]
    if automatic and automatic["allow_redirects"] == "always" and "return_url" not in parameters:
        # Stripe does so since its version 2023-08-16, where automatic payment methods are the default.
        raise ApiError(
            400,
            "This PaymentIntent accepts payment methods that may redirect the customer, so a `return_url` is needed to "
            "confirm it. To do without, create it with `payment_method_types[]=card`, or with "
            "`automatic_payment_methods[enabled]=true` and `automatic_payment_methods[allow_redirects]=never`.",
            param="return_url",
        )


def _decline(intent: dict[str, Any], charge: dict[str, Any], method: str, card: Card, decline: Decline) -> Reply:
    charge |= {"amount_captured": 0, "captured": False, "paid": False, "status": "failed"}
    charge |= {"failure_code": decline.code, "failure_message": decline.message}
    error = {
        "charge": charge["id"],
        "code": decline.code,
        "decline_code": decline.decline_code,
        "payment_method": {"id": method, "object": "payment_method", "type": "card", "card": _card_details(card)},
    }
    intent |= {"payment_method": None, "status": "requires_payment_method"}
    intent["last_payment_error"] = {"type": "card_error", "message": decline.message, **error}
    return error_reply(402, decline.message, kind="card_error", **error, payment_intent=intent)


def _server_error() -> Reply:
    return error_reply(500, "An unknown error occurred", kind="api_error")


def _new_intent(parameters: dict[str, Any]) -> dict[str, Any]:
    intent_id = _new_id("pi")
    automatic = parameters.get("automatic_payment_methods")
    if automatic is None and "payment_method_types" not in parameters:
        automatic = {"enabled": True, "allow_redirects": "always"}
    return {
        "id": intent_id,
        "object": "payment_intent",
        "amount": parameters["amount"],
        "amount_capturable": 0,
        "amount_received": 0,
        "automatic_payment_methods": automatic if automatic and automatic["enabled"] else None,
        "canceled_at": None,
        "cancellation_reason": None,
        "capture_method": parameters.get("capture_method", "automatic"),
        "client_secret": f"{intent_id}_secret_{secrets.token_urlsafe(18)}",
        "confirmation_method": "automatic",
        "created": int(time.time()),
        "currency": parameters["currency"],
        "description": parameters.get("description"),
        "last_payment_error": None,
        "latest_charge": None,
        "livemode": False,
        "metadata": parameters.get("metadata", {}),
        "next_action": None,
        "payment_method": parameters.get("payment_method"),
        "payment_method_types": ["card"],
        "status": "requires_confirmation" if parameters.get("payment_method") else "requires_payment_method",
    }


def _new_charge(intent: dict[str, Any], method: str, card: Card) -> dict[str, Any]:
    """A charge that succeeded; `_decline` turns it into one that failed."""
    return {
        "id": _new_id("ch"),
        "object": "charge",
        "amount": intent["amount"],
        "amount_captured": intent["amount"],
        "amount_refunded": 0,
        "billing_details": {"address": None, "email": None, "name": None, "phone": None},
        "captured": True,
        "created": int(time.time()),
        "currency": intent["currency"],
        "disputed": False,
        "failure_code": None,
        "failure_message": None,
        "livemode": False,
        "metadata": intent["metadata"],
        "paid": True,
        "payment_intent": intent["id"],
        "payment_method": method,
        "payment_method_details": {"type": "card", "card": _card_details(card)},
        "refunded": False,
        "status": "succeeded",
    }


def _card_details(card: Card) -> dict[str, str]:
    return {"brand": card.brand, "last4": card.last4}


def _new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"
