"""Simulates a payment provider that behaves like Stripe on the wire, and keeps a ledger of what really happened.

https://docs.stripe.com/api/idempotent_requests: the first answer to a key, an error too, is given again for 24 hours.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Final
from urllib.parse import parse_qsl, urlsplit

from urllib3.exceptions import ReadTimeoutError

from shop_command.testing import FakeClock

KEY_LIFE: Final = timedelta(hours=24)
SLOW: Final = timedelta(minutes=2)
CONFIRMABLE: Final = ("requires_payment_method", "requires_confirmation", "requires_action")
API_KEY: Final = "sk_test_never_in_a_log"


@dataclass
class PaymentIntent:
    id: str
    reservation_id: str
    amount: int
    currency: str
    status: str = "requires_payment_method"
    error: dict[str, str] | None = None
    ready_at: datetime | None = None
    card: str = ""

    def body(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "object": "payment_intent",
            "amount": self.amount,
            "amount_received": self.amount if self.status == "succeeded" else 0,
            "currency": self.currency,
            "status": self.status,
            "metadata": {"reservation_id": self.reservation_id},
            "last_payment_error": self.error,
            "latest_charge": f"ch_{self.id}" if self.status == "succeeded" else None,
        }


@dataclass
class Charge:
    intent_id: str
    reservation_id: str
    amount: int
    currency: str
    card: str
    """It is empty if the customer went through 3-D Secure, because the shop then did not confirm the payment itself."""
    refunds: list[str] = field(default_factory=list)
    refunded_at: datetime | None = None
    """The refund is pending until this time."""


@dataclass(frozen=True)
class Response:
    status: int
    body: Mapping[str, Any]

    @property
    def data(self) -> bytes:
        return json.dumps(self.body).encode()


@dataclass
class Provider:
    """`request` has the signature of urllib3's. Its cards are visa, declined, error_before, error_after, slow,
    slow_declined, refund_slow, and action, which waits for 3-D Secure.
    """

    clock: FakeClock
    intents: dict[str, PaymentIntent] = field(default_factory=dict)
    charges: list[Charge] = field(default_factory=list)
    answers: dict[str, tuple[datetime, Response]] = field(default_factory=dict)
    inputs: dict[str, str] = field(default_factory=dict)
    """It keeps what each key was first sent with, even after the provider has forgotten the key."""
    changed_inputs: list[str] = field(default_factory=list)
    late: list[tuple[int, str, str, str, str]] = field(default_factory=list)
    """These requests are still on their way; each arrives after the given number of others."""
    delay: int | None = None
    webhooks: list[bytes] = field(default_factory=list)
    """These are all the webhooks ever made; the steps decide how often and in which order they arrive."""

    def request(self, method: str, url: str, body: str | None, headers: Mapping[str, str], **_: Any) -> Response:
        path, key = url.partition(urlsplit(url).netloc)[2], headers.get("Idempotency-Key", "")
        if self.delay is not None:
            self.late.append((self.delay, method, path, body or "", key))
            self.delay = None
            raise ReadTimeoutError(None, url, "simulated")  # type: ignore[arg-type] # the pool is of no use here
        self._arrive()
        answer = self._answer(method, path, body or "", key)
        self.late = [(calls - 1, *request) for calls, *request in self.late]  # type: ignore[misc]
        self._arrive()
        return answer

    def arrive_all(self) -> None:
        self.late = [(0, *request) for _, *request in self.late]  # type: ignore[misc]
        self._arrive()

    def authenticate(self, reservation_id: str) -> None:
        """The customer completes 3-D Secure in the browser."""
        for intent in self.intents.values():
            if intent.reservation_id == reservation_id and intent.status == "requires_action":
                intent.card = ""
                self._decide(intent, "visa")

    def _arrive(self) -> None:
        arrived = [request for calls, *request in self.late if calls <= 0]
        self.late = [request for request in self.late if request[0] > 0]
        for method, path, body, key in arrived:
            self._answer(method, path, body, key)

    def _answer(self, method: str, path: str, body: str, key: str) -> Response:
        now = self.clock.now()
        for intent in self.intents.values():
            if intent.status == "processing" and intent.ready_at and intent.ready_at <= now:
                self._decide(intent, intent.card.removeprefix("pm_card_slow_") or "visa")
        if not key:
            return self._route(method, path, body)
        inputs = f"{method} {path} {body}"
        if self.inputs.setdefault(key, inputs) != inputs:
            self.changed_inputs.append(f"{key}: {self.inputs[key]}, then {inputs}")
            return _error(400, "idempotency_error")
        kept = self.answers.get(key)
        if kept and now < kept[0] + KEY_LIFE:
            return kept[1]
        answer = self._route(method, path, body)
        self.answers[key] = now, answer
        return answer

    def _route(self, method: str, path: str, body: str) -> Response:
        path, _, query = path.partition("?")
        fields = dict(parse_qsl(query or body))
        match method, path.removeprefix("/v1/").split("/"):
            case "POST", ["payment_intents"]:
                intent = PaymentIntent(
                    f"pi_{len(self.intents) + 1}",
                    fields["metadata[reservation_id]"],
                    int(fields["amount"]),
                    fields["currency"],
                )
                self.intents[intent.id] = intent
                return Response(200, intent.body())
            case "GET", ["payment_intents", name]:
                found = self.intents.get(name)
                return Response(200, found.body()) if found else _error(404, "invalid_request_error")
            case "POST", ["payment_intents", name, "confirm"]:
                return self._confirm(self.intents[name], fields["payment_method"])
            case "POST", ["payment_intents", name, "cancel"]:
                return self._cancel(self.intents[name])
            case "POST", ["refunds"]:
                return self._refund(fields["payment_intent"])
            case "GET", ["refunds"]:
                charges = [charge for charge in self.charges if charge.intent_id == fields["payment_intent"]]
                refunds = [self._refund_of(charge) for charge in charges if charge.refunds]
                return Response(200, {"object": "list", "data": refunds, "has_more": False})
            case _:
                raise AssertionError(f"the provider has no {method} {path}")

    def _confirm(self, intent: PaymentIntent, card: str) -> Response:
        if intent.status not in CONFIRMABLE:
            return _error(400, "invalid_request_error", intent, code="payment_intent_unexpected_state")
        intent.card = card
        if card == "pm_card_error_before":
            return _error(500, "api_error")
        if card.startswith("pm_card_slow"):
            intent.status, intent.ready_at = "processing", self.clock.now() + SLOW
            return Response(200, intent.body())
        answer = self._decide(intent, card.removeprefix("pm_card_"))
        return _error(500, "api_error") if card == "pm_card_error_after" else answer

    def _decide(self, intent: PaymentIntent, outcome: str) -> Response:
        if outcome == "action":
            intent.status = "requires_action"
            return Response(200, intent.body())
        if outcome == "declined":
            intent.status = "requires_payment_method"
            intent.error = {"type": "card_error", "code": "card_declined", "decline_code": "generic_decline"}
            self._announce("payment_failed", intent)
            return _error(402, "card_error", intent, code="card_declined", decline_code="generic_decline")
        intent.status, intent.error = "succeeded", None
        self.charges.append(Charge(intent.id, intent.reservation_id, intent.amount, intent.currency, intent.card))
        self._announce("succeeded", intent)
        return Response(200, intent.body())

    def _cancel(self, intent: PaymentIntent) -> Response:
        if intent.status not in CONFIRMABLE:
            return _error(400, "invalid_request_error", intent, code="payment_intent_unexpected_state")
        intent.status = "canceled"
        self._announce("canceled", intent)
        return Response(200, intent.body())

    def _refund(self, intent_id: str) -> Response:
        charge = next((charge for charge in self.charges if charge.intent_id == intent_id), None)
        if charge is None:
            return _error(400, "invalid_request_error")
        if charge.refunds:
            return _error(400, "invalid_request_error", code="charge_already_refunded")
        charge.refunds.append(f"re_{intent_id}")
        charge.refunded_at = self.clock.now() + (SLOW if charge.card == "pm_card_refund_slow" else timedelta())
        return Response(200, self._refund_of(charge))

    def _refund_of(self, charge: Charge) -> dict[str, Any]:
        is_over = charge.refunded_at is not None and charge.refunded_at <= self.clock.now()
        return {
            "id": charge.refunds[0],
            "object": "refund",
            "amount": charge.amount,
            "currency": charge.currency,
            "payment_intent": charge.intent_id,
            "charge": f"ch_{charge.intent_id}",
            "status": "succeeded" if is_over else "pending",
        }

    def _announce(self, what: str, intent: PaymentIntent) -> None:
        number = len(self.webhooks) + 1
        event = {"id": f"evt_{number}", "object": "event", "type": f"payment_intent.{what}", "livemode": False}
        self.webhooks.append(json.dumps({**event, "data": {"object": intent.body()}}).encode())


def _error(status: int, kind: str, intent: PaymentIntent | None = None, **details: str) -> Response:
    return Response(
        status, {"error": {"type": kind, **details, **({"payment_intent": intent.body()} if intent else {})}}
    )
