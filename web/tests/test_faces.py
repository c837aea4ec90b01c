"""What is rare, or gone in a moment, has a face of its own too: loading, empty, refused, not readable, not allowed."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import pytest
from playwright.sync_api import BrowserContext, Page, Route, expect

from shop_cli.accessibility_testing import look_at
from shop_cli.buyer_testing import GOOD, Buyer
from shop_cli.testing import Shop

SOMEBODY = "00000000-0000-5000-8000-000000000000"
"""No reservation or purchase has this id."""


@pytest.fixture
def buyer(context: BrowserContext, shop: Shop, signed_in: Callable[[BrowserContext], Page]) -> Buyer:
    return Buyer(signed_in(context), shop)


def line(sku: str, quantity: int = 1, *, price_minor: int = 1_000, currency: str = "EUR") -> dict[str, Any]:
    price = {"amount_minor": price_minor, "currency": currency}
    return {"sku": sku, "quantity": quantity, "name": f"Cup {sku}", "category": None, "price": price}


def keep(buyer: Buyer, *lines: dict[str, Any]) -> None:
    """The basket was filled some time ago."""
    basket = json.dumps({"key": str(uuid.uuid4()), "lines": lines})
    buyer.page.evaluate("basket => localStorage.setItem('shop.basket', basket)", basket)


def without_live_products(buyer: Buyer) -> None:
    buyer.page.route("**/api/products*", lambda route: route.abort())


def problem(name: str, status: int) -> Callable[[Route], None]:
    body = {"type": f"https://shop.example/problems/{name}", "title": "", "status": status, "detail": ""}
    return lambda route: route.fulfill(status=status, json=body)


@pytest.mark.parametrize(
    ("name", "status", "words"),
    [
        ("stock-scattered", 409, "There are not so many together at this moment."),
        ("total-too-small", 422, "This is too little for a card payment."),
        ("total-too-large", 422, "This is too much for one payment."),
        ("too-many-reservations", 429, "You hold as many reservations as one customer may."),
        ("too-many-units", 429, "You hold as many of one product as one customer may."),
        ("invalid-request", 422, "The shop could not reserve this."),
        ("unexpected", 500, "The shop did not answer."),
    ],
)
def test_each_reason_not_to_reserve_is_told_and_the_basket_stays(
    buyer: Buyer, name: str, status: int, words: str
) -> None:
    without_live_products(buyer)
    keep(buyer, line("CUP-1"))
    buyer.page.route("**/api/reservations", problem(name, status))
    buyer.page.goto("/basket")
    buyer.button("Reserve and pay").click()
    expect(buyer.page.get_by_role("alert").get_by_text(words)).to_be_visible()
    look_at(buyer.page)
    buyer.page.reload()
    expect(buyer.page.get_by_role("link", name="Basket, 1 item")).to_be_visible()


def test_fewer_than_were_asked_for_are_told_and_taken(buyer: Buyer) -> None:
    keep(buyer, line(buyer.product(stock=2), 3))
    buyer.page.goto("/basket")
    expect(buyer.page.get_by_text("Only 2 are left.")).to_be_visible()
    look_at(buyer.page)
    buyer.button("Accept the changes").click()
    expect(buyer.page.get_by_role("link", name="Basket, 2 items")).to_be_visible()


def test_two_currencies_cannot_be_reserved_at_once(buyer: Buyer) -> None:
    without_live_products(buyer)
    keep(buyer, line("CUP-1"), line("CUP-2", currency="USD"))
    buyer.page.goto("/basket")
    expect(buyer.page.get_by_text("These things are sold in different currencies")).to_be_visible()
    expect(buyer.button("Reserve and pay")).to_have_count(0)
    look_at(buyer.page)


def test_a_full_basket_takes_nothing_else(buyer: Buyer) -> None:
    keep(buyer, *(line(f"CUP-{number}") for number in range(20)))
    buyer.page.goto("/products/MOKA-6")
    expect(buyer.page.get_by_text("A basket holds 20 different things.")).to_be_visible()
    expect(buyer.button("Put in basket")).to_be_disabled()
    look_at(buyer.page)


def test_a_price_that_moved_while_it_was_reserved_is_told_before_paying(buyer: Buyer) -> None:
    without_live_products(buyer)
    keep(buyer, line(buyer.product(stock=1, price_minor=1_000), price_minor=900))
    buyer.reserve()
    expect(buyer.page.get_by_text("In your basket this was €9.00. It is €10.00 now")).to_be_visible()
    look_at(buyer.page)
    buyer.page.goto("/basket")
    expect(buyer.page.get_by_text("Something is held for you already.")).to_be_visible()


@pytest.mark.parametrize(
    ("path", "asked"),
    [
        ("/?sort=name", "products?*"),
        ("/products/MOKA-6", "products/MOKA-6"),
        ("/purchases", "purchases?*"),
        (f"/purchases/{SOMEBODY}", "purchases/*"),
        (f"/checkout/{SOMEBODY}", "reservations/*"),
    ],
)
def test_what_is_being_read_has_its_place_already(buyer: Buyer, path: str, asked: str) -> None:
    buyer.page.route(f"**/api/{asked}", lambda _: None)
    buyer.page.goto(path)
    place = buyer.page.locator(".skeleton")
    expect(place.first).to_be_visible()
    look_at(buyer.page)
    buyer.page.unroute(f"**/api/{asked}")  # which lets go on what was held
    expect(place).to_have_count(0)


@pytest.mark.parametrize(
    ("path", "asked", "heading"),
    [
        ("/products/MOKA-6", "products/MOKA-6", "Moka pot, six cups"),
        ("/purchases", "purchases?*", "Your purchases"),
        (f"/purchases/{SOMEBODY}", "purchases/*", "There is nothing here"),
        (f"/checkout/{SOMEBODY}", "reservations/*", "There is nothing here"),
    ],
)
def test_what_cannot_be_read_says_so_and_can_be_tried_again(buyer: Buyer, path: str, asked: str, heading: str) -> None:
    buyer.page.route(f"**/api/{asked}", problem("unexpected", 500))
    buyer.page.goto(path)
    buyer.sees("That did not work")
    look_at(buyer.page)
    # What the page asks by itself is held too, or it would take the button away.
    buyer.page.route(f"**/api/{asked}", lambda _: None)
    with buyer.page.expect_request(f"**/api/{asked}"):
        buyer.button("Try again").click()
    buyer.page.unroute(f"**/api/{asked}")
    buyer.sees(heading)


def test_who_has_bought_nothing_is_led_to_the_products(buyer: Buyer) -> None:
    buyer.page.goto("/purchases")
    expect(buyer.page.get_by_role("heading", name="You have bought nothing yet")).to_be_visible()
    look_at(buyer.page)


def test_while_the_bank_is_asked_nothing_can_be_pressed(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    waiting: list[Route] = []

    def hold(route: Route) -> None:
        waiting.append(route)

    buyer.page.route("**/api/purchase", hold)
    buyer.pay(GOOD)
    buyer.sees("Paying …")
    expect(buyer.pay_button).to_have_count(0)
    expect(buyer.button("Give it up")).to_have_count(0)
    look_at(buyer.page)
    waiting[0].continue_()
    buyer.has_paid(reservation)


def test_what_was_refunded_is_shown_as_that_wherever_it_was_paid_for(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(GOOD)
    buyer.has_paid(reservation)
    refund = f"/purchases/{reservation}/refund"
    assert buyer.shop.administrator("POST", refund, key=str(uuid.uuid4()), body={}).status == 201
    buyer.page.goto(f"/checkout/{reservation}")
    expect(buyer.page).to_have_url(f"/purchases/{reservation}")
    expect(buyer.page.get_by_text("Refunded", exact=True).first).to_be_visible()
    look_at(buyer.page)
    buyer.page.goto(f"/thanks/{reservation}")
    expect(buyer.page.get_by_text("This purchase was refunded.")).to_be_visible()
    look_at(buyer.page)


def test_nobody_sees_what_somebody_else_holds_or_has_bought(
    buyer: Buyer, new_context: Callable[..., BrowserContext], signed_in: Callable[[BrowserContext], Page]
) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(GOOD)
    buyer.has_paid(reservation)
    other = Buyer(signed_in(new_context()), buyer.shop)
    for path in ("checkout", "purchases", "thanks"):
        other.page.goto(f"/{path}/{reservation}")
        other.sees("There is nothing here")


def test_who_is_not_signed_in_is_told_who_sees_a_reservation(page: Page) -> None:
    page.goto(f"/checkout/{SOMEBODY}")
    expect(page.get_by_text("A reservation can be seen by the one who made it.")).to_be_visible()
    look_at(page)
