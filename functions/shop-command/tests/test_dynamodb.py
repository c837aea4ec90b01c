"""What only DynamoDB does: the shape of the items, cancellations for mixed reasons, throttling, lost answers."""

import random
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shop_command.adapters.dynamodb import DynamoDbEventStore, items, table
from shop_command.adapters.dynamodb.store import COMMIT_ATTEMPTS_MAX, PAUSE_SECONDS_MAX, READ_ATTEMPTS_MAX
from shop_command.domain.stock import Bucket, StockChange
from shop_command.ports import (
    ContentionError,
    KeyUse,
    KeyUsedError,
    StockShortError,
    StoreUnavailableError,
    Transaction,
    VersionConflictError,
)
from shop_shared import Envelope, encode
from shop_shared.events import ProductRetired
from shop_shared.registry import dataschema

NOW = datetime(2026, 11, 23, 9, 0, 0, 123_000, tzinfo=UTC)
STREAM = "product-MUG"
FAILED, CONFLICT, NONE = "ConditionalCheckFailed", "TransactionConflict", "None"

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
TRANSACTION = Transaction(
    stream_id=STREAM,
    expected_version=7,
    events=(EVENT,),
    state='{"status": "retired"}',
    due_at=NOW + timedelta(minutes=15),
    stock=(StockChange(Bucket("MUG", 0), available=-1, held=1), StockChange(Bucket("MUG", 1), available=-2, held=2)),
    key_use=KeyUse("digest", "body", STREAM, 8),
)


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


