import json
from typing import Any

import pytest

from shop_command.handlers import sweep
from shop_command.testing import Shop, http_event, invoke
from shop_command.testing.shop import LambdaContext
from shop_observability.testing import ROOT, Daemon
from shop_shared.envelope import decode
from shop_shared.stored import event_text_of_dynamodb

OWN = "1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa"
"""The invocation's own trace."""


@pytest.fixture
def traced(shop: Shop, daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> tuple[Shop, str, str]:
    """A shop with a reservation that was placed in a sampled request, its id, and the id of that request's segment."""
    shop.list_product()
    shop.receive()
    lines = {"lines": [{"sku": "MUG", "quantity": 1}]}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}
    placed = shop.post("/reservations", lines, key="traced", headers=headers)
    (document,) = daemon.documents()
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={OWN};Sampled=1")
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Shop")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "shop-command")
    return shop, placed.body["reservation_id"], document["id"]


def test_every_call_of_a_sampled_command_is_a_subsegment_and_its_event_hands_the_trace_on(
    deployed: Any, daemon: Daemon
) -> None:
    price = {"amount_minor": 500, "currency": "EUR"}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}
    body = {"sku": "MUG", "name": "Mug", "description": "", "price": price}
    assert invoke(http_event("POST /products", body, groups="[admin]", headers=headers)).status == 201
    (document,) = daemon.documents()
    assert (document["name"], document["trace_id"]) == ("shop-command", ROOT)
    calls = [(call["name"], call["namespace"], call["aws"]) for call in document["subsegments"]]
    assert calls == [
        ("DynamoDB", "aws", {"operation": "BatchGetItem", "table_name": "shop-test"}),
        ("DynamoDB", "aws", {"operation": "TransactWriteItems", "table_name": "shop-test"}),
        ("Kinesis", "aws", {"operation": "PutRecords", "stream_name": "shop-test"}),
        ("DynamoDB", "aws", {"operation": "UpdateItem", "table_name": "shop-test"}),
    ]
    key = {"pk": {"S": "product-MUG"}, "sk": {"S": "event#0000000001"}}
    stored = deployed.client("dynamodb").get_item(TableName="shop-test", Key=key)["Item"]
    assert decode(event_text_of_dynamodb(stored)).awstraceheader == f"Root={ROOT};Parent={document['id']};Sampled=1"


def test_payment_calls_are_subsegments_and_hold_no_key_or_card(deployed: Any, daemon: Daemon) -> None:
    product = {"sku": "MUG", "name": "Mug", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    invoke(http_event("POST /products", product, groups="[admin]"))
    invoke(http_event("POST /products/{sku}/stock", {"quantity": 1}, groups="[admin]", sku="MUG"))
    lines = {"lines": [{"sku": "MUG", "quantity": 1}]}
    reservation = invoke(http_event("POST /reservations", lines, key="traced")).body["reservation_id"]
    body = {"reservation_id": reservation, "payment_method": "pm_card_visa"}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}
    assert invoke(http_event("POST /purchase", body, headers=headers)).status == 201
    (document,) = daemon.documents()
    text = json.dumps(document)
    payments = [call for call in document["subsegments"] if call["namespace"] == "remote"]
    assert [call["http"]["request"]["method"] for call in payments] == ["POST"] * 2
    for call in payments:
        assert call["http"]["request"]["url"].startswith(f"http://{call['name']}/v1/payment_intents")
        assert call["http"]["response"] == {"status": 200}
    [secret] = [call for call in document["subsegments"] if call["name"] == "SSM"]
    assert (secret["namespace"], secret["aws"]) == ("aws", {"operation": "GetParameter"})
    assert "sk_test" not in text
    assert "pm_card_visa" not in text


def test_an_answer_names_its_trace_and_its_segment_what_it_is_about(deployed: Any, daemon: Daemon) -> None:
    body = {"reservation_id": "0190f3c8-7b7e-7000-8000-000000000000", "payment_method": "pm_card_visa"}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1", "x-correlation-id": "mine-1"}
    answer = invoke(http_event("POST /purchase", body, headers=headers))
    assert answer.status == 404
    assert answer.headers["X-Amzn-Trace-Id"] == f"Root={ROOT};Sampled=1"
    (document,) = daemon.documents()
    assert document["annotations"] == {
        "route": "POST /purchase",
        "correlation_id": "mine-1",
        "stream_id": f"reservation-{body['reservation_id']}",
    }
    assert document["http"] == {"request": {"method": "POST", "url": "/purchase"}, "response": {"status": 404}}
    assert document["error"] is True


