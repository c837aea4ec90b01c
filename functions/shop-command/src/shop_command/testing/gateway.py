"""The real adapter over the model of the payment provider in memory: no HTTP, and faults that a test chooses."""

from collections.abc import Callable, Mapping
from threading import Lock
from typing import Any, Final, Literal
from urllib.parse import urlencode

from shop_command.adapters.payment import StripeGateway, _Answer
from shop_command.adapters.secrets import Secret
from shop_command.ports import Unknown
from shop_payment_provider.stripe import Disputes, Fault, MemoryStore, Stripe

Call = Literal["create", "confirm", "retrieve", "cancel", "refund", "list refunds", "list disputes", "list events"]
CALLS: Final[Mapping[tuple[str, str], Call]] = {
    ("POST", "payment_intents"): "create",
    ("POST", "confirm"): "confirm",
    ("POST", "cancel"): "cancel",
    ("POST", "refunds"): "refund",
    ("GET", "refunds"): "list refunds",
    ("GET", "disputes"): "list disputes",
    ("GET", "events"): "list events",
}


class FakeGateway(StripeGateway):
    """The clock stands still, so that the provider forgets a key only when a test makes it."""

    now = 0.0

    def __init__(self) -> None:
        super().__init__("https://provider.invalid", Secret(lambda: ("",)), return_url="https://shop.invalid/returned")
        self.records = MemoryStore()
        self.calls: list[Call] = []
        self.unreachable: set[Call] = set()
        """These calls never reach the provider."""
        self.lost: set[Call] = set()
        """These calls reach the provider, and their answers are lost."""
        self.meanwhile: dict[Call, list[Callable[[], object]]] = {}
        """Each is run once, when such a call is about to arrive: what somebody else does just then, or a crash."""
        self.afterwards: dict[Call, list[Callable[[], object]]] = {}
        """Each is run once, when such a call has taken effect and its answer is on its way."""
        self._one_at_a_time = Lock()

    def intent(self, payment_intent_id: str) -> dict[str, Any]:
        return self._stripe().payments.find("payment_intent", payment_intent_id)

    def with_status(self, status: str) -> list[str]:
        return [intent["id"] for intent in self.records.all("payment_intent") if intent["status"] == status]

    def refunds(self, payment_intent_id: str) -> list[str]:
        return [it["id"] for it in self.records.all("refund") if it["payment_intent"] == payment_intent_id]

    def finish(self, name: str) -> None:
        """Charges the card of an intent that is processing, or ends a refund that is pending or fails later."""
        self._stripe().payments.settle(name)

    def refund_elsewhere(self, payment_intent_id: str, amount_minor: int) -> str:
        """Gives money back at the provider's dashboard, and returns the refund's id."""
        form = urlencode({"payment_intent": payment_intent_id, "amount": amount_minor}).encode()
        reply = self._stripe().request("POST", "/v1/refunds", form)
        if reply.status != 200:
            raise ValueError(reply.body)
        return str(reply.body["id"])

    @property
    def disputes(self) -> Disputes:
        """These are the transitions that the customer's bank makes."""
        return self._stripe().payments.disputes

    def dispute(self, payment_intent_id: str, amount: int | None = None, *, is_inquiry: bool = False) -> str:
        """Returns the id of the dispute that the customer's bank has opened, by default for what is left."""
        charge = self.intent(payment_intent_id)["latest_charge"]
        return str(self.disputes.open(charge, amount=amount, is_inquiry=is_inquiry)["id"])

    def authenticate(self, payment_intent_id: str) -> None:
        """The customer completes 3-D Secure."""
        self._stripe().payments.authenticate(payment_intent_id)

    def fail_authentication(self, payment_intent_id: str) -> None:
        self._stripe().payments.fail_authentication(payment_intent_id)

    def charge_anyway(self, payment_intent_id: str) -> None:
        """Charges an intent in whatever state it is, as no provider should."""
        self.records.put(self.intent(payment_intent_id) | {"status": "requires_confirmation"})
        self._stripe().payments.confirm(payment_intent_id, {"payment_method": "pm_card_visa"}, None)

    def forget_keys(self) -> None:
        """A day has passed."""
        for key in self.records.all("idempotency_key"):
            self.records.remove("idempotency_key", key["id"])

    def _call(
        self, method: str, path: str, fields: Mapping[str, str] | None = None, idempotency_key: str | None = None
    ) -> _Answer | Unknown:
        path, _, query = path.partition("?")
        call = CALLS.get((method, path.rpartition("/")[2]), "retrieve")
        self.calls.append(call)
        if self.meanwhile.get(call):
            self.meanwhile[call].pop(0)()
        if call in self.unreachable:
            return Unknown("unreachable")
        with self._one_at_a_time:
            reply = self._stripe().request(method, path, (query or urlencode(fields or {})).encode(), idempotency_key)
        answer = _Answer(reply.status, reply.body)
        if answer.error.get("type") == "idempotency_error":
            raise AssertionError("the same idempotency key with other parameters")
        if self.afterwards.get(call):
            self.afterwards[call].pop(0)()
        return Unknown("lost") if call in self.lost or reply.fault is Fault.TIMEOUT_AFTER_CHARGE else answer

    def _stripe(self) -> Stripe:
        return Stripe(self.records, now=self.now, new_id=self.records.new_id)
