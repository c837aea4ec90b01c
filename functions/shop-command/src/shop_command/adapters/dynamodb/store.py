"""The event store is kept in one DynamoDB table."""

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, HTTPClientError
from msgspec import Struct
from msgspec.structs import replace

from shop_command import ports
from shop_command.adapters import telemetry
from shop_command.adapters.dynamodb import items, table
from shop_command.domain.limits import Closing
from shop_command.domain.stock import Bucket
from shop_command.ports import deadline
from shop_observability.logs import logger
from shop_observability.tracing import subsegment
from shop_shared import stored
from shop_shared.envelope import Envelope, decode, decode_as_written

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

COMMIT_ATTEMPTS_MAX: Final = 8
READ_ATTEMPTS_MAX: Final = 5
PAUSE_SECONDS_FIRST: Final = 0.02
PAUSE_SECONDS_MAX: Final = 0.5
BATCH_KEYS_MAX: Final = 100
"""BatchGetItem takes no more keys."""

_BUSY: Final = frozenset(
    {
        "TransactionInProgressException",  # the same token: an earlier try of ours, not answered yet
        "TransactionConflictException",
        "ThrottlingException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
    }
)
_NOT_DUE: Final = "REMOVE #shard, #at"
_DUE_AGAIN: Final = "SET #shard = :shard, #at = :at"
_Key = tuple[str, str]


