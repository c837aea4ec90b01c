"""The storefront in Debian's Chromium, at the address that its users open: nothing is stubbed between page and stores.

In every test it is a fault that the page violates its Content-Security-Policy, that a script throws, or that a request
goes to a host that is neither ours nor the user pool's.
"""

import shutil
import uuid
from collections.abc import Callable, Iterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shop_cli.browser_testing import REFRESH_TOKEN, SECONDS_MAX, Person, Storefront, Visit
from shop_cli.testing import Shop, shop_of_this_run

pytest_plugins = ["pytest_playwright.pytest_playwright"]
CODE_OF_THE_EMULATOR = "123456"


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    with shop_of_this_run() as shop:
        yield shop


@pytest.fixture(scope="session")
def storefront(shop: Shop) -> Storefront:
    return Storefront(shop)


@pytest.fixture(scope="session")
def config(storefront: Storefront) -> dict[str, Any]:
    """Reads the stage's config.json."""
    found: dict[str, Any] = storefront.request("GET", "/config.json").json()
    return found


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    chromium = shutil.which("chromium")
    assert chromium, "these tests need a browser: apt-get install chromium"
    # A page that a test answers in the shop's place comes from no address, and would be kept from the local user pool.
    return {"executable_path": chromium, "args": ["--disable-features=LocalNetworkAccessChecks"]}


@pytest.fixture(scope="session")
def browser_context_args(shop: Shop) -> dict[str, Any]:
    return {
        "base_url": shop.status["web_url"],
        "locale": "en-GB",
        "timezone_id": "Europe/Berlin",
        "reduced_motion": "reduce",
        "service_workers": "block",  # what a service worker sends, Playwright can't intercept
    }


@pytest.fixture
def visit(shop: Shop) -> Iterator[Visit]:
    visit = Visit({urlsplit(shop.status[name]).netloc for name in ("web_url", "aws_endpoint_url")})
    yield visit
    assert visit.faults == []


@pytest.fixture
def new_context(new_context: Callable[..., BrowserContext], visit: Visit) -> Callable[..., BrowserContext]:
    expect.set_options(timeout=SECONDS_MAX * 1000)

    def watched(**options: Any) -> BrowserContext:
        context = new_context(**options)
        context.set_default_timeout(SECONDS_MAX * 1000)
        visit.watch(context)
        return context

    return watched


@pytest.fixture
def new_person(shop: Shop, config: dict[str, Any]) -> Callable[[], Person]:
    def make() -> Person:
        person = Person(f"{uuid.uuid4().hex[:12]}@shop.example", f"{uuid.uuid4()}-Aa")
        pool, client = shop.client("cognito-idp"), config["clientId"]
        attributes = [{"Name": "email", "Value": person.email}]
        pool.sign_up(ClientId=client, Username=person.email, Password=person.password, UserAttributes=attributes)
        pool.confirm_sign_up(ClientId=client, Username=person.email, ConfirmationCode=CODE_OF_THE_EMULATOR)
        return person

    return make


@pytest.fixture
def signed_in(shop: Shop, config: dict[str, Any], new_person: Callable[[], Person]) -> Callable[[BrowserContext], Page]:
    """Opens a page whose visitor, a customer of the test's own, is signed in from before, and shows no page of ours."""

    def open_page(context: BrowserContext) -> Page:
        person = new_person()
        answer = shop.client("cognito-idp").initiate_auth(
            ClientId=config["clientId"],
            AuthFlow="USER_PASSWORD_AUTH",
            AuthParameters={"USERNAME": person.email, "PASSWORD": person.password},
        )
        token = answer["AuthenticationResult"]["RefreshToken"]
        page = context.new_page()
        page.goto("/robots.txt")
        page.evaluate("([name, token]) => localStorage.setItem(name, token)", [REFRESH_TOKEN, token])
        return page

    return open_page
