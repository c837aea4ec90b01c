"""The state machine of a dispute: one method is one transition. https://docs.stripe.com/disputes/how-disputes-work

warning_needs_response ── evidence ──> warning_closed <── a refund of everything
         └── escalate ──> needs_response ── evidence ──> under_review ── decide ──> won, lost
                                      └── close, or evidence of a test ──> lost, won
"""

from collections.abc import Mapping
from typing import Final

from .records import Records
from .store import Record
from .wire import ApiError, Reply

EVIDENCE_SECONDS: Final = 9 * 24 * 3600
INQUIRY: Final = ("warning_needs_response", "warning_under_review")
NOT_REFUNDABLE: Final = ("needs_response", "under_review", "lost")
"""While the dispute of a charge is in one of these statuses, the charge can't be refunded."""
ALLOWED_IN: Final[Mapping[str, tuple[str, ...]]] = {
    "escalate": INQUIRY,
    "update": ("warning_needs_response", "needs_response"),
    "close": ("needs_response",),
    "decide": ("needs_response", "under_review", "lost"),
}
"""The statuses of a dispute in which each transition may begin."""
WINNING, LOSING = "winning_evidence", "losing_evidence"
"""Evidence with one of these texts decides a test's dispute at once. https://docs.stripe.com/testing#disputes"""


class Disputes(Records):
    def open(self, charge_id: str, *, amount: int | None = None, is_inquiry: bool = False) -> Record:
        """A bank can dispute what was not refunded yet, or so much of it."""
        charge = self.find("charge", charge_id)
        left = charge["amount"] - charge["amount_refunded"]
        if not charge["paid"] or charge["disputed"] or not 0 < (amount or left) <= left:
            raise ApiError(400, f"Charge {charge_id} can't be disputed.")
        dispute = {
            "id": self._new_id("du"),
            "object": "dispute",
            "amount": amount or left,
            "balance_transactions": [],
            "charge": charge_id,
            "created": self._now,
            "currency": charge["currency"],
            "evidence": {},
            "evidence_details": {
                "due_by": self._now + EVIDENCE_SECONDS,
                "has_evidence": False,
                "past_due": False,
                "submission_count": 0,
            },
            "is_charge_refundable": is_inquiry,
            "livemode": False,
            "metadata": {},
            "payment_intent": charge["payment_intent"],
            "reason": "fraudulent",
            "status": "warning_needs_response" if is_inquiry else "needs_response",
        }
        self._put(charge | {"disputed": True})
        self._announce("charge.dispute.created", self._put(dispute))
        return dispute if is_inquiry else self._withdraw(dispute)

    def escalate(self, dispute_id: str) -> Record:
        """The bank makes a chargeback of an inquiry, but not of what was refunded meanwhile."""
        dispute = self._in("escalate", dispute_id)
        charge = self.find("charge", dispute["charge"])
        amount = min(dispute["amount"], charge["amount"] - charge["amount_refunded"])
        dispute |= {"status": "needs_response", "is_charge_refundable": False, "amount": amount}
        self._announce("charge.dispute.updated", self._put(dispute))
        return self._withdraw(dispute)

    def update(self, dispute_id: str, given: Record) -> Reply:
        """Evidence is kept, and with `submit`, which is the default, it goes to the bank."""
        dispute = self._in("update", dispute_id)
        evidence = dispute["evidence"] | given.get("evidence", {})
        details = dispute["evidence_details"] | {"has_evidence": bool(evidence)}
        dispute |= {"evidence": evidence, "evidence_details": details}
        if not given.get("submit", True):
            return Reply(200, self._put(dispute))
        details["submission_count"] += 1
        text = evidence.get("uncategorized_text")
        is_inquiry, is_decided = dispute["status"] in INQUIRY, text in (WINNING, LOSING)
        dispute["status"] = "warning_under_review" if is_inquiry else "under_review"
        self._announce("charge.dispute.updated", self._put(dispute))
        if is_decided and is_inquiry:
            dispute = self._end(dispute, "warning_closed")
        elif is_decided:
            dispute = self.decide(dispute_id, is_won=text == WINNING)
        return Reply(200, dispute)

    def close(self, dispute_id: str) -> Reply:
        """The shop gives the dispute up."""
        return Reply(200, self._end(self._in("close", dispute_id), "lost"))

    def decide(self, dispute_id: str, *, is_won: bool) -> Record:
        """The bank decides, and may think again about what the shop has lost."""
        dispute = self._in("decide", dispute_id)
        if is_won:
            dispute = self._put(
                dispute | {"balance_transactions": [*dispute["balance_transactions"], _moved(dispute, 1)]}
            )
            self._announce("charge.dispute.funds_reinstated", dispute)
        return self._end(dispute, "won" if is_won else "lost")

    def refuse_refund(self, charge: Record) -> None:
        if any(it["status"] in NOT_REFUNDABLE for it in self._of(charge)):
            message = f"Charge {charge['id']} has been charged back; cannot issue a refund."
            raise ApiError(400, message, code="charge_disputed")

    def refunded(self, charge: Record) -> None:
        """There is nothing to inquire about any more once everything was given back."""
        for dispute in self._of(charge) if charge["refunded"] else ():
            if dispute["status"] in INQUIRY:
                self._end(dispute, "warning_closed")

    def _of(self, charge: Record) -> list[Record]:
        given = {"payment_intent": charge["payment_intent"], "limit": 100}
        disputes: list[Record] = self.page("dispute", "", given).body["data"]
        return disputes

    def _in(self, transition: str, dispute_id: str) -> Record:
        dispute = self.find("dispute", dispute_id)
        if dispute["status"] not in ALLOWED_IN[transition]:
            raise ApiError(400, f"You cannot {transition} this dispute: it has a status of {dispute['status']}.")
        return dispute

    def _withdraw(self, dispute: Record) -> Record:
        dispute["balance_transactions"].append(_moved(dispute, -1))
        self._announce("charge.dispute.funds_withdrawn", self._put(dispute))
        return dispute

    def _end(self, dispute: Record, status: str) -> Record:
        dispute["status"] = status
        self._announce("charge.dispute.closed", self._put(dispute))
        return dispute


def _moved(dispute: Record, sign: int) -> Record:
    amount = sign * dispute["amount"]
    return {"object": "balance_transaction", "amount": amount, "currency": dispute["currency"], "type": "adjustment"}