class Answers:
    """Stands in for the service: answers each call with the next of its answers, and the last one for ever."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.requests: list[dict[str, Any]] = []

    def __call__(self, params: dict[str, Any], **_: Any) -> Any:
        self.requests.append(params)
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, Exception):
            raise answer
        return answer


class Http:
    def __init__(self, status_code: int) -> None:
        self.status_code = status_code


def ok(parsed: dict[str, Any]) -> tuple[Http, dict[str, Any]]:
    return Http(200), {**parsed, "ResponseMetadata": {"HTTPStatusCode": 200}}


def error(code: str, status: int = 400, **more: Any) -> tuple[Http, dict[str, Any]]:
    return Http(status), {"Error": {"Code": code}, "ResponseMetadata": {"HTTPStatusCode": status}, **more}


def cancelled(*codes: str) -> tuple[Http, dict[str, Any]]:
    return error("TransactionCanceledException", CancellationReasons=[{"Code": code} for code in codes])


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def answering(aws: boto3.Session, pauses: Pauses) -> Callable[..., tuple[DynamoDbEventStore, Answers]]:
    def made(operation: str, *answers: Any) -> tuple[DynamoDbEventStore, Answers]:
        client = aws.client("dynamodb")
        service = Answers(*answers)
        client.meta.events.register(f"before-call.dynamodb.{operation}", service)
        chance = random.Random(1)  # noqa: S311
        return DynamoDbEventStore(client, "shop-test", chance, sleep=pauses), service

    return made


def test_the_items_are_those_of_the_design(aws: boto3.Session) -> None:
    client = aws.client("dynamodb")
    store = DynamoDbEventStore(client, "shop-test", random.Random(1))  # noqa: S311
    store.commit(Transaction(STREAM, 0, (EVENT.model_copy(update={"streamversion": 1}),), "{}", due_at=NOW))
    for number, level in ((0, 1), (1, 2)):
        bucket = StockChange(Bucket("MUG", number), available=level)
        other = EVENT.model_copy(update={"subject": f"product-{number}", "streamversion": 1})
        store.commit(Transaction(f"product-{number}", 0, (other,), "{}", stock=(bucket,)))
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
        "event": {"S": encode(EVENT).decode()},
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
    }
    assert item("key#digest", "key") == {
        "pk": {"S": "key#digest"},
        "sk": {"S": "key"},
        "body_digest": {"S": "body"},
        "stream_id": {"S": STREAM},
        "version": {"N": "8"},
    }


def test_moments_are_due_in_the_order_of_their_texts() -> None:
    moments = [NOW + timedelta(milliseconds=n * 7_777_777) for n in range(50)]
    assert sorted(table.due_at(moment) for moment in moments) == [table.due_at(moment) for moment in moments]


def test_streams_are_due_in_different_shards() -> None:
    assert len({table.due_shard(f"reservation-{n}") for n in range(200)}) == table.DUE_SHARDS


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
        ((NONE, NONE, CONFLICT, NONE, NONE), None),
        ((FAILED, FAILED, CONFLICT, NONE, NONE), None),
        ((NONE, NONE, FAILED, CONFLICT, NONE), None),
        ((NONE, NONE, NONE, CONFLICT, FAILED), None),
        (("ThrottlingError", NONE, NONE, NONE, NONE), None),
        (("ProvisionedThroughputExceeded", FAILED, NONE, NONE, NONE), None),
        (("ItemCollectionSizeLimitExceeded", NONE, NONE, NONE, NONE), RuntimeError),
        ((FAILED, "ValidationError", NONE, NONE, NONE), RuntimeError),
    ],
)
def test_each_mix_of_reasons_has_its_meaning(codes: tuple[str, ...], refusal: type[Exception] | None) -> None:
    meaning = items.refusal(TRANSACTION, [{"Code": code} for code in codes])
    assert type(meaning) is (refusal or type(None))


def test_every_short_bucket_is_named() -> None:
    refusal = items.refusal(TRANSACTION, [{"Code": code} for code in (NONE, NONE, NONE, FAILED, NONE)])
    assert isinstance(refusal, StockShortError)
    assert refusal.buckets == (Bucket("MUG", 1),)


def test_a_conflict_is_tried_again_under_the_same_token(answering: Any, pauses: Pauses) -> None:
    store, service = answering("TransactWriteItems", cancelled(FAILED, CONFLICT), cancelled(CONFLICT), ok({}))
    store.commit(TRANSACTION)
    assert len(service.requests) == 3
    assert all(EVENT.id.encode() in request["body"] for request in service.requests)
    assert len(pauses) == 2
    assert all(0 <= pause <= PAUSE_SECONDS_MAX for pause in pauses)


def test_a_conflict_that_does_not_end_is_given_up(answering: Any, pauses: Pauses) -> None:
    store, service = answering("TransactWriteItems", cancelled(FAILED, CONFLICT, FAILED, NONE, NONE))
    with pytest.raises(ContentionError):
        store.commit(TRANSACTION)
    assert len(service.requests) == COMMIT_ATTEMPTS_MAX
    assert len(pauses) == COMMIT_ATTEMPTS_MAX - 1


def test_after_a_conflict_the_conditions_decide(answering: Any) -> None:
    store, _ = answering(
        "TransactWriteItems", cancelled(FAILED, CONFLICT, NONE, NONE, NONE), cancelled(FAILED, FAILED, NONE, NONE, NONE)
    )
    with pytest.raises(VersionConflictError):
        store.commit(TRANSACTION)


@pytest.mark.parametrize("code", ["TransactionInProgressException", "ThrottlingException"])
def test_a_busy_store_is_tried_again(answering: Any, code: str) -> None:
    store, service = answering("TransactWriteItems", error(code), ok({}))
    store.commit(TRANSACTION)
    assert len(service.requests) == 2


@pytest.mark.parametrize("failure", [error("InternalServerError", 500), ReadTimeoutError(endpoint_url="dynamodb")])
def test_no_answer_is_an_unknown_outcome_and_is_not_tried_again_blindly(answering: Any, failure: Any) -> None:
    store, service = answering("TransactWriteItems", failure)
    with pytest.raises(StoreUnavailableError):
        store.commit(TRANSACTION)
    assert len(service.requests) == 1


def test_what_is_our_own_mistake_is_not_hidden(answering: Any) -> None:
    store, _ = answering("TransactWriteItems", error("AccessDeniedException"))
    with pytest.raises(ClientError, match="AccessDenied"):
        store.commit(TRANSACTION)


def test_keys_that_were_not_processed_are_read_again(answering: Any) -> None:
    state = {"pk": {"S": STREAM}, "sk": {"S": "state"}, "version": {"N": "1"}, "state": {"S": "{}"}}
    key = {"pk": {"S": STREAM}, "sk": {"S": "state"}}
    unprocessed = ok({"Responses": {"shop-test": []}, "UnprocessedKeys": {"shop-test": {"Keys": [key]}}})
    store, service = answering(
        "BatchGetItem", unprocessed, ok({"Responses": {"shop-test": [state]}, "UnprocessedKeys": {}})
    )
    assert store.states([STREAM])[STREAM].version == 1
    assert len(service.requests) == 2
    store, service = answering("BatchGetItem", unprocessed)
    with pytest.raises(ContentionError):
        store.states([STREAM])
    assert len(service.requests) == READ_ATTEMPTS_MAX


def test_every_read_is_consistent(answering: Any) -> None:
    nothing: dict[str, Any] = {"Responses": {"shop-test": []}, "UnprocessedKeys": {}}
    reads: list[tuple[str, dict[str, Any], Callable[[DynamoDbEventStore], object]]] = [
        ("BatchGetItem", nothing, lambda store: store.states([STREAM])),
        ("BatchGetItem", nothing, lambda store: store.available([Bucket("MUG", 0)])),
        ("Query", {"Items": []}, lambda store: store.events(STREAM)),
        ("GetItem", {}, lambda store: store.key_use("digest")),
    ]
    for operation, answer, read in reads:
        store, service = answering(operation, ok(answer))
        read(store)
        [request] = service.requests
        assert b'"ConsistentRead": true' in request["body"]


@pytest.mark.parametrize("failure", [error("AccessDeniedException"), error("InternalServerError", 500)])
def test_an_event_that_stays_due_by_mistake_fails_nothing(answering: Any, failure: Any) -> None:
    store, service = answering("UpdateItem", failure)
    store.mark_published([EVENT])
    assert len(service.requests) == 1


def test_the_store_declared_by_the_platform_has_the_same_keys() -> None:
    declared = (checkout() / "infra" / "table.yml").read_text()
    for name in (table.PK, table.SK, table.DUE_SHARD, table.DUE_AT):
        assert f"AttributeName: {name}, AttributeType: S" in declared
    assert f"IndexName: {table.DUE_INDEX}" in declared


def checkout() -> Path:
    return Path(__file__).parents[3]
