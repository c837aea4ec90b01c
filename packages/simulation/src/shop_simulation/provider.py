"""Puts the model of Stripe into a world: requests that arrive late, payments that take time, and what the shop sent."""

import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, Final, NamedTuple
from urllib.parse import urlsplit

from urllib3.exceptions import ReadTimeoutError

from shop_command.testing import FakeClock
from shop_payment_provider.stripe import MemoryStore, Stripe
from shop_payment_provider.stripe.store import Record
from shop_payment_provider.stripe.wire import ApiError

SLOW_SECONDS: Final = 120
EVENTS_PER_PAGE: Final = 3
"""A run of the shop reads several pages, and may end between two of them."""
LOST_AFTER_SECONDS: Final = 3_600
API_KEY: Final = "sk_test_never_in_a_log"


ANOTHER: Final[Record] = {
    "id": "pi_another",
    "object": "payment_intent",
    "status": "succeeded",
    "amount": 1,
    "amount_received": 1,
    "currency": "eur",
    "metadata": {"reservation_id": "another"},
}
"""A proxy, a cache or a mistake of the provider may answer with another payment's success."""


class Response(NamedTuple):
    status: int
    data: bytes


class SentRequest(NamedTuple):
    method: str
    path: str
    form: str
    key: str
    at: float = 0.0


