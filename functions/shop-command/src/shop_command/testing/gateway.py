"""The payment provider in memory, behind the gateway's port: its test cards, its states, its memory of keys."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, Literal, TypeVar

from shop_command.ports import (
    Captured,
    Created,
    Declined,
    IntentCancelled,
    Processing,
    Refused,
    Returned,
    Unconfirmed,
    Unknown,
)
from shop_shared.values import Money

DECLINES: Final = {
    "pm_card_visa_chargeDeclined": Declined("card_declined", "generic_decline"),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Declined("card_declined", "insufficient_funds"),
    "pm_card_visa_chargeDeclinedLostCard": Declined("card_declined", "lost_card"),
    "pm_card_chargeDeclinedExpiredCard": Declined("expired_card", "expired_card"),
    "pm_card_chargeDeclinedIncorrectCvc": Declined("incorrect_cvc", "incorrect_cvc"),
    "pm_card_chargeDeclinedProcessingError": Declined("processing_error", "processing_error"),
}
CHARGED: Final = frozenset({"pm_card_visa", "pm_card_mastercard"})
LOST_AFTER_CHARGE: Final = frozenset({"pm_card_timeout_after_charge", "pm_card_error_after_charge"})
LOST_BEFORE_CHARGE: Final = frozenset({"pm_card_error_before_charge"})
SLOW: Final = frozenset({"pm_card_slow"})

Confirmed = Captured | Declined | IntentCancelled | Processing | Unknown
Call = Literal["create", "confirm", "retrieve", "cancel", "refund"]
Outcome = TypeVar("Outcome")


@dataclass
class FakeIntent:
    reservation_id: str
    amount: Money
    status: Literal["waiting", "processing", "captured", "canceled"] = "waiting"
    refund_id: str | None = None


@dataclass
class FakeGateway:
    intents: dict[str, FakeIntent] = field(default_factory=dict)
    created: dict[tuple[str, int], tuple[Money, str]] = field(default_factory=dict)
    """The key names a reservation and an attempt."""
    confirmed: dict[tuple[str, int], tuple[str, str, Confirmed]] = field(default_factory=dict)
    """By the key: what it was first sent with, and the answer that it gets since."""
    calls: list[Call] = field(default_factory=list)
    unreachable: set[Call] = field(default_factory=set)
    """Calls that never reach the provider."""
    lost: set[Call] = field(default_factory=set)
    """Calls that reach it, and whose answer is lost."""
    meanwhile: dict[Call, list[Callable[[], object]]] = field(default_factory=dict)
    """Each is run once, when such a call is about to arrive: what somebody else does just then, or a crash."""
    afterwards: dict[Call, list[Callable[[], object]]] = field(default_factory=dict)
    """Each is run once, when such a call has taken effect and its answer is on its way."""

    def create(self, reservation_id: str, attempt: int, amount: Money) -> Created | Refused | Unknown:
        return self._arrive("create", lambda: self._create(reservation_id, attempt, amount))

    def confirm(self, payment_intent_id: str, reservation_id: str, attempt: int, payment_method: str) -> Confirmed:
        return self._arrive(
            "confirm", lambda: self._confirm_once((reservation_id, attempt), payment_intent_id, payment_method)
        )

    def retrieve(self, payment_intent_id: str) -> Captured | IntentCancelled | Unconfirmed | Processing | Unknown:
        return self._arrive("retrieve", lambda: self._ended(payment_intent_id) or Unconfirmed())

    def cancel(self, payment_intent_id: str) -> Captured | IntentCancelled | Processing | Unknown:
        return self._arrive("cancel", lambda: self._cancel(payment_intent_id))

    def refund(self, payment_intent_id: str, reservation_id: str) -> Returned | Unknown:
        assert self.intents[payment_intent_id].reservation_id == reservation_id  # noqa: S101 - a test's own mistake
        return self._arrive("refund", lambda: self._refund(payment_intent_id))

    def with_status(self, status: str) -> list[str]:
        return [name for name, intent in self.intents.items() if intent.status == status]

    def finish(self, payment_intent_id: str, status: Literal["captured", "waiting"] = "captured") -> None:
        """Ends what was processing."""
        assert self.intents[payment_intent_id].status == "processing"  # noqa: S101 - a test's own mistake
        self.intents[payment_intent_id].status = status

    def forget_keys(self) -> None:
        """A day has passed."""
        self.created.clear()
        self.confirmed.clear()

    def _arrive(self, call: Call, effect: Callable[[], Outcome]) -> "Outcome | Unknown":
        self.calls.append(call)
        if self.meanwhile.get(call):
            self.meanwhile[call].pop(0)()
        if call in self.unreachable:
            return Unknown("unreachable")
        outcome = effect()
        if self.afterwards.get(call):
            self.afterwards[call].pop(0)()
        return Unknown("lost") if call in self.lost else outcome

    def _create(self, reservation_id: str, attempt: int, amount: Money) -> Created:
        made = f"pi_{len(self.intents) + 1}"
        known, intent = self.created.setdefault((reservation_id, attempt), (amount, made))
        if known != amount:
            raise AssertionError("the same idempotency key with another amount")
        self.intents.setdefault(intent, FakeIntent(reservation_id, amount))
        return Created(intent)

    def _confirm_once(self, key: tuple[str, int], intent: str, method: str) -> Confirmed:
        if key not in self.confirmed:
            outcome = self._confirm(intent, method)
            # The first answer is kept, but not that it was under way: a repeat hears what became of it.
            self.confirmed[key] = intent, method, outcome
        first_intent, first_method, outcome = self.confirmed[key]
        if (first_intent, first_method) != (intent, method):
            raise AssertionError("the same idempotency key with another intent or payment method")
        if isinstance(outcome, Processing):
            return self._ended(intent) or Unknown("declined late")
        return outcome

    def _confirm(self, intent: str, method: str) -> Confirmed:
        known = self._ended(intent)
        if known is not None:
            return known
        if method in SLOW:
            self.intents[intent].status = "processing"
            return Processing()
        if method in CHARGED | LOST_AFTER_CHARGE:
            self.intents[intent].status = "captured"
        if method in LOST_AFTER_CHARGE | LOST_BEFORE_CHARGE:
            return Unknown("lost")
        if method in CHARGED:
            return Captured()
        return DECLINES.get(method, Declined("resource_missing"))

    def _cancel(self, intent: str) -> Captured | IntentCancelled | Processing | Unknown:
        if self._ended(intent) is None:
            self.intents[intent].status = "canceled"
        return self._ended(intent) or Unknown("unreachable")

    def _refund(self, intent: str) -> Returned | Unknown:
        if self._ended(intent) != Captured():
            return Unknown("nothing to refund")
        self.intents[intent].refund_id = f"re_{intent}"
        return Returned(f"re_{intent}")

    def _ended(self, intent: str) -> Captured | IntentCancelled | Processing | Unknown | None:
        if intent not in self.intents:
            return Unknown("no such intent")
        outcomes: dict[str, Captured | IntentCancelled | Processing | None] = {
            "captured": Captured(),
            "canceled": IntentCancelled(),
            "processing": Processing(),
            "waiting": None,
        }
        return outcomes[self.intents[intent].status]
