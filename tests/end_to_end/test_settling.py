"""What ends otherwise than by its own request: cancelled, refunded, told by the provider, swept."""

import json
import uuid
from typing import Any

from shop_cli.testing import Shop, eventually

REQUESTED, CONFIRMED = "shop.payment.requested.v1", "shop.purchase.confirmed.v1"


def types(shop: Shop, reservation: dict[str, object]) -> list[str]:
    return [event["type"] for event in shop.events(str(reservation["stream_id"]))]


def available(shop: Shop, sku: str) -> int:
    return int(shop.request("GET", f"/products/{sku}").body["available"])


def test_a_cancelled_reservation_is_for_sale_again(shop: Shop) -> None:
    sku = shop.new_product(stock=2)
    reservation = shop.reserve(sku, 2)
    path = f"/reservations/{reservation['reservation_id']}"
    eventually(lambda: available(shop, sku), lambda left: left == 0)
    cancelled = shop.customer("DELETE", path)
    assert (cancelled.status, cancelled.body["status"]) == (200, "cancelled")
    assert shop.customer("DELETE", path).body == cancelled.body
    eventually(lambda: available(shop, sku), lambda left: left == 2)
    eventually(lambda: shop.customer("GET", path).body, lambda found: found.get("status") == "cancelled")
    late = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    assert late.body["type"].endswith("/reservation-cancelled")


def test_a_refunded_purchase_is_paid_back_and_for_sale_again(shop: Shop) -> None:
    sku = shop.new_product(stock=1)
    reservation = shop.reserve(sku)
    bought = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    path, key = f"/purchases/{reservation['reservation_id']}/refund", str(uuid.uuid4())
    assert shop.customer("POST", path, key=key).status == 403
    refunded = shop.administrator("POST", path, key=key)
    assert (refunded.status, refunded.body["status"]) == (201, "refunded")
    assert shop.administrator("POST", path, key=key).body == refunded.body
    intent = shop.provider("GET", f"/v1/payment_intents/{bought.body['payment_intent_id']}")
    charge = shop.provider("GET", f"/v1/charges/{intent['latest_charge']}")
    assert charge["amount_refunded"] == reservation["total"]["amount_minor"]
    eventually(lambda: available(shop, sku), lambda left: left == 1)

    def status() -> object:
        purchases = shop.customer("GET", "/purchases").body["items"]
        found = [item for item in purchases if item["purchase_id"] == reservation["reservation_id"]]
        return found[0]["status"] if found else None

    eventually(status, lambda found: found == "refunded")


def test_a_purchase_is_refunded_in_parts_by_the_shop_and_at_the_providers_dashboard(shop: Shop) -> None:
    sku = shop.new_product(stock=3)
    reservation = shop.reserve(sku, 3)
    bought = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    path = f"/purchases/{reservation['reservation_id']}"
    part = {"lines": [{"sku": sku, "quantity": 1}]}
    one = shop.administrator("POST", f"{path}/refund", key=str(uuid.uuid4()), body=part)
    assert (one.status, one.body["lines"][0]["quantity"]) == (201, 1)
    eventually(lambda: available(shop, sku), lambda left: left == 1)
    shop.provider("POST", "/v1/refunds", payment_intent=bought.body["payment_intent_id"], amount="1")
    given_back = one.body["total"]["amount_minor"] + 1
    found = eventually(
        lambda: shop.customer("GET", path).body,
        lambda found: found.get("refunded", {}).get("amount_minor") == given_back,
    )
    assert [refund["origin"] for refund in found["refunds"]] == ["shop", "provider"]
    rest = shop.administrator("POST", f"{path}/refund", key=str(uuid.uuid4()), body={"restock": False})
    assert rest.body["total"]["amount_minor"] == reservation["total"]["amount_minor"] - given_back
    eventually(lambda: shop.customer("GET", path).body, lambda found: found.get("status") == "refunded")
    assert available(shop, sku) == 1


def test_a_disputed_purchase_says_so_and_is_refunded_only_after_the_dispute_was_won(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    bought = shop.purchase(reservation["reservation_id"], "pm_card_createDispute")
    path = f"/purchases/{reservation['reservation_id']}"

    def disputed(status: str) -> Any:
        return eventually(
            lambda: shop.customer("GET", path).body, lambda found: (found.get("dispute") or {}).get("status") == status
        )

    dispute = disputed("chargeback")["dispute"]
    assert dispute["amount"] == reservation["total"]
    refused = shop.administrator("POST", f"{path}/refund", key=str(uuid.uuid4()))
    assert (refused.status, refused.body["type"].rpartition("/")[2]) == (409, "purchase-disputed")
    [found] = shop.provider("GET", f"/v1/disputes?payment_intent={bought.body['payment_intent_id']}")["data"]
    assert found["id"] == dispute["dispute_id"]
    evidence = {"evidence[uncategorized_text]": "winning_evidence"}
    shop.provider("POST", f"/v1/disputes/{dispute['dispute_id']}", **evidence)
    assert [moment["type"] for moment in disputed("won")["timeline"]][-2:] == ["dispute-opened", "dispute-closed"]
    assert shop.administrator("POST", f"{path}/refund", key=str(uuid.uuid4())).status == 201


def test_a_refund_whose_webhook_does_not_come_is_found_by_the_reconciliation(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    bought = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    url = shop.home / "payment-webhook-url"
    kept = url.rename(shop.home / "payment-webhook-url-kept")
    try:
        shop.provider("POST", "/v1/refunds", payment_intent=bought.body["payment_intent_id"], amount="1")
        task = json.dumps({"task": "reconcile"}).encode()
        answer = shop.client("lambda").invoke(FunctionName="shop-command-local-sweep", Payload=task)
        assert json.loads(answer["Payload"].read())["failed"] == 0
        assert types(shop, reservation)[-1] == "shop.purchase.refunded.v2"
    finally:
        kept.rename(url)


def test_a_charge_whose_answer_was_lost_is_settled_by_the_providers_webhook(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    pending = shop.purchase(reservation["reservation_id"], "pm_card_error_after_charge")
    assert pending.status == 202
    eventually(lambda: types(shop, reservation), lambda found: found[-1] == CONFIRMED)


def test_a_webhook_that_nobody_signed_is_refused(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    pending = shop.purchase(reservation["reservation_id"], "pm_card_error_before_charge")
    intent = {"id": pending.body["payment_intent_id"], "metadata": {"reservation_id": reservation["reservation_id"]}}
    event = {"type": "payment_intent.succeeded", "data": {"object": intent}}
    for headers in ({}, {"Stripe-Signature": f"t=1795424400,v1={'0' * 64}"}):
        answer = shop.request("POST", "/payments/webhook", body=event, headers=headers)
        assert (answer.status, answer.body["type"].rpartition("/")[2]) == (400, "signature-invalid")
    assert types(shop, reservation)[-1] == REQUESTED


def test_the_sweep_runs_by_itself_every_minute_and_says_what_it_has_paid(shop: Shop) -> None:
    rules = shop.client("events").list_rules()["Rules"]
    assert sorted(rule["ScheduleExpression"] for rule in rules if "weep" in rule["Name"]) == [
        "rate(1 minute)",
        "rate(5 minutes)",
    ]
    answer = shop.client("lambda").invoke(FunctionName="shop-command-local-sweep", Payload=b"{}")
    paid = json.loads(answer["Payload"].read())
    assert set(paid) == {"due", "published", "expired", "settled", "refunded", "failed", "left"}
    assert paid["failed"] == 0
