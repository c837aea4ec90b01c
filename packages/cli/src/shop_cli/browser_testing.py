"""The storefront's tests share this: what a browser may not do, its users, and requests without a browser."""

from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit

import httpx
from playwright.sync_api import BrowserContext, ConsoleMessage, Request, WebError

from shop_cli.testing import Shop

SECONDS_MAX: Final = 30
"""A test waits for so long at most. The shop answers far sooner; a busy machine does not."""
REFRESH_TOKEN: Final = "shop.refresh-token"  # noqa: S105 - where it is, not what it is
"""The storefront's localStorage has it under this name."""
SAY_VIOLATIONS: Final = """addEventListener('securitypolicyviolation', ({ violatedDirective, blockedURI, sample }) =>
    console.error('Content Security Policy:', violatedDirective, blockedURI, sample))"""
"""What Chromium itself says of Trusted Types names no policy, and a page may catch what is thrown."""


@dataclass
class Visit:
    """Records what the browser did in a test. A violation of the Content-Security-Policy, an exception of a script and
    a request to another host are faults. A test that leaves for another page, such as the bank's, adds its host."""

    hosts: set[str]
    faults: list[str] = field(default_factory=list)

    def watch(self, context: BrowserContext) -> None:
        context.add_init_script(SAY_VIOLATIONS)
        context.on("console", self._console)
        context.on("weberror", self._exception)
        context.on("request", self._request)

    def _console(self, message: ConsoleMessage) -> None:
        if "Content Security Policy" in message.text:
            self.faults.append(message.text)

    def _exception(self, error: WebError) -> None:
        self.faults.append(f"exception: {error.error}")

    def _request(self, request: Request) -> None:
        url = urlsplit(request.url)
        if url.scheme.startswith("http") and url.netloc not in self.hosts:
            self.faults.append(f"request to another host: {request.url}")


@dataclass(frozen=True)
class Person:
    """A customer of a test's own, whose purchases no other test sees."""

    email: str
    password: str


@dataclass(frozen=True)
class Storefront:
    """Sends requests as a browser would. Python does not resolve the names below localhost, so the address's name goes
    in Host alone."""

    shop: Shop

    def request(self, method: str, path: str, content: bytes = b"", **headers: str) -> httpx.Response:
        """Headers are given with underscores."""
        sent = {name.replace("_", "-"): value for name, value in headers.items()} | {"Host": self.host}
        return self.shop.http.request(
            method, self.shop.status["aws_endpoint_url"] + path, content=content, headers=sent
        )

    @property
    def host(self) -> str:
        return urlsplit(str(self.shop.status["web_url"])).netloc
