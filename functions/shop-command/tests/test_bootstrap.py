"""The function as it is deployed: the real wiring over moto, and the mock payment provider over HTTP."""

import json
import random
import sys
import time
import uuid
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import boto3
import botocore.session
import pytest
import stripe

from shop_command import bootstrap
from shop_command.adapters import secrets
from shop_command.adapters.dynamodb import table
from shop_command.adapters.system import SystemClock
from shop_command.bootstrap import Settings, SettingsError
from shop_command.domain.limits import Limits
from shop_command.handlers import sweep
from shop_command.testing import http_event, invoke
from shop_command.testing.shop import LambdaContext
from shop_http.testing import Answer
from shop_payment_provider.testing import ProviderProcess
from shop_shared.envelope import decode
from shop_shared.stored import event_text_of_dynamodb

EVENTS = Path(__file__).parents[1] / "events"
ENVIRONMENT = {
    "TABLE_NAME": "shop-test",
    "STREAM_NAME": "shop-test",
    "PAYMENT_URL": "https://api.stripe.com",
    "PAYMENT_API_KEY_PARAMETER": "/shop/test/payment-api-key",
    "PAYMENT_WEBHOOK_SECRET_PARAMETER": "/shop/test/payment-webhook-secret",
}


def test_settings_come_from_the_environment() -> None:
    more = {"RESERVATION_SECONDS": "60", "PAYMENT_RETURN_URL": "https://shop.example/paid", "OTHER": "x"}
    more["AWS_LAMBDA_FUNCTION_NAME"] = "shop-command-test-sweep"
    assert Settings.of({**ENVIRONMENT, **more}) == Settings(
        table_name="shop-test",
        stream_name="shop-test",
        payment_url="https://api.stripe.com",
        payment_api_key_parameter="/shop/test/payment-api-key",
        payment_webhook_secret_parameter="/shop/test/payment-webhook-secret",
        reservation_seconds=60,
        limits=Limits(open_reservations_max=20, units_held_max=100, card_attempts_max=30),
        payment_return_url="https://shop.example/paid",
        secret_seconds=300,
        function_name="shop-command-test-sweep",
    )
    defaults = Settings.of(ENVIRONMENT)
    assert (defaults.reservation_seconds, defaults.payment_return_url) == (900, "")


LIMITS = ("OPEN_RESERVATIONS_MAX", "UNITS_HELD_MAX", "CARD_ATTEMPTS_MAX")


def test_the_limits_of_a_customer_come_from_the_environment() -> None:
    given = Settings.of({**ENVIRONMENT, **{name: str(number) for number, name in enumerate(LIMITS, 1)}})
    assert given.limits == Limits(1, 2, 3)


