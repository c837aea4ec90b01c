"""What only DynamoDB does: mixed reasons, throttling, lost answers; and how often it is asked again."""

import random
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from shop_command.adapters.dynamodb import DynamoDbEventStore
from shop_command.adapters.dynamodb.store import (
    COMMIT_ATTEMPTS_MAX,
    PAUSE_SECONDS_FIRST,
    PAUSE_SECONDS_MAX,
    READ_ATTEMPTS_MAX,
)
from shop_command.domain.limits import Closing
from shop_command.domain.stock import Bucket, BucketChange
from shop_command.ports import Bookmark, ContentionError, KeyUse, StoreUnavailableError, VersionConflictError
from shop_command.testing.dynamodb import CONFLICT, FAILED, NONE, Answers, cancelled, error, failed_at, ok
from shop_command.testing.stores import NOW, STREAM, transaction
from shop_observability.tracing import timeline

TRANSACTION = transaction(
    7,
    stock=(BucketChange(Bucket("MUG", 0), available=-1, held=1), BucketChange(Bucket("MUG", 1), available=-2, held=2)),
    key_use=KeyUse("digest", "body", STREAM, 8),
)
[EVENT] = TRANSACTION.events
CLOSING = Closing("customer-1", "r1", {"MUG": 2})


class Pauses(list[float]):
    def __call__(self, seconds: float) -> None:
        self.append(seconds)


@pytest.fixture
def pauses() -> Pauses:
    return Pauses()


@pytest.fixture
def answering(aws: boto3.Session, pauses: Pauses) -> Callable[..., tuple[DynamoDbEventStore, Answers]]:
    def made(operation: str, *answers: Any) -> tuple[DynamoDbEventStore, Answers]:
        client = aws.client("dynamodb")
        service = Answers(*answers)
        client.meta.events.register(f"before-call.dynamodb.{operation}", service)
        randomness = random.Random(1)  # noqa: S311
        return DynamoDbEventStore(client, "shop-test", randomness, sleep=pauses), service

    return made


def test_a_repeat_that_meets_its_own_event_has_succeeded_although_another_item_is_in_conflict(answering: Any) -> None:
    mine = error("TransactionCanceledException", CancellationReasons=[failed_at(EVENT), {"Code": CONFLICT}])
    store, service = answering("TransactWriteItems", mine)
    store.commit(TRANSACTION)
    assert len(service.requests) == 1


def test_the_event_of_another_command_in_the_same_place_is_a_version_conflict(answering: Any) -> None:
    store, _ = answering(
        "TransactWriteItems",
        error("TransactionCanceledException", CancellationReasons=[failed_at(transaction(7).events[0])]),
    )
    with pytest.raises(VersionConflictError):
        store.commit(TRANSACTION)


def test_a_token_that_belongs_to_another_transaction_is_given_up_at_once(answering: Any, pauses: Pauses) -> None:
    """The same token again would only be refused again; a repeat of the command draws another one."""
    store, service = answering("TransactWriteItems", error("IdempotentParameterMismatchException"))
    with pytest.raises(ContentionError):
        store.commit(TRANSACTION)
    assert (len(service.requests), pauses) == (1, [])


def test_a_conflict_is_tried_again_under_the_same_token(answering: Any, pauses: Pauses) -> None:
    store, service = answering("TransactWriteItems", cancelled(FAILED, CONFLICT), cancelled(CONFLICT), ok({}))
    store.commit(TRANSACTION)
    assert len(service.requests) == 3
    assert all(EVENT.id.encode() in request["body"] for request in service.requests)
    assert len(pauses) == 2
    assert all(0 <= pause <= PAUSE_SECONDS_MAX for pause in pauses)


@pytest.mark.parametrize(
    "busy",
    [
        cancelled(FAILED, CONFLICT, FAILED, NONE, NONE),
        cancelled(NONE, "ThrottlingError"),
        error("TransactionInProgressException"),
        error("TransactionConflictException"),
        error("ThrottlingException"),
        error("ProvisionedThroughputExceededException"),
        error("RequestLimitExceeded"),
    ],
    ids=lambda busy: str(busy[1]["Error"]["Code"]),
)
def test_what_keeps_the_store_busy_is_given_up_after_eight_tries(answering: Any, pauses: Pauses, busy: Any) -> None:
    store, service = answering("TransactWriteItems", busy)
    with pytest.raises(ContentionError):
        store.commit(TRANSACTION)
    assert len(service.requests) == COMMIT_ATTEMPTS_MAX == 8
    assert len(pauses) == COMMIT_ATTEMPTS_MAX - 1


def test_the_eighth_try_still_counts(answering: Any) -> None:
    conflicts = [cancelled(CONFLICT)] * (COMMIT_ATTEMPTS_MAX - 1)
    store, service = answering("TransactWriteItems", *conflicts, ok({}))
    store.commit(TRANSACTION)
    assert len(service.requests) == COMMIT_ATTEMPTS_MAX


