"""Reads the provider's disputes. https://docs.stripe.com/api/disputes/object"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any, Final

from shop_command.adapters.provider_errors import CODE_CHARACTERS_MAX
from shop_command.ports import ListedDispute
from shop_shared.currencies import from_provider
from shop_shared.values import DisputeStatus, Money

STATUSES: Final[Mapping[str, DisputeStatus]] = {
    "warning_needs_response": "inquiry",
    "warning_under_review": "inquiry",
    "warning_closed": "withdrawn",
    "needs_response": "chargeback",
    "under_review": "chargeback",
    "appeal_needs_response": "lost",
    "appeal_under_review": "lost",
    "prevented": "withdrawn",
    "won": "won",
    "lost": "lost",
}


def listed(payment_intent_id: str, dispute: Any) -> ListedDispute | None:
    """Returns None for what cannot be read as a dispute of this intent."""
    match dispute:
        case {
            "id": str(dispute_id),
            "payment_intent": intent,
            "amount": int(amount),
            "currency": str(currency),
            "status": str(status),
        } if intent == payment_intent_id and status in STATUSES:
            code = currency.upper()
            return ListedDispute(
                dispute_id,
                "lost" if status == "prevented" and _is_withdrawn(dispute) else STATUSES[status],
                Money(amount_minor=from_provider(amount, code), currency=code),
                str(dispute.get("reason") or "unknown")[:CODE_CHARACTERS_MAX],
                _due_by(dispute.get("evidence_details")),
            )
        case _:
            return None


def _is_withdrawn(dispute: Mapping[str, Any]) -> bool:
    """A bank's network may prevent a chargeback by paying the customer at once, or by not letting it begin."""
    moved = (it.get("amount") for it in dispute.get("balance_transactions") or ())
    return sum(amount for amount in moved if isinstance(amount, int)) < 0


def _due_by(details: Any) -> datetime | None:
    match details:
        case {"due_by": int(seconds)} if seconds > 0:
            return datetime.fromtimestamp(seconds, UTC)
        case _:
            return None
