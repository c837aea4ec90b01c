"""A Lambda event is read here: its headers, its correlation id, and its caller as API Gateway has verified it."""

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shop_http.problem import ProblemError

ADMINISTRATORS: Final = "admin"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
SUBJECT_CHARACTERS_MAX: Final = 128
"""An event's customer id may be no longer."""


@dataclass(frozen=True)
class Caller:
    """The JWT authorizer names the caller: API Gateway verifies the token before it invokes the function."""

    subject: str
    groups: frozenset[str]

    @property
    def is_administrator(self) -> bool:
        return ADMINISTRATORS in self.groups


ANONYMOUS: Final = Caller("", frozenset())


def caller(event: Mapping[str, Any]) -> Caller:
    """Raises a 401 problem where no claim names a caller: the route has no authorizer, or the token is nobody's of the
    user pool. Only a mistake in the stack can bring that about."""
    match event["requestContext"]:
        case {"authorizer": {"jwt": {"claims": {"sub": str(subject)} as claims}}} if (
            0 < len(subject) <= SUBJECT_CHARACTERS_MAX
        ):
            return Caller(subject, frozenset(_groups(claims.get("cognito:groups"))))
        case _:
            detail = "Send an access token: `Authorization: Bearer …`."
            raise ProblemError(401, "unauthenticated", "Unauthenticated", detail)


def subject(event: Mapping[str, Any]) -> str | None:
    """Returns whom the token names, also where the request is refused."""
    match event["requestContext"]:
        case {"authorizer": {"jwt": {"claims": {"sub": str(named)}}}} if 0 < len(named) <= SUBJECT_CHARACTERS_MAX:
            return named
        case _:
            return None


def _groups(claim: Any) -> Collection[str]:
    """Splits the claim as an HTTP API joins it, and exactly so: a list of groups arrives as the text `[admin staff]`.

    A name may have brackets and commas in it, and no space, so that only the outermost brackets and the spaces are the
    gateway's. Any other claim, such as a text without brackets, names no group.
    https://docs.aws.amazon.com/cognito-user-identity-pools/latest/APIReference/API_CreateGroup.html
    https://github.com/aws-solutions-library-samples/guidance-for-claude-code-with-amazon-bedrock/issues/802
    """
    is_joined = isinstance(claim, str) and claim.startswith("[") and claim.endswith("]")
    return claim[1:-1].split(" ") if is_joined else ()


def administrator(event: Mapping[str, Any]) -> Caller:
    """Raises a 403 problem for anyone else."""
    who = caller(event)
    if not who.is_administrator:
        raise ProblemError(403, "forbidden", "Forbidden", "Only an administrator may do this.")
    return who


def correlation_id(event: Mapping[str, Any]) -> str:
    """The client's `X-Correlation-Id` where it is well-formed, else the request's id at the gateway."""
    sent = header(event, "x-correlation-id") or ""
    return sent if _CORRELATION_ID.fullmatch(sent) else str(event["requestContext"]["requestId"])


def header(event: Mapping[str, Any], name: str) -> str | None:
    # API Gateway sends header names in lower case (payload format 2.0).
    value: str | None = event.get("headers", {}).get(name)
    return value
