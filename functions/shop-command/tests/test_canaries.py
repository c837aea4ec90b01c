"""What a customer sends, what secrets there are and what exceptions say is in no log line, no metric and no trace."""

import json
import uuid
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from urllib3.exceptions import ProtocolError

from shop_command import bootstrap
from shop_command.handlers import sweep
from shop_command.testing import http_event, invoke
from shop_command.testing.shop import LambdaContext
from shop_observability.logs import logger
from shop_observability.testing import HEADER
from shop_observability.trace_header import TraceHeader
from shop_observability.tracing import segment

CANARY = "canary8c41d2"
CARD = f"pm_{CANARY}"
CUSTOMER = f"customer-{CANARY}"
HEADERS = {"authorization": f"Bearer {CANARY}", "cookie": f"session={CANARY}", "x-amzn-trace-id": HEADER}


def send(route: str, body: Any = None, *, raw_body: str | None = None, **path: Any) -> int:
    """Sends it as an administrator, whom the log names, or else as the customer."""
    is_customer = route in ("POST /purchase", "POST /reservations")
    who: dict[str, Any] = {"subject": CUSTOMER} if is_customer else {"subject": "administrator-1", "groups": "[admin]"}
    return invoke(
        http_event(route, body, raw_body=raw_body, key=f"key-{CANARY}", headers=HEADERS, **who, **path)
    ).status


def product(sku: str = "MUG", **more: Any) -> Any:
    price = {"amount_minor": 500, "currency": "EUR"}
    return {"sku": sku, "name": CANARY, "description": CANARY, "price": price, **more}


def reserve() -> Any:
    body = {"lines": [{"sku": "MUG", "quantity": 1}]}
    key = f"key-{CANARY}-{uuid.uuid4()}"
    return invoke(http_event("POST /reservations", body, key=key, subject=CUSTOMER, headers=HEADERS)).body


@pytest.mark.usefixtures("deployed")
def test_nothing_that_a_customer_sends_is_told(recorded: Callable[[], str]) -> None:
    assert send("POST /products", product()) == 201
    assert send("POST /products/{sku}/stock", {"quantity": 5}, sku="MUG") == 201
    reservation = reserve()["reservation_id"]
    assert send("POST /purchase", {"reservation_id": reservation, "payment_method": CARD}) == 402
    assert send("POST /purchases/{purchase_id}/refund", raw_body="", purchase_id=reservation) == 409
    assert send("POST /reservations", {"lines": [{"sku": CANARY, "quantity": 1}]}) == 422
    assert send("POST /products", product(**{f"field-{CANARY}": CANARY})) == 422
    assert send("POST /products", raw_body=f'{{"{CANARY}"') == 400
    assert send("POST /products", product(), query={"q": CANARY}) == 422
    webhook = http_event(
        "POST /payments/webhook",
        raw_body=json.dumps({"type": CANARY}),
        key=None,
        subject=None,
        headers={**HEADERS, "stripe-signature": f"t=1,v1={CANARY}"},
    )
    assert invoke(webhook).status == 400
    everything = recorded()
    assert CANARY not in everything
    # What is told is there: a line, metrics and a segment of each, with what it is about.
    assert everything.count('"message":"request"') == 10
    assert f"reservation-{reservation}" in everything
    assert '"PaymentsDeclined":[1.0]' in everything
    assert '"name": "shop-command"' in everything


@pytest.mark.usefixtures("deployed")
def test_no_secret_is_told(recorded: Callable[[], str], provider: Any) -> None:
    assert send("POST /products", product()) == 201
    assert send("POST /products/{sku}/stock", {"quantity": 5}, sku="MUG") == 201
    body = {"reservation_id": reserve()["reservation_id"], "payment_method": "pm_card_visa"}
    assert send("POST /purchase", body) == 201
    body = {"reservation_id": reserve()["reservation_id"], "payment_method": "pm_card_authenticationRequired"}
    asked = invoke(http_event("POST /purchase", body, key=f"key-{uuid.uuid4()}", subject=CUSTOMER, headers=HEADERS))
    client_secret = asked.body["client_secret"]
    everything = recorded()
    for secret in (provider.api_key, provider.webhook_secret, "pm_card_visa", CUSTOMER, client_secret, "_secret_"):
        assert secret not in everything
    assert '"PaymentsCaptured":[1.0]' in everything


