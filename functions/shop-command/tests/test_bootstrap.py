"""The function as it is deployed: the real wiring over moto, and the mock payment provider over HTTP."""

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from shop_command import bootstrap
from shop_command.adapters.dynamodb import table
from shop_command.bootstrap import Settings, SettingsError
from shop_command.testing import invoke
from shop_command.testing.shop import Answer
from shop_shared import decode

EVENTS = Path(__file__).parents[1] / "events"
ENVIRONMENT = {
    "TABLE_NAME": "shop-test",
    "STREAM_NAME": "shop-test",
    "PAYMENT_URL": "https://api.stripe.com",
    "PAYMENT_API_KEY_PARAMETER": "/shop/test/payment-api-key",
}


def test_settings_come_from_the_environment() -> None:
    assert Settings.of({**ENVIRONMENT, "RESERVATION_SECONDS": "60", "OTHER": "x"}) == Settings(
        "shop-test", "shop-test", "https://api.stripe.com", "/shop/test/payment-api-key", 60
    )
    assert Settings.of(ENVIRONMENT).reservation_seconds == 900


def test_every_missing_variable_is_named() -> None:
    with pytest.raises(SettingsError, match="STREAM_NAME, PAYMENT_URL"):
        Settings.of({**ENVIRONMENT, "STREAM_NAME": "", "PAYMENT_URL": ""})
    with pytest.raises(SettingsError, match="TABLE_NAME, STREAM_NAME, PAYMENT_URL, PAYMENT_API_KEY_PARAMETER"):
        Settings.of({})


@pytest.mark.parametrize("seconds", ["", "0", "-1", "1.5", "soon"])
def test_a_reservation_lasts_a_whole_number_of_seconds(seconds: str) -> None:
    with pytest.raises(SettingsError, match="RESERVATION_SECONDS"):
        Settings.of({**ENVIRONMENT, "RESERVATION_SECONDS": seconds})


def sample(name: str, *, key: str | None = None, **changes: Any) -> Answer:
    """Invokes the function with an event of `events/`, with another key, and these fields of its body changed."""
    event = json.loads((EVENTS / name).read_text())
    if key:
        event["headers"]["idempotency-key"] = key
    event["body"] = json.dumps(json.loads(event["body"]) | changes)
    return invoke(event)


def test_the_sample_events_make_a_purchase(deployed: boto3.Session) -> None:
    assert sample("list-product.json").status == 201
    assert sample("receive-stock.json").status == 201
    reserved = sample("reserve.json")
    assert reserved.status == 201
    # Its reservation_id is that of the sample's own customer and key.
    purchased = sample("purchase.json")
    assert (purchased.status, purchased.body["purchase_id"]) == (201, reserved.body["reservation_id"])
    assert sample("purchase.json") == purchased

    items = deployed.client("dynamodb").scan(TableName="shop-test")["Items"]
    events = [decode(item[table.EVENT]["S"]) for item in items if table.EVENT in item]
    assert sorted(event.type for event in events) == [
        "shop.payment.requested.v1",
        "shop.product.listed.v1",
        "shop.product.stock-received.v1",
        "shop.purchase.confirmed.v1",
        "shop.reservation.placed.v1",
    ]
    assert not [item for item in items if table.DUE_AT in item]
    kinesis = deployed.client("kinesis")
    shard = kinesis.describe_stream(StreamName="shop-test")["StreamDescription"]["Shards"][0]["ShardId"]
    start = kinesis.get_shard_iterator(StreamName="shop-test", ShardId=shard, ShardIteratorType="TRIM_HORIZON")
    records = kinesis.get_records(ShardIterator=start["ShardIterator"])["Records"]
    assert sorted(decode(record["Data"]).id for record in records) == sorted(event.id for event in events)


def test_ids_are_unique_and_of_version_7(deployed: boto3.Session) -> None:
    ids = [bootstrap.application().products.journal.ids.next() for _ in range(100)]
    assert len(set(ids)) == 100
    assert all(text[14] == "7" and text[19] in "89ab" for text in ids)


def test_the_api_key_is_read_once(deployed: boto3.Session) -> None:
    sample("list-product.json")
    sample("receive-stock.json")
    reservation = sample("reserve.json", key="of-its-own").body["reservation_id"]
    declined = {"reservation_id": reservation, "payment_method": "pm_card_visa_chargeDeclined"}
    assert sample("purchase.json", **declined).status == 402
    deployed.client("ssm").delete_parameter(Name=ENVIRONMENT["PAYMENT_API_KEY_PARAMETER"])
    assert sample("purchase.json", key="another-card", reservation_id=reservation).status == 201


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