def test_an_expiry_belongs_to_the_trace_of_the_request_that_placed_the_reservation(
    traced: tuple[Shop, str, str], daemon: Daemon
) -> None:
    shop, reservation_id, placed_in = traced
    shop.clock.advance(900)
    assert sweep.handler({}, LambdaContext())["expired"] == 1
    expiry, own = daemon.documents()
    assert (own["trace_id"], own["annotations"]) == (OWN, {"function": "sweep"})
    assert (expiry["trace_id"], expiry["parent_id"]) == (ROOT, placed_in)
    assert expiry["links"] == [{"trace_id": OWN, "id": own["id"]}]
    annotations = expiry["annotations"]
    assert annotations["function"] == "sweep"
    assert annotations["event_type"] == "shop.reservation.expired.v1"
    assert annotations["stream_id"] == f"reservation-{reservation_id}"
    assert annotations["invocation_trace_id"] == OWN
    placed = shop.store.events(f"reservation-{reservation_id}")[0]
    assert (expiry["name"], annotations["correlation_id"]) == ("shop-command", placed.correlationid)
    expired = shop.store.events(f"reservation-{reservation_id}")[-1]
    assert expired.awstraceheader == f"Root={ROOT};Parent={expiry['id']};Sampled=1"


def test_what_a_sweep_publishes_is_told_in_the_traces_of_its_events(
    traced: tuple[Shop, str, str], daemon: Daemon
) -> None:
    shop, reservation_id, _ = traced
    shop.publisher.fails = lambda _: True
    shop.receive(key="more")
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}
    body = {"reservation_id": reservation_id, "payment_method": "pm_card_visa_chargeDeclinedLostCard"}
    shop.post("/purchase", body, headers=headers)
    received, purchase = daemon.documents()
    shop.publisher.fails = lambda _: False
    shop.clock.advance(10)
    assert sweep.handler({}, LambdaContext())["published"] == 3
    *published, own = daemon.documents()
    names = ("event_type", "stream_id", "correlation_id")
    logged = [(it["trace_id"], it["parent_id"], *(it["annotations"][name] for name in names)) for it in published]
    more, paid = (it["annotations"]["correlation_id"] for it in (received, purchase))
    assert set(logged) == {
        (OWN, received["id"], "shop.product.stock-received.v1", "product-MUG", more),
        (ROOT, purchase["id"], "shop.payment.requested.v1", f"reservation-{reservation_id}", paid),
        (ROOT, purchase["id"], "shop.payment.declined.v1", f"reservation-{reservation_id}", paid),
    }
    assert {it["name"] for it in published} == {"shop-command"}
    assert own["annotations"] == {"function": "sweep"}


@pytest.mark.parametrize("settled_by", ["sweep", "webhook"])
def test_a_payment_that_nobody_waits_for_is_settled_in_the_purchases_trace(
    traced: tuple[Shop, str, str], daemon: Daemon, settled_by: str
) -> None:
    shop, reservation_id, _ = traced
    body = {"reservation_id": reservation_id, "payment_method": "pm_card_error_after_charge"}
    shop.post("/purchase", body, headers={"x-amzn-trace-id": f"Root={ROOT};Sampled=1"})
    (purchase,) = daemon.documents()
    if settled_by == "sweep":
        shop.clock.advance(120)
        assert sweep.handler({}, LambdaContext())["settled"] == 1
    else:
        shop.webhook("payment_intent.succeeded", "pi_1", reservation_id)
    settling, own = daemon.documents()
    assert (settling["trace_id"], settling["parent_id"]) == (ROOT, purchase["id"])
    assert settling["annotations"]["event_type"] == "shop.purchase.confirmed.v1"
    invocation = {name: settling["annotations"].get(name) for name in ("function", "route")}
    assert invocation == {name: own["annotations"].get(name) for name in ("function", "route")}
    assert settling["links"] == [{"trace_id": OWN, "id": own["id"]}]
    confirmed = shop.store.events(f"reservation-{reservation_id}")[-1]
    assert confirmed.awstraceheader == f"Root={ROOT};Parent={settling['id']};Sampled=1"
