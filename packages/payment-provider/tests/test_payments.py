"""The official Stripe client drives the provider over HTTP."""

import inspect
import json
import re
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import stripe

from shop_payment_provider.stripe import CARDS, Fault
from shop_payment_provider.testing import ProviderProcess

Connect = Callable[..., stripe.StripeClient]
INTENT: Any = {
    "amount": 1999,
    "currency": "usd",
    "payment_method_types": ["card"],
    "metadata": {"reservation_id": "r1"},
}
DECLINED = {name: card.decline for name, card in CARDS.items() if card.decline and not card.fault}


def create(client: stripe.StripeClient, **changes: Any) -> stripe.PaymentIntent:
    return client.v1.payment_intents.create(INTENT | changes)


def confirm(client: stripe.StripeClient, intent: str, card: str, key: str | None = None) -> stripe.PaymentIntent:
    return client.v1.payment_intents.confirm(intent, {"payment_method": card}, {"idempotency_key": key} if key else {})


def error_of(refusal: stripe.StripeError) -> dict[str, Any]:
    body: Any = refusal.json_body
    return dict(body["error"])


def charges(client: stripe.StripeClient, intent: str) -> list[stripe.Charge]:
    return list(client.v1.charges.list({"payment_intent": intent}).auto_paging_iter())


def test_an_intent_is_created_confirmed_and_retrieved(client: stripe.StripeClient) -> None:
    created = create(client)
    assert (created.status, created.amount_received, created.latest_charge) == ("requires_payment_method", 0, None)

    confirmed = confirm(client, created.id, "pm_card_visa")
    assert (confirmed.status, confirmed.amount_received) == ("succeeded", 1999)
    assert client.v1.payment_intents.retrieve(created.id).to_dict() == confirmed.to_dict()
    assert confirmed.metadata.to_dict() == {"reservation_id": "r1"}

    (charge,) = charges(client, created.id)
    assert charge.id == confirmed.latest_charge
    assert (charge.amount, charge.amount_captured, charge.paid, charge.livemode) == (1999, 1999, True, False)
    assert client.v1.charges.retrieve(charge.id).to_dict() == charge.to_dict()


def test_an_intent_can_be_confirmed_while_it_is_created(client: stripe.StripeClient) -> None:
    assert create(client, payment_method="pm_card_mastercard", confirm=True).status == "succeeded"


