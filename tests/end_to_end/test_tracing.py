"""One trace from the request to the row: read back through X-Ray's own API, as on AWS."""

import json
import secrets
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import psycopg
import pytest

from shop_cli.testing import Shop, eventually

Span = dict[str, Any]
CLIENT = "c11e27c11e27c11e"
"""The segment of the client that made the request has this id."""


@pytest.fixture
def xray(shop: Shop) -> Any:
    return shop.client("xray", shop.status["xray_url"])


@pytest.fixture
def trace_id() -> str:
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def sampled(trace_id: str) -> dict[str, str]:
    return {"X-Amzn-Trace-Id": f"Root={trace_id};Parent={CLIENT};Sampled=1"}


def spans(xray: Any, trace_id: str) -> dict[str, Span]:
    """Returns segments and subsegments by their ids, each with the id of its parent."""
    traces = xray.batch_get_traces(TraceIds=[trace_id])["Traces"]
    found: dict[str, Span] = {}

    def add(span: Span, parent_id: str | None) -> None:
        found[span["id"]] = {**span, "parent_id": parent_id}
        for child in span.get("subsegments", []):
            add(child, span["id"])

    for trace in traces:
        for segment in trace["Segments"]:
            document = json.loads(segment["Document"])
            add(document, document.get("parent_id"))
    return found


def name_of(span: Span) -> str:
    """Such as `shop-command POST /purchase`, or `shop-dispatch project shop.purchase.confirmed.v1`."""
    annotations = span.get("annotations", {})
    by = (
        [annotations["route"]]
        if "route" in annotations
        else [annotations.get("function"), annotations.get("event_type")]
    )
    return " ".join(filter(None, (span["name"], *by)))


def chain(all_spans: dict[str, Span], span: Span) -> list[str]:
    """Names the spans from this one up to the client that made the request."""
    parent = all_spans.get(span["parent_id"])
    return [name_of(span), *(chain(all_spans, parent) if parent else [span["parent_id"]])]


def chains(xray: Any, trace_id: str) -> list[list[str]]:
    found = spans(xray, trace_id)
    return [chain(found, span) for span in found.values()]


def has(*expected: list[str]) -> Any:
    return lambda found: all(each in found for each in expected)


def test_a_purchase_is_one_trace_from_the_clients_click_to_the_sql_of_the_read_model(
    shop: Shop, xray: Any, trace_id: str
) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    body = {"reservation_id": reservation["reservation_id"], "payment_method": "pm_card_visa"}
    headers = sampled(trace_id) | {"X-Correlation-Id": trace_id}
    bought = shop.customer("POST", "/purchase", key=str(uuid.uuid4()), body=body, headers=headers)
    assert bought.status == 201
    assert bought.headers["X-Amzn-Trace-Id"] == f"Root={trace_id};Sampled=1"

    command = ["shop-command POST /purchase", CLIENT]
    webhook = "shop-command POST /payments/webhook"
    calls = [
        ["DynamoDB", *command],
        [shop.status["payment_url"].removeprefix("http://"), *command],
        ["Kinesis", *command],
        ["postgresql", "shop-dispatch project shop.payment.requested.v1", *command],
        ["postgresql", "shop-dispatch project shop.purchase.confirmed.v1", *command],
        ["Firehose", "shop-dispatch archive shop.purchase.confirmed.v1", *command],
    ]

    def without_webhook() -> list[list[str]]:
        """The provider's webhook may be quicker than its answer: it then records the purchase, in the same trace."""
        return [[name for name in each if name != webhook] for each in chains(xray, trace_id)]

    eventually(without_webhook, has(*calls))
    found = spans(xray, trace_id).values()
    segments = [span for span in found if span.get("type") != "subsegment"]
    assert {span["annotations"]["stream_id"] for span in segments} == {reservation["stream_id"]}
    assert {span["annotations"]["correlation_id"] for span in segments} == {trace_id}
    (request,) = [span for span in segments if span["annotations"].get("route") == "POST /purchase"]
    assert request["http"] == {"request": {"method": "POST", "url": "/purchase"}, "response": {"status": 201}}
    assert [link["trace_id"] for link in request["links"]] == [request["annotations"]["invocation_trace_id"]]
    shown = json.loads(shop.command("trace", reservation["stream_id"], "--json").stdout)["traces"]
    assert [trace["id"] for trace in shown][-1] == trace_id
    assert {segment["id"] for segment in shown[-1]["segments"]} >= {segment["id"] for segment in segments}
    for batch in [span for span in segments if span["name"] == "shop-dispatch"]:
        # The batch's own trace is another one, and has the segment that is linked.
        own = batch["annotations"]["invocation_trace_id"]
        assert own != trace_id
        (link,) = batch["links"]
        assert link["trace_id"] == own
        eventually(lambda own=own: spans(xray, own), lambda found, link=link: link["id"] in found)  # type: ignore[misc]


