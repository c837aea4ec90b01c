"""Reads a stream's events from the event store: what `shop events` shows."""

from __future__ import annotations

import json
from typing import Any

from shop_cli.local import deploy
from shop_cli.local.aws import client
from shop_cli.local.home import State


def read_stream(state: State, stream_id: str) -> list[dict[str, Any]]:
    """Reads a stream of the shop on this machine."""
    return read(client(state, "dynamodb"), deploy.outputs(state)["TableName"], stream_id)


def read(dynamodb: Any, table: str, stream_id: str) -> list[dict[str, Any]]:
    """Returns the stream's CloudEvents in order, and none if there is no such stream. The read is consistent: it sees
    everything that was committed."""
    pages = dynamodb.get_paginator("query").paginate(
        TableName=table,
        KeyConditionExpression="pk = :stream and begins_with(sk, :event)",
        ExpressionAttributeValues={":stream": {"S": stream_id}, ":event": {"S": "event#"}},
        ConsistentRead=True,
    )
    return [json.loads(item["event"]["S"]) for page in pages for item in page["Items"]]
