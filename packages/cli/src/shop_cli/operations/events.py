"""`shop events`: a stream's events, as they are in the event store."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.table import Table

from shop_cli.errors import ShopError
from shop_cli.output import JsonOption, print_json, table
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target
from shop_shared.stored import event_text_of_dynamodb


def events(
    stream: Annotated[str, typer.Argument(help="The stream's id: product-<sku> or reservation-<id>.")],
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show the events of a stream, as they are in the event store."""
    found = read_or_fail(Target.of(stage), stream)
    if as_json:
        print_json(found)
    else:
        ProgressDisplay().console.print(events_table(found))


def read_or_fail(target: Target, stream_id: str) -> list[dict[str, Any]]:
    found = read(target, stream_id)
    if not found:
        raise ShopError(f"There is no stream {stream_id}. A stream is called product-<sku> or reservation-<id>")
    return found


def read(target: Target, stream_id: str) -> list[dict[str, Any]]:
    """Returns the stream's CloudEvents in order, and none if there is no such stream. The read is consistent: it sees
    everything that was committed."""
    pages = (
        target.client("dynamodb")
        .get_paginator("query")
        .paginate(
            TableName=target.outputs["TableName"],
            KeyConditionExpression="pk = :stream and begins_with(sk, :event)",
            ExpressionAttributeValues={":stream": {"S": stream_id}, ":event": {"S": "event#"}},
            ConsistentRead=True,
        )
    )
    return [json.loads(event_text_of_dynamodb(item)) for page in pages for item in page["Items"]]


def events_table(found: list[dict[str, Any]]) -> Table:
    rows = [[event["streamversion"], event["type"], event["time"][:23], event["id"], _actor(event)] for event in found]
    return table(["version", "type", "time (UTC)", "id", "by"], rows)


def _actor(event: dict[str, Any]) -> str | None:
    return event.get("authid") or event.get("authtype")
