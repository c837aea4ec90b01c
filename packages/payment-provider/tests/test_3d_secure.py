"""The official Stripe client asks for a payment, and a browser without scripts goes through 3-D Secure."""

import re
from html import unescape
from typing import Any

import httpx
import pytest
import stripe

from shop_payment_provider.testing import ProviderProcess

INTENT: Any = {"amount": 1999, "currency": "eur", "payment_method_types": ["card"]}
CARD = "pm_card_authenticationRequired"
RETURN_URL = "https://shop.example/paid?basket=1&x=%22"


def asked(client: stripe.StripeClient, card: str = CARD, return_url: str = RETURN_URL) -> stripe.PaymentIntent:
    intent = client.v1.payment_intents.create(INTENT)
    return client.v1.payment_intents.confirm(intent.id, {"payment_method": card, "return_url": return_url})


def page_of(intent: stripe.PaymentIntent) -> str:
    assert intent.next_action
    assert intent.next_action.redirect_to_url
    return str(intent.next_action.redirect_to_url.url)


def press(url: str, button: str) -> httpx.Response:
    """Opens the page, and sends its form as a browser does."""
    page = httpx.get(url)
    assert page.status_code == 200
    action, secret = (unescape(re.search(pattern, page.text)[1]) for pattern in (r'action="(.+?)"', r'value="(.+?)"'))  # type: ignore[index]
    return httpx.post(httpx.URL(url).join(action), data={"client_secret": secret, "result": button})


def test_who_completes_it_has_paid_and_is_sent_back_to_the_shop(client: stripe.StripeClient) -> None:
    intent = asked(client)
    assert (intent.status, intent.amount_received) == ("requires_action", 0)
    answer = press(page_of(intent), "complete")
    assert answer.status_code == 303
    added = f"payment_intent={intent.id}&redirect_status=succeeded"
    assert answer.headers["Location"] == f"https://shop.example/paid?basket=1&x=%22&{added}"
    paid = client.v1.payment_intents.retrieve(intent.id)
    assert (paid.status, paid.amount_received, paid.next_action) == ("succeeded", 1999, None)


def test_who_fails_it_has_not_paid_and_another_card_follows(client: stripe.StripeClient) -> None:
    intent = asked(client)
    assert press(page_of(intent), "fail").headers["Location"].endswith("redirect_status=failed")
    failed = client.v1.payment_intents.retrieve(intent.id)
    assert failed.last_payment_error
    assert (failed.status, failed.last_payment_error.code) == (
        "requires_payment_method",
        "payment_intent_authentication_failure",
    )
    assert client.v1.payment_intents.confirm(intent.id, {"payment_method": "pm_card_visa"}).status == "succeeded"


def test_who_walks_away_leaves_an_intent_that_can_be_cancelled_and_a_page_that_does_nothing(
    client: stripe.StripeClient,
) -> None:
    intent = asked(client)
    form = {"client_secret": intent.client_secret or "", "result": "complete"}
    assert client.v1.payment_intents.cancel(intent.id).status == "canceled"
    page = page_of(intent)
    assert httpx.get(page).status_code == 404
    assert httpx.post(page.partition("?")[0], data=form).status_code == 404
    assert client.v1.payment_intents.retrieve(intent.id).status == "canceled"


def test_a_page_is_answered_once(client: stripe.StripeClient) -> None:
    intent = asked(client)
    form = {"client_secret": intent.client_secret or "", "result": "complete"}
    page = page_of(intent).partition("?")[0]
    assert [httpx.post(page, data=form).status_code for _ in range(2)] == [303, 404]


@pytest.mark.parametrize("secret", ["", "wrong", "é"])
def test_without_the_secret_nothing_is_shown_or_done(client: stripe.StripeClient, secret: str) -> None:
    intent = asked(client)
    page = page_of(intent).partition("?")[0]
    shown = httpx.get(page, params={"client_secret": secret})
    assert (shown.status_code, intent.id in shown.text) == (404, False)
    for form in ({"client_secret": secret, "result": "complete"}, {"client_secret[a]": secret, "result[]": "fail"}):
        assert httpx.post(page, data=form).status_code == 404
    assert httpx.post(page, content=b"\xff", headers={"Content-Type": "text/plain"}).status_code == 404
    assert client.v1.payment_intents.retrieve(intent.id).status == "requires_action"


def test_a_button_that_the_page_does_not_have_does_nothing(client: stripe.StripeClient) -> None:
    intent = asked(client)
    form = {"client_secret": intent.client_secret or "", "result": "<script>"}
    answer = httpx.post(page_of(intent).partition("?")[0], data=form)
    assert (answer.status_code, "<script>" in answer.text) == (404, False)
    assert client.v1.payment_intents.retrieve(intent.id).status == "requires_action"


def test_the_page_runs_no_script_and_tells_nobody_its_address(
    client: stripe.StripeClient, provider: ProviderProcess
) -> None:
    answer = httpx.get(page_of(asked(client)))
    assert answer.headers["Content-Security-Policy"].startswith("default-src 'none'")
    assert (answer.headers["Referrer-Policy"], answer.headers["Cache-Control"]) == ("no-referrer", "no-store")
    assert "<script" not in answer.text
    assert "19.99 EUR" in answer.text
    assert "_secret_" not in provider.log.read_text()


def test_there_is_a_page_to_come_back_to(client: stripe.StripeClient, provider: ProviderProcess) -> None:
    intent = asked(client, return_url=f"{provider.url}/returned")
    answer = press(page_of(intent), "complete")
    back = httpx.get(answer.headers["Location"])
    assert (back.status_code, "close this page" in back.text) == (200, True)


def test_without_a_page_to_come_back_to_stripes_script_does_it(
    client: stripe.StripeClient, provider: ProviderProcess
) -> None:
    intent = client.v1.payment_intents.create(INTENT)
    confirmed = client.v1.payment_intents.confirm(intent.id, {"payment_method": CARD})
    assert confirmed.next_action
    assert confirmed.next_action.type == "use_stripe_sdk"
    page = f"{provider.url}/3d-secure/{intent.id}"
    assert httpx.get(page, params={"client_secret": confirmed.client_secret or ""}).status_code == 404
