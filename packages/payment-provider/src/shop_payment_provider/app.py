"""Serves the model of Stripe over HTTP: authentication, transactions, delays and the log."""

import asyncio
import base64
import binascii
import hmac
import json
import secrets
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from starlette.applications import Starlette
from starlette.background import BackgroundTask
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from . import three_d_secure
from .store import SqliteStore
from .stripe import Fault, Reply, Stripe
from .stripe.store import Record
from .stripe.wire import ApiError, error_reply, parse_form
from .webhooks import Webhooks


def create_app(
    store: SqliteStore, api_key: str, webhooks: Webhooks | None, *, slow_seconds: float, timeout_seconds: float
) -> Starlette:
    """Makes the ASGI application, and first settles what an earlier process began and did not finish."""
    service = _Service(store, api_key, slow_seconds, timeout_seconds)
    for name in _stripe(store).pending():
        service.settle(name)
    return Starlette(
        routes=[
            Route("/health", _health),
            Route("/3d-secure/{intent}", service.show_page),
            Route("/3d-secure/{intent}", service.take_page, methods=["POST"]),
            Route("/returned", _returned),
            Route("/v1/{path:path}", service.respond, methods=["GET", "POST", "PUT", "PATCH", "DELETE"]),
        ],
        exception_handlers={404: _unknown_url, 405: _unknown_url, Exception: _unexpected},
        lifespan=webhooks.delivering if webhooks else None,
    )


def _stripe(store: SqliteStore, pages: str = "") -> Stripe:
    return Stripe(store, now=time.time(), new_id=lambda prefix: f"{prefix}_{secrets.token_hex(12)}", pages=pages)


@dataclass(frozen=True)
class _Service:
    """One event loop and one connection to the store: nothing else runs between two awaits."""

    store: SqliteStore
    api_key: str
    slow_seconds: float
    timeout_seconds: float

    async def respond(self, request: Request) -> Response:
        started, request_id = time.monotonic(), f"req_{secrets.token_hex(7)}"
        headers, later = {"Request-Id": request_id}, None
        try:
            self._authenticate(request)
            reply = await self._execute(request, headers)
            if reply.pending and reply.fault is not Fault.SLOW:
                later = BackgroundTask(self._settle_later, reply.pending)
        except ApiError as error:
            reply = error.reply
        _log(request, reply, headers, duration_ms=round((time.monotonic() - started) * 1000))
        return JSONResponse(reply.body, reply.status, headers, background=later)

    async def show_page(self, request: Request) -> Response:
        return three_d_secure.page(self._authenticating(request.path_params["intent"], dict(request.query_params)))

    async def take_page(self, request: Request) -> Response:
        """Completes or fails 3-D Secure, and sends the browser back to the shop."""
        try:
            form = parse_form(await request.body())
        except ApiError:
            form = {}
        with self.store.transaction():
            intent = self._authenticating(request.path_params["intent"], form)
            result = str(form.get("result"))
            if intent is None or result not in three_d_secure.RESULTS:
                return three_d_secure.page(None)
            return_url = intent["next_action"]["redirect_to_url"]["return_url"]
            payments = _stripe(self.store).payments
            if result == "complete":
                payments.authenticate(intent["id"])
            else:
                payments.fail_authentication(intent["id"])
        return three_d_secure.back(return_url, intent["id"], result)

    def _authenticating(self, name: str, given: Mapping[str, Any]) -> Record | None:
        """Returns the intent that waits for 3-D Secure, if the caller knows its secret."""
        intent = self.store.get("payment_intent", name)
        secret = str(given.get("client_secret", ""))
        if intent is None or not hmac.compare_digest(secret.encode(), intent["client_secret"].encode()):
            return None
        return intent if (intent["next_action"] or {}).get("type") == "redirect_to_url" else None

    def settle(self, name: str) -> Reply:
        with self.store.transaction():
            return _stripe(self.store).payments.settle(name)

    async def _settle_later(self, name: str) -> None:
        await asyncio.sleep(self.slow_seconds)
        self.settle(name)

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

    async def _execute(self, request: Request, headers: dict[str, str]) -> Reply:
        form = request.url.query.encode() if request.method == "GET" else await request.body()
        key = request.headers.get("Idempotency-Key")
        with self.store.transaction():
            stripe = _stripe(self.store, str(request.base_url).rstrip("/"))
            reply = stripe.request(request.method, request.url.path, form, key, headers["Request-Id"])
        # The result is durable from here on: if this process dies now, a repeated request still shows it.
        if key:
            headers["Idempotency-Key"] = key
        if reply.original_request is not None:
            headers |= {"Idempotent-Replayed": "true", "Original-Request": reply.original_request}
        if reply.fault is Fault.SLOW and reply.pending:
            await asyncio.sleep(self.slow_seconds)
            return self.settle(reply.pending)
        if reply.fault is Fault.TIMEOUT_AFTER_CHARGE:
            await asyncio.sleep(self.timeout_seconds)
        return reply


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


async def _returned(_: Request) -> Response:
    return three_d_secure.returned()


async def _health(_: Request) -> Response:
    return JSONResponse({"status": "ok"})


async def _unknown_url(request: Request, _: Exception) -> Response:
    message = f"Unrecognized request URL ({request.method}: {request.url.path})."
    return JSONResponse(error_reply(404, message, kind="invalid_request_error").body, 404)


async def _unexpected(_: Request, __: Exception) -> Response:
    return JSONResponse(error_reply(500, "The mock failed: see its log.", kind="api_error").body, 500)
