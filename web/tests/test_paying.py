"""A payment goes on at the bank, or not at all, later than the page waits, or after the time is over."""

import re
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pytest
from playwright.sync_api import BrowserContext, Page, expect

from shop_cli.accessibility_testing import look_at
from shop_cli.browser_testing import REFRESH_TOKEN, Visit
from shop_cli.buyer_testing import DECLINED, GOOD, SECURE, SECURE_THEN_DECLINED, SLOW, Buyer
from shop_cli.testing import Shop

FIFTEEN_MINUTES_MS = 900_000


@pytest.fixture
def buyer(context: BrowserContext, shop: Shop, visit: Visit, signed_in: Callable[[BrowserContext], Page]) -> Buyer:
    visit.hosts.add(shop.status["payment_url"].removeprefix("http://"))
    return Buyer(signed_in(context), shop)


def at_the_bank(buyer: Buyer, card: str = SECURE) -> str:
    """Reserves, pays with a card that asks for 3-D Secure, and goes to the bank's page."""
    reservation = buyer.reserve_one()
    buyer.pay(card)
    buyer.sees("Your bank wants to see you")
    buyer.link("Go to your bank").click()
    expect(buyer.button("Complete authentication")).to_be_visible()
    return reservation


def test_who_confirms_at_the_bank_comes_back_and_has_paid(buyer: Buyer) -> None:
    reservation = at_the_bank(buyer)
    buyer.button("Complete authentication").click()
    buyer.has_paid(reservation)


@pytest.mark.browser_context_args(service_workers="allow")
def test_who_comes_back_through_the_service_worker_has_paid_too(buyer: Buyer) -> None:
    buyer.page.goto("/")
    buyer.page.evaluate("navigator.serviceWorker.ready.then(() => undefined)")
    reservation = at_the_bank(buyer)
    buyer.button("Complete authentication").click()
    buyer.has_paid(reservation)


def test_who_fails_at_the_bank_pays_with_another_card(buyer: Buyer) -> None:
    reservation = at_the_bank(buyer)
    buyer.button("Fail authentication").click()
    buyer.sees("Your bank could not confirm that it is you")
    buyer.pay(GOOD)
    buyer.has_paid(reservation)


def test_who_confirms_may_still_be_declined(buyer: Buyer) -> None:
    at_the_bank(buyer, SECURE_THEN_DECLINED)
    buyer.button("Complete authentication").click()
    buyer.sees("Your card was declined")
    expect(buyer.page.get_by_text("There is not enough money on it.")).to_be_visible()


def test_who_walks_away_from_the_bank_can_go_there_again(buyer: Buyer) -> None:
    reservation = at_the_bank(buyer)
    buyer.page.go_back()
    buyer.sees("Your bank wants to see you")
    buyer.page.reload()
    buyer.sees("Your bank wants to see you")
    expect(buyer.pay_button).to_have_count(0)
    buyer.link("Go to your bank").click()
    buyer.button("Complete authentication").click()
    buyer.has_paid(reservation)


def test_who_comes_back_from_the_bank_pays_with_another_card_at_once(buyer: Buyer) -> None:
    reservation = at_the_bank(buyer)
    bank = buyer.page.url
    buyer.page.go_back()
    buyer.sees("Your bank wants to see you")
    buyer.pay_in_another_way(GOOD)
    buyer.has_paid(reservation)
    assert len(buyer.charges(reservation)) == 1
    buyer.page.goto(bank)
    expect(buyer.page.get_by_text("This payment does not wait for you")).to_be_visible()