def test_an_intent_created_with_a_card_is_confirmed_without_naming_it_again(client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_visa")
    assert created.status == "requires_confirmation"
    assert client.v1.payment_intents.confirm(created.id).status == "succeeded"


@pytest.mark.parametrize("card", DECLINED)
def test_a_declined_card_is_told_as_stripe_tells_it_and_another_may_follow(
    client: stripe.StripeClient, card: str
) -> None:
    created = create(client)
    with pytest.raises(stripe.CardError) as caught:
        confirm(client, created.id, card)

    decline, error = DECLINED[card], error_of(caught.value)
    assert caught.value.http_status == 402
    assert (error["type"], error["code"], error["decline_code"]) == ("card_error", decline.code, decline.decline_code)
    assert error["message"] == decline.message
    intent = client.v1.payment_intents.retrieve(created.id)
    assert error["payment_intent"] == intent.to_dict()
    assert (intent.status, intent.payment_method, intent.amount_received) == ("requires_payment_method", None, 0)
    assert intent.last_payment_error is not None
    assert intent.last_payment_error.decline_code == decline.decline_code

    assert confirm(client, created.id, "pm_card_visa").status == "succeeded"
    assert [charge.status for charge in charges(client, created.id)] == ["succeeded", "failed"]


def test_a_declined_card_at_creation_leaves_an_intent_that_another_card_can_pay(client: stripe.StripeClient) -> None:
    with pytest.raises(stripe.CardError) as caught:
        create(client, payment_method="pm_card_visa_chargeDeclined", confirm=True)
    intent = error_of(caught.value)["payment_intent"]["id"]
    assert confirm(client, intent, "pm_card_visa").status == "succeeded"


def test_a_slow_card_is_processing_until_it_is_charged(
    client: stripe.StripeClient, connect: Connect, provider: ProviderProcess
) -> None:
    created = create(client)
    with ThreadPoolExecutor() as threads:
        slow = threads.submit(confirm, connect(provider), created.id, "pm_card_slow", f"slow-{created.id}")
        while client.v1.payment_intents.retrieve(created.id).status != "processing":
            assert not slow.done()
        refusals: list[Callable[[], object]] = [
            lambda: client.v1.payment_intents.cancel(created.id),
            lambda: confirm(client, created.id, "pm_card_visa"),
        ]
        for refused in refusals:
            with pytest.raises(stripe.InvalidRequestError, match="status of processing"):
                refused()
        with pytest.raises(stripe.APIError) as caught:
            confirm(client, created.id, "pm_card_slow", f"slow-{created.id}")
        assert slow.result().status == "succeeded"
    assert (caught.value.http_status, error_of(caught.value)["code"]) == (409, "idempotency_key_in_use")
    assert confirm(client, created.id, "pm_card_slow", f"slow-{created.id}").status == "succeeded"
    assert len(charges(client, created.id)) == 1


def test_a_slow_card_is_charged_although_the_client_has_gone(provider: ProviderProcess, connect: Connect) -> None:
    client = connect(provider, patience_seconds=0.3)
    created = create(client)
    with pytest.raises(stripe.APIConnectionError):
        confirm(client, created.id, "pm_card_slow", f"gone-{created.id}")
    while (status := client.v1.payment_intents.retrieve(created.id).status) == "processing":
        time.sleep(0.05)
    assert status == "succeeded"
    assert confirm(client, created.id, "pm_card_slow", f"gone-{created.id}").status == "succeeded"


def test_a_card_that_times_out_was_charged_and_a_repeat_says_so(provider: ProviderProcess, connect: Connect) -> None:
    client = connect(provider, patience_seconds=0.5)
    created = create(client)
    with pytest.raises(stripe.APIConnectionError):
        confirm(client, created.id, "pm_card_timeout_after_charge", f"t-{created.id}")
    assert client.v1.payment_intents.retrieve(created.id).status == "succeeded"
    assert confirm(client, created.id, "pm_card_timeout_after_charge", f"t-{created.id}").status == "succeeded"
    assert len(charges(client, created.id)) == 1


@pytest.mark.parametrize(
    ("card", "status"),
    [("pm_card_processing", "succeeded"), ("pm_card_processing_declined", "requires_payment_method")],
)
def test_a_payment_that_is_processing_ends_by_itself(client: stripe.StripeClient, card: str, status: str) -> None:
    created = create(client)
    assert confirm(client, created.id, card).status == "processing"
    while (now := client.v1.payment_intents.retrieve(created.id).status) == "processing":
        time.sleep(0.05)
    assert now == status


def test_a_refund_that_is_pending_succeeds_by_itself(client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_pendingRefund", confirm=True)
    refund = client.v1.refunds.create({"payment_intent": created.id})
    assert refund.status == "pending"
    while client.v1.refunds.retrieve(refund.id).status == "pending":
        time.sleep(0.05)


def test_a_refund_that_fails_later_is_money_to_refund_again(client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_refundFail", confirm=True)
    refund = client.v1.refunds.create({"payment_intent": created.id, "amount": 999, "metadata": {"refund": "1"}})
    assert refund.status == "succeeded"
    while client.v1.refunds.retrieve(refund.id).status == "succeeded":
        time.sleep(0.05)
    failed = client.v1.refunds.retrieve(refund.id)
    assert (failed.status, failed.failure_reason) == ("failed", "expired_or_canceled_card")
    (charge,) = charges(client, created.id)
    assert (charge.refunded, charge.amount_refunded) == (False, 0)
    assert client.v1.refunds.create({"payment_intent": created.id}).amount == 1999


@pytest.mark.parametrize(
    ("card", "status"),
    [("pm_card_error_before_charge", "requires_payment_method"), ("pm_card_error_after_charge", "succeeded")],
)
def test_an_error_is_kept_under_its_key_and_the_intent_tells_whether_it_was_charged(
    client: stripe.StripeClient, card: str, status: str
) -> None:
    created = create(client)
    for replayed in (None, "true"):
        with pytest.raises(stripe.APIError) as caught:
            confirm(client, created.id, card, f"e-{created.id}")
        assert (caught.value.http_status, error_of(caught.value)["type"]) == (500, "api_error")
        assert caught.value.headers is not None
        assert caught.value.headers.get("Idempotent-Replayed") == replayed
    assert client.v1.payment_intents.retrieve(created.id).status == status
    assert len(charges(client, created.id)) == (1 if status == "succeeded" else 0)


def test_a_succeeded_intent_is_neither_confirmed_again_nor_cancelled(client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_visa", confirm=True)
    refusals: list[Callable[[], object]] = [
        lambda: confirm(client, created.id, "pm_card_visa"),
        lambda: client.v1.payment_intents.cancel(created.id),
    ]
    for refused in refusals:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            refused()
        error = error_of(caught.value)
        assert (caught.value.http_status, error["code"]) == (400, "payment_intent_unexpected_state")
        assert error["payment_intent"]["status"] == "succeeded"
    assert len(charges(client, created.id)) == 1


def test_a_cancelled_intent_is_never_charged(client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_visa")
    cancelled = client.v1.payment_intents.cancel(created.id, {"cancellation_reason": "abandoned"})
    assert (cancelled.status, cancelled.cancellation_reason) == ("canceled", "abandoned")
    assert cancelled.canceled_at is not None
    with pytest.raises(stripe.InvalidRequestError, match="status of canceled"):
        client.v1.payment_intents.confirm(created.id)
    assert charges(client, created.id) == []


def test_many_confirmations_at_once_charge_once(provider: ProviderProcess, connect: Connect) -> None:
    created = create(connect(provider))
    clients = [connect(provider) for _ in range(8)]

    def status(client: stripe.StripeClient) -> str:
        try:
            return confirm(client, created.id, "pm_card_visa").status
        except stripe.InvalidRequestError as error:
            return str(error.code)

    with ThreadPoolExecutor(len(clients)) as threads:
        statuses = sorted(threads.map(status, clients))
    assert statuses == ["payment_intent_unexpected_state"] * 7 + ["succeeded"]
    assert len(charges(clients[0], created.id)) == 1


def test_a_charge_is_refunded_in_parts_but_never_beyond_its_amount(client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_visa", confirm=True)
    part = client.v1.refunds.create({"payment_intent": created.id, "amount": 999, "reason": "requested_by_customer"})
    assert (part.status, part.amount, part.charge) == ("succeeded", 999, created.latest_charge)
    with pytest.raises(stripe.InvalidRequestError, match="greater than unrefunded"):
        client.v1.refunds.create({"payment_intent": created.id, "amount": 1001})
    rest = client.v1.refunds.create({"payment_intent": created.id})
    assert rest.amount == 1000
    with pytest.raises(stripe.InvalidRequestError) as caught:
        client.v1.refunds.create({"payment_intent": created.id})
    assert caught.value.code == "charge_already_refunded"

    (charge,) = charges(client, created.id)
    assert (charge.refunded, charge.amount_refunded) == (True, 1999)
    assert client.v1.refunds.retrieve(part.id).to_dict() == part.to_dict()
    refunds = client.v1.refunds.list({"payment_intent": created.id}).data
    assert [refund.id for refund in refunds] == [rest.id, part.id]


def test_what_was_not_charged_cannot_be_refunded(client: stripe.StripeClient) -> None:
    created = create(client)
    with pytest.raises(stripe.CardError):
        confirm(client, created.id, "pm_card_visa_chargeDeclined")
    targets: list[Any] = [{"payment_intent": created.id}, {"payment_intent": "pi_unknown"}, {}]
    for target in targets:
        with pytest.raises(stripe.InvalidRequestError) as caught:
            client.v1.refunds.create(target)
        assert caught.value.http_status == 400
    assert client.v1.refunds.list({"payment_intent": created.id}).data == []


def test_an_audit_pages_through_every_intent(own_provider: ProviderProcess, connect: Connect) -> None:
    client = connect(own_provider)
    made = [create(client, payment_method="pm_card_visa", confirm=True).id for _ in range(5)]
    page = client.v1.payment_intents.list({"limit": 2})
    assert ([intent.id for intent in page.data], page.has_more) == (made[:-3:-1], True)
    assert [intent.id for intent in page.auto_paging_iter()] == made[::-1]
    assert len(list(client.v1.charges.list({"limit": 2}).auto_paging_iter())) == 5


@pytest.mark.parametrize(
    ("changes", "code", "param"),
    [
        ({"amount": 0}, "parameter_invalid_integer", "amount"),
        ({"amount": "19.99"}, "parameter_invalid_integer", "amount"),
        ({"amount": 10**12}, "parameter_invalid_integer", "amount"),
        ({"currency": "dollars"}, None, "currency"),
        ({"currency": ""}, "parameter_missing", "currency"),
        ({"capture_method": "manual"}, None, "capture_method"),
        ({"payment_method_types": ["sepa_debit"]}, None, "payment_method_types"),
        ({"metadata": {"k" * 41: "v"}}, None, f"metadata[{'k' * 41}]"),
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_method": "pm_nonsense"}, "resource_missing", "payment_method"),
    ],
)
def test_a_bad_parameter_is_refused_by_its_name(
    client: stripe.StripeClient, changes: dict[str, Any], code: str | None, param: str
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as caught:
        create(client, **changes)
    assert (caught.value.http_status, caught.value.code, caught.value.param) == (400, code, param)


def test_an_unknown_object_is_not_found(client: stripe.StripeClient) -> None:
    for unknown in (client.v1.payment_intents.retrieve, client.v1.charges.retrieve, client.v1.refunds.retrieve):
        with pytest.raises(stripe.InvalidRequestError) as caught:
            unknown("pi_unknown")
        assert (caught.value.http_status, caught.value.code) == (404, "resource_missing")


def test_an_intent_for_any_payment_method_needs_a_return_url_to_be_confirmed(client: stripe.StripeClient) -> None:
    created = client.v1.payment_intents.create({"amount": 500, "currency": "EUR"})
    assert created.currency == "eur"
    with pytest.raises(stripe.InvalidRequestError) as caught:
        confirm(client, created.id, "pm_card_visa")
    assert caught.value.param == "return_url"
    with_url: Any = {"payment_method": "pm_card_visa", "return_url": "https://shop.example/paid"}
    assert client.v1.payment_intents.confirm(created.id, with_url).status == "succeeded"

    automatic: Any = {"enabled": True, "allow_redirects": "never"}
    without: Any = {"amount": 500, "currency": "eur", "automatic_payment_methods": automatic}
    created = client.v1.payment_intents.create(without)
    assert confirm(client, created.id, "pm_card_visa").status == "succeeded"


def test_the_key_is_taken_as_bearer_and_as_basic_user_name_and_no_other_is(
    provider: ProviderProcess, connect: Connect
) -> None:
    with pytest.raises(stripe.AuthenticationError):
        create(connect(provider, api_key="sk_test_other"))
    url = f"{provider.url}/v1/payment_intents"
    assert httpx.get(url, auth=(provider.api_key, "")).status_code == 200
    assert httpx.get(url, headers={"Authorization": f"Bearer {provider.api_key}"}).status_code == 200
    for headers in ({}, {"Authorization": "Basic !!"}, {"Authorization": "Bearer"}):
        answer = httpx.get(url, headers=headers)
        assert (answer.status_code, answer.json()["error"]["type"]) == (401, "invalid_request_error")


def test_every_answer_has_a_request_id_and_every_error_stripes_shape(provider: ProviderProcess) -> None:
    auth = (provider.api_key, "")
    assert httpx.get(f"{provider.url}/v1/payment_intents", auth=auth).headers["Request-Id"].startswith("req_")
    for method, path, body in (
        ("GET", "/v1/nothing", b""),
        ("DELETE", "/v1/refunds", b""),
        ("POST", "/v1/refunds", b"a[b][c]=1"),
        ("POST", "/v1/refunds", b"a=\xff"),
        ("POST", "/v1/refunds", b"a[b]=1&a[]=2"),
    ):
        answer = httpx.request(method, provider.url + path, content=body, auth=auth)
        assert answer.status_code in (400, 404)
        assert {"type", "message"} <= set(answer.json()["error"])


def test_no_secret_and_no_card_is_logged(provider: ProviderProcess, client: stripe.StripeClient) -> None:
    created = create(client, payment_method="pm_card_visa", confirm=True)
    log = provider.log.read_text()
    lines = [json.loads(line) for line in log.splitlines()]
    assert {"method": "POST", "path": "/v1/payment_intents", "status": 200}.items() <= lines[-1].items()
    for secret in (provider.api_key, str(created.client_secret), "pm_card", "visa"):
        assert secret not in log


@pytest.mark.parametrize("kind", [stripe.PaymentIntent, stripe.Charge, stripe.Refund])
def test_the_objects_have_the_fields_that_stripes_package_says_are_always_there(
    client: stripe.StripeClient, kind: type[stripe.StripeObject]
) -> None:
    intent = create(client, payment_method="pm_card_visa", confirm=True)
    refund = client.v1.refunds.create({"payment_intent": intent.id})
    objects: dict[Any, Any] = {
        stripe.PaymentIntent: intent,
        stripe.Charge: charges(client, intent.id)[0],
        stripe.Refund: refund,
    }
    source = inspect.getsource(kind)
    annotated = dict(re.findall(r"^    (\w+): (.+)$", source, re.MULTILINE))
    required = {
        name for name, hint in annotated.items() if not hint.startswith(("Optional", "NotRequired", "ClassVar"))
    }
    sent = set(objects[kind].to_dict())
    assert required <= sent
    assert sent <= set(annotated)


def test_the_table_of_cards_in_the_readme_agrees_with_the_code() -> None:
    readme = (Path(__file__).parents[1] / "README.md").read_text()
    rows = [[cell.strip(" `") for cell in line.split("|")[1:-1]] for line in readme.splitlines() if "| `pm_" in line]
    results = {
        None: ("charged", "200"),
        Fault.AUTHENTICATION: ("not charged: `requires_action`", "200"),
        Fault.PENDING_REFUND: ("charged, and a refund is `pending`", "200"),
        Fault.FAILED_REFUND: ("charged, and a refund succeeds", "200"),
        Fault.DISPUTE: ("charged, and [disputed]", "200"),
        Fault.INQUIRY: ("charged, and a bank inquires", "200"),
        Fault.SLOW: ("charged, `processing`", "200"),
        Fault.PROCESSING: ("first `processing`", "200"),
        Fault.TIMEOUT_AFTER_CHARGE: ("charged at once", "200"),
        Fault.ERROR_BEFORE_CHARGE: ("not charged", "500"),
        Fault.ERROR_AFTER_CHARGE: ("charged", "500"),
    }
    assert [row[0] for row in rows] == list(CARDS)
    for name, result, status, code, decline_code in rows:
        card = CARDS[name]
        expected, expected_status = ("declined", "402") if card.decline and not card.fault else results[card.fault]
        assert result.startswith(expected)
        assert ("declined" in result) == (card.decline is not None)
        decline = (card.decline.code, card.decline.decline_code) if card.decline else ("", "")
        assert (status, code, decline_code) == (expected_status, *decline)


@pytest.mark.parametrize(
    ("amount", "currency", "code"),
    [
        (500, "zzz", None),
        (500, "dem", None),
        (49, "eur", "amount_too_small"),
        (49, "jpy", "amount_too_small"),
        (999, "mxn", "amount_too_small"),
        (100_000_000, "eur", "amount_too_large"),
        (1_000_000_000, "inr", "amount_too_large"),
        (5_123, "kwd", "invalid_charge_amount"),
        (550, "isk", "invalid_charge_amount"),
        (550, "ugx", "invalid_charge_amount"),
    ],
)
def test_an_amount_that_stripe_charges_in_no_such_currency_is_refused(
    client: stripe.StripeClient, amount: int, currency: str, code: str | None
) -> None:
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        create(client, amount=amount, currency=currency)
    assert (refusal.value.http_status, refusal.value.code) == (400, code)


@pytest.mark.parametrize(
    ("amount", "currency"),
    [(50, "eur"), (50, "jpy"), (5_120, "kwd"), (500, "isk"), (17_545, "huf"), (999_999_999, "inr"), (5, "mga")],
)
def test_an_amount_that_stripe_charges_is_charged(client: stripe.StripeClient, amount: int, currency: str) -> None:
    intent = create(client, amount=amount, currency=currency)
    assert confirm(client, intent.id, "pm_card_visa").amount_received == amount


@pytest.mark.parametrize(("amount", "currency"), [(5_120, "kwd"), (500, "isk")])
def test_a_part_is_given_back_only_in_round_amounts(client: stripe.StripeClient, amount: int, currency: str) -> None:
    intent = create(client, amount=amount, currency=currency)
    confirm(client, intent.id, "pm_card_visa")
    with pytest.raises(stripe.InvalidRequestError) as refusal:
        client.v1.refunds.create({"payment_intent": intent.id, "amount": 105})
    assert refusal.value.code == "invalid_charge_amount"
    assert client.v1.refunds.create({"payment_intent": intent.id, "amount": 100}).amount == 100
