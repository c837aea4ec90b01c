"""A stage with a key of Stripe: its Content-Security-Policy, and a stand-in for the script that Stripe serves.

Everything behind the card is the running shop: the stand-in's payment methods are the mock provider's test cards.
"""

import json
import re
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, FrameLocator, Page, Route, expect

from shop_cli.browser_testing import Storefront, Visit
from shop_cli.buyer_testing import DECLINED, GOOD, SECURE, Buyer
from shop_cli.testing import ROOT, Shop

STAND_IN = Path(__file__).with_name("stripe_stand_in.js").read_text(encoding="utf-8")
SCRIPT = "https://js.stripe.com/v3/"
STRIPE = {"js.stripe.com", "b.js.stripe.com", "api.stripe.com", "hooks.stripe.com"}
CARDS = {"4242424242424242": GOOD, "4000000000009995": DECLINED, "4000002760003184": SECURE}
CARD_FORM = """<!doctype html><label>Card number <input inputmode="numeric"></label><script>
addEventListener('message', ({source}) => source.postMessage(document.querySelector('input').value, '*'));</script>"""
BANK = """<!doctype html><button>complete</button><button>fail</button><script>
for (const button of document.querySelectorAll('button')) button.onclick = async () => {
    await fetch(location, {method: 'POST', body: button.textContent});
    parent.postMessage(button.textContent, '*');
};</script>"""