class DynamoDbEventStore(Struct, frozen=True):
    client: "DynamoDBClient"
    table_name: str
    randomness: Random
    sleep: Callable[[float], None] = time.sleep

    def states(self, stream_ids: Collection[str]) -> Mapping[str, ports.StoredState]:
        found = self._batch_get([(stream_id, table.STATE_SK) for stream_id in stream_ids])
        return {pk: items.stored_state(item) for (pk, _), item in found.items()}

    def events(self, stream_id: str, first_version: int = 1) -> Sequence[Envelope]:
        """Reads all pages, because a stream has a few kilobytes only: it is as long as its aggregate's life."""
        with self._call("Query"):
            pages = self.client.get_paginator("query").paginate(
                TableName=self.table_name,
                ConsistentRead=True,
                KeyConditionExpression="#pk = :pk AND #sk BETWEEN :first AND :last",
                ProjectionExpression=", ".join(f"#{name}" for name in stored.ATTRIBUTES),
                ExpressionAttributeNames={f"#{name}": name for name in {table.SK, *stored.ATTRIBUTES}},
                ExpressionAttributeValues={
                    ":pk": {"S": stream_id},
                    ":first": {"S": table.event_sk(first_version)},
                    ":last": {"S": table.LAST_EVENT_SK},
                },
            )
            return tuple(decode(stored.event_text_of_dynamodb(item)) for page in pages for item in page["Items"])

    def key_use(self, key_id: str) -> ports.KeyUse | None:
        with self._call("GetItem"):
            item = self.client.get_item(
                TableName=self.table_name,
                Key={table.PK: {"S": table.key_pk(key_id)}, table.SK: {"S": table.KEY_SK}},
                ConsistentRead=True,
            ).get("Item")
        return items.key_use(key_id, item) if item else None

    def state_and_key_use(self, stream_id: str, key_id: str) -> tuple[ports.StoredState | None, ports.KeyUse | None]:
        state, key = (stream_id, table.STATE_SK), (table.key_pk(key_id), table.KEY_SK)
        found = self._batch_get([state, key])
        return (
            items.stored_state(found[state]) if state in found else None,
            items.key_use(key_id, found[key]) if key in found else None,
        )

    def levels(self, buckets: Collection[Bucket]) -> Mapping[Bucket, ports.Level]:
        found = self._batch_get([(table.bucket_pk(bucket), table.STATE_SK) for bucket in buckets])
        levels = {
            # Buckets from before versions were counted have none until they change.
            pk: ports.Level(int(item[table.AVAILABLE]["N"]), int(item.get(table.VERSION, {"N": "0"})["N"]))
            for (pk, _), item in found.items()
        }
        return {bucket: levels.get(table.bucket_pk(bucket), ports.Level(0, 0)) for bucket in buckets}

    def commit(self, transaction: ports.Commit) -> None:
        try:
            self._commit(transaction, transaction.events[0].id)
        except (ports.VersionConflictError, ports.StockShortError):
            telemetry.commit_conflicted()
            raise

    def _commit(self, transaction: ports.Commit, token: str) -> None:
        actions = items.actions(self.table_name, transaction)
        for attempt in range(COMMIT_ATTEMPTS_MAX):
            if attempt:
                telemetry.commit_retried()
                self._pause(attempt)
            try:
                with self._call("TransactWriteItems"):
                    # The token makes a try whose answer was lost, and its repeat by the SDK, one and the same.
                    self.client.transact_write_items(TransactItems=actions, ClientRequestToken=token)
            except self.client.exceptions.TransactionCanceledException as error:
                reasons = error.response["CancellationReasons"]
                if items.is_own_repeat(transaction, reasons):
                    return
                refusal = items.refusal(transaction, reasons)
                if isinstance(refusal, items.NotCountedError):
                    # Another transaction needs another token: DynamoDB may still know this one's.
                    self._commit(replace(transaction, customer=None), token[::-1])
                    return
                if refusal is not None:
                    raise refusal from error
            except self.client.exceptions.IdempotentParameterMismatchException as error:
                # Another transaction has drawn the same id, which is used now. A repeat of the command draws a new one;
                # this token is lost.
                raise ports.ContentionError from error
            except ports.ContentionError:
                continue
            else:
                return
        raise ports.ContentionError

    def mark_published(self, events: Sequence[Envelope]) -> None:
        for event in events:
            try:
                self._mark(event.subject, table.event_sk(event.streamversion), _NOT_DUE)
            except (ClientError, ports.ContentionError, ports.StoreUnavailableError):
                fields = {"stream_id": event.subject, "correlation_id": event.correlationid}
                logger().warning("event stays due although it was published", extra=fields, exc_info=True)

    def mark_settled(self, stream_id: str, version: int, due_at: datetime | None = None) -> None:
        values = {":version": {"N": str(version)}}
        if due_at is not None:
            values |= {":shard": {"S": table.due_shard(stream_id)}, ":at": {"S": table.due_at(due_at)}}
        try:
            self._mark(
                stream_id,
                table.STATE_SK,
                f"{_NOT_DUE}, #unpublished" if due_at is None else f"{_DUE_AGAIN} REMOVE #unpublished",
                {"#version": table.VERSION, "#unpublished": table.UNPUBLISHED},
                ConditionExpression="#version = :version",
                ExpressionAttributeValues=values,
            )
        except self.client.exceptions.ConditionalCheckFailedException:
            pass  # the stream has moved on, and says itself what it owes
        except (ClientError, ports.ContentionError, ports.StoreUnavailableError):
            fields = {"stream_id": stream_id}
            logger().warning("state stays due although it was settled", extra=fields, exc_info=True)

    def stop_counting(self, closing: Closing) -> bool:
        try:
            with self._call("UpdateItem"):
                self.client.update_item(**items.close(self.table_name, closing))
        except self.client.exceptions.ConditionalCheckFailedException:
            pass  # it was done before, or the reservation never counted
        except (ClientError, ports.ContentionError, ports.StoreUnavailableError):
            fields = {"reservation_id": closing.reservation_id}
            logger().warning("reservation stays counted although it is over", extra=fields, exc_info=True)
            return False
        return True

    def bookmark(self) -> ports.Bookmark | None:
        for item in self._batch_get([(table.BOOKMARK_PK, table.STATE_SK)]).values():
            reached, complete_at = (table.moment(item[name]["S"]) for name in (table.REACHED, table.COMPLETE_AT))
            return ports.Bookmark(item[table.EVENT_ID].get("S"), reached, complete_at)
        return None

    def set_bookmark(self, bookmark: ports.Bookmark) -> None:
        # The roles put items inside of transactions alone.
        event_id = {"S": bookmark.event_id} if bookmark.event_id else {"NULL": True}
        with self._call("UpdateItem"):
            self.client.update_item(
                TableName=self.table_name,
                Key={table.PK: {"S": table.BOOKMARK_PK}, table.SK: {"S": table.STATE_SK}},
                UpdateExpression="SET #reached = :reached, #complete_at = :complete_at, #event_id = :event_id",
                ExpressionAttributeNames={
                    "#reached": table.REACHED,
                    "#complete_at": table.COMPLETE_AT,
                    "#event_id": table.EVENT_ID,
                },
                ExpressionAttributeValues={
                    ":reached": {"S": table.due_at(bookmark.reached)},
                    ":complete_at": {"S": table.due_at(bookmark.complete_at)},
                    ":event_id": event_id,
                },
            )

    def _mark(self, pk: str, sk: str, update: str, names: Mapping[str, str] | None = None, **condition: Any) -> None:
        with self._call("UpdateItem"):
            self.client.update_item(
                TableName=self.table_name,
                Key={table.PK: {"S": pk}, table.SK: {"S": sk}},
                UpdateExpression=update,
                ExpressionAttributeNames={"#shard": table.DUE_SHARD, "#at": table.DUE_AT, **(names or {})},
                **condition,
            )

    def due(self, shard: int, now: datetime, limit: int, after: ports.Due | None = None) -> ports.DuePage:
        start: dict[str, Any] = {"ExclusiveStartKey": _due_key(after)} if after else {}
        with self._call("Query"):
            answer = self.client.query(
                TableName=self.table_name,
                IndexName=table.DUE_INDEX,
                KeyConditionExpression="#shard = :shard AND #at <= :now",
                ExpressionAttributeNames={"#shard": table.DUE_SHARD, "#at": table.DUE_AT},
                ExpressionAttributeValues={":shard": {"S": str(shard)}, ":now": {"S": table.due_at(now)}},
                Limit=limit,
                **start,
            )
        return ports.DuePage(tuple(_due(item) for item in answer["Items"]), "LastEvaluatedKey" not in answer)

    def unpublished(self, due: Collection[ports.DueEvent]) -> Sequence[Envelope]:
        keys = [(item.stream_id, table.event_sk(item.version)) for item in due]
        found = self._batch_get(keys)
        return tuple(decode_as_written(stored.event_text_of_dynamodb(found[key])) for key in keys)

    def _batch_get(self, keys: Collection[_Key]) -> dict[_Key, Mapping[str, Any]]:
        found: dict[_Key, Mapping[str, Any]] = {}
        waiting: list[Mapping[str, Any]] = [{table.PK: {"S": pk}, table.SK: {"S": sk}} for pk, sk in keys]
        attempt = 0
        while waiting:
            batch, waiting = waiting[:BATCH_KEYS_MAX], waiting[BATCH_KEYS_MAX:]
            with self._call("BatchGetItem"):
                answer = self.client.batch_get_item(
                    RequestItems={self.table_name: {"Keys": batch, "ConsistentRead": True}}
                )
            for item in answer["Responses"][self.table_name]:
                found[item[table.PK]["S"], item[table.SK]["S"]] = item
            left = answer["UnprocessedKeys"].get(self.table_name)
            if left:
                attempt += 1
                if attempt == READ_ATTEMPTS_MAX:
                    raise ports.ContentionError
                self._pause(attempt)
                waiting += left["Keys"]
        return found

    def _pause(self, attempt: int) -> None:
        self.sleep(self.randomness.uniform(0, min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_FIRST * 2**attempt)))

    @contextmanager
    def _call(self, operation: str) -> Iterator[None]:
        """Traces one call. What the SDK gave up on becomes ContentionError or StoreUnavailableError."""
        try:
            deadline.require(deadline.AWS_CALL_SECONDS_MAX)
            with subsegment("DynamoDB", "aws", aws={"operation": operation, "table_name": self.table_name}):
                yield
        except (HTTPClientError, deadline.OutOfTimeError) as error:
            raise ports.StoreUnavailableError from error
        except ClientError as error:
            if error.response["Error"]["Code"] in _BUSY:
                raise ports.ContentionError from error
            if error.response["ResponseMetadata"]["HTTPStatusCode"] >= 500:
                raise ports.StoreUnavailableError from error
            raise


def _due(item: Mapping[str, Any]) -> ports.Due:
    stream_id, due_at = item[table.PK]["S"], table.moment(item[table.DUE_AT]["S"])
    version = table.event_version(item[table.SK]["S"])
    return ports.DueState(stream_id, due_at) if version is None else ports.DueEvent(stream_id, version, due_at)


def _due_key(due: ports.Due) -> dict[str, Any]:
    """Returns the item's key in the index. A query goes on behind it, even if the item has left the index."""
    sk = table.event_sk(due.version) if isinstance(due, ports.DueEvent) else table.STATE_SK
    return {
        table.PK: {"S": due.stream_id},
        table.SK: {"S": sk},
        table.DUE_SHARD: {"S": table.due_shard(due.stream_id)},
        table.DUE_AT: {"S": table.due_at(due.due_at)},
    }
