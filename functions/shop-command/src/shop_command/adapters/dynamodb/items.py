"""This module writes a commit as DynamoDB's actions, and reads items and the reasons of a cancellation."""

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, assert_never

from shop_command import ports
from shop_command.adapters.dynamodb import table
from shop_command.domain import limits
from shop_command.domain.errors import DomainError
from shop_command.domain.limits import CardAttempt, Closing, CustomerChange, CustomerCounts, Opening
from shop_command.domain.stock import BucketChange
from shop_shared import stored
from shop_shared.envelope import Envelope, encode

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import AttributeValueTypeDef, TransactWriteItemTypeDef, UpdateTypeDef

FAILED_CONDITION: Final = "ConditionalCheckFailed"
FORGOTTEN_AFTER: Final = timedelta(days=30)
"""DynamoDB may delete what a customer has held and tried so long after it."""
RETRIED: Final = frozenset({"TransactionConflict", "ThrottlingError", "ProvisionedThroughputExceeded"})


def actions(name: str, transaction: ports.Commit) -> "list[TransactWriteItemTypeDef]":
    """Returns the actions for events, state, stock, customer and key in this order, which `refusal` relies on."""
    return [
        *(_put_event(name, event, is_due=transaction.unpublished is None) for event in transaction.events),
        _put_state(name, transaction),
        *(_change_stock(name, change) for change in transaction.stock),
        *([_count(name, transaction.customer, transaction.events[0].time)] if transaction.customer else []),
        *([_put_key(name, transaction.key_use)] if transaction.key_use else []),
    ]


def is_own_repeat(transaction: ports.Commit, reasons: Sequence[Mapping[str, Any]]) -> bool:
    """Returns whether this very transaction was committed before, and only its answer was lost.

    Whatever else is the matter, its first event being there decides it: a transaction appears whole or not at all.
    """
    item = reasons[0].get("Item", {})
    return table.EVENT in item and stored.event_text_of_dynamodb(item).encode() == encode(transaction.events[0])


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
    key = stock_end + (transaction.customer is not None)
    # The key comes first: a repeat of a command also finds the stream moved on, by itself.
    if any(index >= key for index in failed):
        return ports.KeyUsedError()
    if any(index < stock_first for index in failed):
        return ports.VersionConflictError()
    if transaction.customer and stock_end in failed:
        return _limit_reached(transaction.customer, reasons[stock_end].get("Item", {}))
    return ports.StockShortError(tuple(transaction.stock[index - stock_first].bucket for index in failed))


class NotCountedError(Exception):
    """The reservation never counted towards its customer's limits: commit the same without giving anything back."""


def _limit_reached(change: CustomerChange, item: Mapping[str, Any]) -> Exception | None:
    try:
        match change:
            case Closing():
                return NotCountedError()
            case Opening():
                limits.check_opening(change, counts(item))
            case CardAttempt():
                limits.check_attempt(change, int(item[table.ATTEMPTS]["N"]))
            case _:
                assert_never(change)
    except DomainError as error:
        return error
    return None


def stored_state(item: Mapping[str, Any]) -> ports.StoredState:
    return ports.StoredState(
        int(item[table.VERSION]["N"]),
        item[table.STATE]["S"],
        table.moment(item[table.DUE_AT]["S"]) if table.DUE_AT in item else None,
        int(item[table.UNPUBLISHED]["N"]) if table.UNPUBLISHED in item else None,
    )


def key_use(key_id: str, item: Mapping[str, Any]) -> ports.KeyUse:
    return ports.KeyUse(key_id, item[table.BODY_DIGEST]["S"], item[table.STREAM_ID]["S"], int(item[table.VERSION]["N"]))


def counts(item: Mapping[str, Any]) -> CustomerCounts:
    held = {name: int(value["N"]) for name, value in item.items() if name.startswith(table.HELD_PREFIX)}
    ids = item.get(table.OPEN, {"SS": ()})["SS"]
    return CustomerCounts(
        frozenset(ids), {name.removeprefix(table.HELD_PREFIX): units for name, units in held.items() if units}
    )


def _put_event(name: str, event: Envelope, *, is_due: bool) -> "TransactWriteItemTypeDef":
    time = table.due_at(event.time)
    item: dict[str, AttributeValueTypeDef] = {
        table.PK: {"S": event.subject},
        table.SK: {"S": table.event_sk(event.streamversion)},
        table.VERSION: {"N": str(event.streamversion)},
        table.TYPE: {"S": event.type},
        table.TIME: {"S": time},
        **{name: {"S": text} for name, text in stored.shortened(event, time).items()},
    }
    if is_due:
        item[table.DUE_SHARD] = {"S": table.due_shard(event.subject)}
        item[table.DUE_AT] = {"S": table.due_at(event.time + timedelta(seconds=ports.PUBLISH_GRACE_SECONDS))}
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
    item: dict[str, AttributeValueTypeDef] = {
        table.PK: {"S": transaction.stream_id},
        table.SK: {"S": table.STATE_SK},
        table.VERSION: {"N": str(transaction.expected_version + len(transaction.events))},
        table.STATE: {"S": transaction.state},
    }
    if transaction.due_at is not None:
        item[table.DUE_SHARD] = {"S": table.due_shard(transaction.stream_id)}
        item[table.DUE_AT] = {"S": table.due_at(transaction.due_at)}
    if transaction.unpublished is not None:
        item[table.UNPUBLISHED] = {"N": str(transaction.unpublished)}
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


