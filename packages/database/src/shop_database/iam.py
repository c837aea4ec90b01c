"""Signs RDS authentication tokens without botocore, which takes 0.4 s to import.

https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/UsingWithRDS.IAMDBAuth.Connecting.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html
"""

import hashlib
import hmac
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import reduce
from typing import Final
from urllib.parse import quote, urlencode

import psycopg

CREDENTIALS_TIMEOUT_SECONDS: Final = 1.0
TOKEN_SECONDS: Final = 900
"""A token opens connections for this long, and an open connection outlives it. RDS allows no other value."""


@dataclass(frozen=True)
class Credentials:
    access_key_id: str
    secret_access_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


def credentials_of(environment: Mapping[str, str]) -> Credentials:
    """With SnapStart, Lambda answers them at an address of its own, and has no variables for them.

    https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html
    Raises KeyError when a variable is missing, and psycopg's OperationalError when there is no answer.
    """
    if address := environment.get("AWS_CONTAINER_CREDENTIALS_FULL_URI"):
        return _answered_credentials(address, environment["AWS_CONTAINER_AUTHORIZATION_TOKEN"])
    return Credentials(
        environment["AWS_ACCESS_KEY_ID"],
        environment["AWS_SECRET_ACCESS_KEY"],
        environment.get("AWS_SESSION_TOKEN") or None,
    )


def token(*, host: str, port: int, user: str, region: str, credentials: Credentials, now: datetime) -> str:
    """Returns a presigned URL without its scheme, which RDS accepts as a password."""
    moment = now.astimezone(UTC).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{moment[:8]}/{region}/rds-db/aws4_request"
    parameters = {
        "Action": "connect",
        "DBUser": user,
        "X-Amz-Algorithm": "AWS4-HMAC-SHA256",
        "X-Amz-Credential": f"{credentials.access_key_id}/{scope}",
        "X-Amz-Date": moment,
        "X-Amz-Expires": str(TOKEN_SECONDS),
        "X-Amz-SignedHeaders": "host",
    }
    if credentials.session_token:
        parameters["X-Amz-Security-Token"] = credentials.session_token
    canonical_request = "\n".join(
        ["GET", "/", _query(dict(sorted(parameters.items()))), f"host:{host}:{port}", "", "host", _sha256("")]
    )
    to_sign = "\n".join(["AWS4-HMAC-SHA256", moment, scope, _sha256(canonical_request)])
    key = reduce(_hmac, scope.split("/"), f"AWS4{credentials.secret_access_key}".encode())
    return f"{host}:{port}/?{_query(parameters)}&X-Amz-Signature={_hmac(key, to_sign).hex()}"


def _answered_credentials(address: str, authorization: str) -> Credentials:
    from urllib.request import Request, urlopen  # noqa: PLC0415 - no start without SnapStart needs it

    request = Request(address, headers={"Authorization": authorization})  # noqa: S310 - Lambda's own address
    try:
        with urlopen(request, timeout=CREDENTIALS_TIMEOUT_SECONDS) as answer:  # noqa: S310
            found = json.load(answer)
    except OSError as error:
        raise psycopg.OperationalError("Lambda did not answer the function's credentials") from error
    return Credentials(found["AccessKeyId"], found["SecretAccessKey"], found["Token"])


def _query(parameters: dict[str, str]) -> str:
    return urlencode(parameters, quote_via=quote, safe="-_.~")


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def _hmac(key: bytes, text: str) -> bytes:
    return hmac.new(key, text.encode(), hashlib.sha256).digest()
