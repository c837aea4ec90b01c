"""Words that nobody else uses are sent to the running shop wherever something can be sent, then looked for wherever it
writes. What a place has by design is looked for too: a search that finds nothing anywhere would prove nothing."""

import json
import time
import uuid
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import psycopg
import pytest

from shop_cli.testing import Shop, eventually

RUN = uuid.uuid4().hex[:12]
CORRELATION = f"correlation-{RUN}"
EARLIER_MS = 60_000


def canary(name: str) -> str:
    return f"{name}canary{RUN}"


@dataclass
class Planted:
    began_ms: int = field(default_factory=lambda: int(time.time() * 1000) - EARLIER_MS)
    sku: str = f"CANARY-{RUN.upper()}"
    never: dict[str, str] = field(default_factory=dict)
    """These values may appear nowhere."""
    in_events: dict[str, str] = field(default_factory=dict)
    """Events contain these values by design, but no log and no trace may."""
    reservation_id: str = ""

    @property
    def stream_id(self) -> str:
        return f"reservation-{self.reservation_id}"

    @property
    def broken_sku(self) -> str:
        return f"BROKEN-{RUN.upper()}"


@pytest.fixture(scope="module")
def planted(shop: Shop) -> Iterator[Planted]:
    planted = Planted()
    sent = ("card", "key", "cookie", "search", "query", "cursor", "field", "malformed", "webhook", "signature")
    secret = shop.client("ssm").get_parameter(Name="/shop/local/payment-webhook-secret", WithDecryption=True)
    planted.never = {name: canary(name) for name in (*sent, "error")} | {
        "customer token": shop.status["customer_token"],
        "admin token": shop.status["admin_token"],
        "API key": shop.status["payment_api_key"],
        "webhook secret": secret["Parameter"]["Value"],
        "card that pays": "pm_card_mastercard",
    }
    planted.in_events = {"product": canary("product"), "record": canary("record")}
    broken = {"pk": {"S": f"product-{planted.broken_sku}"}, "sk": {"S": "state"}}
    table = shop.status["table_name"]
    state = {"version": {"N": "1"}, "state": {"S": json.dumps({"name": canary("error")})}}
    shop.client("dynamodb").put_item(TableName=table, Item={**broken, **state})
    try:
        _plant(shop, planted)
    finally:
        shop.client("dynamodb").delete_item(TableName=table, Key=broken)
    record = canary("record").encode()
    shop.client("kinesis").put_record(StreamName=shop.status["stream_name"], Data=record, PartitionKey="x")
    eventually(lambda: _parked(shop, "payload"), lambda payloads: canary("record") in payloads)
    eventually(lambda: _traces(shop), lambda traces: '"function": "archive"' in _of(traces, CORRELATION))
    eventually(lambda: _archive(shop), lambda archive: f'"{planted.stream_id}"' in archive)
    yield planted
    with psycopg.connect(shop.status["database_url"], autocommit=True) as connection:
        connection.execute("DELETE FROM shop.parked WHERE payload = %s", [record])


def _plant(shop: Shop, planted: Planted) -> None:
    def send(method: str, path: str, status: int, **more: Any) -> Any:
        headers = {
            "Cookie": f"session={canary('cookie')}",
            "X-Correlation-Id": CORRELATION,
            "X-Amzn-Trace-Id": f"Root=1-{int(time.time()):08x}-{uuid.uuid4().hex[:24]};Sampled=1",
        }
        more["headers"] = headers | more.get("headers", {})
        more.setdefault("key", f"{canary('key')}-{uuid.uuid4()}")
        answer = (shop.customer if more.pop("customer", False) else shop.administrator)(method, path, **more)
        assert answer.status == status, (path, answer)
        return answer.body

    price = {"amount_minor": 500, "currency": "EUR"}
    product = {"sku": planted.sku, "name": canary("product"), "description": canary("product"), "price": price}
    send("POST", "/products", 201, body=product)
    send("POST", f"/products/{planted.sku}/stock", 201, body={"quantity": 9})
    lines = {"lines": [{"sku": planted.sku, "quantity": 1}]}
    planted.reservation_id = send("POST", "/reservations", 201, customer=True, body=lines)["reservation_id"]
    for card, status in ((f"pm_{canary('card')}", 402), ("pm_card_mastercard", 201)):
        body = {"reservation_id": planted.reservation_id, "payment_method": card}
        send("POST", "/purchase", status, customer=True, body=body)
    reservation_id = send("POST", "/reservations", 201, customer=True, body=lines)["reservation_id"]
    body = {"reservation_id": reservation_id, "payment_method": "pm_card_authenticationRequired"}
    planted.never["client secret"] = send("POST", "/purchase", 202, customer=True, body=body)["client_secret"]
    send("POST", "/products", 422, body={**product, canary("field"): canary("field")})
    send("POST", "/products", 400, content=f'{{"{canary("malformed")}": '.encode())
    send("POST", f"/products/{planted.broken_sku}/stock", 500, body={"quantity": 1})
    signature = {"Stripe-Signature": f"t={int(time.time())},v1={canary('signature')}"}
    send("POST", "/payments/webhook", 400, content=json.dumps({"type": canary("webhook")}).encode(), headers=signature)
    send("GET", f"/products?q={canary('search')}", 200)
    send("GET", f"/products?{canary('query')}={canary('query')}", 422)
    send("GET", f"/products?cursor={canary('cursor')}", 422)
    send("GET", "/purchases", 200, customer=True)


