"""Signing up, in and out at the user pool's own pages, and what happens when a session ends."""

import json
import re
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Locator, Page, Route, expect

from shop_cli.browser_testing import REFRESH_TOKEN, Person
from shop_cli.testing import Shop

IN = "Sign in"
OUT = "Sign out"


def button(page: Page, name: str) -> Locator:
    """The menu and a page that asks for it both have the button to sign in."""
    return page.get_by_role("button", name=name, exact=True).first


def signed_in_as(page: Page, email: str) -> Locator:
    return page.get_by_title(email)


def fill_in(page: Page, person: Person) -> None:
    """Fills in the pool's form."""
    page.get_by_label("Username").fill(person.email)
    page.get_by_label("Password").fill(person.password)
    button(page, IN).click()


def stored(page: Page, name: str = REFRESH_TOKEN) -> str | None:
    found: str | None = page.evaluate("name => localStorage.getItem(name)", name)
    return found


def test_signing_in_at_the_pools_page_comes_back_to_the_same_place(
    page: Page, new_person: Callable[[], Person]
) -> None:
    person = new_person()
    page.goto("/?q=coffee")
    button(page, IN).click()
    fill_in(page, person)
    expect(signed_in_as(page, person.email)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/\?q=coffee$"))
    page.reload()
    expect(signed_in_as(page, person.email)).to_be_visible()


def test_a_new_customer_signs_up_confirms_and_is_signed_in(page: Page) -> None:
    email = f"{uuid.uuid4().hex[:12]}@shop.example"
    page.goto("/purchases")
    button(page, "Create an account").click()
    page.get_by_label("E-mail").fill(email)
    page.get_by_label("Password").fill("short")
    button(page, "Continue").click()
    expect(page.get_by_role("alert")).to_contain_text("Password did not conform with policy")
    person = Person(email, f"{uuid.uuid4()}-Aa")
    page.get_by_label("Password").fill(person.password)
    button(page, "Continue").click()
    page.get_by_label("Code").fill("123456")
    button(page, "Continue").click()
    fill_in(page, person)
    expect(signed_in_as(page, email)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/purchases$"))


def test_a_forgotten_password_is_replaced(page: Page, new_person: Callable[[], Person]) -> None:
    person = new_person()
    page.goto("/")
    button(page, IN).click()
    page.get_by_role("link", name="Forgot your password?").click()
    page.get_by_label("E-mail").fill(person.email)
    button(page, "Continue").click()
    page.get_by_label("Code").fill("654321")
    other = Person(person.email, f"{uuid.uuid4()}-Aa")
    page.get_by_label("Password").fill(other.password)
    button(page, "Continue").click()
    fill_in(page, other)
    expect(signed_in_as(page, person.email)).to_be_visible()


def test_a_seeded_person_signs_in_with_one_click_and_an_administrator_stays_one(page: Page, shop: Shop) -> None:
    page.goto("/purchases")
    button(page, "administrator").click()
    expect(signed_in_as(page, "administrator@shop.example")).to_be_visible()
    with page.expect_response(shop.status["aws_endpoint_url"] + "/") as renewed:
        page.reload()
    expect(signed_in_as(page, "administrator@shop.example")).to_be_visible()
    token = renewed.value.json()["AuthenticationResult"]["AccessToken"]
    assert shop.request("GET", "/sales/daily", token=token).status == 200


def test_signing_out_ends_the_session_here_in_other_tabs_and_at_the_pool(
    context: BrowserContext, signed_in: Callable[[BrowserContext], Page], shop: Shop, config: dict[str, Any]
) -> None:
    page = signed_in(context)
    other = context.new_page()
    for each in (page, other):
        each.goto("/")
        expect(button(each, OUT)).to_be_visible()
    token = stored(page)
    with page.expect_navigation(url="/"):  # by way of the pool's page
        button(page, OUT).click()
    expect(button(page, IN)).to_be_visible()
    expect(button(other, IN)).to_be_visible()
    assert stored(page) is None
    pool = shop.client("cognito-idp")
    with pytest.raises(pool.exceptions.NotAuthorizedException):
        pool.get_tokens_from_refresh_token(ClientId=config["clientId"], RefreshToken=token)


def test_a_session_that_has_ended_says_so_and_keeps_the_basket(
    context: BrowserContext, signed_in: Callable[[BrowserContext], Page], shop: Shop, config: dict[str, Any]
) -> None:
    page = signed_in(context)
    page.evaluate("localStorage.setItem('shop.test', 'kept')")
    shop.client("cognito-idp").revoke_token(Token=stored(page), ClientId=config["clientId"])
    page.goto("/purchases")
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    assert stored(page) is None
    assert stored(page, "shop.test") == "kept"
    expect(page).to_have_url(re.compile(r"/purchases$"))


def test_a_pool_that_does_not_answer_ends_no_session(
    context: BrowserContext, signed_in: Callable[[BrowserContext], Page], shop: Shop
) -> None:
    page, pool = signed_in(context), shop.status["aws_endpoint_url"] + "/"
    failures: list[Callable[[Route], None]] = [lambda route: route.fulfill(status=500), lambda route: route.abort()]
    for fail in failures:
        context.route(pool, fail)
        page.goto("/")
        expect(button(page, OUT)).to_be_visible()
        assert stored(page)
        context.unroute(pool)
    page.goto("/")
    expect(page.get_by_title("@shop.example")).to_be_visible()


def test_a_refresh_token_that_was_used_before_ends_the_session(
    context: BrowserContext, signed_in: Callable[[BrowserContext], Page], shop: Shop
) -> None:
    """The emulator does not replace refresh tokens, so it never answers this."""
    page = signed_in(context)
    refusal = {"__type": "RefreshTokenReuseException", "message": "Refresh token has already been used"}
    context.route(
        shop.status["aws_endpoint_url"] + "/",
        lambda route: route.fulfill(status=400, json=refusal, headers={"Access-Control-Allow-Origin": "*"}),
    )
    page.goto("/purchases")
    expect(page.get_by_text("Your session has ended")).to_be_visible()
    assert stored(page) is None


def test_two_tabs_that_renew_at_once_both_stay_signed_in(
    context: BrowserContext, signed_in: Callable[[BrowserContext], Page], shop: Shop
) -> None:
    """The pool replaces a refresh token with each use, which the emulator does not, so the calls must not overlap."""
    first = signed_in(context)
    second = context.new_page()
    at_work, overlaps = [0], []

    def renewing(route: Route) -> None:
        overlaps.append(at_work[0])
        at_work[0] += 1
        answer = route.fetch()
        at_work[0] -= 1
        route.fulfill(response=answer)

    context.route(shop.status["aws_endpoint_url"] + "/", renewing)
    for page in (first, second):
        page.goto("/", wait_until="commit")
    for page in (first, second):
        expect(button(page, OUT)).to_be_visible()
    assert overlaps == [0, 0]


def test_somebody_elses_code_signs_nobody_in(page: Page) -> None:
    page.goto("/signed-in?code=stolen&state=guessed")
    expect(button(page, IN)).to_be_visible()
    expect(page).to_have_url(re.compile(r"localhost:\d+/$"))
    assert stored(page) is None


def test_a_sign_in_that_was_given_up_leads_back_signed_out(page: Page) -> None:
    page.goto("/purchases")
    button(page, IN).click()
    page.get_by_label("Username").wait_for()
    page.go_back()
    expect(button(page, IN)).to_be_visible()
    expect(page).to_have_url(re.compile(r"/purchases$"))


def test_the_access_token_is_never_stored(context: BrowserContext, signed_in: Callable[[BrowserContext], Page]) -> None:
    page = signed_in(context)
    page.goto("/")
    expect(button(page, OUT)).to_be_visible()
    kept = page.evaluate(
        "JSON.stringify([Object.entries(localStorage), Object.entries(sessionStorage), document.cookie])"
    )
    [[[name, _]], [], cookie] = json.loads(kept)
    assert (name, cookie) == (REFRESH_TOKEN, "")
