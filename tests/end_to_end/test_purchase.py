"""One purchase through every system of the picture, and what a payment provider can do to it."""

import json
import uuid
from typing import Any

import pytest

from shop_cli.testing import Shop, eventually


def stored_in_archive(shop: Shop, stream_id: str) -> list[str]:
    """The types of the stream's events in the objects of the archive."""
    s3 = shop.client("s3")
    bucket = shop.status["bucket_name"]
    types = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/"):
        for entry in page.get("Contents", []):
            lines = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().splitlines()
            types += [event["type"] for event in map(json.loads, lines) if event["subject"] == stream_id]
    return types


def is_purchased(answer: Any) -> bool:
    return bool(answer.body["status"] == "purchased")


def test_a_purchase_appears_in_every_system(shop: Shop) -> None:
    sku = shop.new_product(stock=5, price_minor=1_250)
    product = eventually(lambda: shop.request("GET", f"/products/{sku}"), lambda answer: answer.status == 200)
    assert product.body["price"] == {"amount_minor": 1_250, "currency": "EUR"}

    reservation = shop.reserve(sku, 2)
    assert reservation["total"] == {"amount_minor": 2_500, "currency": "EUR"}
    assert reservation["status"] == "active"
    purchase = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    assert (purchase.status, purchase.body["status"]) == (201, "purchased")
    assert purchase.body["total"] == reservation["total"]

    stream_id = purchase.body["stream_id"]
    types = [event["type"] for event in shop.events(stream_id)]
    assert types == ["shop.reservation.placed.v1", "shop.payment.requested.v1", "shop.purchase.confirmed.v1"]
    assert purchase.body["stream_version"] == 3

    purchases = eventually(
        lambda: shop.customer("GET", "/purchases").body["items"],
        lambda items: any(item["purchase_id"] == purchase.body["purchase_id"] for item in items),
    )
    (mine,) = [item for item in purchases if item["purchase_id"] == purchase.body["purchase_id"]]
    shown = {"name": product.body["name"], "image": None}
    assert mine["lines"] == [{"sku": sku, "quantity": 2, "unit_price_minor": 1_250, **shown}]
    assert eventually(lambda: shop.request("GET", f"/products/{sku}").body, lambda body: body["available"] == 3)
    sales = shop.administrator("GET", f"/sales/daily?sku={sku}").body["items"]
    assert [(row["units"], row["revenue"]["amount_minor"]) for row in sales] == [(2, 2_500)]
    eventually(lambda: sorted(stored_in_archive(shop, stream_id)), lambda archived: archived == sorted(types))


def test_nothing_that_was_done_stays_due(shop: Shop) -> None:
    sku = shop.new_product(stock=1)
    reservation = shop.reserve(sku)
    shop.purchase(reservation["reservation_id"], "pm_card_visa")
    table = shop.client("dynamodb")
    items = table.query(
        TableName=shop.status["table_name"],
        KeyConditionExpression="pk = :stream",
        ExpressionAttributeValues={":stream": {"S": reservation["stream_id"]}},
    )["Items"]
    assert len(items) >= 4
    assert [item["sk"]["S"] for item in items if "due_at" in item] == []


@pytest.mark.parametrize(
    ("card", "decline_code"),
    [
        ("pm_card_visa_chargeDeclined", "generic_decline"),
        ("pm_card_visa_chargeDeclinedInsufficientFunds", "insufficient_funds"),
    ],
)
def test_after_a_declined_card_another_one_pays(shop: Shop, card: str, decline_code: str) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    declined = shop.purchase(reservation["reservation_id"], card)
    assert (declined.status, declined.body["decline_code"]) == (402, decline_code)
    assert declined.headers["content-type"] == "application/problem+json"
    paid = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    assert paid.status == 201
    types = [event["type"] for event in shop.events(reservation["stream_id"])]
    assert types[-3:] == ["shop.payment.declined.v1", "shop.payment.requested.v1", "shop.purchase.confirmed.v1"]


@pytest.mark.parametrize("card", ["pm_card_timeout_after_charge", "pm_card_error_after_charge"])
def test_a_charge_whose_answer_was_lost_is_found_again_and_never_charged_twice(shop: Shop, card: str) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    key = str(uuid.uuid4())
    unknown = shop.purchase(reservation["reservation_id"], card, key)
    # The provider's webhook settles it within a second: while a request still waits, or before it can be repeated.
    assert (unknown.status, unknown.body["status"]) in [(202, "paying"), (201, "purchased")]
    settled = shop.purchase(reservation["reservation_id"], card, key)
    assert (settled.status, settled.body["status"]) == (201, "purchased")
    types = [event["type"] for event in shop.events(reservation["stream_id"])]
    assert types.count("shop.purchase.confirmed.v1") == 1
    charges = shop.provider("GET", f"/v1/charges?payment_intent={settled.body['payment_intent_id']}")["data"]
    assert [charge["amount"] for charge in charges if charge["status"] == "succeeded"] == [1_000]


def test_a_slow_card_pays(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    assert shop.purchase(reservation["reservation_id"], "pm_card_slow").status == 201


def test_the_same_key_gets_the_same_answer_and_one_effect(shop: Shop) -> None:
    sku = shop.new_product(stock=5)
    key = str(uuid.uuid4())
    body = {"lines": [{"sku": sku, "quantity": 1}]}
    first, second = (shop.customer("POST", "/reservations", key=key, body=body) for _ in range(2))
    assert (first.status, second.status) == (201, 201)
    assert first.body == second.body
    purchase_key = str(uuid.uuid4())
    paid, again = (shop.purchase(first.body["reservation_id"], "pm_card_visa", purchase_key) for _ in range(2))
    assert (paid.status, paid.body) == (again.status, again.body)
    eventually(lambda: shop.request("GET", f"/products/{sku}"), lambda answer: answer.body.get("available") == 4)


def test_the_price_of_a_reservation_is_the_stores(shop: Shop) -> None:
    sku = shop.new_product(stock=1, price_minor=999)
    cheap = {"lines": [{"sku": sku, "quantity": 1, "unit_price_minor": 1}]}
    assert shop.customer("POST", "/reservations", key=str(uuid.uuid4()), body=cheap).status == 422
    assert shop.reserve(sku)["total"]["amount_minor"] == 999


def test_a_customer_never_sees_anothers_reservation(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    path = f"/reservations/{reservation['reservation_id']}"
    eventually(lambda: shop.customer("GET", path), lambda answer: answer.status == 200)
    other = shop.status["admin_token"]
    assert shop.request("GET", path, token=other).status == 404
    body = {"reservation_id": reservation["reservation_id"], "payment_method": "pm_card_visa"}
    assert shop.request("POST", "/purchase", token=other, key=str(uuid.uuid4()), body=body).status == 404
    purchases = shop.request("GET", "/purchases", token=other).body["items"]
    assert reservation["reservation_id"] not in [item["reservation_id"] for item in purchases]
