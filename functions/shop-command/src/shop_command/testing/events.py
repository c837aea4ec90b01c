"""Lambda events as an HTTP API sends them (payload format 2.0)."""

import json
from typing import Any


def http_event(
    route: str,
    body: Any = None,
    *,
    key: str | None = "key-1",
    subject: str | None = "customer-1",
    groups: str | None = None,
    headers: dict[str, str] | None = None,
    raw_body: str | None = None,
    base64_encoded: bool = False,
    **path_parameters: str,
) -> dict[str, Any]:
    """`route` as in `POST /products/{sku}/stock`. Without `subject` there is no authorizer's claim."""
    method, _, template = route.partition(" ")
    path = template.format(**path_parameters)
    claims = {"sub": subject, **({"cognito:groups": groups} if groups else {})}
    request_headers = {"content-type": "application/json", **({"idempotency-key": key} if key is not None else {})}
    return {
        "version": "2.0",
        "routeKey": route,
        "rawPath": path,
        "rawQueryString": "",
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
            "timeEpoch": 1_795_424_400_000,
            **({"authorizer": {"jwt": {"claims": claims, "scopes": None}}} if subject else {}),
        },
        "pathParameters": path_parameters or None,
        "body": raw_body if raw_body is not None else json.dumps(body),
        "isBase64Encoded": base64_encoded,
    }