def _count(name: str, change: CustomerChange, now: datetime) -> "TransactWriteItemTypeDef":
    match change:
        case Opening():
            return _open(name, change, now)
        case Closing():
            return {"Update": close(name, change)}
        case CardAttempt():
            return _attempt(name, change)
        case _:
            assert_never(change)


def _open(name: str, opening: Opening, now: datetime) -> "TransactWriteItemTypeDef":
    limits = opening.limits
    update = _update_counts(name, opening, sign=1)
    rooms = {f":room{place}": limits.units_held_max - units for place, units in enumerate(opening.units.values())}
    has_room = [
        # Where one reservation alone is too much, nothing being held yet is no room either.
        f"(attribute_not_exists(#held{place}) OR #held{place} <= {name})" if room >= 0 else f"#held{place} <= {name}"
        for place, (name, room) in enumerate(rooms.items())
    ]
    conditions = ["(attribute_not_exists(#open) OR size(#open) < :open_max)", *has_room]
    numbers = {":open_max": limits.open_reservations_max, ":forget_at": _forget_at(now), **rooms}
    update["UpdateExpression"] += " SET #forget_at = :forget_at"
    update["ConditionExpression"] = " AND ".join(conditions)
    update["ExpressionAttributeNames"] |= {"#forget_at": table.FORGET_AT}
    update["ExpressionAttributeValues"] |= {each: {"N": str(number)} for each, number in numbers.items()}
    update["ReturnValuesOnConditionCheckFailure"] = "ALL_OLD"
    return {"Update": update}


def close(name: str, closing: Closing) -> Any:
    """Returns an update that can be in a transaction, or by itself."""
    update = _update_counts(name, closing, sign=-1)
    update["ConditionExpression"] = "contains(#open, :id)"
    update["ExpressionAttributeValues"] |= {":id": {"S": closing.reservation_id}}
    return update


def _update_counts(name: str, change: Opening | Closing, sign: int) -> Any:
    places = range(len(change.units))
    held = ", ".join(f"#held{place} :held{place}" for place in places)
    return {
        "TableName": name,
        "Key": {table.PK: {"S": table.customer_pk(change.customer_id)}, table.SK: {"S": table.STATE_SK}},
        "UpdateExpression": f"ADD #open :ids, {held}" if sign > 0 else f"DELETE #open :ids ADD {held}",
        "ExpressionAttributeNames": {
            "#open": table.OPEN,
            **{f"#held{place}": table.HELD_PREFIX + sku for place, sku in zip(places, change.units, strict=True)},
        },
        "ExpressionAttributeValues": {
            ":ids": {"SS": [change.reservation_id]},
            **{f":held{place}": {"N": str(sign * units)} for place, units in enumerate(change.units.values())},
        },
    }


def _forget_at(now: datetime) -> int:
    return int((now + FORGOTTEN_AFTER).timestamp())


def _attempt(name: str, attempt: CardAttempt) -> "TransactWriteItemTypeDef":
    return {
        "Update": {
            "TableName": name,
            "Key": {
                table.PK: {"S": table.customer_pk(attempt.customer_id)},
                table.SK: {"S": table.cards_sk(attempt.window)},
            },
            "UpdateExpression": "SET #forget_at = :forget_at ADD #attempts :one",
            "ConditionExpression": "attribute_not_exists(#attempts) OR #attempts < :max",
            "ExpressionAttributeNames": {"#forget_at": table.FORGET_AT, "#attempts": table.ATTEMPTS},
            "ExpressionAttributeValues": {
                ":one": {"N": "1"},
                ":max": {"N": str(attempt.attempts_max)},
                ":forget_at": {"N": str(_forget_at(attempt.window))},
            },
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }
    }


def _put_key(name: str, use: ports.KeyUse) -> "TransactWriteItemTypeDef":
    item = {
        table.PK: {"S": table.key_pk(use.key_id)},
        table.SK: {"S": table.KEY_SK},
        table.BODY_DIGEST: {"S": use.body_digest},
        table.STREAM_ID: {"S": use.stream_id},
        table.VERSION: {"N": str(use.version)},
    }
    return {"Put": {"TableName": name, "Item": item, "ConditionExpression": f"attribute_not_exists({table.PK})"}}
