"""What is stored in DynamoDB, attribute by attribute, and what the reasons of a cancelled transaction mean."""

import random
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from shop_command.adapters.dynamodb import DynamoDbEventStore, items, table
from shop_command.domain.limits import CardAttempt, CustomerChange, Limits, Opening
from shop_command.domain.stock import Bucket, BucketChange
from shop_command.ports import (
    DUE_SHARDS,
    Commit,
    DueEvent,
    KeyUse,
    KeyUsedError,
    StockShortError,
    VersionConflictError,
)
from shop_command.testing.dynamodb import CONFLICT, FAILED, NONE, failed_at
from shop_shared.envelope import Envelope, encode
from shop_shared.events import ProductRetired
from shop_shared.registry import dataschema

NOW = datetime(2026, 11, 23, 9, 0, 0, 123_000, tzinfo=UTC)
STREAM = "product-MUG"

EVENT = Envelope(
    id="01900000-0000-7000-8000-000000000001",
    type=ProductRetired.TYPE,
    subject=STREAM,
    time=NOW,
    dataschema=dataschema(ProductRetired),
    streamversion=8,
    partitionkey=STREAM,
    correlationid="correlation",
    causationid="cause",
    data=ProductRetired(sku="MUG"),
)
TRANSACTION = Commit(
    stream_id=STREAM,
    expected_version=7,
    events=(EVENT,),
    state='{"status": "retired"}',
    due_at=NOW + timedelta(minutes=15),
    stock=(BucketChange(Bucket("MUG", 0), available=-1, held=1), BucketChange(Bucket("MUG", 1), available=-2, held=2)),
    key_use=KeyUse("digest", "body", STREAM, 8),
)


def test_the_items_are_those_of_the_design(aws: boto3.Session) -> None:
    client = aws.client("dynamodb")
    store = DynamoDbEventStore(client, "shop-test", random.Random(1))  # noqa: S311
    store.commit(Commit(STREAM, 0, (EVENT.model_copy(update={"streamversion": 1}),), "{}", due_at=NOW))
    for number, level in ((0, 1), (1, 2)):
        bucket = BucketChange(Bucket("MUG", number), available=level)
        other = EVENT.model_copy(update={"subject": f"product-{number}", "streamversion": 1})
        store.commit(Commit(f"product-{number}", 0, (other,), "{}", stock=(bucket,)))
    client.update_item(
        TableName="shop-test",
        Key={"pk": {"S": STREAM}, "sk": {"S": "state"}},
        UpdateExpression="SET version = :seven",
        ExpressionAttributeValues={":seven": {"N": "7"}},
    )
    store.commit(TRANSACTION)

    def item(pk: str, sk: str) -> dict[str, Any]:
        found: dict[str, Any] = client.get_item(TableName="shop-test", Key={"pk": {"S": pk}, "sk": {"S": sk}})["Item"]
        return found

    shard = {"S": table.due_shard(STREAM)}
    assert item(STREAM, "event#0000000008") == {
        "pk": {"S": STREAM},
        "sk": {"S": "event#0000000008"},
        "version": {"N": "8"},
        "type": {"S": "shop.product.retired.v1"},
        "time": {"S": "2026-11-23T09:00:00.123Z"},
        "schema": {"S": "1.0"},
        "event": {
            "S": f'{{"id":"{EVENT.id}","correlationid":"correlation","causationid":"cause","data":{{"sku":"MUG"}}}}'
        },
        "due_shard": shard,
        "due_at": {"S": "2026-11-23T09:00:10.123Z"},
    }
    assert item(STREAM, "state") == {
        "pk": {"S": STREAM},
        "sk": {"S": "state"},
        "version": {"N": "8"},
        "state": {"S": '{"status": "retired"}'},
        "due_shard": shard,
        "due_at": {"S": "2026-11-23T09:15:00.123Z"},
    }
    assert item("stock#MUG#1", "state") == {
        "pk": {"S": "stock#MUG#1"},
        "sk": {"S": "state"},
        "available": {"N": "0"},
        "held": {"N": "2"},
        "sold": {"N": "0"},
        "version": {"N": "2"},
    }
    assert item("key#digest", "key") == {
        "pk": {"S": "key#digest"},
        "sk": {"S": "key"},
        "body_digest": {"S": "body"},
        "stream_id": {"S": STREAM},
        "version": {"N": "8"},
    }


def test_what_a_customer_has_held_and_tried_may_be_deleted_a_month_later(aws: boto3.Session) -> None:
    client, long_after = aws.client("dynamodb"), {"N": str(int((NOW + timedelta(days=30)).timestamp()))}
    store = DynamoDbEventStore(client, "shop-test", random.Random(1))  # noqa: S311
    opening = Opening("customer", "reservation", {"MUG": 1}, Limits())
    changes: list[CustomerChange] = [opening, CardAttempt("customer", NOW, 1)]
    for version, change in enumerate(changes):
        event = EVENT.model_copy(update={"streamversion": version + 1, "id": f"{EVENT.id[:-1]}{version}"})
        store.commit(Commit(STREAM, version, (event,), "{}", customer=change))
    kept = [item for item in client.scan(TableName="shop-test")["Items"] if item["pk"]["S"] == "customer#customer"]
    assert {item["sk"]["S"]: item["forget_at"] for item in kept} == {
        "state": long_after,
        "cards#2026-11-23T09:00Z": long_after,
    }