@dataclass
class Provider:
    """`request` has the signature of urllib3's."""

    clock: FakeClock
    store: MemoryStore = field(default_factory=MemoryStore)
    inputs: dict[str, SentRequest] = field(default_factory=dict)
    """It keeps what each key was first sent with, even after the provider has forgotten the key."""
    changed_inputs: list[str] = field(default_factory=list)
    late: list[tuple[int, SentRequest]] = field(default_factory=list)
    """These requests are still on their way; each arrives after the given number of others."""
    delay: int | None = None
    cut_off: list[tuple[str, float]] = field(default_factory=list)
    """It keeps which intents were cancelled, and when, while they waited for their customers."""
    answers_of_another: bool = False
    """The next answer about an intent is about somebody else's."""

    def request(self, method: str, url: str, body: str | None, headers: Mapping[str, str], **_: Any) -> Response:
        path = url.partition(urlsplit(url).netloc)[2]
        sent = SentRequest(method, path, body or "", headers.get("Idempotency-Key", ""))
        if self.delay is not None:
            self.late.append((self.delay, sent._replace(at=self.clock.now().timestamp())))
            self.delay = None
            raise ReadTimeoutError(None, url, "simulated")  # type: ignore[arg-type] # the pool is of no use here
        self._arrive(0)
        response = self._answer(sent)
        self._arrive(1)
        if self.answers_of_another:
            self.answers_of_another = False
            return Response(200, json.dumps(ANOTHER).encode())
        return response

    def arrive_all(self) -> None:
        self._arrive(max((calls for calls, _ in self.late), default=0))

    def records(self, kind: str) -> list[Record]:
        return self.store.all(kind)

    def lose(self, reservation_id: str) -> None:
        """The provider loses the intents that have charged nothing."""
        for intent in self.records("payment_intent"):
            if intent["metadata"]["reservation_id"] == reservation_id and intent["status"] != "succeeded":
                self.store.remove("payment_intent", intent["id"])

    def authenticate(self, reservation_id: str, *, completes: bool = True) -> None:
        """The customer completes or fails 3-D Secure in the browser."""
        payments = self._stripe().payments
        for intent in self.records("payment_intent"):
            if intent["metadata"]["reservation_id"] == reservation_id and intent["status"] == "requires_action":
                (payments.authenticate if completes else payments.fail_authentication)(intent["id"])

    def pay_past_the_shop(self, reservation_id: str) -> None:
        """The customer, who knows the client secret, pays with another card in the browser; nobody asks the shop."""
        for intent in self.records("payment_intent"):
            failed = (intent["last_payment_error"] or {}).get("code") == "payment_intent_authentication_failure"
            if intent["metadata"]["reservation_id"] == reservation_id and failed:
                with suppress(ApiError):  # it may have ended
                    self._stripe().payments.confirm(intent["id"], {"payment_method": "pm_card_mastercard"}, None)

    def refund_elsewhere(self, reservation_id: str, amount_minor: int) -> None:
        """Somebody gives money back at the provider's dashboard, if so much is left."""
        for charge in self.records("charge"):
            if charge["paid"] and charge["metadata"]["reservation_id"] == reservation_id:
                form = f"payment_intent={charge['payment_intent']}&amount={amount_minor}"
                self._stripe().request("POST", "/v1/refunds", form.encode())

    def dispute(self, reservation_id: str, *, is_inquiry: bool = False) -> None:
        """The customer's bank disputes what is left of the charge, or makes a chargeback of its inquiry."""
        disputes = self._stripe().payments.disputes
        for charge in self.records("charge"):
            if charge["paid"] and charge["metadata"]["reservation_id"] == reservation_id:
                with suppress(ApiError):  # everything may have been refunded
                    disputes.open(charge["id"], is_inquiry=is_inquiry)
        for dispute in self.disputes_of(reservation_id) if not is_inquiry else ():
            with suppress(ApiError):
                disputes.escalate(dispute["id"])

    def decide(self, reservation_id: str, *, is_won: bool) -> None:
        for dispute in self.disputes_of(reservation_id):
            with suppress(ApiError):  # an inquiry is decided by nobody
                self._stripe().payments.disputes.decide(dispute["id"], is_won=is_won)

    def disputes_of(self, reservation_id: str) -> list[Record]:
        names = {it["id"]: it["metadata"].get("reservation_id") for it in self.records("payment_intent")}
        return [it for it in self.records("dispute") if names[it["payment_intent"]] == reservation_id]

    def disputes_soon(self) -> bool:
        """Returns whether a charge waits to be disputed, as that of a test card does."""
        return any(name.startswith("ch_") for name in self._stripe().pending())

    def settle_all(self) -> None:
        """What is pending at the provider ends, however long it takes."""
        stripe = self._stripe()
        for name in stripe.pending():
            stripe.payments.settle(name)

    def _arrive(self, calls: int) -> None:
        """Counts so many calls, and answers the late requests that have waited for enough of them."""
        self.late = [(left - calls, sent) for left, sent in self.late if not self._is_lost(sent)]
        arrived = [sent for left, sent in self.late if left <= 0]
        self.late = [(left, sent) for left, sent in self.late if left > 0]
        for sent in arrived:
            self._answer(sent)

    def _is_lost(self, sent: SentRequest) -> bool:
        """No order of a refund is on its way for as long as the provider remembers keys: nothing but its key could keep
        it from being executed twice."""
        is_old = self.clock.now().timestamp() - sent.at >= LOST_AFTER_SECONDS
        return is_old and sent.method == "POST" and sent.path == "/v1/refunds"

    def _answer(self, sent: SentRequest) -> Response:
        stripe = self._stripe()
        for name in stripe.pending(since=self.clock.now().timestamp() - SLOW_SECONDS):
            stripe.payments.settle(name)
        sent = sent._replace(at=0.0)
        if sent.key and self.inputs.setdefault(sent.key, sent) != sent:
            self.changed_inputs.append(f"{sent.key}: {self.inputs[sent.key]}, then {sent}")
        path, _, query = sent.path.partition("?")
        if path == "/v1/events":
            query = query.replace("limit=100", f"limit={EVENTS_PER_PAGE}")
        waiting = [it["id"] for it in self.records("payment_intent") if it["status"] == "requires_action"]
        reply = stripe.request(sent.method, path, (query or sent.form).encode(), sent.key)
        if path.endswith("/cancel") and (name := path.split("/")[-2]) in waiting:
            self.cut_off.append((name, self.clock.now().timestamp()))
        return Response(reply.status, json.dumps(reply.body).encode())

    def _stripe(self) -> Stripe:
        return Stripe(self.store, now=self.clock.now().timestamp(), new_id=self.store.new_id)
