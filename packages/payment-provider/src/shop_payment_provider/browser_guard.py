"""Keeps other programs' requests, and above all web pages', away from a server on 127.0.0.1.

A page in the developer's browser reaches a local server as any program does, and the browser itself only says so: in
the headers Host, Origin and Sec-Fetch-Site (https://www.w3.org/TR/fetch-metadata/), which no page can change. A page
that rebinds its own name to 127.0.0.1 shows that name in Host; every other page is cross-site, or has another origin.

It imports the standard library alone, because the emulator's own Python loads this file by its path.
"""

import json
import re
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from dataclasses import dataclass
from typing import Any

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Message, Receive, Send], Awaitable[None]]

ADDRESSES = r"127\.0\.0\.1|localhost|\[::1\]"
ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:.]+\])(:[0-9]{1,5})?")


@dataclass(frozen=True)
class GuardedRequest:
    """`headers` has names in small letters, and a name as often as it was sent."""

    method: str
    path: str
    query: str
    headers: tuple[tuple[str, str], ...]

    @classmethod
    def from_scope(cls, scope: Message) -> "GuardedRequest":
        headers = tuple((name.decode("latin-1").lower(), value.decode("latin-1")) for name, value in scope["headers"])
        return cls(scope.get("method", "GET"), scope["path"], scope["query_string"].decode("latin-1"), headers)

    def all(self, name: str) -> list[str]:
        return [value for header, value in self.headers if header == name]

    def first(self, name: str) -> str:
        return next(iter(self.all(name)), "")

    @property
    def own_origin(self) -> str:
        return f"http://{self.first('host').lower()}"

    @property
    def is_from_browser(self) -> bool:
        return any(name == "origin" or name.startswith("sec-fetch-") for name, _ in self.headers)


def no_request(_: GuardedRequest) -> bool:
    return False


def every_request(_: GuardedRequest) -> bool:
    return True


@dataclass(frozen=True)
class Guard:
    port: int
    origins: frozenset[str] = frozenset()
    """Pages of these origins may call what `is_public` says. Their hosts are accepted too: a proxy keeps them."""
    names: str = ADDRESSES
    """A pattern of the names by which the server is reached. It may only match names that no stranger's DNS answers."""
    is_public: Callable[[GuardedRequest], bool] = no_request
    """Says whether an allowed origin may call it, and a link on any page may open it."""
    is_management: Callable[[GuardedRequest], bool] = no_request
    """Says whether no page at all may call it, not even one of this server."""
    has_key: Callable[[GuardedRequest], bool] = every_request
    """Says whether the caller shows a key. What is public needs none."""

    def refusal(self, request: GuardedRequest) -> str | None:
        """Returns why the request may not pass, or None."""
        if len(request.all("host")) != 1 or not self._is_ours(request.own_origin):
            return "The Host header names another server: a page may have rebound its name to this address."
        if len(request.all("origin")) > 1 or len(request.all("sec-fetch-site")) > 1:
            return "Origin or Sec-Fetch-Site is there more than once."
        if request.is_from_browser and self.is_management(request):
            return "No web page may manage this server."
        if not self._may_come(request):
            return "A page of another origin may not call this. SHOP_ALLOWED_ORIGINS names the origins that may."
        if not self.is_public(request) and not self.has_key(request):
            return 'The request is not signed with a key of this shop: eval "$(./shop env)" sets it.'
        return None

    def reader(self, request: GuardedRequest) -> str | None:
        """Returns the other origin whose pages may read the answer."""
        origin = request.first("origin").lower()
        is_other = self._is_ours(origin) and origin != request.own_origin
        return origin if is_other and self.is_public(request) else None

    def _may_come(self, request: GuardedRequest) -> bool:
        origin, site = request.first("origin").lower(), request.first("sec-fetch-site")
        if self.reader(request):
            return True
        if site == "same-origin":
            # A page that hides its referrer sends `null` with a form to its own server.
            return origin in ("", "null", request.own_origin)
        if site in ("", "none"):  # no browser, an old one, or a person who has typed the address
            return origin in ("", request.own_origin)
        opens = (request.method, request.first("sec-fetch-mode"), request.first("sec-fetch-dest"), origin)
        return opens == ("GET", "navigate", "document", "") and self.is_public(request)

    def _is_ours(self, origin: str) -> bool:
        return origin in self.origins or re.fullmatch(f"http://(?:{self.names}):{self.port}", origin) is not None


def parse_origins(text: str) -> frozenset[str]:
    """Reads origins that are separated by commas. Raises ValueError for what is none, such as `*` or a URL's path."""
    origins = [origin.strip().lower() for origin in text.split(",") if origin.strip()]
    for origin in origins:
        if not ORIGIN.fullmatch(origin):
            raise ValueError(f"{origin!r} is no origin: write it like http://localhost:5173")
    return frozenset(origins)


@dataclass(frozen=True)
class GuardedApplication:
    """The application behind the guard. It answers refusals itself, and decides which origin may read an answer."""

    application: Application
    guard: Guard

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        if scope["type"] not in ("http", "websocket"):
            await self.application(scope, receive, send)
            return
        request = GuardedRequest.from_scope(scope)
        reason = self.guard.refusal(request)
        if reason is None:
            await self.application(scope, receive, self._with_own_cors(send, self.guard.reader(request)))
        elif scope["type"] == "websocket":
            await receive()
            await send({"type": "websocket.close", "code": 1008, "reason": reason})  # before the upgrade: a plain 403
        else:
            body, headers = refused(reason)
            encoded = [(name.encode(), value.encode()) for name, value in headers]
            await send({"type": "http.response.start", "status": 403, "headers": encoded})
            await send({"type": "http.response.body", "body": body})

    def _with_own_cors(self, send: Send, origin: str | None) -> Send:
        async def sending(message: Message) -> None:
            if message["type"] == "http.response.start":
                decoded = [(name.decode("latin-1"), value.decode("latin-1")) for name, value in message["headers"]]
                headers = with_cors(decoded, origin)
                encoded = [(name.encode("latin-1"), value.encode("latin-1")) for name, value in headers]
                message = {**message, "headers": encoded}
            await send(message)

        return sending


def refused(reason: str) -> tuple[bytes, list[tuple[str, str]]]:
    body = json.dumps({"message": reason}).encode()
    return body, [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]


def with_cors(headers: Iterable[tuple[str, str]], origin: str | None) -> list[tuple[str, str]]:
    """Takes away who may read the answer, and lets `origin` read it where the server had let anybody."""
    headers = list(headers)
    kept = [each for each in headers if origin or not each[0].lower().startswith("access-control-")]
    kept = [each for each in kept if each[0].lower() != "access-control-allow-origin"]
    if origin and len(kept) < len(headers):
        kept += [("Access-Control-Allow-Origin", origin), ("Vary", "Origin")]
    return kept