def _refused(**_: Any) -> None:
    metadata: Any = {"HTTPStatusCode": 400}
    raise ClientError(
        {"Error": {"Code": "ValidationException", "Message": CANARY}, "ResponseMetadata": metadata}, CANARY
    )


def _no_answer(**_: Any) -> None:
    raise ReadTimeoutError(endpoint_url=CANARY)


@pytest.mark.parametrize("failing", [_refused, _no_answer])
@pytest.mark.parametrize(
    ("operation", "statuses"),
    [
        ("dynamodb.BatchGetItem", {500, 503}),
        ("dynamodb.TransactWriteItems", {500, 503}),
        ("dynamodb.UpdateItem", {201}),
        ("kinesis.PutRecords", {201}),
    ],
)
def test_no_exception_of_aws_tells_what_it_says(
    deployed: boto3.Session,
    recorded: Callable[[], str],
    operation: str,
    statuses: set[int],
    failing: Callable[..., None],
) -> None:
    application = bootstrap.application()
    service, _, _ = operation.partition(".")
    client = {"dynamodb": application.sweep.journal.store, "kinesis": application.sweep.journal.publisher}[service]
    client.client.meta.events.register(f"before-call.{operation}", failing)  # type: ignore[attr-defined]
    assert send("POST /products", product()) in statuses
    everything = recorded()
    assert CANARY not in everything
    if failing is _refused:
        assert '"code":"ValidationException"' in everything, "what AWS calls it is told"


@pytest.mark.usefixtures("deployed")
def test_no_exception_of_the_payment_provider_tells_what_it_says(
    recorded: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send("POST /products", product()) == 201
    assert send("POST /products/{sku}/stock", {"quantity": 5}, sku="MUG") == 201
    body = {"reservation_id": reserve()["reservation_id"], "payment_method": CARD}

    def fail(*_: Any, **__: Any) -> None:
        raise ProtocolError(CANARY)

    gateway = bootstrap.application().purchases.gateway
    monkeypatch.setattr(gateway._http, "request", fail)  # type: ignore[attr-defined]
    assert send("POST /purchase", body) == 503
    everything = recorded()
    assert CANARY not in everything
    assert "ProtocolError" in everything


@pytest.mark.usefixtures("deployed")
def test_no_bug_tells_what_it_says_and_no_sweep(recorded: Callable[[], str], monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        error = ValueError(CANARY)
        error.add_note(CANARY)
        raise error from KeyError(CANARY)

    monkeypatch.setattr(type(bootstrap.application().products), "list_product", fail)
    assert send("POST /products", product()) == 500
    monkeypatch.setattr(type(bootstrap.application().sweep), "run", fail)
    with pytest.raises(Exception, match="ValueError") as escaped:
        sweep.handler({}, LambdaContext())
    assert CANARY not in repr(escaped.value)
    assert escaped.value.__suppress_context__, "Lambda's runtime prints no context either"
    everything = recorded()
    assert CANARY not in everything
    assert everything.count('"exception_name":"ValueError"') == 2


def test_a_canary_in_the_log_would_be_found(recorded: Callable[[], str]) -> None:

    logger().info(f"logged {CANARY}")
    with segment("shop-command", TraceHeader.parse(HEADER), stream_id=f"traced-{CANARY}"):
        pass
    print(f"printed {CANARY}")
    everything = recorded()
    assert all(f"{way}{CANARY}" in everything for way in ("logged ", "traced-", "printed "))
