"""Finding, keeping and buying things, with what goes on meanwhile in other tabs, other browsers and the back office."""

import re
import uuid
from collections.abc import Callable

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from shop_cli.accessibility_testing import look_at
from shop_cli.buyer_testing import DECLINED, GOOD, Buyer, available
from shop_cli.testing import Shop, eventually

PHONE = {"viewport": {"width": 360, "height": 740}, "has_touch": True, "is_mobile": True}
STEPS = ("Moka pot, six cups", "Put in basket", "Go to basket", "customer", "Reserve and pay", "Pay €32.90")
"""Nobody has to do more, when what is wanted has been searched for."""


@pytest.fixture
def buyer(context: BrowserContext, shop: Shop, signed_in: Callable[[BrowserContext], Page]) -> Buyer:
    return Buyer(signed_in(context), shop)


@pytest.mark.browser_context_args(**PHONE)
def test_somebody_who_has_read_nothing_buys_on_a_phone_by_tapping_the_words_that_can_be_read(
    page: Page, shop: Shop
) -> None:
    buyer = Buyer(page, shop)
    page.goto("/")
    page.get_by_placeholder("What are you looking for?").tap()
    page.keyboard.type("moka pot")
    expect(page).to_have_url("/?q=moka+pot")
    for words in STEPS:
        page.get_by_text(words, exact=True).tap()
    buyer.sees("Thank you")
    reservation = page.url.rpartition("/")[2]
    buyer.has_paid(reservation)
    expect(page.get_by_role("link", name="Basket, empty")).to_be_visible()

    page.reload()
    buyer.sees("Thank you")
    buyer.link("See the purchase").click()
    expect(page.get_by_text("It was paid.")).to_be_visible()
    buyer.link("Purchases").click()
    number = reservation[:8].upper()
    expect(buyer.link(f"Purchase {number}")).to_be_visible()


@pytest.mark.browser_context_args(**PHONE)
def test_the_way_to_the_basket_is_in_sight_as_soon_as_something_is_in_it(page: Page, shop: Shop) -> None:
    page.goto("/products/TEAPOT-700")
    page.get_by_text("Put in basket", exact=True).tap()
    expect(page.get_by_text("Go to basket", exact=True)).to_be_in_viewport(ratio=1)
    assert page.evaluate("scrollY") == 0


