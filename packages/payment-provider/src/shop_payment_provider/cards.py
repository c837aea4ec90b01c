"""Says what a confirmation does with each test payment method. README.md has the same table."""

from dataclasses import dataclass
from enum import Enum


class Fault(Enum):
    """A fault occurs between the provider and its client, whatever the card's own result is."""

    SLOW = "slow"
    TIMEOUT_AFTER_CHARGE = "timeout after charge"
    ERROR_BEFORE_CHARGE = "error before charge"
    ERROR_AFTER_CHARGE = "error after charge"


@dataclass(frozen=True)
class Decline:
    code: str
    decline_code: str
    message: str


@dataclass(frozen=True)
class Card:
    brand: str
    last4: str
    decline: Decline | None = None
    fault: Fault | None = None


def _declined(decline_code: str, message: str = "Your card was declined.") -> Decline:
    return Decline("card_declined", decline_code, message)


# The first eight are from https://docs.stripe.com/testing; the last four belong to this mock.
CARDS = {
    "pm_card_visa": Card("visa", "4242"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_visa_chargeDeclined": Card("visa", "0002", _declined("generic_decline")),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card(
        "visa", "9995", _declined("insufficient_funds", "Your card has insufficient funds.")
    ),
    "pm_card_visa_chargeDeclinedLostCard": Card("visa", "9987", _declined("lost_card")),
    "pm_card_chargeDeclinedExpiredCard": Card(
        "visa", "0069", Decline("expired_card", "expired_card", "Your card has expired.")
    ),
    "pm_card_chargeDeclinedIncorrectCvc": Card(
        "visa", "0127", Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
    ),
    "pm_card_chargeDeclinedProcessingError": Card(
        "visa",
        "0119",
        Decline("processing_error", "processing_error", "An error occurred while processing your card."),
    ),
    "pm_card_slow": Card("visa", "4242", fault=Fault.SLOW),
    "pm_card_timeout_after_charge": Card("visa", "4242", fault=Fault.TIMEOUT_AFTER_CHARGE),
    "pm_card_error_before_charge": Card("visa", "4242", fault=Fault.ERROR_BEFORE_CHARGE),
    "pm_card_error_after_charge": Card("visa", "4242", fault=Fault.ERROR_AFTER_CHARGE),
}
