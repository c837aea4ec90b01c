"""The provider over HTTP: authentication, idempotency keys, delays and the log around `payments`."""

import asyncio
import base64
import binascii
import functools
import hashlib
import hmac
import json
import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import wire
from .payments import Begun, Late, Outcome, Payments
from .store import Store
from .webhooks import Webhooks
from .wire import ApiError, Reply, Validator

KEY_CHARACTERS_MAX = 255


@dataclass(frozen=True)
class StripeOperation:
    """`run` takes the id in the path, the validated parameters and the idempotency key."""

    method: str
    path: str
    run: Callable[[str, dict[str, Any], str | None], Outcome]
    parameters: dict[str, Validator] = field(default_factory=dict)
    required: tuple[str, ...] = ()


def create_app(
    store: Store, api_key: str, webhooks: Webhooks | None, *, slow_seconds: float, timeout_seconds: float
) -> Starlette:
    """Makes the ASGI application, and first settles what an earlier process began and did not finish."""
    payments = Payments(store, webhooks.announce if webhooks else lambda _, __: None)
    with store.transaction():
        for intent in store.pending():
            payments.settle(intent)
    service = _Service(store, payments, api_key, slow_seconds, timeout_seconds)
    routes = [
        Route(operation.path, functools.partial(service.respond, operation), methods=[operation.method])
        for operation in _operations(payments)
    ]
    return Starlette(
        routes=[*routes, Route("/health", _health)],
        exception_handlers={404: _unknown_url, 405: _unknown_url, Exception: _unexpected},
        lifespan=webhooks.delivering if webhooks else None,
    )


def _operations(payments: Payments) -> list[StripeOperation]:
    refund_reasons = ("duplicate", "fraudulent", "requested_by_customer")
    confirm: dict[str, Validator] = {"payment_method": wire.string, "return_url": wire.string}
    create: dict[str, Validator] = confirm | {
        "amount": wire.integer(1, wire.AMOUNT_MAX),
        "automatic_payment_methods": wire.automatic_payment_methods,
        "capture_method": wire.one_of("automatic", "automatic_async"),
        "confirm": wire.boolean,
        "currency": wire.currency,
        "description": wire.string,
        "metadata": wire.metadata,
        "payment_method_types": wire.list_of("card"),
    }
    cancel: dict[str, Validator] = {"cancellation_reason": wire.one_of(*refund_reasons, "abandoned")}
    refund: dict[str, Validator] = {
        "amount": wire.integer(1, wire.AMOUNT_MAX),
        "metadata": wire.metadata,
        "payment_intent": wire.string,
        "reason": wire.one_of(*refund_reasons),
    }
    page: dict[str, Validator] = {"limit": wire.integer(1, 100), "starting_after": wire.string}
    intents, of_intent = "/v1/payment_intents", {"payment_intent": wire.string}
    operations = [
        StripeOperation(
            "POST", intents, lambda _, given, key: payments.create(given, key), create, ("amount", "currency")
        ),
        StripeOperation("POST", intents + "/{id}/confirm", payments.confirm, confirm),
        StripeOperation(
            "POST", intents + "/{id}/cancel", lambda found, given, _: payments.cancel(found, given), cancel
        ),
        StripeOperation(
            "POST", "/v1/refunds", lambda _, given, __: payments.refund(given), refund, ("payment_intent",)
        ),
    ]
    for kind, filters in (("payment_intent", {}), ("charge", of_intent), ("refund", of_intent)):
        operations += _reads(payments, kind, page | filters)
    return operations


def _reads(payments: Payments, kind: str, filters: dict[str, Validator]) -> list[StripeOperation]:
    path = f"/v1/{kind}s"
    return [
        StripeOperation("GET", path, lambda _, given, __: payments.page(kind, path, given), filters),
        StripeOperation("GET", path + "/{id}", lambda found, _, __: Reply(200, payments.find(kind, found))),
    ]