def test_after_a_declined_card_another_one_pays(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(DECLINED)
    buyer.sees("Your card was declined")
    expect(buyer.page.get_by_text("There is not enough money on it.")).to_be_visible()
    buyer.pay(GOOD)
    buyer.has_paid(reservation)


def test_of_two_browsers_that_want_the_last_one_the_second_is_told(
    buyer: Buyer, new_context: Callable[..., BrowserContext], signed_in: Callable[[BrowserContext], Page]
) -> None:
    sku = buyer.product(stock=1)
    other = Buyer(signed_in(new_context()), buyer.shop)
    for each in (buyer, other):
        each.put_in_basket(sku)
    # This is about the refusal, so what the read model says must not come first.
    other.page.route("**/api/products/*", lambda route: route.abort())
    other.page.goto("/basket")
    expect(other.button("Reserve and pay")).to_be_enabled()
    buyer.reserve()
    other.button("Reserve and pay").click()
    expect(other.page.get_by_text("It is sold out.")).to_be_visible()
    other.button("Accept the changes").click()
    other.sees("Your basket is empty")


def test_a_price_that_changed_meanwhile_is_told_before_anything_is_reserved(buyer: Buyer) -> None:
    sku = buyer.product(stock=5)
    buyer.put_in_basket(sku)
    price = {"amount_minor": 1_250, "currency": "EUR"}
    key = str(uuid.uuid4())
    assert buyer.shop.administrator("POST", f"/products/{sku}/price", key=key, body={"price": price}).status == 201
    eventually(lambda: buyer.shop.request("GET", f"/products/{sku}").body["price"], lambda found: found == price)
    buyer.page.goto("/basket")
    expect(buyer.page.get_by_text("The price was €10.00 and is €12.50 now.")).to_be_visible()
    expect(buyer.button("Reserve and pay")).to_have_count(0)
    look_at(buyer.page)
    buyer.button("Accept the changes").click()
    buyer.button("Reserve and pay").click()
    expect(buyer.pay_button).to_have_text("Pay €12.50")


def test_two_tabs_have_one_basket_and_make_one_reservation(buyer: Buyer) -> None:
    sku = buyer.product(stock=5)
    second = Buyer(buyer.page.context.new_page(), buyer.shop)
    second.page.goto("/basket")
    second.sees("Your basket is empty")
    buyer.put_in_basket(sku)
    second.sees("Your basket")

    # Both are asked before either is answered.
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    for each in (buyer, second):
        each.page.route("**/api/reservations", hold)
    buyer.page.goto("/basket")
    buyer.button("Reserve and pay").click()
    second.button("Reserve and pay").click()
    for each in (buyer, second):
        expect(each.button("Reserving …")).to_be_visible()
    for route in waiting:
        route.continue_()
    for each in (buyer, second):
        expect(each.pay_button).to_be_visible()
    assert buyer.page.url == second.page.url
    product = eventually(
        lambda: buyer.shop.request("GET", f"/products/{sku}").body, lambda found: available(found) != 5
    )
    assert available(product) == 4


def test_after_paying_in_one_tab_the_other_shows_it_and_cannot_pay(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    second = Buyer(buyer.page.context.new_page(), buyer.shop)
    second.page.goto(f"/checkout/{reservation}")
    expect(second.pay_button).to_be_visible()
    buyer.pay(GOOD)
    buyer.has_paid(reservation)
    second.sees("Thank you")


def test_back_after_paying_never_leads_to_paying_again(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(GOOD)
    buyer.has_paid(reservation)
    buyer.page.go_back()
    buyer.sees("Your basket is empty")
    buyer.page.goto(f"/checkout/{reservation}")
    buyer.sees("Thank you")
    assert len(buyer.charges(reservation)) == 1


def lose_the_answer(buyer: Buyer, path: str, times: int) -> list[int]:
    """The shop gets the request, and the browser no answer, so many times. Returns the statuses that were lost."""
    lost: list[int] = []

    def lose(route: Route) -> None:
        if len(lost) >= times:
            route.continue_()
            return
        sent = route.request
        headers = {name: sent.headers[name] for name in ("authorization", "idempotency-key")}
        # Playwright's own fetch does not resolve the names below localhost.
        lost.append(buyer.shop.request(sent.method, path, headers=headers, body=sent.post_data_json).status)
        route.abort()

    buyer.page.route(f"**/api{path}", lose)
    return lost


def test_a_reservation_whose_answer_was_lost_is_made_once(buyer: Buyer) -> None:
    sku = buyer.product(stock=5)
    buyer.put_in_basket(sku)
    lost = lose_the_answer(buyer, "/reservations", 1)
    buyer.reserve()
    assert lost == [201]
    product = eventually(
        lambda: buyer.shop.request("GET", f"/products/{sku}").body, lambda found: available(found) != 5
    )
    assert available(product) == 4


def test_a_payment_whose_answers_were_lost_is_asked_for_again_and_charged_once(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    lost = lose_the_answer(buyer, "/purchase", 4)
    buyer.pay(GOOD)
    buyer.sees("No answer yet")
    buyer.has_paid(reservation)
    assert lost == [201] * 4
    assert len(buyer.charges(reservation)) == 1


def test_a_payment_whose_answer_never_came_is_found_after_a_reload(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.page.route("**/api/purchase", lambda route: route.abort())
    buyer.pay(GOOD)
    buyer.sees("No answer yet")
    buyer.page.unroute("**/api/purchase")
    buyer.page.reload()
    buyer.sees("We do not know how the last attempt ended")
    buyer.pay(GOOD)
    buyer.has_paid(reservation)
    assert len(buyer.charges(reservation)) == 1


def test_what_is_given_up_comes_back_into_the_basket(buyer: Buyer) -> None:
    buyer.put_in_basket(buyer.product(stock=3))
    reservation = buyer.reserve()
    buyer.button("Give it up").click()
    buyer.sees("Your basket")
    expect(buyer.page.get_by_role("link", name="Basket, 1 item")).to_be_visible()
    buyer.page.goto(f"/checkout/{reservation}")
    buyer.sees("This reservation was given up")
    look_at(buyer.page)


def test_what_was_removed_can_be_put_back(buyer: Buyer) -> None:
    buyer.put_in_basket(buyer.product(stock=3))
    buyer.page.goto("/basket")
    buyer.page.get_by_role("button", name=re.compile("^Remove")).click()
    buyer.sees("Your basket is empty")
    look_at(buyer.page)
    buyer.button("Undo").click()
    buyer.sees("Your basket")


def test_a_refund_is_shown_with_its_amount(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(GOOD)
    buyer.has_paid(reservation)
    body = {"amount_minor": 400, "reason": "requested_by_customer"}
    key = str(uuid.uuid4())
    refunded = buyer.shop.administrator("POST", f"/purchases/{reservation}/refund", key=key, body=body)
    assert refunded.status == 201, refunded
    buyer.page.goto(f"/purchases/{reservation}")
    expect(buyer.page.get_by_text("Partly refunded")).to_be_visible()
    expect(buyer.page.get_by_text(re.compile("€4.00 was sent back"))).to_be_visible()


def test_a_purchase_that_cannot_be_read_is_never_thanked_for(buyer: Buyer) -> None:
    buyer.page.goto(f"/thanks/{uuid.uuid4()}")
    buyer.sees("There is nothing here")
    buyer.page.route("**/api/purchases/*", lambda route: route.fulfill(status=500, json={"type": "x", "status": 500}))
    buyer.page.goto(f"/thanks/{uuid.uuid4()}")
    buyer.sees("That did not work")
    expect(buyer.button("Try again")).to_be_visible()
