"""Whatever breaks between the function and AWS, a customer who repeats with the same key ends with one purchase."""

from typing import Any

import pytest
from botocore.awsrequest import AWSResponse
from botocore.compat import HTTPHeaders

from shop_cli.emulator_testing import Wire
from shop_command import bootstrap
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.testing.deployed import DeployedShop
from shop_http.testing import Answer

pytestmark = pytest.mark.usefixtures("impatient")

HANG_MS = 5_000
PURCHASE = ["shop.reservation.placed.v1", "shop.payment.requested.v1", "shop.purchase.confirmed.v1"]


def commit_of(event_type: str) -> dict[str, str]:
    """Matches the one transaction that appends such an event."""
    return {"operation": "TransactWriteItems", "body": f"contains(TransactItems[].Put.Item.type.S, '{event_type}')"}


PLACES: dict[str, dict[str, str]] = {
    "placing": {"service": "dynamodb", **commit_of("shop.reservation.placed.v1")},
    "requesting": {"service": "dynamodb", **commit_of("shop.payment.requested.v1")},
    "confirming": {"service": "dynamodb", **commit_of("shop.purchase.confirmed.v1")},
    "reading-states-and-keys": {"service": "dynamodb", "operation": "BatchGetItem"},
    "reading-events": {"service": "dynamodb", "operation": "Query"},
    "marking-published": {"service": "dynamodb", "operation": "UpdateItem"},
    "closing": {"service": "dynamodb", "operation": "UpdateItem", "body": "starts_with(Key.pk.S, 'customer#')"},
    "publishing": {"service": "kinesis", "operation": "PutRecords"},
}
FAULTS: dict[str, dict[str, Any]] = {
    "throttled": {"error": {"code": "ProvisionedThroughputExceededException"}},
    "internal-error": {"error": {"code": "InternalServerError", "status": 500}},
    "answer-lost": {"response": {"abort_frac": 0.0}},
    "reset": {"reset": True},
    "hang": {"timeout_ms": HANG_MS},
}
CONFLICT: dict[str, Any] = {
    "error": {
        "code": "TransactionCanceledException",
        "fields": {"CancellationReasons": [{"Code": "TransactionConflict"}, {"Code": "ConditionalCheckFailed"}]},
    }
}
COMBINATIONS = [(place, fault) for place in PLACES for fault in FAULTS]
CONFLICTS = [(place, "conflict") for place in ("placing", "requesting", "confirming")]
FAULTS["conflict"] = CONFLICT


def break_wire(wire: Wire, place: str, fault: str, **limits: Any) -> None:
    wire.breaks(**PLACES[place], **FAULTS[fault], **limits)


@pytest.mark.parametrize(("place", "fault"), [*COMBINATIONS, *CONFLICTS])
def test_what_fails_once_is_not_noticed(shop: DeployedShop, wire: Wire, place: str, fault: str) -> None:
    break_wire(wire, place, fault, times=1)
    reserved = shop.reserve(2)
    assert reserved.status == 201, reserved.body
    purchased = shop.purchase(reserved.body["reservation_id"])
    assert purchased.status == 201, purchased.body
    assert shop.purchase(reserved.body["reservation_id"]) == purchased
    assert wire.broke() == 1
    assert_one_purchase(shop, reserved.body)


@pytest.mark.parametrize(("place", "fault"), [*COMBINATIONS, *CONFLICTS])
def test_after_an_outage_a_repeat_with_the_same_key_ends_right(
    shop: DeployedShop, wire: Wire, place: str, fault: str
) -> None:
    break_wire(wire, place, fault)
    reserved = shop.reserve(2)
    assert_documented(reserved)
    broke = wire.broke()
    if reserved.status != 201:
        wire.heal()
        reserved = shop.reserve(2)
        assert reserved.status == 201
        break_wire(wire, place, fault)

    first = shop.purchase(reserved.body["reservation_id"])
    again = shop.purchase(reserved.body["reservation_id"])
    assert_documented(first)
    assert_documented(again)
    if place == "confirming":
        # The card was charged: "try again" would be true, and "not known yet" is what the customer has to hear.
        assert first.status == 202
    assert broke + wire.broke() > 0
    wire.heal()
    final = shop.purchase(reserved.body["reservation_id"])
    assert final.status == 201, final.body
    assert {answer.body["stream_version"] for answer in (first, again, final) if answer.status == 201} == {3}
    assert shop.purchase(reserved.body["reservation_id"]) == final
    assert shop.reserve(2) == reserved
    assert_one_purchase(shop, reserved.body)


def assert_documented(answer: Answer) -> None:
    assert answer.status in (201, 202, 503), answer
    if answer.status != 201:
        assert int(answer.headers["Retry-After"]) > 0


def assert_one_purchase(shop: DeployedShop, reservation: dict[str, Any]) -> None:
    events = shop.events(reservation["stream_id"])
    assert [event.type for event in events] == PURCHASE
    assert [event.streamversion for event in events] == [1, 2, 3]
    assert shop.charges(reservation["reservation_id"]) == [reservation["total"]["amount_minor"]]
    assert shop.stock() == (8, 0, 2)
    published = {event.id for event in shop.published(reservation["stream_id"])}
    committed = {event.id for event in events}
    assert published <= committed
    # What was not published is still due, so that the sweep publishes it; it may publish something twice.
    assert committed - published <= shop.due(reservation["stream_id"])
    # A reservation that still counts although it is over is due too.
    assert not shop.counted() or events[-1].id in shop.due(reservation["stream_id"])


def test_what_the_stream_takes_in_part_is_published_in_whole(shop: DeployedShop) -> None:
    """A partial failure is a success with failed entries in it: the client's hook makes what the proxy can't."""
    publisher = bootstrap.application().products.journal.publisher
    assert isinstance(publisher, KinesisPublisher)
    hits = []

    def refuse(**_: Any) -> tuple[Any, dict[str, Any]] | None:
        hits.append(1)
        if len(hits) > 1:
            return None
        failed = [{"ErrorCode": "ProvisionedThroughputExceededException", "ErrorMessage": "Rate exceeded"}]
        return AWSResponse("", 200, HTTPHeaders(), None), {"FailedRecordCount": 1, "Records": failed}

    events: Any = publisher.client.meta.events
    events.register("before-call.kinesis.PutRecords", refuse)
    reserved = shop.reserve(2)
    assert reserved.status == 201
    assert len(hits) == 2
    assert [event.streamversion for event in shop.published(reserved.body["stream_id"])] == [1]
    assert shop.due(reserved.body["stream_id"]) == set()


def test_without_the_providers_key_no_payment_begins(shop: DeployedShop, wire: Wire) -> None:
    reserved = shop.reserve(2)
    wire.breaks("ssm", error={"code": "InternalServerError", "status": 500})
    answer = shop.purchase(reserved.body["reservation_id"])
    assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
    assert wire.broke() == 2
    assert len(shop.events(reserved.body["stream_id"])) == 1
    wire.heal()
    assert shop.purchase(reserved.body["reservation_id"]).status == 201
    assert_one_purchase(shop, reserved.body)
