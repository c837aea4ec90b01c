"""Compares what the events claim of a payment intent with the provider's own records."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from shop_cli.operations.verify.findings import ABSENT, Difference
from shop_shared.currencies import from_provider

CHECK: Final = "payments"
NOTHING: Final[Mapping[str, Any]] = {
    "purchased": False,
    "owed_since": None,
    "until": None,
    "refunds": {},
    "disputes": {},
}
NO_MONEY: Final = ("failed", "canceled")
"""Statuses of a refund that gave nothing back."""
DISPUTES: Final[Mapping[str, str]] = {
    **dict.fromkeys(("warning_needs_response", "warning_under_review"), "inquiry"),
    **dict.fromkeys(("needs_response", "under_review"), "chargeback"),
    **dict.fromkeys(("lost", "appeal_needs_response", "appeal_under_review"), "lost"),
    "won": "won",
    "warning_closed": "withdrawn",
}
"""The shop has a word for each status of a dispute. One that was prevented is lost or withdrawn, as its money says."""


def differences(
    intent_id: str, expected: Mapping[str, Any] | None, found: Sequence[Mapping[str, Any]], asked_before: datetime
) -> Iterator[Difference]:
    """`found` are the provider's intent, charges, refunds and disputes.

    What was asked for since `asked_before` may be under way.

    An intent that neither names a reservation nor is named by an event belongs to somebody else.
    """
    found = [_in_minor_units(each) for each in found]
    intents = [each for each in found if each["object"] == "payment_intent"]
    metadata = intents[0].get("metadata", {}).get("reservation_id") if intents else None
    if expected is None and metadata is None:
        return
    if expected is not None:
        yield from _intent(intent_id, expected, intents)
    claimed = expected or NOTHING
    captured = [each for each in found if each["object"] == "charge" and each["captured"] and each["paid"]]
    refunds = {
        each["id"]: each["amount"] for each in found if each["object"] == "refund" and each["status"] not in NO_MONEY
    }
    since = claimed["owed_since"]
    # A customer who goes through 3-D Secure has time `until` the reservation expires.
    under_way = since is not None and datetime.fromisoformat(max(since, claimed["until"] or since)) > asked_before
    if intents and intents[0].get("status") == "requires_action" and not under_way:
        yield Difference(CHECK, intent_id, "status", "cancelled: nobody has time to pay with it", "requires_action")
    yield from _charges(intent_id, claimed, captured, under_way=under_way)
    for refund in sorted(refunds.keys() | claimed["refunds"].keys()):
        recorded, given = claimed["refunds"].get(refund), refunds.get(refund)
        if recorded != given and not (recorded is None and under_way):
            yield Difference(CHECK, intent_id, f"refund {refund}", recorded or ABSENT, given or ABSENT)
    yield from _disputes(intent_id, claimed, [each for each in found if each["object"] == "dispute"])


def _in_minor_units(record: Mapping[str, Any]) -> Mapping[str, Any]:
    """The provider counts some currencies in another unit than the events."""
    amounts = ("amount", "amount_captured", "amount_refunded")
    return {
        **record,
        **{name: from_provider(record[name], record.get("currency", "")) for name in amounts if name in record},
    }


def _intent(intent_id: str, expected: Mapping[str, Any], intents: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    if not intents:
        if expected["missing"]:
            return
        yield Difference(CHECK, intent_id, "payment intent", f"of reservation {expected['reservation_id']}", ABSENT)
        return
    found = {**intents[0], "reservation_id": intents[0].get("metadata", {}).get("reservation_id", ABSENT)}
    for name in ("reservation_id", "amount", "currency"):
        if found[name] != expected[name]:
            yield Difference(CHECK, intent_id, name, expected[name], found[name])


def _disputes(intent_id: str, claimed: Mapping[str, Any], found: Sequence[Mapping[str, Any]]) -> Iterator[Difference]:
    """The dispute of a charge that became no purchase is an operator's business."""
    statuses = {each["id"]: DISPUTES.get(each["status"], each["status"]) for each in found if claimed["purchased"]}
    for dispute in sorted(statuses.keys() | claimed["disputes"].keys()):
        recorded, status = claimed["disputes"].get(dispute, ABSENT), statuses.get(dispute, ABSENT)
        if recorded != status and not (status == "prevented" and recorded in ("lost", "withdrawn")):
            yield Difference(CHECK, intent_id, f"dispute {dispute}", status, recorded)


def _charges(
    intent_id: str, claimed: Mapping[str, Any], captured: Sequence[Mapping[str, Any]], *, under_way: bool
) -> Iterator[Difference]:
    if claimed["purchased"] and len(captured) != 1:
        yield Difference(CHECK, intent_id, "captured charges", 1, len(captured))
    for charge in captured:
        if claimed["purchased"]:
            for name, value in (("amount_captured", claimed["amount"]), ("currency", claimed["currency"])):
                if charge[name] != value:
                    yield Difference(CHECK, intent_id, f"{name} of {charge['id']}", value, charge[name])
        elif charge["amount_refunded"] != charge["amount_captured"] and not under_way:
            kept = charge["amount_captured"] - charge["amount_refunded"]
            yield Difference(CHECK, intent_id, f"kept of {charge['id']}", "a purchase, or a full refund", kept)
