"""Says what a confirmation does with each test card. README.md has the same table."""

from dataclasses import dataclass
from enum import Enum
from typing import Final


class Fault(Enum):
    """Makes a payment go another way than to an answer at once."""

    SLOW = "the answer waits until the card is charged"
    PROCESSING = "the answer is that the payment is processing, and its result comes later"
    AUTHENTICATION = "the customer has to go through 3-D Secure first"
    PENDING_REFUND = "a refund is pending for a while"
    FAILED_REFUND = "a refund succeeds, and fails later"
    DISPUTE = "the charge is disputed in a while"
    INQUIRY = "a bank inquires about the charge in a while"
    TIMEOUT_AFTER_CHARGE = "the card is charged, and the answer comes too late"
    ERROR_BEFORE_CHARGE = "the provider fails before it charges the card"
    ERROR_AFTER_CHARGE = "the provider fails after it has charged the card"


@dataclass(frozen=True)
class Decline:
    code: str
    decline_code: str
    message: str = "Your card was declined."


@dataclass(frozen=True)
class Card:
    brand: str
    last4: str
    decline: Decline | None = None
    fault: Fault | None = None


_DECLINED: Final = Decline("card_declined", "generic_decline")
_NO_FUNDS: Final = Decline("card_declined", "insufficient_funds", "Your card has insufficient funds.")
_LOST: Final = Decline("card_declined", "lost_card")
_EXPIRED: Final = Decline("expired_card", "expired_card", "Your card has expired.")
_WRONG_CVC: Final = Decline("incorrect_cvc", "incorrect_cvc", "Your card's security code is incorrect.")
_FAILED: Final = Decline("processing_error", "processing_error", "An error occurred while processing your card.")

# The first sixteen are from https://docs.stripe.com/testing; the last six belong to this model.
CARDS: Final = {
    "pm_card_visa": Card("visa", "4242"),
    "pm_card_mastercard": Card("mastercard", "4444"),
    "pm_card_visa_chargeDeclined": Card("visa", "0002", _DECLINED),
    "pm_card_visa_chargeDeclinedInsufficientFunds": Card("visa", "9995", _NO_FUNDS),
    "pm_card_visa_chargeDeclinedLostCard": Card("visa", "9987", _LOST),
    "pm_card_chargeDeclinedExpiredCard": Card("visa", "0069", _EXPIRED),
    "pm_card_chargeDeclinedIncorrectCvc": Card("visa", "0127", _WRONG_CVC),
    "pm_card_chargeDeclinedProcessingError": Card("visa", "0119", _FAILED),
    "pm_card_authenticationRequired": Card("visa", "3184", fault=Fault.AUTHENTICATION),
    "pm_card_threeDSecure2Required": Card("visa", "3220", fault=Fault.AUTHENTICATION),
    "pm_card_authenticationRequiredChargeDeclinedInsufficientFunds": Card(
        "visa", "3178", _NO_FUNDS, Fault.AUTHENTICATION
    ),
    "pm_card_pendingRefund": Card("visa", "7726", fault=Fault.PENDING_REFUND),
    "pm_card_refundFail": Card("visa", "5126", fault=Fault.FAILED_REFUND),
    "pm_card_createDispute": Card("visa", "0259", fault=Fault.DISPUTE),
    "pm_card_createDisputeProductNotReceived": Card("visa", "2685", fault=Fault.DISPUTE),
    "pm_card_createDisputeInquiry": Card("visa", "1976", fault=Fault.INQUIRY),
    "pm_card_slow": Card("visa", "4242", fault=Fault.SLOW),
    "pm_card_processing": Card("visa", "4242", fault=Fault.PROCESSING),
    "pm_card_processing_declined": Card("visa", "0002", _DECLINED, Fault.PROCESSING),
    "pm_card_timeout_after_charge": Card("visa", "4242", fault=Fault.TIMEOUT_AFTER_CHARGE),
    "pm_card_error_before_charge": Card("visa", "4242", fault=Fault.ERROR_BEFORE_CHARGE),
    "pm_card_error_after_charge": Card("visa", "4242", fault=Fault.ERROR_AFTER_CHARGE),
}
