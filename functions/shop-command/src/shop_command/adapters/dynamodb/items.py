"""This module writes a commit as DynamoDB's actions, and reads the reasons of its cancellation."""

from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from shop_command import ports
from shop_command.adapters.dynamodb import table
from shop_command.domain.stock import BucketChange
from shop_shared.envelope import Envelope, encode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import TransactWriteItemTypeDef, UpdateTypeDef

FAILED_CONDITION: Final = "ConditionalCheckFailed"
RETRIED: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


def actions(name: str, transaction: ports.Commit) -> "list[TransactWriteItemTypeDef]":
    """Returns the actions for events, state, stock and key in this order, which `refusal` relies on."""
    return [
        *(_put_event(name, event) for event in transaction.events),
        _put_state(name, transaction),
        *(_change_stock(name, change) for change in transaction.stock),
        *([_put_key(name, transaction.key_use)] if transaction.key_use else []),
    ]


def is_own_repeat(transaction: ports.Commit, reasons: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether this very transaction was committed before, and only its answer was lost.

    Whatever else is the matter, its first event being there decides it: a transaction appears whole or not at all.
    """
    return bool(reasons[0].get("Item", {}).get(table.EVENT) == {"S": encode(transaction.events[0]).decode()})


def refusal(transaction: ports.Commit, reasons: Sequence[Mapping[str, Any]]) -> Exception | None:
    """Returns why the transaction was cancelled, or None where trying the same once more may help.

    A conflict says nothing about the conditions of the same transaction: another transaction was touching an item, and
    may itself fail. So a mix of a conflict and failed conditions decides nothing yet.
    """
    codes = [reason.get("Code", "None") for reason in reasons]
    if RETRIED & set(codes):
        return None
    if set(codes) - {FAILED_CONDITION, "None"}:
        return RuntimeError(f"a transaction was cancelled for {codes}")
    failed = [index for index, code in enumerate(codes) if code == FAILED_CONDITION]
    stock_first = len(transaction.events) + 1
    stock_end = stock_first + len(transaction.stock)
    # The key comes first: a repeat of a command also finds the stream moved on, by itself.
    if any(index >= stock_end for index in failed):
        return ports.KeyUsedError()
    if any(index < stock_first for index in failed):
        return ports.VersionConflictError()
    return ports.StockShortError(tuple(transaction.stock[index - stock_first].bucket for index in failed))


def _put_event(name: str, event: Envelope) -> "TransactWriteItemTypeDef":
    item = {
        table.PK: {"S": event.subject},
        table.SK: {"S": table.event_sk(event.streamversion)},
        table.VERSION: {"N": str(event.streamversion)},
        table.TYPE: {"S": event.type},
        table.TIME: {"S": table.due_at(event.time)},
        table.EVENT: {"S": encode(event).decode()},
        table.DUE_SHARD: {"S": table.due_shard(event.subject)},
        table.DUE_AT: {"S": table.due_at(event.time + timedelta(seconds=ports.PUBLISH_GRACE_SECONDS))},
    }
    return {
        "Put": {
            "TableName": name,
            "Item": item,
            "ConditionExpression": f"attribute_not_exists({table.PK})",
            # The client token, by which DynamoDB knows a repeat, lives for ten minutes; the event's id for ever.
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _put_state(name: str, transaction: ports.Commit) -> "TransactWriteItemTypeDef":
    item = {
        table.PK: {"S": transaction.stream_id},
        table.SK: {"S": table.STATE_SK},
        table.VERSION: {"N": str(transaction.expected_version + len(transaction.events))},
        table.STATE: {"S": transaction.state},
    }
    if transaction.due_at is not None:
        item[table.DUE_SHARD] = {"S": table.due_shard(transaction.stream_id)}
        item[table.DUE_AT] = {"S": table.due_at(transaction.due_at)}
    if transaction.expected_version == 0:
        return {"Put": {"TableName": name, "Item": item, "ConditionExpression": f"attribute_not_exists({table.PK})"}}
    return {
        "Put": {
            "TableName": name,
            "Item": item,
            "ConditionExpression": "#version = :expected",
            "ExpressionAttributeNames": {"#version": table.VERSION},
            "ExpressionAttributeValues": {":expected": {"N": str(transaction.expected_version)}},
        }
    }


def _change_stock(name: str, change: BucketChange) -> "TransactWriteItemTypeDef":
    counters = {table.AVAILABLE: change.available, table.HELD: change.held, table.SOLD: change.sold}
    taken = {counter: -amount for counter, amount in counters.items() if amount < 0}
    added = {**counters, table.VERSION: 1}
    values = {f":{name}": {"N": str(amount)} for name, amount in added.items()}
    values |= {f":{counter}_taken": {"N": str(amount)} for counter, amount in taken.items()}
    update: UpdateTypeDef = {
        "TableName": name,
        "Key": {table.PK: {"S": table.bucket_pk(change.bucket)}, table.SK: {"S": table.STATE_SK}},
        # ADD makes a missing counter from 0, so that a bucket exists from its first delivery.
        "UpdateExpression": "ADD " + ", ".join(f"#{name} :{name}" for name in added),
        "ExpressionAttributeNames": {f"#{name}": name for name in added},
        "ExpressionAttributeValues": values,
    }
    if taken:
        update["ConditionExpression"] = " AND ".join(f"#{counter} >= :{counter}_taken" for counter in taken)
    return {"Update": update}


def _put_key(name: str, use: ports.KeyUse) -> "TransactWriteItemTypeDef":
    item = {
        table.PK: {"S": table.key_pk(use.key_id)},
        table.SK: {"S": table.KEY_SK},
        table.BODY_DIGEST: {"S": use.body_digest},
        table.STREAM_ID: {"S": use.stream_id},
        table.VERSION: {"N": str(use.version)},
    }
    return {"Put": {"TableName": name, "Item": item, "ConditionExpression": f"attribute_not_exists({table.PK})"}}