def test_a_request_without_a_header_of_its_clients_goes_on_in_the_trace_that_lambda_began(
    shop: Shop, xray: Any
) -> None:
    """The HTTP API sends a header of its own, which has no parent; Lambda's has its own segment as the parent."""
    answer = shop.customer("GET", "/products?limit=1")
    trace_id, is_sampled = answer.headers["X-Amzn-Trace-Id"].removeprefix("Root=").split(";Sampled=")
    assert is_sampled == "1"
    found = eventually(lambda: [*spans(xray, trace_id).values()], bool)
    (segment,) = [span for span in found if span.get("type") != "subsegment"]
    assert segment["parent_id"]
    assert "invocation_trace_id" not in segment["annotations"]


def test_an_expiry_by_the_sweep_goes_on_in_the_trace_of_the_reservation(shop: Shop, xray: Any, trace_id: str) -> None:
    body = {"lines": [{"sku": shop.new_product(stock=1), "quantity": 1}]}
    with reservations_of_a_second(shop):
        placed = shop.customer("POST", "/reservations", key=trace_id, body=body, headers=sampled(trace_id))
        assert placed.status == 201

    def sweep() -> list[list[str]]:
        answer = shop.client("lambda").invoke(FunctionName="shop-command-local-sweep")
        assert "FunctionError" not in answer
        return chains(xray, trace_id)

    expiry = [
        "shop-command sweep shop.reservation.expired.v1",
        "shop-command POST /reservations",
        CLIENT,
    ]
    eventually(
        sweep,
        has(
            ["DynamoDB", *expiry],
            ["postgresql", "shop-dispatch project shop.reservation.expired.v1", *expiry],
            ["Firehose", "shop-dispatch archive shop.reservation.expired.v1", *expiry],
        ),
    )


def test_a_parked_event_that_is_replayed_goes_on_in_the_trace_of_its_request(
    shop: Shop, xray: Any, trace_id: str
) -> None:
    sku = shop.new_product(stock=0)
    with psycopg.connect(shop.status["database_url"], autocommit=True) as owner:
        owner.execute("ALTER TABLE shop.product ADD CONSTRAINT traced CHECK (price_minor < 80000) NOT VALID")
        try:
            price = {"price": {"amount_minor": 85_000, "currency": "EUR"}}
            path = f"/products/{sku}/price"
            assert shop.administrator("POST", path, key=sku, body=price, headers=sampled(trace_id)).status == 201
            parked = eventually(lambda: records(shop, f"product-{sku}"), lambda found: len(found) == 1)
        finally:
            owner.execute("ALTER TABLE shop.product DROP CONSTRAINT traced")
    before = chains(xray, trace_id)
    assert not [each for each in before if each[0].startswith("shop-dispatch project")]
    shop.command("parked", "replay", parked[0]["id"])
    replayed = [
        "shop-dispatch replay shop.product.repriced.v1",
        "shop-command POST /products/{sku}/price",
        CLIENT,
    ]
    eventually(lambda: chains(xray, trace_id), has(["postgresql", *replayed]))


def records(shop: Shop, stream_id: str) -> list[dict[str, Any]]:
    listed = json.loads(shop.command("parked", "list", "--json").stdout)
    return [record for record in listed if record["stream_id"] == stream_id]


@contextmanager
def reservations_of_a_second(shop: Shop) -> Iterator[None]:
    functions, name = shop.client("lambda"), "shop-command-local-api"
    environment = functions.get_function_configuration(FunctionName=name)["Environment"]["Variables"]
    short = {**environment, "RESERVATION_SECONDS": "1"}
    functions.update_function_configuration(FunctionName=name, Environment={"Variables": short})
    try:
        yield
    finally:
        functions.update_function_configuration(FunctionName=name, Environment={"Variables": environment})