@dataclass(frozen=True)
class _Service:
    """One event loop and one connection to the store: nothing else runs between two awaits."""

    store: Store
    payments: Payments
    api_key: str
    slow_seconds: float
    timeout_seconds: float

    async def respond(self, operation: StripeOperation, request: Request) -> Response:
        started, headers = time.monotonic(), {"Request-Id": f"req_{secrets.token_hex(7)}"}
        try:
            self._authenticate(request)
            encoded = request.url.query.encode() if operation.method == "GET" else await request.body()
            given = wire.validate(wire.parse_form(encoded), operation.parameters, operation.required)
            reply = await self._execute(operation, request, given, headers)
        except ApiError as error:
            reply = error.reply
        _log(request, reply, headers, duration_ms=round((time.monotonic() - started) * 1000))
        return JSONResponse(reply.body, reply.status, headers)

    def _authenticate(self, request: Request) -> None:
        scheme, _, credentials = request.headers.get("Authorization", "").partition(" ")
        if scheme.lower() == "basic":
            try:
                credentials = base64.b64decode(credentials, validate=True).decode().partition(":")[0]
            except (binascii.Error, UnicodeDecodeError):
                credentials = ""
        if not credentials:
            message = (
                "You did not provide an API key. Send it as a Bearer token, or as Basic authentication's user name."
            )
            raise ApiError(401, message)
        if not hmac.compare_digest(credentials.encode(), self.api_key.encode()):
            raise ApiError(401, "Invalid API Key provided.")

    async def _execute(
        self, operation: StripeOperation, request: Request, given: dict[str, Any], headers: dict[str, str]
    ) -> Reply:
        found = request.path_params.get("id", "")
        key = _idempotency_key(request) if operation.method == "POST" else None
        with self.store.transaction():
            if key is not None:
                headers["Idempotency-Key"] = key
                parameters = hashlib.sha256(json.dumps(given, sort_keys=True).encode()).hexdigest()
                kept = self.store.begin_key(key, request.url.path, parameters, headers["Request-Id"])
                if kept is not None:
                    headers |= {"Idempotent-Replayed": "true", "Original-Request": kept[1]}
                    return kept[0]
            outcome = _outcome(operation, found, given, key)
            if key is not None and not isinstance(outcome, Begun):
                self.store.finish_key(key, outcome.reply if isinstance(outcome, Late) else outcome)
        # The result is durable from here on: if this process dies now, a repeated request still shows it.
        match outcome:
            case Begun(intent):
                await asyncio.sleep(self.slow_seconds)
                with self.store.transaction():
                    return self.payments.settle(intent)
            case Late(reply):
                await asyncio.sleep(self.timeout_seconds)
                return reply
            case Reply():
                return outcome


def _outcome(operation: StripeOperation, found: str, given: dict[str, Any], key: str | None) -> Outcome:
    try:
        return operation.run(found, given, key)
    except ApiError as error:
        return error.reply  # execution had begun, so Stripe keeps this refusal under the key as well


def _idempotency_key(request: Request) -> str | None:
    key = request.headers.get("Idempotency-Key")
    if key is not None and len(key) > KEY_CHARACTERS_MAX:
        raise ApiError(400, f"Idempotency keys have at most {KEY_CHARACTERS_MAX} characters.")
    return key or None


def _log(request: Request, reply: Reply, headers: dict[str, str], *, duration_ms: int) -> None:
    """Writes one line of JSON, which never contains a body, a query, a credential or a payment method."""
    error = reply.body.get("error", {})
    line = {
        "time": time.time(),
        "request_id": headers["Request-Id"],
        "method": request.method,
        "path": request.url.path,
        "status": reply.status,
        "duration_ms": duration_ms,
        "replayed": "Idempotent-Replayed" in headers,
        "code": error.get("decline_code") or error.get("code") or error.get("type"),
    }
    print(json.dumps(line), flush=True)


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _unknown_url(request: Request, _: Exception) -> Response:
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return JSONResponse(wire.error_reply(404, message, kind="invalid_request_error").body, 404)


async def _unexpected(_: Request, __: Exception) -> Response:
    return JSONResponse(wire.error_reply(500, "The mock failed: see its log.", kind="api_error").body, 500)
