"""What a browser sends with each kind of request, and whether the guard lets it through."""

import asyncio
import contextlib
import socket
import threading
from collections.abc import Iterator

import httpx
import pytest
import uvicorn

from shop_payment_provider.browser_guard import (
    ADDRESSES,
    Guard,
    GuardedApplication,
    GuardedRequest,
    Message,
    Receive,
    Send,
    parse_origins,
)
from shop_payment_provider.testing import ProviderProcess

US = "127.0.0.1:4566"
SHOP = "http://d1.cloudfront.localhost:4566"
DEVELOPMENT = "http://localhost:5173"
EVIL = "https://evil.example"
LINK = {"Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
CROSS = {"Sec-Fetch-Site": "cross-site"}
OWN = {"Sec-Fetch-Site": "same-origin"}

GUARD = Guard(
    4566,
    parse_origins(f"{DEVELOPMENT}, "),
    rf"{ADDRESSES}|[a-z0-9]+\.cloudfront\.localhost",
    is_public=lambda request: request.path.startswith("/api"),
    is_management=lambda request: request.path.startswith("/_manage"),
    has_key=lambda request: request.first("authorization") == "key",
)
KEY = {"Authorization": "key"}

PASSES: list[tuple[str, str, str, dict[str, str]]] = [
    ("a program with a key", "POST", "/aws", KEY),
    ("a program without one, for what is public", "POST", "/api", {}),
    ("by another name of this machine", "GET", "/api", {"Host": "localhost:4566"}),
    ("by the address of version 6", "GET", "/api", {"Host": "[::1]:4566"}),
    ("by the storefront's name, in capitals", "GET", "/api", {"Host": "D1.CloudFront.localhost:4566"}),
    ("a program that manages", "POST", "/_manage/reset", KEY),
    ("an address that was typed", "GET", "/api", {"Sec-Fetch-Site": "none", **LINK}),
    ("a link on another page", "GET", "/api", {**CROSS, **LINK}),
    ("a fetch of our own page", "GET", "/api", OWN),
    ("a post of our own page", "POST", "/api", {**OWN, "Origin": f"http://{US}"}),
    ("a form of our own page that hides its referrer", "POST", "/api", {**OWN, "Origin": "null"}),
    ("a fetch of our own page in an old browser", "POST", "/api", {"Origin": f"http://{US}"}),
    ("a fetch of the storefront", "POST", "/api", {**CROSS, "Origin": SHOP}),
    ("a fetch of an allowed origin", "POST", "/api", {"Sec-Fetch-Site": "same-site", "Origin": DEVELOPMENT}),
    ("what its proxy keeps", "POST", "/api", {**OWN, "Host": "localhost:5173", "Origin": DEVELOPMENT}),
    ("a WebSocket of the storefront", "GET", "/api", {"Origin": SHOP, "Upgrade": "websocket"}),
]  # fmt: skip
REFUSED: list[tuple[str, str, str, dict[str, str]]] = [
    ("a program without a key", "POST", "/aws", {}),
    ("a name that was rebound", "GET", "/api", {"Host": "evil.example:4566"}),
    ("a rebound name that begins like ours", "GET", "/api", {"Host": "127.0.0.1.evil.example:4566"}),
    ("a rebound name that ends like ours", "GET", "/api", {"Host": "evil-localhost:4566"}),
    ("a name of this machine that nobody serves", "GET", "/api", {"Host": "api.localhost:4566"}),
    ("another port", "GET", "/api", {"Host": "127.0.0.1:4567"}),
    ("a port that begins like ours", "GET", "/api", {"Host": "127.0.0.1:45661"}),
    ("no port", "GET", "/api", {"Host": "127.0.0.1"}),
    ("no host", "GET", "/api", {"Host": ""}),
    ("a rebound page's own fetch", "POST", "/api", {"Host": "evil.example:4566", "Origin": "http://evil.example:4566"}),
    ("a fetch of another origin", "GET", "/api", {**CROSS, "Origin": EVIL}),
    ("the same in an old browser", "GET", "/api", {"Origin": EVIL}),
    ("the question before it", "OPTIONS", "/api", {**CROSS, "Origin": EVIL, "Access-Control-Request-Method": "PUT"}),
    ("a post without that question", "POST", "/api", {**CROSS, "Origin": EVIL, "Content-Type": "text/plain"}),
    ("the same with a key", "POST", "/aws", {**CROSS, **KEY, "Origin": EVIL, "Content-Type": "text/plain"}),
    ("a form of another origin", "POST", "/api", {**CROSS, **LINK, "Origin": EVIL}),
    ("a form of a page without an origin", "POST", "/api", {**CROSS, **LINK, "Origin": "null"}),
    ("a page without an origin in an old browser", "POST", "/api", {"Origin": "null"}),
    ("a picture on another page", "GET", "/api", {**CROSS, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"}),
    ("a frame on another page", "GET", "/api", {**CROSS, "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "iframe"}),
    ("what looks like a link but posts", "POST", "/api", {**CROSS, **LINK}),
    ("what looks like a link but does not navigate", "GET", "/api", {**CROSS, **LINK, "Sec-Fetch-Mode": "cors"}),
    ("a link to what is not public", "GET", "/aws", {**CROSS, **LINK, **KEY}),
    ("a page of another port of this machine", "GET", "/api", {"Sec-Fetch-Site": "same-site", "Origin": "http://localhost:9"}),
    ("an allowed origin where nothing is public", "POST", "/aws", {**CROSS, **KEY, "Origin": DEVELOPMENT}),
    ("the storefront where nothing is public", "POST", "/aws", {**CROSS, **KEY, "Origin": SHOP}),
    ("our own page that manages", "POST", "/_manage/reset", {**OWN, **KEY, "Origin": f"http://{US}"}),
    ("a typed address that manages", "GET", "/_manage/health", {**KEY, "Sec-Fetch-Site": "none", **LINK}),
    ("a browser that says one thing and another", "POST", "/api", {**OWN, "Origin": EVIL}),
    ("a WebSocket of another origin", "GET", "/api", {"Origin": EVIL, "Upgrade": "websocket"}),
]  # fmt: skip


def request(method: str, path: str, headers: dict[str, str]) -> GuardedRequest:
    sent = {"host": US, **{name.lower(): value for name, value in headers.items()}}
    return GuardedRequest(method, path, "", tuple(sent.items()))


@pytest.mark.parametrize(("what", "method", "path", "headers"), PASSES)
def test_it_lets_through(what: str, method: str, path: str, headers: dict[str, str]) -> None:
    assert GUARD.refusal(request(method, path, headers)) is None


@pytest.mark.parametrize(("what", "method", "path", "headers"), REFUSED)
def test_it_refuses(what: str, method: str, path: str, headers: dict[str, str]) -> None:
    assert GUARD.refusal(request(method, path, headers))


@pytest.mark.parametrize("name", ["host", "origin", "sec-fetch-site"])
def test_a_header_that_is_there_twice_is_refused(name: str) -> None:
    value = {"host": US, "origin": f"http://{US}", "sec-fetch-site": "same-origin"}[name]
    others = () if name == "host" else (("host", US),)
    assert GUARD.refusal(GuardedRequest("GET", "/api", "", (*others, (name, value)))) is None
    assert GUARD.refusal(GuardedRequest("GET", "/api", "", (*others, (name, value), (name, value))))


@pytest.mark.parametrize("text", ["*", "http://", "localhost:5173", "http://localhost:5173/", "http://a b", "null"])
def test_what_is_no_origin_is_never_allowed(text: str) -> None:
    with pytest.raises(ValueError, match="is no origin"):
        parse_origins(text)


async def open_to_all(scope: Message, receive: Receive, send: Send) -> None:
    """Answers as the emulator does: every origin may read it."""
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    headers = [(b"access-control-allow-origin", b"*"), (b"access-control-allow-methods", b"*")]
    headers.append((b"content-length", str(len(body)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@contextlib.contextmanager
def served() -> Iterator[str]:
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()  # a client may come before the thread does
        port = listening.getsockname()[1]
        guard = Guard(port, parse_origins(DEVELOPMENT), is_public=lambda _: True)
        server = uvicorn.Server(
            uvicorn.Config(GuardedApplication(open_to_all, guard), log_level="error", lifespan="off")
        )
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listening]})
        thread.start()
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            thread.join()


def test_a_kept_connection_is_judged_request_by_request() -> None:
    with served() as url, httpx.Client(base_url=url) as client:
        assert "Access-Control-Allow-Origin" not in client.post("/api", headers={"Origin": url}).headers
        evil = {**CROSS, "Origin": EVIL}
        for headers, status in ((evil, 403), ({}, 200), (evil, 403), ({"Origin": DEVELOPMENT}, 200)):
            answer = client.post("/api", content=b"x" * 100_000, headers=headers)
            assert answer.status_code == status
            readers = answer.headers.get("Access-Control-Allow-Origin")
            assert readers == headers.get("Origin") if status == 200 else readers is None
            assert ("Access-Control-Allow-Methods" in answer.headers) == (readers is not None)
            assert (answer.headers.get("Vary") == "Origin") == (readers is not None)


def test_a_websocket_is_closed_before_its_upgrade() -> None:
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def upgrade(origin: str) -> list[str]:
        sent.clear()
        headers = [(b"host", US.encode()), (b"origin", origin.encode())]
        scope = {"type": "websocket", "path": "/api", "query_string": b"", "headers": headers}

        async def accepting(_: Message, __: Receive, send: Send) -> None:
            await send({"type": "websocket.accept"})

        await GuardedApplication(accepting, GUARD)(scope, receive, send)
        return [message["type"] for message in sent]

    assert asyncio.run(upgrade(SHOP)) == ["websocket.accept"]
    assert asyncio.run(upgrade(EVIL)) == ["websocket.close"]


def test_no_page_reads_or_spends_at_the_provider(provider: ProviderProcess) -> None:
    with httpx.Client(base_url=provider.url, auth=(provider.api_key, "")) as client:
        intent = {"amount": "1000", "currency": "eur"}
        before = client.get("/v1/payment_intents", params={"limit": 100}).json()
        for headers in (
            {**CROSS, "Origin": EVIL},
            {"Origin": EVIL, "Content-Type": "text/plain"},
            {**CROSS, "Sec-Fetch-Mode": "no-cors", "Sec-Fetch-Dest": "image"},
            {**CROSS, **LINK},
            {"Host": f"evil.example:{provider.url.rpartition(':')[2]}"},
        ):
            assert client.post("/v1/payment_intents", data=intent, headers=headers).status_code == 403
            assert client.get("/v1/payment_intents", headers=headers).status_code == 403
        assert client.get("/v1/payment_intents", params={"limit": 100}).json() == before
        # The page of 3-D Secure is opened by a link in the shop's page, and posts to itself.
        assert client.get("/3d-secure/pi_unknown", headers={**CROSS, **LINK}).status_code != 403
        own = {**OWN, "Origin": provider.url}
        assert client.post("/3d-secure/pi_unknown", data={"result": "failed"}, headers=own).status_code != 403
        posted = client.post(
            "/3d-secure/pi_unknown", data={"result": "authenticated"}, headers={**CROSS, "Origin": EVIL}
        )
        assert posted.status_code == 403
