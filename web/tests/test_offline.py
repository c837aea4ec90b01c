"""Without a connection the shop says so, and goes on when there is one. It can be installed."""

import json
import struct

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shop_cli.accessibility_testing import look_at
from shop_cli.browser_testing import SECONDS_MAX, Storefront

ALLOWED = {"service_workers": "allow"}
IN_ENGLISH = pytest.mark.browser_context_args(**ALLOWED, locale="en-GB")
IN_GERMAN = pytest.mark.browser_context_args(**ALLOWED, locale="de-DE")


def wait_for_service_worker(page: Page) -> None:
    """Without a bound of its own, the promise of a worker that is never registered would hold the test for ever."""
    bound = f"new Promise((_, fail) => setTimeout(fail, {SECONDS_MAX * 1000}, 'no service worker'))"
    page.evaluate(f"Promise.race([navigator.serviceWorker.ready.then(() => true), {bound}])")


@pytest.mark.parametrize(
    ("title", "again"),
    [
        pytest.param("No connection", "Try again", marks=IN_ENGLISH),
        pytest.param("Keine Verbindung", "Noch einmal versuchen", marks=IN_GERMAN),
    ],
)
def test_a_page_that_cannot_be_fetched_says_so_and_comes_when_it_can(
    context: BrowserContext, page: Page, title: str, again: str
) -> None:
    page.goto("/")
    wait_for_service_worker(page)
    context.set_offline(True)
    page.goto("/products/BEANS-HOUSE-500")
    expect(page.get_by_role("heading", name=title)).to_be_visible()
    look_at(page)
    context.set_offline(False)
    page.get_by_role("link", name=again).click()
    expect(page.locator("#app")).to_be_attached()
    expect(page).to_have_url("/products/BEANS-HOUSE-500")


@IN_ENGLISH
def test_the_service_worker_keeps_a_copy_of_nothing(page: Page) -> None:
    page.goto("/")
    wait_for_service_worker(page)
    page.reload()
    assert page.evaluate("navigator.serviceWorker.controller !== null")
    assert page.evaluate("caches.keys().then(names => names.length)") == 0


def test_the_shop_can_be_installed(page: Page, storefront: Storefront) -> None:
    page.goto("/")
    [link] = page.locator('link[rel="manifest"]').all()
    manifest = storefront.request("GET", str(link.get_attribute("href"))).json()
    assert manifest["display"] == "standalone"
    assert storefront.request("GET", manifest["start_url"]).status_code == 200
    for icon in manifest["icons"]:
        answer = storefront.request("GET", icon["src"])
        assert answer.headers["Content-Type"] == icon["type"]
        if icon["type"] == "image/png":
            width, height = struct.unpack(">II", answer.content[16:24])
            assert icon["sizes"] == f"{width}x{height}"
    session = page.context.new_cdp_session(page)
    errors = session.send("Page.getInstallabilityErrors")["installabilityErrors"]
    assert [error["errorId"] for error in errors] in ([], ["in-incognito"]), json.dumps(errors)