@pytest.fixture(scope="module")
def policy(shop: Shop) -> str:
    """A stage with Stripe's key has this policy, which the code that gives it to the distribution makes here."""
    pool = shop.status["aws_endpoint_url"]
    given = {"webDomain": "shop.example", "stripeKey": "pk_1", "userPoolPages": pool, "userPoolApi": pool}
    script = """require('./config/storefront.js')({
        resolveVariable: async (name) => JSON.parse(process.argv[1])[name.replace('param:', '')],
    }).then(({ contentSecurityPolicy }) => console.log(contentSecurityPolicy));"""
    done = subprocess.run(
        ["node", "-e", script, json.dumps(given)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


@pytest.fixture
def stage_with_stripe(
    context: BrowserContext, visit: Visit, storefront: Storefront, config: dict[str, Any], policy: str
) -> BrowserContext:
    visit.hosts |= STRIPE

    def page_of_the_stage(route: Route) -> None:
        if route.request.resource_type != "document":
            route.fallback()
            return
        answer = storefront.request("GET", urlsplit(route.request.url).path)
        route.fulfill(body=answer.content, headers={**answer.headers, "Content-Security-Policy": policy})

    context.route(f"http://{storefront.host}/**", page_of_the_stage)
    context.route("**/config.json", lambda route: route.fulfill(json=config | {"stripeKey": "pk_test_1"}))
    context.route(SCRIPT, lambda route: route.fulfill(body=STAND_IN, content_type="text/javascript"))
    context.route("https://b.js.stripe.com/**", lambda route: route.fulfill(body=CARD_FORM, content_type="text/html"))
    context.route("https://api.stripe.com/**", new_payment_method)
    return context


@pytest.fixture
def buyer(stage_with_stripe: BrowserContext, shop: Shop, signed_in: Callable[[BrowserContext], Page]) -> Buyer:
    return Buyer(signed_in(stage_with_stripe), shop)


def new_payment_method(route: Route) -> None:
    number = parse_qs(route.request.post_data or "")["number"][0]
    found = {"id": CARDS[number]} if number in CARDS else {"error": {"message": "Your card is not supported."}}
    route.fulfill(json=found, headers={"Access-Control-Allow-Origin": "*"})


def card_form(buyer: Buyer) -> FrameLocator:
    return buyer.page.frame_locator("iframe[title='Secure payment input frame']")


def pay(buyer: Buyer, number: str) -> None:
    card_form(buyer).get_by_label("Card number").fill(number)
    buyer.pay_button.click()


def test_a_card_is_typed_into_stripes_frame_and_pays(buyer: Buyer) -> None:
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    buyer.page.route(SCRIPT, hold)
    buyer.put_in_basket(buyer.product(stock=1))
    reservation = buyer.reserve()
    expect(buyer.page.get_by_text("The card form is loading")).to_be_visible()
    expect(buyer.pay_button).to_be_disabled()
    waiting[0].fallback()
    expect(buyer.pay_button).to_be_enabled()
    expect(buyer.page.get_by_text("The card form is loading")).to_have_count(0)
    pay(buyer, "4242424242424242")
    buyer.has_paid(reservation)
    assert len(buyer.charges(reservation)) == 1


@pytest.mark.parametrize(
    ("number", "words"),
    [("4242", "Your card number is incomplete."), ("4000000000000119", "Your card is not supported.")],
)
def test_what_stripe_says_about_a_card_is_shown_and_nothing_is_sent_to_the_shop(
    buyer: Buyer, number: str, words: str
) -> None:
    reservation = buyer.reserve_one()
    pay(buyer, number)
    expect(buyer.page.get_by_role("alert").get_by_text(words)).to_be_visible()
    pay(buyer, "4242424242424242")
    buyer.has_paid(reservation)
    assert [event["type"] for event in buyer.shop.events(f"reservation-{reservation}")][1:] == [
        "shop.payment.requested.v1",
        "shop.purchase.confirmed.v1",
    ]


def test_after_a_declined_card_stripes_form_takes_another_one(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    pay(buyer, "4000000000009995")
    buyer.sees("Your card was declined")
    pay(buyer, "4242424242424242")
    buyer.has_paid(reservation)


def test_a_script_that_does_not_load_says_so_and_is_tried_again(buyer: Buyer) -> None:
    buyer.page.route(SCRIPT, lambda route: route.abort())
    buyer.put_in_basket(buyer.product(stock=1))
    buyer.page.goto("/basket")
    buyer.button("Reserve and pay").click()
    expect(buyer.page.get_by_text("The card form could not be loaded.")).to_be_visible()
    expect(buyer.pay_button).to_have_count(0)
    buyer.page.unroute(SCRIPT)
    buyer.button("Try again").click()
    expect(buyer.pay_button).to_be_enabled()
    reservation = buyer.page.url.rpartition("/")[2]
    pay(buyer, "4242424242424242")
    buyer.has_paid(reservation)


@pytest.fixture
def asked_by_script(buyer: Buyer, shop: Shop) -> Buyer:
    """The customer is asked for 3-D Secure as where the stage names no page to come back to; the bank is the mock's."""
    pages: list[str] = []

    def ask(route: Route) -> None:
        sent = route.request
        headers = {name: sent.headers[name] for name in ("authorization", "idempotency-key")}
        answer = shop.request("POST", "/purchase", headers=headers, body=sent.post_data_json)
        if answer.status == 202:
            pages.append(answer.body["next_action"]["url"])
            answer.body["next_action"] = {"type": "use_stripe_sdk"}
        route.fulfill(status=answer.status, json=answer.body)

    def bank(route: Route) -> None:
        if route.request.method == "POST":
            page = urlsplit(pages[-1])
            form = {"client_secret": parse_qs(page.query)["client_secret"][0], "result": route.request.post_data}
            shop.http.post(page._replace(query="").geturl(), data=form)
        route.fulfill(body=BANK, content_type="text/html")

    buyer.page.context.route("**/api/purchase", ask)
    buyer.page.context.route("https://hooks.stripe.com/**", bank)
    return buyer


def test_stripes_script_opens_the_bank_and_who_confirms_has_paid(asked_by_script: Buyer) -> None:
    buyer = asked_by_script
    reservation = buyer.reserve_one()
    pay(buyer, "4000002760003184")
    buyer.sees("Your bank wants to see you")
    buyer.button("Go to your bank").click()
    card_form(buyer).get_by_role("button", name="complete").click()
    buyer.has_paid(reservation)


def test_who_fails_at_the_bank_in_stripes_frame_pays_with_another_card(asked_by_script: Buyer) -> None:
    buyer = asked_by_script
    reservation = buyer.reserve_one()
    pay(buyer, "4000002760003184")
    buyer.button("Go to your bank").click()
    card_form(buyer).get_by_role("button", name="fail").click()
    buyer.sees("Your bank could not confirm that it is you")
    pay(buyer, "4242424242424242")
    buyer.has_paid(reservation)


def test_a_script_that_cannot_open_the_bank_says_so_and_another_card_pays_instead(asked_by_script: Buyer) -> None:
    buyer = asked_by_script
    reservation = buyer.reserve_one()
    pay(buyer, "4000002760003184")
    buyer.sees("Your bank wants to see you")
    buyer.page.route(SCRIPT, lambda route: route.abort())
    buyer.page.reload()
    buyer.button("Go to your bank").click()
    expect(buyer.page.get_by_text(re.compile("page could not be opened"))).to_be_visible()
    buyer.page.unroute(SCRIPT)
    buyer.page.get_by_text("Pay in another way", exact=True).click()
    pay(buyer, "4242424242424242")
    buyer.has_paid(reservation)
