"""Says what an answer of the provider proves about a refund. https://docs.stripe.com/api/refunds

An answer counts only for the order that it belongs to: intent, currency, metadata and, where one was asked for, amount.
"""

from collections.abc import Iterable, Mapping
from typing import Any, Final, get_args

from shop_command.adapters.provider_errors import CODE_CHARACTERS_MAX
from shop_command.ports import ListedRefund, Processing, RefundOrder, RefundOutcome, RefundRefused, Returned
from shop_shared.currencies import from_provider, to_provider
from shop_shared.values import Money, RefundReason

REASONS: Final = get_args(RefundReason)


def metadata(order: RefundOrder) -> dict[str, str]:
    return {"reservation_id": order.reservation_id, "refund": str(order.refund)}


def form(order: RefundOrder) -> dict[str, str]:
    amount = {} if order.amount_minor is None else {"amount": str(to_provider(order.amount_minor, order.currency))}
    fields = {"payment_intent": order.payment_intent_id, "reason": order.reason, **amount}
    return fields | {f"metadata[{name}]": value for name, value in metadata(order).items()}


def outcome(order: RefundOrder, refund: Any) -> RefundOutcome | None:
    """Returns None for what is no answer to this order."""
    if not isinstance(refund, Mapping) or not _belongs(order, refund):
        return None
    match refund:
        case {"id": str(refund_id), "status": "succeeded", "amount": int(amount)}:
            return Returned(refund_id, _money(amount, order.currency))
        case {"id": str(), "status": "pending" | "requires_action"}:
            return Processing()
        case {"id": str(refund_id), "status": "failed" | "canceled" as status}:
            return RefundRefused(str(refund.get("failure_reason") or status)[:CODE_CHARACTERS_MAX], refund_id)
        case _:
            return None


def found(order: RefundOrder, refunds: Iterable[Any]) -> RefundOutcome | None:
    """Returns the outcome of the order from the provider's list. What others have refunded is not in it."""
    outcomes = [outcome(order, refund) for refund in refunds]
    for kind in (Returned, Processing, RefundRefused):
        for each in outcomes:
            if isinstance(each, kind):
                return each
    return None


def listed(payment_intent_id: str, reservation_id: str, refund: Any) -> ListedRefund | None:
    """Returns None for what cannot be read as a refund of this intent."""
    match refund:
        case {
            "id": str(refund_id),
            "payment_intent": intent,
            "amount": int(amount),
            "currency": str(currency),
            "status": str(status),
        } if intent == payment_intent_id:
            reason = refund.get("reason")
            return ListedRefund(
                refund_id,
                _ordinal(reservation_id, refund.get("metadata")),
                _money(amount, currency.upper()),
                "succeeded" if status == "succeeded" else "failed" if status in ("failed", "canceled") else "open",
                reason if reason in REASONS else None,
                str(refund.get("failure_reason") or status)[:CODE_CHARACTERS_MAX],
            )
        case _:
            return None


def _ordinal(reservation_id: str, kept: Any) -> int | None:
    match kept:
        case {"reservation_id": str(name), "refund": str(ordinal)} if name == reservation_id and ordinal.isdecimal():
            return int(ordinal)
        case {"reservation_id": str(name)} if name == reservation_id and len(kept) == 1:
            return 1
        case _:
            return None


def _money(amount: int, currency: str) -> Money:
    return Money(amount_minor=from_provider(amount, currency), currency=currency)


def _belongs(order: RefundOrder, refund: Mapping[str, Any]) -> bool:
    kept = refund.get("metadata")
    # Earlier releases refunded everything, and left the ordinal out.
    is_ours = kept == metadata(order) or (kept == {"reservation_id": order.reservation_id} and order.refund <= 1)
    is_payment = refund.get("payment_intent") == order.payment_intent_id
    if not is_ours or not is_payment or refund.get("currency") != order.currency.lower():
        return False
    amount = refund.get("amount")
    return order.amount_minor is None or (
        isinstance(amount, int) and from_provider(amount, order.currency) == order.amount_minor
    )
