"""axe finds nothing on any page, in light and in dark; nothing is too small for a finger or too wide for a phone."""

from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shop_cli.accessibility_testing import look_at
from shop_cli.browser_testing import REFRESH_TOKEN, Visit
from shop_cli.buyer_testing import DECLINED, GOOD, SECURE, Buyer
from shop_cli.testing import Shop


@pytest.mark.parametrize(
    ("path", "heading"),
    [
        ("/", "Good things, honestly in stock."),
        ("/?q=xyzzyx", "Good things, honestly in stock."),
        ("/products/MOKA-6", "Moka pot, six cups"),
        ("/basket", "Your basket is empty"),
        ("/purchases", "Your purchases"),
        ("/nowhere", "There is nothing here"),
        ("/returned?payment_intent=pi_0", "Back from your bank"),
    ],
)
def test_a_page_that_anybody_may_see(page: Page, path: str, heading: str) -> None:
    page.goto(path)
    expect(page.get_by_role("heading", level=1, name=heading)).to_be_visible()
    if path in ("/", "/products/MOKA-6"):
        expect(page.locator("a.card").first).to_be_visible()
    look_at(page)


@pytest.mark.browser_context_args(locale="de-DE")
def test_german_words_are_longer_and_fit_as_well(page: Page) -> None:
    page.goto("/products/CUP-CAPPUCCINO-2")
    expect(page.locator("a.card").first).to_be_visible()
    look_at(page)
    page.get_by_role("button", name="In den Warenkorb").click()
    page.goto("/basket")
    expect(page.get_by_role("button", name="Konto anlegen")).to_be_visible()
    look_at(page)


def test_each_page_and_face_on_the_way_to_a_purchase(
    context: BrowserContext, shop: Shop, visit: Visit, signed_in: Callable[[BrowserContext], Page]
) -> None:
    visit.hosts.add(shop.status["payment_url"].removeprefix("http://"))
    buyer = Buyer(signed_in(context), shop)
    page = buyer.page
    buyer.put_in_basket(buyer.product(stock=3))
    look_at(page)
    page.goto("/basket")
    expect(buyer.button("Reserve and pay")).to_be_visible()
    look_at(page)
    reservation = buyer.reserve()
    look_at(page)
    buyer.pay(DECLINED)
    buyer.sees("Your card was declined")
    look_at(page)
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    page.get_by_text("Pay in another way", exact=True).click()
    expect(buyer.pay_button).to_be_visible()
    look_at(page)
    page.goto("/purchases")
    expect(page.get_by_role("heading", name="Held for you")).to_be_visible()
    look_at(page)
    page.goto(f"/checkout/{reservation}")
    buyer.link("Go to your bank").click()
    buyer.button("Complete authentication").click()
    buyer.has_paid(reservation)
    look_at(page)
    page.goto(f"/purchases/{reservation}")
    expect(page.get_by_role("heading", name="What has happened")).to_be_visible()
    look_at(page)


def test_the_faces_of_trouble(context: BrowserContext, shop: Shop, signed_in: Callable[[BrowserContext], Page]) -> None:
    buyer = Buyer(signed_in(context), shop)
    page = buyer.page
    buyer.reserve_one()
    page.route("**/api/purchase", lambda route: route.abort())
    buyer.pay(GOOD)
    buyer.sees("No answer yet")
    look_at(page)
    problem = {"type": "https://shop.example/problems/reservation-expired", "title": "", "status": 409, "detail": ""}
    page.route("**/api/purchase", lambda route: route.fulfill(status=409, json=problem))
    buyer.sees("The time is over")
    look_at(page)
    page.evaluate("name => localStorage.removeItem(name)", REFRESH_TOKEN)
    page.goto("/purchases")
    expect(page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
    look_at(page)
