"""The catalogue: found by words and filters, come back to, and true while somebody looks at it."""

import re
import uuid
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from shop_cli.accessibility_testing import look_at
from shop_cli.buyer_testing import Buyer
from shop_cli.testing import Shop, eventually


@pytest.fixture
def buyer(page: Page, shop: Shop) -> Buyer:
    page.goto("/")
    return Buyer(page, shop)


def listed(number: int) -> dict[str, Any]:
    return {
        "sku": f"CUP-{number}", "name": f"Cup {number}", "description": "", "category": None, "images": [],
        "price": {"amount_minor": 1_000, "currency": "EUR"}, "available": 3, "status": "listed", "version": 1,
    }  # fmt: skip


def test_words_are_found_while_they_are_typed_and_stay_in_the_address(buyer: Buyer) -> None:
    page = buyer.page
    search = page.get_by_label("Search products")
    search.press_sequentially("darjeeling")
    expect(page.get_by_role("link", name=re.compile("Darjeeling"))).to_be_visible()
    expect(page).to_have_url("/?q=darjeeling")
    page.reload()
    expect(search).to_have_value("darjeeling")
    search.fill("xyzzyx")
    expect(page.get_by_role("heading", name="Nothing found for “xyzzyx”")).to_be_visible()
    buyer.button("Take all filters off").click()
    expect(page).to_have_url("/")
    expect(page.locator("a.card").first).to_be_visible()


def test_filters_are_in_the_address_and_hold_together(buyer: Buyer) -> None:
    page = buyer.page
    buyer.button("Tea").click()
    page.get_by_label("In stock only").check()
    page.get_by_label("Sort by").select_option(label="Price, low to high")
    expect(page).to_have_url("/?category=tea&stock=1&sort=price")
    expect(page.locator("a.card").first).to_contain_text("Rooibos")
    page.goto("/?category=tea&stock=1&sort=-price")
    expect(page.locator("a.card").first).to_contain_text("Matcha")
    expect(buyer.button("Tea")).to_have_attribute("aria-pressed", "true")


def test_prices_from_and_to_are_filtered_by_the_keyboard_alone_and_stay_in_the_address(buyer: Buyer) -> None:
    page = buyer.page
    low, high = page.get_by_label("Price from"), page.get_by_label("to", exact=True)
    low.fill("8,5")
    low.press("Tab")
    expect(high).to_be_focused()
    high.press_sequentially("20")
    high.press("Enter")
    expect(page).to_have_url("/?min=8.5&max=20&currency=EUR")
    expect(low).to_have_value("8.5")
    page.get_by_label("Sort by").select_option(label="Price, low to high")
    expect(page).to_have_url("/?min=8.5&max=20&currency=EUR&sort=price")
    expect(page.locator(".grid:not(.busy)")).to_be_visible()
    for amount in page.locator("a.card").get_by_text(re.compile("^€")).all_inner_texts():
        assert 8.5 <= float(amount.removeprefix("€")) <= 20
    low.fill("cheap")  # is no amount
    low.press("Enter")
    expect(low).to_have_value("")
    expect(page).to_have_url("/?max=20&currency=EUR&sort=price")
    high.fill("0.01")
    high.press("Enter")
    expect(page.get_by_role("heading", name="Nothing found")).to_be_visible()
    buyer.button("Take all filters off").click()
    expect(page).to_have_url("/?sort=price")
    expect(high).to_have_value("")


@pytest.mark.browser_context_args(locale="de-DE")
def test_prices_are_written_as_the_language_does(page: Page) -> None:
    page.goto("/?min=8.5&currency=EUR")
    expect(page.get_by_label("Preis von")).to_have_value("8,5")
    expect(page.get_by_role("group", name="Preis").get_by_text("€")).to_be_visible()


def test_a_long_list_is_come_back_to_at_the_same_place(buyer: Buyer) -> None:
    """One request has a hundred products at most."""
    page = buyer.page
    limits: list[int] = []

    def answer(route: Route) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(route.request.url).query).items()}
        start, limit = int(asked.get("cursor", "0")), int(asked["limit"])
        limits.append(limit)
        items = [listed(number) for number in range(start, start + limit)]
        page_of_them = {"items": items, "next_cursor": str(start + limit), "total": 500, "total_is_exact": True}
        route.fulfill(json=page_of_them)

    page.route("**/api/products?*", answer)
    page.goto("/?sort=name")
    shown = page.locator("a.card")
    for loaded in (24, 48, 72, 96, 120):
        expect(shown.nth(loaded - 1)).to_be_attached()
        page.get_by_role("button", name=re.compile("Show more|Loading more")).scroll_into_view_if_needed()
    shown.nth(110).scroll_into_view_if_needed()
    place = page.evaluate("scrollY")
    eventually(lambda: page.evaluate("history.state.y"), lambda noted: noted == place)
    limits.clear()
    page.reload()
    expect(page.get_by_text("Cup 110", exact=True)).to_be_in_viewport()
    assert abs(page.evaluate("scrollY") - place) < 2
    assert limits[0] == 100
    assert sum(limits[:2]) >= 120


def test_back_returns_to_the_same_place_with_all_that_was_loaded(buyer: Buyer) -> None:
    page = buyer.page
    first = page.locator("a.card")
    expect(first.nth(23)).to_be_attached()
    page.get_by_role("button", name=re.compile("Show more|Loading more")).scroll_into_view_if_needed()
    expect(first.nth(29)).to_be_attached()
    first.nth(27).scroll_into_view_if_needed()
    name = first.nth(27).locator("h2").inner_text()
    place = page.evaluate("scrollY")
    assert place > 0
    first.nth(27).dispatch_event("click")  # a mouse would scroll it from below the header first
    buyer.sees(name)
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    page.go_back()
    expect(first.nth(29)).to_be_attached()
    expect(page.get_by_text(name, exact=True)).to_be_in_viewport()
    assert abs(page.evaluate("scrollY") - place) < 2
    page.reload()
    expect(first.nth(29)).to_be_attached()
    expect(page.get_by_text(name, exact=True)).to_be_in_viewport()


