"""Reads forms with nested brackets, writes errors and signs webhooks as Stripe does. It knows nothing of payments."""

import hashlib
import hmac
import re
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

from .cards import Fault

FIELDS_MAX = 200
AMOUNT_MAX = 999_999_999_999
"""No currency takes more."""
LISTED_MAX = 20
TIME_MAX = 99_999_999_999
METADATA_KEYS_MAX = 50
METADATA_KEY_CHARACTERS_MAX = 40
METADATA_VALUE_CHARACTERS_MAX = 500

Validator = Callable[[str, Any], Any]


@dataclass(frozen=True)
class Reply:
    status: int
    body: dict[str, Any]
    fault: Fault | None = None
    """It tells the caller how the answer has to be delayed."""
    pending: str | None = None
    """The object of this id has to be settled in a while."""
    original_request: str | None = None
    """The answer is that of an earlier request, which had this id."""


class ApiError(Exception):
    """The request is refused, and nothing was changed by it."""

    def __init__(self, status: int, message: str, *, kind: str = "invalid_request_error", **fields: Any) -> None:
        super().__init__(message)
        self.reply = error_reply(status, message, kind=kind, **fields)


def error_reply(status: int, message: str, *, kind: str, **fields: Any) -> Reply:
    """A body as https://docs.stripe.com/api/errors has it; fields are code, decline_code, param, payment_intent..."""
    return Reply(status, {"error": {"type": kind, "message": message, **fields}})


def signature(payload: str, secret: str, sent_at: int) -> str:
    """Returns the header Stripe-Signature. https://docs.stripe.com/webhooks/signature"""
    digest = hmac.new(secret.encode(), f"{sent_at}.{payload}".encode(), hashlib.sha256).hexdigest()
    return f"t={sent_at},v1={digest}"


def parse_form(encoded: bytes) -> dict[str, Any]:
    """Converts `a[b]=1&c[]=2&d[0]=3` to {"a": {"b": "1"}, "c": ["2"], "d": ["3"]}. Raises ApiError on other forms."""
    try:
        pairs = parse_qsl(encoded.decode(), keep_blank_values=True, max_num_fields=FIELDS_MAX, errors="strict")
    except ValueError as error:
        raise ApiError(400, "Invalid form-encoded body.") from error
    form: dict[str, Any] = {}
    for name, value in pairs:
        match = re.fullmatch(r"([^\[\]]+)(?:\[([^\[\]]*)\])?", name)
        if match is None:
            raise ApiError(400, f"Invalid hash: {name}", param=name)
        outer, inner = match.groups()
        if inner is None:
            form[outer] = value
        elif inner == "" or inner.isdigit():
            _nested(form, outer, list).append(value)
        else:
            _nested(form, outer, dict)[inner] = value
    return form


def _nested(form: dict[str, Any], name: str, kind: type) -> Any:
    nested = form.setdefault(name, kind())
    if not isinstance(nested, kind):
        raise ApiError(400, f"Invalid {name}: used in two different ways", param=name)
    return nested


def validate(
    form: Mapping[str, Any], allowed: Mapping[str, Validator], required: Collection[str] = ()
) -> dict[str, Any]:
    """Returns the form's values, converted to their types. Raises ApiError with one of Stripe's parameter_* codes."""
    for name in required:
        if not form.get(name):
            raise ApiError(400, f"Missing required param: {name}.", code="parameter_missing", param=name)
    for name in form:
        if name not in allowed:
            raise ApiError(400, f"Received unknown parameter: {name}", code="parameter_unknown", param=name)
    return {name: allowed[name](name, value) for name, value in form.items()}


def matching(pattern: str, convert: Callable[[str], Any] = str) -> Validator:
    """Takes a string that matches the whole pattern."""

    def check(name: str, value: Any) -> Any:
        if not isinstance(value, str) or not re.fullmatch(pattern, value, re.DOTALL):
            raise ApiError(400, f"Invalid {name}: {value}", param=name)
        return convert(value)

    return check


string = matching(".*")
currency = matching("[A-Za-z]{3}", str.lower)
boolean = matching("true|false", lambda value: value == "true")


def one_of(*choices: str) -> Validator:
    return matching("|".join(choices))


def integer(minimum: int, maximum: int) -> Validator:
    def check(name: str, value: Any) -> int:
        if not isinstance(value, str) or not re.fullmatch(r"-?[0-9]{1,18}", value):
            raise ApiError(400, f"Invalid integer: {value}", code="parameter_invalid_integer", param=name)
        if not minimum <= int(value) <= maximum:
            message = f"This value must be between {minimum} and {maximum}."
            raise ApiError(400, message, code="parameter_invalid_integer", param=name)
        return int(value)

    return check


def list_of(*choices: str) -> Validator:
    def check(name: str, value: Any) -> list[str]:
        if not isinstance(value, list) or not set(value) <= set(choices):
            raise ApiError(400, f"Invalid {name}: only {', '.join(choices)} can be listed", param=name)
        return value

    return check


def strings(name: str, value: Any) -> list[str]:
    if not isinstance(value, list) or len(value) > LISTED_MAX:
        raise ApiError(400, f"Invalid {name}: it is a list of at most {LISTED_MAX}", param=name)
    return value


def interval(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(400, f"Invalid {name}: it is a hash", param=name)
    return validate(value, {"gte": integer(0, TIME_MAX), "lte": integer(0, TIME_MAX)})


def hash_of_strings(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict):
        raise ApiError(400, f"Invalid {name}: it is a hash", param=name)
    return value


def metadata(name: str, value: Any) -> dict[str, str]:
    if not isinstance(value, dict) or len(value) > METADATA_KEYS_MAX:
        raise ApiError(400, f"Invalid {name}: it is a hash of at most {METADATA_KEYS_MAX} keys", param=name)
    for key, text in value.items():
        if len(key) > METADATA_KEY_CHARACTERS_MAX or len(text) > METADATA_VALUE_CHARACTERS_MAX:
            limits = f"{METADATA_KEY_CHARACTERS_MAX} characters, values {METADATA_VALUE_CHARACTERS_MAX}"
            raise ApiError(400, f"Metadata keys have at most {limits}", param=f"{name}[{key}]")
    return value


def automatic_payment_methods(name: str, value: Any) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise ApiError(400, f"Invalid {name}: it is a hash", param=name)
    allowed = {"enabled": boolean, "allow_redirects": one_of("always", "never")}
    return {"allow_redirects": "always", **validate(value, allowed, ("enabled",))}
