"""axe finds nothing on any page, in light and in dark; nothing is too small for a finger or too wide for a phone."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shop_cli.browser_testing import REFRESH_TOKEN, Visit
from shop_cli.buyer_testing import DECLINED, GOOD, SECURE, Buyer
from shop_cli.testing import Shop

AXE = (Path(__file__).parents[1] / "node_modules/axe-core/axe.min.js").read_text(encoding="utf-8")
TARGET_PX_MIN = 44
NARROW = 360
# A link within a text may be as small as the text: https://www.w3.org/TR/WCAG22/#target-size-enhanced
SMALL_TARGETS = """least => [...document.querySelectorAll('a, button, select, summary, label:has(input)')]
    .filter(each => each.checkVisibility() && !each.closest('p, h2') && !each.matches('.skip'))
    .map(each => [each, each.getBoundingClientRect()])
    .filter(([, box]) => box.width > 0 && (box.width < least - 0.5 || box.height < least - 0.5))
    .map(([each, box]) => `${each.outerHTML.slice(0, 100)}: ${box.width} x ${box.height}`)"""
WIDER = """() => [...document.querySelectorAll('main *, header *, footer *')]
    .filter(each => each.getBoundingClientRect().right > innerWidth + 1 && !each.closest('.categories, svg'))
    .map(each => each.outerHTML.slice(0, 100))"""


def check(page: Page) -> None:
    """Looks at the page in each scheme, and as a phone shows it."""
    size = page.viewport_size
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        page.evaluate(AXE + ";0")
        found: list[dict[str, Any]] = page.evaluate("axe.run().then(found => found.violations)")
        assert [(each["id"], [node["html"][:200] for node in each["nodes"]]) for each in found] == []
    page.set_viewport_size({"width": NARROW, "height": 740})
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW
    assert page.evaluate(WIDER) == []
    assert page.evaluate(SMALL_TARGETS, TARGET_PX_MIN) == []
    if size:
        page.set_viewport_size(size)


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
    check(page)


@pytest.mark.browser_context_args(locale="de-DE")
def test_german_words_are_longer_and_fit_as_well(page: Page) -> None:
    page.goto("/products/CUP-CAPPUCCINO-2")
    expect(page.locator("a.card").first).to_be_visible()
    check(page)
    page.get_by_role("button", name="In den Warenkorb").click()
    page.goto("/basket")
    expect(page.get_by_role("button", name="Konto anlegen")).to_be_visible()
    check(page)


def test_each_page_and_face_on_the_way_to_a_purchase(
    context: BrowserContext, shop: Shop, visit: Visit, signed_in: Callable[[BrowserContext], Page]
) -> None:
    visit.hosts.add(shop.status["payment_url"].removeprefix("http://"))
    buyer = Buyer(signed_in(context), shop)
    page = buyer.page
    buyer.put_in_basket(buyer.product(stock=3))
    check(page)
    page.goto("/basket")
    expect(buyer.button("Reserve and pay")).to_be_visible()
    check(page)
    reservation = buyer.reserve()
    check(page)
    buyer.pay(DECLINED)
    buyer.sees("Your card was declined")
    check(page)
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    page.get_by_text("Pay in another way", exact=True).click()
    expect(buyer.pay_button).to_be_visible()
    check(page)
    page.goto("/purchases")
    expect(page.get_by_role("heading", name="Held for you")).to_be_visible()
    check(page)
    page.goto(f"/checkout/{reservation}")
    buyer.link("Go to your bank").click()
    buyer.button("Complete authentication").click()
    buyer.has_paid(reservation)
    check(page)
    page.goto(f"/purchases/{reservation}")
    expect(page.get_by_role("heading", name="What has happened")).to_be_visible()
    check(page)


def test_the_faces_of_trouble(context: BrowserContext, shop: Shop, signed_in: Callable[[BrowserContext], Page]) -> None:
    buyer = Buyer(signed_in(context), shop)
    page = buyer.page
    buyer.reserve_one()
    page.route("**/api/purchase", lambda route: route.abort())
    buyer.pay(GOOD)
    buyer.sees("No answer yet")
    check(page)
    problem = {"type": "https://shop.example/problems/reservation-expired", "title": "", "status": 409, "detail": ""}
    page.route("**/api/purchase", lambda route: route.fulfill(status=409, json=problem))
    buyer.sees("The time is over")
    check(page)
    page.evaluate("name => localStorage.removeItem(name)", REFRESH_TOKEN)
    page.goto("/purchases")
    expect(page.get_by_role("heading", name="Sign in to go on")).to_be_visible()
    check(page)