def test_what_sells_out_while_somebody_looks_can_no_longer_be_put_in_the_basket(buyer: Buyer) -> None:
    sku = buyer.product(stock=2)
    buyer.page.goto(f"/products/{sku}")
    expect(buyer.page.get_by_text("Only 2 left").first).to_be_visible()
    buyer.shop.reserve(sku, 2)
    eventually(lambda: buyer.shop.request("GET", f"/products/{sku}").body["available"], lambda left: left == 0)
    # The page asks every ten seconds, and at once when somebody comes back to it.
    buyer.page.evaluate("document.dispatchEvent(new Event('visibilitychange'))")
    expect(buyer.button("Sold out")).to_be_disabled()
    expect(buyer.page.get_by_text("The last one was just taken.")).to_be_visible()
    look_at(buyer.page)


def test_what_is_no_longer_sold_says_so(buyer: Buyer) -> None:
    sku = buyer.product(stock=2)
    buyer.put_in_basket(sku)
    assert buyer.shop.administrator("DELETE", f"/products/{sku}", key=str(uuid.uuid4())).status == 200
    eventually(lambda: buyer.shop.request("GET", f"/products/{sku}").body["status"], lambda status: status == "retired")
    buyer.page.goto(f"/products/{sku}")
    expect(buyer.page.get_by_text("This is no longer sold.")).to_be_visible()
    look_at(buyer.page)
    buyer.page.goto("/basket")
    expect(buyer.page.get_by_text("It is no longer sold.")).to_be_visible()


@pytest.mark.parametrize("path", ["/nowhere", "/products/NEVER-SOLD", "/products", "/purchases/a/b"])
def test_what_is_not_there_has_a_page_that_leads_on(buyer: Buyer, path: str) -> None:
    buyer.page.goto(path)
    buyer.sees("There is nothing here")
    buyer.link("See all products").click()
    expect(buyer.page.locator("a.card").first).to_be_visible()


def test_a_catalogue_that_cannot_be_read_says_so_and_can_be_tried_again(buyer: Buyer) -> None:
    buyer.page.route("**/api/products?*", lambda route: route.fulfill(status=503, json={"status": 503, "type": "x"}))
    buyer.page.goto("/?sort=name")
    buyer.sees("That did not work")
    look_at(buyer.page)
    buyer.page.unroute("**/api/products?*")
    buyer.button("Try again").click()
    expect(buyer.page.locator("a.card").first).to_be_visible()


def test_an_empty_shop_says_so(buyer: Buyer) -> None:
    nothing: dict[str, Any] = {"items": [], "next_cursor": None, "total": 0, "total_is_exact": True}
    buyer.page.route("**/api/products?*", lambda route: route.fulfill(json=nothing))
    buyer.page.goto("/?sort=name")
    expect(buyer.page.get_by_role("heading", name="The shelves are empty")).to_be_visible()
    look_at(buyer.page)


@pytest.mark.browser_context_args(locale="de-DE")
def test_the_shop_speaks_german_and_the_choice_of_english_stays(page: Page) -> None:
    page.goto("/products/MOKA-6")
    expect(page.get_by_role("button", name="In den Warenkorb")).to_be_visible()
    expect(page.get_by_text("32,90 €").first).to_be_visible()
    expect(page.locator("html")).to_have_attribute("lang", "de")
    page.get_by_role("button", name="English", exact=True).click()
    expect(page.get_by_role("button", name="Put in basket")).to_be_visible()
    page.reload()
    expect(page.get_by_role("button", name="Put in basket")).to_be_visible()


def test_a_picture_of_the_product_takes_the_drawings_place(buyer: Buyer) -> None:
    page = buyer.page
    image = {"path": "/media/3f/9a0c51e2-960.webp", "width": 960, "height": 720, "alt": "A mug on a table"}
    product = listed(1) | {"images": [image]}
    dot = b"<svg xmlns='http://www.w3.org/2000/svg' width='9' height='9'/>"
    page.route("**/api/products/MUG", lambda route: route.fulfill(json=product))
    page.route("**/media/**", lambda route: route.fulfill(body=dot, content_type="image/svg+xml"))
    page.goto("/products/MUG")
    expect(page.get_by_role("img", name="A mug on a table")).to_be_visible()
    page.unroute("**/media/**")
    page.reload()
    expect(page.locator(".picture svg").first).to_be_visible()


def test_the_keyboard_is_enough_to_fill_a_basket(
    context: BrowserContext, shop: Shop, signed_in: Callable[[BrowserContext], Page]
) -> None:
    buyer = Buyer(signed_in(context), shop)
    page = buyer.page
    page.goto("/products/MOKA-6")
    expect(buyer.button("Put in basket")).to_be_enabled()
    page.keyboard.press("Tab")
    expect(buyer.link("Skip to the content")).to_be_focused()
    page.keyboard.press("Enter")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
    buyer.button("Put in basket").focus()
    page.keyboard.press("Enter")
    page.keyboard.press("Tab")
    expect(buyer.link("Go to basket")).to_be_focused()
    page.keyboard.press("Enter")
    buyer.sees("Your basket")
    expect(page.get_by_role("heading", level=1)).to_be_focused()