def _files(shop: Shop) -> str:
    return "".join(path.read_text(errors="replace") for path in sorted((shop.home / "logs").iterdir()))


def _lines(shop: Shop, began_ms: int) -> str:
    """Returns what CloudWatch Logs has of all functions, of the API and of Firehose."""
    logs, found = shop.client("logs"), []
    for group in logs.describe_log_groups()["logGroups"]:
        pages = logs.get_paginator("filter_log_events").paginate(logGroupName=group["logGroupName"], startTime=began_ms)
        found += [event["message"] for page in pages for event in page["events"]]
    return "\n".join(found)


def _traces(shop: Shop) -> str:
    return (shop.home / "traces.jsonl").read_text()


def _of(traces: str, word: str) -> str:
    return "".join(line for line in traces.splitlines() if word in line)


def _parked(shop: Shop, column: str) -> str:
    with psycopg.connect(shop.status["database_url"]) as connection:
        rows = connection.execute("SELECT cause, payload FROM shop.parked").fetchall()
    place = ("cause", "payload").index(column)
    return "\n".join(str(row[place]) if place == 0 else bytes(row[place]).decode(errors="replace") for row in rows)


def _archive(shop: Shop) -> str:
    s3, bucket = shop.client("s3"), shop.status["bucket_name"]
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    return "".join(s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode() for key in keys)


def _store(shop: Shop) -> str:
    pages = shop.client("dynamodb").get_paginator("scan").paginate(TableName=shop.status["table_name"])
    return json.dumps([item for page in pages for item in page["Items"]])


def found(planted: dict[str, str], text: str) -> list[str]:
    return [name for name, word in planted.items() if word in text]


def test_no_log_line_of_any_function_has_any_of_it(shop: Shop, planted: Planted) -> None:
    text = eventually(lambda: _lines(shop, planted.began_ms), lambda text: '"archived"' in _of(text, CORRELATION))
    customer = {"customer": shop.events(planted.stream_id)[0]["data"]["customer_id"]}
    assert found(planted.never | planted.in_events, text) == []
    assert found(customer, _of(text, CORRELATION)) == []  # only where somebody is refused, the caller is named
    # By the correlation id, the request is found in the lines of all three, and so is what it was about.
    mine = [json.loads(line) for line in text.splitlines() if CORRELATION in line and line.startswith("{")]
    assert {line["service"] for line in mine} == {"shop-command", "shop-query", "shop-dispatch"}
    assert {"request", "projected", "archived", "unexpected error"} <= {line["message"] for line in mine}
    assert planted.stream_id in text
    [bug] = [line for line in mine if line["message"] == "unexpected error"]
    assert (bug["exception_name"], bug["stream_id"]) == ("ValidationError", f"product-{planted.broken_sku}")
    assert all(metric in text for metric in ("PaymentsDeclined", "PaymentsCaptured", "CommandsFailed", "EventsParked"))


def test_no_log_file_has_any_of_it(shop: Shop, planted: Planted) -> None:
    text = _files(shop)
    assert found(planted.never | planted.in_events, text) == []
    assert "shop-command-local-api" in text


def test_no_trace_has_any_of_it(shop: Shop, planted: Planted) -> None:
    text = _traces(shop)
    customer = {"customer": shop.events(planted.stream_id)[0]["data"]["customer_id"]}
    assert found(planted.never | planted.in_events, text) == []
    assert found(customer, _of(text, CORRELATION)) == []
    assert CORRELATION in text
    assert planted.stream_id in text


def test_parked_records_have_what_came_and_their_causes_nothing_of_it(shop: Shop, planted: Planted) -> None:
    everything = planted.never | planted.in_events
    assert found(everything, _parked(shop, "payload")) == ["record"]
    assert found(everything, _parked(shop, "cause")) == []
    assert "MalformedEventError" in _parked(shop, "cause")


def test_event_store_and_archive_have_what_belongs_to_events_and_nothing_else(shop: Shop, planted: Planted) -> None:
    everything = planted.never | planted.in_events
    for text in (_store(shop), _archive(shop)):
        assert found(everything, text) == ["product"]
        assert planted.stream_id in text
