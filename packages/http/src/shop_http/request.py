"""A Lambda event is read here: its headers, its correlation id, and its caller as API Gateway has verified it."""

import os
import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from math import inf
from typing import Any, Final

from shop_http.problem import ProblemError

ADMINISTRATORS: Final = "admin"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
ADMINISTRATOR_SECONDS_DEFAULT: Final = 900
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
    """Raises a 401 problem for an ID token, which the gateway lets through as well, and where no claim names a caller:
    only a mistake in the stack can bring that about.
    https://docs.aws.amazon.com/cognito/latest/developerguide/amazon-cognito-user-pools-using-the-access-token.html
    """
    match event["requestContext"]:
        case {"authorizer": {"jwt": {"claims": {"sub": str(subject), "token_use": "access"} as claims}}} if (
            0 < len(subject) <= SUBJECT_CHARACTERS_MAX
        ):
            return Caller(subject, frozenset(_groups(claims.get("cognito:groups"))))
        case _:
            raise _unauthenticated("Send an access token: `Authorization: Bearer …`.")


def _unauthenticated(detail: str) -> ProblemError:
    return ProblemError(401, "unauthenticated", "Unauthenticated", detail)


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
    """Raises a 403 problem for anyone else, and a 401 problem for a token of the past.

    A token says who was in the group when it was issued, and stays valid. But none is issued, nor refreshed, for a user
    who was disabled, deleted or signed out since, and a refreshed one says who is in the group now.
    """
    who = caller(event)
    if not who.is_administrator:
        raise ProblemError(403, "forbidden", "Forbidden", "Only an administrator may do this.")
    seconds_max = int(os.environ.get("ADMINISTRATOR_SECONDS", ADMINISTRATOR_SECONDS_DEFAULT))
    if _token_seconds(event["requestContext"]) > seconds_max:
        raise _unauthenticated("An administrator's access token is too old: refresh it.")
    return who


def _token_seconds(context: Mapping[str, Any]) -> float:
    """The gateway writes every claim as a text, and when it took the request, in milliseconds."""
    issued_at = str(context["authorizer"]["jwt"]["claims"].get("iat"))
    return float(context["timeEpoch"] / 1_000 - int(issued_at)) if issued_at.isdecimal() else inf


def correlation_id(event: Mapping[str, Any]) -> str:
    """The client's `X-Correlation-Id` where it is well-formed, else the request's id at the gateway."""
    sent = header(event, "x-correlation-id") or ""
    return sent if _CORRELATION_ID.fullmatch(sent) else str(event["requestContext"]["requestId"])


def header(event: Mapping[str, Any], name: str) -> str | None:
    # API Gateway sends header names in lower case (payload format 2.0).
    value: str | None = event.get("headers", {}).get(name)
    return value
