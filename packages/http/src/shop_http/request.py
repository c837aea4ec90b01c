"""A Lambda event is read here: its headers, its correlation id, and its caller as API Gateway has verified it."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from shop_http.problem import ProblemError

ADMINISTRATORS: Final = "admin"
_CORRELATION_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
_SEPARATORS = re.compile(r"[\s,\[\]]+")


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
    """Raises a 401 problem when the route has no authorizer, which only a mistake in the stack can bring about."""
    claims = event["requestContext"].get("authorizer", {}).get("jwt", {}).get("claims", {})
    if not claims.get("sub"):
        raise ProblemError(
            401, "unauthenticated", "Unauthenticated", "Send an access token: `Authorization: Bearer …`."
        )
    groups = claims.get("cognito:groups") or ""
    # API Gateway turns the claim's list into the text "[admin staff]".
    names = groups if isinstance(groups, list) else _SEPARATORS.split(groups)
    return Caller(claims["sub"], frozenset(filter(None, names)))


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
