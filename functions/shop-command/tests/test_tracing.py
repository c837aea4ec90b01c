import json
import socket
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from shop_command.testing import http_event, invoke
from shop_observability import tracing
from shop_shared import decode

ROOT = "1-5759e988-bd862e3fe1be46a994272793"


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    """Stands where the X-Ray daemon listens."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(5)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{listening.getsockname()[1]}")
        tracing._recorder.cache_clear()
        yield listening
        tracing._recorder().emitter._socket.close()
        tracing._recorder.cache_clear()
        # The SDK makes a recorder of its own at import, which nobody uses and nobody closes.
        sys.modules["aws_xray_sdk.core"].xray_recorder.emitter._socket.close()


def test_every_call_of_a_sampled_command_is_a_subsegment_and_its_event_hands_the_trace_on(
    deployed: Any, daemon: socket.socket
) -> None:
    price = {"amount_minor": 500, "currency": "EUR"}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}
    body = {"sku": "MUG", "name": "Mug", "description": "", "price": price}
    assert invoke(http_event("POST /products", body, groups="[admin]", headers=headers)).status == 201
    document = json.loads(daemon.recv(65_535).split(b"\n", 1)[1])
    assert (document["name"], document["trace_id"]) == ("shop-command", ROOT)
    calls = [(call["name"], call["namespace"], call["aws"]["operation"]) for call in document["subsegments"]]
    assert calls == [
        ("DynamoDB", "aws", "GetItem"),
        ("DynamoDB", "aws", "BatchGetItem"),
        ("DynamoDB", "aws", "TransactWriteItems"),
        ("Kinesis", "aws", "PutRecords"),
        ("DynamoDB", "aws", "UpdateItem"),
    ]
    key = {"pk": {"S": "product-MUG"}, "sk": {"S": "event#0000000001"}}
    stored = deployed.client("dynamodb").get_item(TableName="shop-test", Key=key)["Item"]["event"]["S"]
    assert decode(stored).awstraceheader == f"Root={ROOT};Parent={document['id']};Sampled=1"


def test_payment_calls_are_subsegments_and_hold_no_key_or_card(deployed: Any, daemon: socket.socket) -> None:
    product = {"sku": "MUG", "name": "Mug", "description": "", "price": {"amount_minor": 500, "currency": "EUR"}}
    invoke(http_event("POST /products", product, groups="[admin]"))
    invoke(http_event("POST /products/{sku}/stock", {"quantity": 1}, groups="[admin]", sku="MUG"))
    lines = {"lines": [{"sku": "MUG", "quantity": 1}]}
    reservation = invoke(http_event("POST /reservations", lines, key="traced")).body["reservation_id"]
    body = {"reservation_id": reservation, "payment_method": "pm_card_visa"}
    headers = {"x-amzn-trace-id": f"Root={ROOT};Sampled=1"}
    assert invoke(http_event("POST /purchase", body, headers=headers)).status == 201
    text = daemon.recv(65_535).split(b"\n", 1)[1].decode()
    names = [call["name"] for call in json.loads(text)["subsegments"]]
    payments = [name for name in names if name.startswith("127.0.0.1:")]
    assert len(payments) == 2
    assert "SSM" in names
    assert "sk_test" not in text
    assert "pm_card_visa" not in text