def test_an_event_of_before_is_read_whole_and_published_as_it_is(aws: boto3.Session) -> None:
    """Earlier releases kept the whole event in its item."""
    client = aws.client("dynamodb")
    store = DynamoDbEventStore(client, "shop-test", random.Random(1))  # noqa: S311
    first = EVENT.model_copy(update={"streamversion": 1})
    store.commit(Commit(STREAM, 0, (first,), "{}"))
    client.update_item(
        TableName="shop-test",
        Key={"pk": {"S": STREAM}, "sk": {"S": "event#0000000001"}},
        UpdateExpression="SET event = :whole REMOVE #schema",
        ExpressionAttributeNames={"#schema": "schema"},
        ExpressionAttributeValues={":whole": {"S": encode(first).decode()}},
    )
    assert store.events(STREAM) == (first,)
    assert store.unpublished([DueEvent(STREAM, 1, NOW)]) == (first,)


def test_moments_are_due_in_the_order_of_their_texts() -> None:
    moments = [NOW + timedelta(milliseconds=n * 7_777_777) for n in range(50)]
    assert sorted(table.due_at(moment) for moment in moments) == [table.due_at(moment) for moment in moments]


def test_streams_are_due_in_different_shards() -> None:
    assert len({table.due_shard(f"reservation-{n}") for n in range(200)}) == DUE_SHARDS


# The transaction's actions: event, state, two buckets, key.
@pytest.mark.parametrize(
    ("codes", "refusal"),
    [
        ((FAILED, FAILED, NONE, NONE, NONE), VersionConflictError),
        ((NONE, FAILED, NONE, NONE, NONE), VersionConflictError),
        ((FAILED, FAILED, FAILED, NONE, NONE), VersionConflictError),
        ((NONE, NONE, NONE, NONE, FAILED), KeyUsedError),
        ((FAILED, FAILED, FAILED, FAILED, FAILED), KeyUsedError),
        ((NONE, NONE, FAILED, NONE, NONE), StockShortError),
        ((NONE, NONE, FAILED, FAILED, NONE), StockShortError),
        ((NONE, NONE, FAILED, NONE, FAILED), KeyUsedError),
        ((NONE, FAILED, FAILED, NONE, NONE), VersionConflictError),
        ((CONFLICT, NONE, NONE, NONE, NONE), None),
        ((CONFLICT, FAILED, NONE, NONE, NONE), None),
        ((NONE, NONE, CONFLICT, NONE, NONE), None),
        ((FAILED, FAILED, CONFLICT, NONE, NONE), None),
        ((NONE, NONE, FAILED, CONFLICT, NONE), None),
        ((NONE, NONE, NONE, CONFLICT, FAILED), None),
        (("ThrottlingError", NONE, NONE, NONE, NONE), None),
        (("ProvisionedThroughputExceeded", FAILED, NONE, NONE, NONE), None),
        (("ValidationError", CONFLICT, NONE, NONE, NONE), None),
        (("ItemCollectionSizeLimitExceeded", NONE, NONE, NONE, NONE), RuntimeError),
        ((FAILED, "ValidationError", NONE, NONE, NONE), RuntimeError),
    ],
)
def test_each_mix_of_reasons_has_its_meaning(codes: tuple[str, ...], refusal: type[Exception] | None) -> None:
    for reasons in ([{"Code": code} for code in codes], [{"Code": code} if code != NONE else {} for code in codes]):
        assert type(items.refusal(TRANSACTION, reasons)) is (refusal or type(None))


def test_every_short_bucket_is_named() -> None:
    refusal = items.refusal(TRANSACTION, [{"Code": code} for code in (NONE, NONE, NONE, FAILED, NONE)])
    assert isinstance(refusal, StockShortError)
    assert refusal.buckets == (Bucket("MUG", 1),)


OF_ANOTHER = EVENT.model_copy(update={"id": "01900000-0000-7000-8000-000000000002"})


@pytest.mark.parametrize(
    ("first", "others", "is_own"),
    [
        (failed_at(EVENT), (FAILED, NONE, NONE, FAILED), True),
        (failed_at(EVENT), (FAILED, FAILED, FAILED, FAILED), True),
        (failed_at(EVENT), (FAILED, CONFLICT, NONE, FAILED), True),
        (failed_at(EVENT), (NONE, "ThrottlingError", NONE, NONE), True),
        (failed_at(OF_ANOTHER), (FAILED, NONE, NONE, FAILED), False),
        (failed_at(EVENT.model_copy(update={"causationid": "another"})), (FAILED, NONE, NONE, NONE), False),
        ({"Code": FAILED}, (FAILED, NONE, NONE, NONE), False),
        ({"Code": FAILED, "Item": {}}, (FAILED, NONE, NONE, NONE), False),
        ({"Code": CONFLICT}, (FAILED, NONE, NONE, NONE), False),
        ({"Code": NONE}, (FAILED, NONE, NONE, FAILED), False),
    ],
)
def test_a_transaction_is_known_by_its_first_event_whatever_else_is_the_matter(
    first: dict[str, Any], others: tuple[str, ...], is_own: bool
) -> None:
    assert items.is_own_repeat(TRANSACTION, [first, *({"Code": code} for code in others)]) is is_own


def test_the_store_declared_by_the_platform_has_the_same_keys() -> None:
    declared = (checkout() / "infra" / "table.yml").read_text()
    for name in (table.PK, table.SK, table.DUE_SHARD, table.DUE_AT):
        assert f"AttributeName: {name}, AttributeType: S" in declared
    assert f"IndexName: {table.DUE_INDEX}" in declared


def checkout() -> Path:
    return Path(__file__).parents[3]