def test_pauses_grow_to_a_bound_and_are_any_length_below_it(answering: Any, pauses: Pauses) -> None:
    """Those who collided once must not meet again: each waits for a part, by chance, of what it may wait."""
    bounds = [min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_FIRST * 2**n) for n in range(1, COMMIT_ATTEMPTS_MAX)]
    assert bounds == sorted(bounds)
    assert PAUSE_SECONDS_MAX in bounds
    store, _ = answering("TransactWriteItems", cancelled(CONFLICT))
    shares: list[list[float]] = [[] for _ in bounds]
    for _ in range(30):
        pauses.clear()
        with pytest.raises(ContentionError):
            store.commit(TRANSACTION)
        for collected, pause, bound in zip(shares, pauses, bounds, strict=True):
            collected.append(pause / bound)
    for collected in shares:
        assert 0 <= min(collected) < 0.2
        assert 0.8 < max(collected) <= 1


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


NOTHING: dict[str, Any] = {"Responses": {"shop-test": []}, "UnprocessedKeys": {}}
READS: list[tuple[str, dict[str, Any], Callable[[DynamoDbEventStore], object]]] = [
    ("BatchGetItem", NOTHING, lambda store: store.states([STREAM])),
    ("BatchGetItem", NOTHING, lambda store: store.levels([Bucket("MUG", 0)])),
    ("BatchGetItem", NOTHING, lambda store: store.state_and_key_use(STREAM, "digest")),
    ("Query", {"Items": []}, lambda store: store.events(STREAM)),
    ("GetItem", {}, lambda store: store.key_use("digest")),
]


@pytest.mark.parametrize(("operation", "answer", "read"), READS)
def test_every_read_is_consistent(answering: Any, operation: str, answer: Any, read: Any) -> None:
    store, service = answering(operation, ok(answer))
    read(store)
    [request] = service.requests
    assert b'"ConsistentRead": true' in request["body"]


@pytest.mark.parametrize(
    ("operation", "answer", "call"),
    [
        *READS,
        ("Query", {"Items": []}, lambda store: store.due(0, NOW, 1)),
        ("UpdateItem", {}, lambda store: store.set_bookmark(Bookmark(None, NOW, NOW))),
        ("UpdateItem", {}, lambda store: store.mark_published([EVENT])),
        ("UpdateItem", {}, lambda store: store.stop_counting(CLOSING)),
        ("TransactWriteItems", {}, lambda store: store.commit(TRANSACTION)),
    ],
)
def test_each_call_is_traced_by_the_name_of_its_operation(
    answering: Any, operation: str, answer: Any, call: Any
) -> None:
    store, _ = answering(operation, ok(answer))
    with timeline() as done:
        call(store)
    traced = [(each.name, each.namespace, each.details) for each in done.calls]
    assert traced == [("DynamoDB", "aws", {"aws": {"operation": operation, "table_name": "shop-test"}})]


@pytest.mark.parametrize(
    ("mark", "logged"),
    [
        (lambda s: s.mark_published([EVENT]), {"stream_id": STREAM, "correlation_id": EVENT.correlationid}),
        (lambda s: s.mark_settled(STREAM, 8), {"stream_id": STREAM}),
    ],
)
@pytest.mark.parametrize(
    ("failure", "name"),
    [(error("AccessDeniedException"), "ClientError"), (error("InternalServerError", 500), "StoreUnavailableError")],
)
def test_what_stays_due_by_mistake_fails_nothing(
    answering: Any, caplog: pytest.LogCaptureFixture, *, failure: Any, name: str, mark: Any, logged: dict[str, str]
) -> None:
    store, service = answering("UpdateItem", failure)
    mark(store)
    assert len(service.requests) == 1
    [line] = [vars(record) for record in caplog.records if "stays due" in record.message]
    assert line.items() >= {**logged, "exception_name": name}.items()


def test_a_condition_that_fails_shows_that_a_reservation_counts_no_more(
    answering: Any, caplog: pytest.LogCaptureFixture
) -> None:
    store, _ = answering("UpdateItem", error("ConditionalCheckFailedException"))
    assert store.stop_counting(CLOSING)
    assert caplog.records == []


@pytest.mark.parametrize(
    "failure",
    [
        error("AccessDeniedException"),
        error("InternalServerError", 500),
        error("TransactionConflictException"),
        error("ThrottlingException"),
        ReadTimeoutError(endpoint_url="https://dynamodb.invalid"),
    ],
    ids=["forbidden", "failed", "in conflict", "throttled", "timed out"],
)
def test_a_closing_that_fails_or_may_have_failed_is_to_be_repeated(
    answering: Any, caplog: pytest.LogCaptureFixture, failure: Any
) -> None:
    store, _ = answering("UpdateItem", failure)
    assert not store.stop_counting(CLOSING)
    [line] = [vars(record) for record in caplog.records if "stays counted" in record.message]
    assert line["reservation_id"] == "r1"