def test_who_had_confirmed_at_the_bank_has_bought_once_and_is_told_so(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    buyer.page.route("**/api/reservations/*", lambda route: route.abort())  # or the page would notice by itself
    bank = Buyer(buyer.page.context.new_page(), buyer.shop)
    bank.page.goto(buyer.link("Go to your bank").get_attribute("href") or "")
    bank.button("Complete authentication").click()
    bank.has_paid(reservation)
    buyer.pay_in_another_way(GOOD)
    buyer.has_paid(reservation)
    expect(buyer.page.get_by_text("The other card was not charged.")).to_be_visible()
    look_at(buyer.page)
    assert len(buyer.charges(reservation)) == 1


def test_a_tab_whose_payment_another_one_gave_up_says_so_and_follows(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    second = Buyer(buyer.page.context.new_page(), buyer.shop)
    second.page.goto(f"/checkout/{reservation}")
    second.pay_in_another_way(DECLINED)
    second.sees("Your card was declined")
    buyer.sees("This payment was given up")
    second.pay(GOOD)
    for each in (second, buyer):
        each.has_paid(reservation)


def test_who_gives_the_reservation_up_at_the_bank_has_it_back_in_the_basket(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    buyer.button("Give it up").click()
    buyer.sees("Your basket")
    buyer.page.goto(f"/checkout/{reservation}")
    buyer.sees("This reservation was given up")


def test_who_stays_away_from_the_bank_until_the_time_is_over_pays_nothing(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.page.clock.install()
    buyer.page.goto(f"/checkout/{reservation}")
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    # An answer would say that the shop's own clock has not reached that time.
    buyer.page.route("**/api/reservations/*", lambda route: route.abort())
    buyer.page.clock.fast_forward(FIFTEEN_MINUTES_MS)
    buyer.sees("Your bank has not answered yet")
    expect(buyer.link("Go to your bank")).to_have_count(0)


def test_the_bank_is_visited_from_another_tab_and_the_first_one_notices(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    second = Buyer(buyer.page.context.new_page(), buyer.shop)
    second.page.goto(f"/checkout/{reservation}")
    second.link("Go to your bank").click()
    second.button("Complete authentication").click()
    second.has_paid(reservation)
    buyer.sees("Thank you")


def test_another_browser_waits_for_the_bank_or_pays_in_another_way(
    buyer: Buyer, new_context: Callable[..., BrowserContext]
) -> None:
    reservation = buyer.reserve_one()
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    token = buyer.page.evaluate("name => localStorage.getItem(name)", REFRESH_TOKEN)
    other = Buyer(new_context().new_page(), buyer.shop)
    other.page.goto("/robots.txt")
    other.page.evaluate("([name, token]) => localStorage.setItem(name, token)", [REFRESH_TOKEN, token])
    other.page.goto(f"/checkout/{reservation}")
    expect(other.page.get_by_text("Your bank waits for you in another window.")).to_be_visible()
    expect(other.pay_button).to_have_count(0)
    look_at(other.page)
    other.pay_in_another_way(GOOD)
    other.has_paid(reservation)
    buyer.sees("Thank you")


def test_a_payment_that_is_not_settled_yet_says_so_and_settles_by_itself(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.page.route("**/api/reservations/*", lambda route: route.abort())
    buyer.pay(SLOW)
    buyer.sees("Your bank has not answered yet")
    expect(buyer.page.get_by_text("You will not be charged twice.")).to_be_visible()
    expect(buyer.pay_button).to_have_count(0)
    look_at(buyer.page)
    buyer.page.unroute("**/api/reservations/*")
    buyer.has_paid(reservation)
    assert len(buyer.charges(reservation)) == 1


def test_when_the_time_is_over_nothing_can_be_paid_and_the_things_go_back_into_the_basket(buyer: Buyer) -> None:
    buyer.put_in_basket(buyer.product(stock=2))
    buyer.reserve()
    reserved = buyer.page.url
    buyer.page.clock.install()
    buyer.page.goto(reserved)
    expect(buyer.pay_button).to_be_visible()
    # An answer would tell the page's clock the true time again.
    buyer.page.route("**/api/reservations/*", lambda route: route.abort())
    spoken = buyer.page.get_by_role("status")
    buyer.page.clock.fast_forward(FIFTEEN_MINUTES_MS - 100_000)
    expect(buyer.page.get_by_text("Nearly over")).to_be_visible()
    expect(spoken.filter(has_text="Two minutes left to pay.")).to_have_count(1)
    buyer.page.clock.fast_forward(75_000)
    expect(spoken.filter(has_text="Thirty seconds left to pay.")).to_have_count(1)
    buyer.page.clock.fast_forward(25_000)
    buyer.sees("The time is over")
    expect(buyer.pay_button).to_have_count(0)
    buyer.button("Put it back in the basket").click()
    buyer.sees("Your basket")
    expect(buyer.page.get_by_role("link", name="Basket, 1 item")).to_be_visible()


def test_who_has_a_wrong_clock_has_as_much_time_as_anybody(buyer: Buyer) -> None:
    buyer.page.clock.set_system_time(datetime.now(UTC) + timedelta(minutes=30))
    reservation = buyer.reserve_one()
    expect(buyer.page.get_by_role("timer")).to_have_text(re.compile(r"^1[0-5]:\d\d left$"))
    buyer.pay(GOOD)
    buyer.has_paid(reservation)


def test_a_reservation_that_expired_meanwhile_is_refused_and_says_so(buyer: Buyer) -> None:
    buyer.reserve_one()
    problem = {"type": "https://shop.example/problems/reservation-expired", "title": "", "status": 409, "detail": ""}
    buyer.page.route("**/api/purchase", lambda route: route.fulfill(status=409, json=problem))
    buyer.pay(GOOD)
    buyer.sees("The time is over")


def test_a_session_that_ends_keeps_the_reservation_and_nothing_is_paid_unseen(
    buyer: Buyer, shop: Shop, config: dict[str, str]
) -> None:
    reservation = buyer.reserve_one()
    token = buyer.page.evaluate("name => localStorage.getItem(name)", REFRESH_TOKEN)
    shop.client("cognito-idp").revoke_token(Token=token, ClientId=config["clientId"])
    refusal = {"message": "Unauthorized"}
    buyer.page.route("**/api/purchase", lambda route: route.fulfill(status=401, json=refusal))
    buyer.pay(GOOD)
    buyer.sees("Your session has ended")
    expect(buyer.pay_button).to_have_count(0)
    types = [event["type"] for event in shop.events(f"reservation-{reservation}")]
    assert types == ["shop.reservation.placed.v1"]
    buyer.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    expect(buyer.page.get_by_label("Password")).to_be_visible()


def test_a_session_that_ends_while_the_bank_is_awaited_asks_to_sign_in_again_and_keeps_the_payment(
    buyer: Buyer, shop: Shop, config: dict[str, str]
) -> None:
    buyer.reserve_one()
    buyer.pay(SECURE)
    buyer.sees("Your bank wants to see you")
    token = buyer.page.evaluate("name => localStorage.getItem(name)", REFRESH_TOKEN)
    shop.client("cognito-idp").revoke_token(Token=token, ClientId=config["clientId"])
    buyer.page.route("**/api/reservations/*", lambda route: route.fulfill(status=401, json={"message": "Unauthorized"}))
    expect(buyer.page.get_by_text("Your session has ended.")).to_be_visible()
    expect(buyer.link("Go to your bank")).to_be_visible()
    look_at(buyer.page)
    buyer.page.get_by_role("main").get_by_role("button", name="Sign in", exact=True).click()
    expect(buyer.page.get_by_label("Password")).to_be_visible()


def test_without_a_connection_the_shop_says_so_and_the_payment_goes_on_when_it_is_back(buyer: Buyer) -> None:
    reservation = buyer.reserve_one()
    buyer.page.context.set_offline(True)
    expect(buyer.page.get_by_text("You are offline.").first).to_be_visible()
    buyer.pay(GOOD)
    buyer.sees("No answer yet")
    look_at(buyer.page)
    buyer.page.context.set_offline(False)
    expect(buyer.page.get_by_text("You are offline.")).to_have_count(0)
    buyer.has_paid(reservation)
    assert len(buyer.charges(reservation)) == 1


@pytest.mark.parametrize(
    ("problem", "status", "heading"),
    [
        ("too-many-attempts", 409, "Too many cards were declined"),
        ("too-many-card-attempts", 429, "You have tried too many cards"),
        ("payment-refused", 422, "The bank does not take this payment"),
        ("payment-in-progress", 409, "Your bank has not answered yet"),
        ("invalid-request", 422, "The payment could not be begun"),
    ],
)
def test_each_refusal_has_a_face_of_its_own(buyer: Buyer, problem: str, status: int, heading: str) -> None:
    buyer.reserve_one()
    answer = {"type": f"https://shop.example/problems/{problem}", "title": "", "status": status, "detail": ""}
    # The reservation itself stays readable, and would say that nothing is being paid.
    if problem == "payment-in-progress":
        buyer.page.route("**/api/reservations/*", lambda route: route.abort())
    buyer.page.route("**/api/purchase", lambda route: route.fulfill(status=status, json=answer))
    buyer.pay(GOOD)
    buyer.sees(heading)