@pytest.mark.parametrize("name", LIMITS)
@pytest.mark.parametrize("text", ["", "0", "-1", "1.5", "8001", "many"])
def test_a_limit_that_cannot_be_kept_stops_the_function(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.of({**ENVIRONMENT, name: text})


@pytest.mark.parametrize("name", ENVIRONMENT)
def test_a_missing_variable_is_named(name: str) -> None:
    for environment in (
        {**ENVIRONMENT, name: ""},
        {other: value for other, value in ENVIRONMENT.items() if other != name},
    ):
        with pytest.raises(SettingsError, match=f"missing in the environment: {name}$"):
            Settings.of(environment)


def test_all_missing_variables_are_named_at_once() -> None:
    with pytest.raises(SettingsError, match=", ".join(ENVIRONMENT)):
        Settings.of({})


@pytest.mark.parametrize("name", ["RESERVATION_SECONDS", "SECRET_SECONDS"])
@pytest.mark.parametrize("seconds", ["", "0", "-1", "1.5", "soon"])
def test_what_lasts_lasts_a_whole_number_of_seconds(name: str, seconds: str) -> None:
    with pytest.raises(SettingsError, match=name):
        Settings.of({**ENVIRONMENT, name: seconds})


def event_of(name: str) -> dict[str, Any]:
    event: dict[str, Any] = json.loads((EVENTS / name).read_text())
    return event


def sample(name: str, *, key: str | None = None, **changes: Any) -> Answer:
    """Invokes the function with an event of `events/`, with another key, and these fields of its body changed."""
    event = event_of(name)
    if key:
        event["headers"]["idempotency-key"] = key
    if changes:
        event["body"] = json.dumps(json.loads(event["body"]) | changes)
    return invoke(event)


def webhook(provider: ProviderProcess, intent: str, reservation: str, **changes: str) -> Answer:
    """What the provider sends of an intent, signed with its secret, or with other headers."""
    data = {"object": {"id": intent, "metadata": {"reservation_id": reservation}}}
    payload = json.dumps({"id": "evt_1", "object": "event", "type": "payment_intent.succeeded", "data": data})
    signature = stripe.WebhookSignature.generate_signature_header(payload, provider.webhook_secret)
    headers = {"stripe-signature": signature} | changes
    return invoke(http_event("POST /payments/webhook", raw_body=payload, key=None, subject=None, headers=headers))


def test_every_sample_event_is_answered_by_what_is_deployed(deployed: boto3.Session) -> None:
    assert sample("list-product.json").status == 201
    assert sample("receive-stock.json").status == 201
    reserved = sample("reserve.json")
    assert reserved.status == 201
    # The body names the reservation of the sample's own customer and key.
    purchased = sample("purchase.json")
    assert (purchased.status, purchased.body["purchase_id"]) == (201, reserved.body["reservation_id"])
    assert sample("purchase.json") == purchased
    assert sample("reserve-other.json").status == 201
    assert (cancelled := sample("cancel.json")).status == 200
    assert cancelled.body["status"] == "cancelled"
    assert sample("refund.json").status == 201
    assert [sample(f"{name}.json").status for name in ("reprice", "redistribute", "retire")] == [201, 201, 200]
    assert set(sweep.handler(event_of("sweep.json"), LambdaContext()).values()) == {0}

    items = deployed.client("dynamodb").scan(TableName="shop-test")["Items"]
    events = [decode(event_text_of_dynamodb(item)) for item in items if table.EVENT in item]
    assert sorted(event.type for event in events) == [
        "shop.payment.requested.v1",
        "shop.product.listed.v1",
        "shop.product.repriced.v1",
        "shop.product.retired.v1",
        "shop.product.stock-received.v1",
        "shop.product.stock-redistributed.v1",
        "shop.purchase.confirmed.v1",
        "shop.purchase.refund-requested.v2",
        "shop.purchase.refunded.v2",
        "shop.reservation.cancelled.v1",
        "shop.reservation.placed.v1",
        "shop.reservation.placed.v1",
    ]
    assert not [item for item in items if table.DUE_AT in item]
    kinesis = deployed.client("kinesis")
    shard = kinesis.describe_stream(StreamName="shop-test")["StreamDescription"]["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="shop-test", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert sorted(decode(record["Data"]).id for record in records) == sorted(event.id for event in events)


def test_ids_are_unique_and_of_version_7(deployed: boto3.Session) -> None:
    before = time.time_ns() // 1_000_000
    ids = [bootstrap.application().products.journal.ids.next() for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(before <= int(text[:8] + text[9:13], 16) <= time.time_ns() // 1_000_000 for text in ids)
    assert all(text[14] == "7" and text[19] in "89ab" for text in ids)


def test_the_time_of_an_event_is_the_present_in_milliseconds() -> None:
    before = datetime.now(UTC)
    now = SystemClock().now()
    assert before - timedelta(milliseconds=1) < now <= datetime.now(UTC)
    assert now.microsecond % 1000 == 0


def test_what_the_environment_says_reaches_the_use_cases(
    deployed: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {"RESERVATION_SECONDS": "61", "OPEN_RESERVATIONS_MAX": "7"}.items():
        monkeypatch.setenv(name, value)
    bootstrap.application.cache_clear()
    built = bootstrap.application()
    assert built.reservations.hold_seconds == 61
    assert {it.journal.limits.open_reservations_max for it in (built.products, built.reservations, built.sweep)} == {7}


def test_the_api_key_is_read_once(deployed: boto3.Session) -> None:
    sample("list-product.json")
    sample("receive-stock.json")
    reservation = sample("reserve.json", key="of-its-own").body["reservation_id"]
    declined = {"reservation_id": reservation, "payment_method": "pm_card_visa_chargeDeclined"}
    assert sample("purchase.json", **declined).status == 402
    deployed.client("ssm").delete_parameter(Name=ENVIRONMENT["PAYMENT_API_KEY_PARAMETER"])
    assert sample("purchase.json", key="another-card", reservation_id=reservation).status == 201


def test_a_webhook_settles_what_the_provider_charged_and_its_secret_is_read_once(
    deployed: boto3.Session, provider: ProviderProcess
) -> None:
    sample("list-product.json")
    sample("receive-stock.json")
    for key in ("first", "second"):
        reservation = sample("reserve.json", key=key).body["reservation_id"]
        lost = {"reservation_id": reservation, "payment_method": "pm_card_error_after_charge"}
        pending = sample("purchase.json", key=key, **lost)
        assert pending.status == 202
        seen = webhook(provider, pending.body["payment_intent_id"], reservation)
        assert (seen.status, seen.body) == (200, {"received": True})
        events = bootstrap.application().purchases.journal.store.events(pending.body["stream_id"])
        assert events[-1].type == "shop.purchase.confirmed.v1"
        parameter = ENVIRONMENT["PAYMENT_WEBHOOK_SECRET_PARAMETER"]
        deployed.client("ssm").put_parameter(Name=parameter, Value="whsec_new", Type="SecureString", Overwrite=True)


def test_a_webhook_of_the_secret_before_is_read_until_it_is_replaced_twice(
    deployed: boto3.Session, provider: ProviderProcess
) -> None:
    parameter = ENVIRONMENT["PAYMENT_WEBHOOK_SECRET_PARAMETER"]
    for replaced, status in enumerate((200, 200, 400)):
        if replaced:
            deployed.client("ssm").put_parameter(Name=parameter, Value="whsec_new", Type="SecureString", Overwrite=True)
        bootstrap.application.cache_clear()  # a new execution environment
        assert webhook(provider, "pi_1", str(uuid.uuid4())).status == status


def test_a_key_that_was_replaced_is_read_when_the_old_one_is_refused(
    deployed: boto3.Session, provider: ProviderProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(secrets, "PAUSE_SECONDS", 0)  # the old key is refused before, too
    sample("list-product.json")
    sample("receive-stock.json")
    parameter = ENVIRONMENT["PAYMENT_API_KEY_PARAMETER"]
    for key, status in (("sk_old", 503), (provider.api_key, 201)):
        deployed.client("ssm").put_parameter(Name=parameter, Value=key, Type="SecureString", Overwrite=True)
        reservation = sample("reserve.json", key=key).body["reservation_id"]
        assert sample("purchase.json", key=key, reservation_id=reservation).status == status


def test_a_webhook_that_the_provider_did_not_sign_is_refused(
    deployed: boto3.Session, provider: ProviderProcess
) -> None:
    signature = stripe.WebhookSignature.generate_signature_header("{}", provider.webhook_secret)
    answer = webhook(provider, "pi_1", str(uuid.uuid4()), **{"stripe-signature": signature})
    assert (answer.status, answer.body["type"]) == (400, "https://shop.example/problems/signature-invalid")


def test_without_the_webhooks_secret_the_provider_is_asked_to_repeat_and_customers_can_pay(
    deployed: boto3.Session, provider: ProviderProcess
) -> None:
    deployed.client("ssm").delete_parameter(Name=ENVIRONMENT["PAYMENT_WEBHOOK_SECRET_PARAMETER"])
    answer = webhook(provider, "pi_1", str(uuid.uuid4()))
    assert (answer.status, answer.body["type"]) == (503, "https://shop.example/problems/try-again")
    sample("list-product.json")
    sample("receive-stock.json")
    sample("reserve.json")
    assert sample("purchase.json").status == 201


def test_without_the_api_key_nothing_is_paid_and_nothing_has_changed(deployed: boto3.Session) -> None:
    deployed.client("ssm").delete_parameter(Name=ENVIRONMENT["PAYMENT_API_KEY_PARAMETER"])
    sample("list-product.json")
    sample("receive-stock.json")
    reserved = sample("reserve.json").body
    answer = sample("purchase.json")
    assert (answer.status, answer.body["type"]) == (503, "https://shop.example/problems/payment-unavailable")
    assert len(bootstrap.application().reservations.journal.store.events(reserved["stream_id"])) == 1


def test_a_stream_that_is_down_leaves_the_events_due(deployed: boto3.Session) -> None:
    deployed.client("kinesis").delete_stream(StreamName="shop-test")
    assert sample("list-product.json").status == 201
    due = deployed.client("dynamodb").scan(TableName="shop-test", IndexName=table.DUE_INDEX)["Items"]
    assert [item[table.SK]["S"] for item in due] == [table.event_sk(1)]


def test_a_snapshot_has_no_credential_and_what_is_made_after_it_has_the_present_one(
    deployed: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    restored: list[Callable[[], object]] = []
    hooks = SimpleNamespace(register_after_restore=restored.append)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "snap-start")

    def no_session() -> None:
        raise AssertionError("credentials are looked for by a session")

    with monkeypatch.context() as before_the_snapshot:
        before_the_snapshot.setattr(botocore.session, "get_session", no_session)
        bootstrap.initialize([])
    assert bootstrap.application.cache_info().currsize == 0
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDRESTORED")
    for hook in restored:
        hook()
    assert bootstrap.application.cache_info().currsize == 1
    store: Any = bootstrap.application().purchases.journal.store
    assert store.client._request_signer._credentials.access_key == "AKIDRESTORED"


def test_nothing_that_is_drawn_by_chance_repeats_after_a_snapshot(deployed: boto3.Session) -> None:
    built = bootstrap.application()
    journal: Any = built.sweep.journal
    drawing = (built.products, built.reservations, built.sweep, journal.store, journal.publisher)
    assert {type(each.randomness) for each in drawing} == {random.SystemRandom}


def test_in_lambda_the_application_is_there_before_the_first_request(
    deployed: boto3.Session, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_LAMBDA_INITIALIZATION_TYPE", "on-demand")
    bootstrap.initialize([])
    assert bootstrap.application.cache_info().currsize == 1
