"""This table says what each error of the payment provider proves about the call that it answers.

docs/operations.md shows the same table. https://docs.stripe.com/api/errors and https://docs.stripe.com/error-codes
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Any, Final

from msgspec import Struct

CODE_CHARACTERS_MAX: Final = 100
"""An event holds so much of a code."""


class Proof(StrEnum):
    DECLINED = "declined"
    """The card was refused. This attempt moved no money, and another card may."""
    REFUSED = "refused"
    """The call was refused for good. It changed nothing, and no repeat ever will."""
    MISSING = "missing"
    """The object that the call is about does not exist, so that no money can move with it."""
    ENDED = "ended"
    """The object is in a state that does not allow the call: the object itself tells which."""
    OURS = "ours"
    """Our key, rights or address are wrong, which proves nothing and lasts until an operator has repaired it."""
    NOTHING = "nothing"
    """The provider was busy or failed, or the same call is under way. Money may have moved, and a repeat helps."""


class ErrorKind(Struct, frozen=True):
    """An error is of this kind if it has all that is given here."""

    proof: Proof
    statuses: tuple[int, ...] = ()
    type: str | None = None
    code: str | None = None
    param: str | None = None

    def covers(self, status: int, error: Mapping[str, Any]) -> bool:
        wanted = {"type": self.type, "code": self.code, "param": self.param}
        return (not self.statuses or status in self.statuses) and all(
            error.get(name) == value for name, value in wanted.items() if value is not None
        )


ERROR_KINDS: Final = (
    ErrorKind(Proof.NOTHING, code="lock_timeout"),
    ErrorKind(Proof.NOTHING, (409, 424, 429)),
    ErrorKind(Proof.NOTHING, type="idempotency_error"),
    ErrorKind(Proof.OURS, (401, 403)),
    ErrorKind(Proof.DECLINED, (402,), type="card_error"),
    ErrorKind(Proof.ENDED, (400,), code="payment_intent_unexpected_state"),
    ErrorKind(Proof.ENDED, (400,), code="charge_already_refunded"),
    ErrorKind(Proof.MISSING, (400, 404), code="resource_missing", param="intent"),
    ErrorKind(Proof.MISSING, (400, 404), code="resource_missing", param="payment_intent"),
    ErrorKind(Proof.REFUSED, (400, 402), type="invalid_request_error"),
    ErrorKind(Proof.OURS, (404,)),
)
"""The first kind that covers an error is the one. What none covers, such as each 5xx, proves nothing."""


LASTING: Final = frozenset({Proof.DECLINED, Proof.REFUSED, Proof.MISSING, Proof.ENDED})
"""After one of these, nothing is given back, however often a refund is asked for."""


def proof(status: int, error: Mapping[str, Any]) -> Proof:
    return next((kind.proof for kind in ERROR_KINDS if kind.covers(status, error)), Proof.NOTHING)
