"""Tests send whole Lambda events, as an HTTP API sends them (payload format 2.0), and read answers."""

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Self
from urllib.parse import urlencode

from shop_http.route import PARAMETER, Route

TAKEN_AT_SECONDS: Final = 1_795_424_400
"""The gateway takes each request of a test at this time."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str] = field(compare=False)  # a repeat has the same answer, and headers that say so
    body: Any

    @classmethod
    def read(cls, returned: Mapping[str, Any]) -> Self:
        """Reads what a handler returned; an answer without a body, as a 304, has None."""
        return cls(returned["statusCode"], returned["headers"], json.loads(returned["body"] or "null"))


def http_event(
    route: str,
    body: Any = None,
    *,
    key: str | None = "key-1",
    subject: str | None = "customer-1",
    groups: str | None = None,
    headers: dict[str, str] | None = None,
    query: dict[str, str] | None = None,
    raw_body: str | None = None,
    base64_encoded: bool = False,
    declared: Iterable[Route] | None = None,
    **path_parameters: str,
) -> dict[str, Any]:
    """`route` is as in `POST /products/{sku}/stock`, or with `declared` as in `GET /products/MUG`: then these are the
    routes that the gateway has. Without `subject` there is no authorizer's claim.

    `groups` is the claim as API Gateway writes it: "[admin]". A GET or HEAD has no body and no content type.
    """
    method, _, template = route.partition(" ")
    if path_parameters.keys() != {*PARAMETER.findall(template)}:
        raise ValueError(f"no gateway sends {path_parameters} for {route}")
    path = template.format(**path_parameters) if path_parameters else template
    if declared is not None:
        route, path_parameters = _matched(declared, method, path)
    claims = {
        "sub": subject,
        "token_use": "access",
        "iat": str(TAKEN_AT_SECONDS - 60),
        **({"cognito:groups": groups} if groups else {}),
    }
    has_body = method not in ("GET", "HEAD")
    request_headers = {
        **({"content-type": "application/json"} if has_body else {}),
        **({"idempotency-key": key} if key is not None else {}),
    }
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": urlencode(query or {}, errors="replace"),
        **({"queryStringParameters": query} if query else {}),
        "headers": {**request_headers, **(headers or {})},
        "requestContext": {
            "accountId": "123456789012",
            "apiId": "api",
            "domainName": "api.execute-api.us-east-1.amazonaws.com",
            "http": {
                "method": method,
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": "192.0.2.1",
                "userAgent": "test",
            },
            "requestId": "request-1",
            "routeKey": route,
            "stage": "$default",
            "time": "23/Nov/2026:09:00:00 +0000",
            "timeEpoch": TAKEN_AT_SECONDS * 1_000,
            **({"authorizer": {"jwt": {"claims": claims, "scopes": None}}} if subject else {}),
        },
        "pathParameters": path_parameters or None,
        **({"body": raw_body if raw_body is not None else json.dumps(body)} if has_body else {}),
        "isBase64Encoded": base64_encoded,
    }


def _matched(declared: Iterable[Route], method: str, path: str) -> tuple[str, dict[str, str]]:
    """Returns the key of the gateway's route for a request, and what the route's parameters are in its path."""
    for route in declared:
        found = re.fullmatch(PARAMETER.sub(r"(?P<\1>[^/]+)", route.path), path)
        if found and method in (route.method, "HEAD" if route.method == "GET" else None):
            return f"{method} {route.path}", found.groupdict()
    return "$default", {}
