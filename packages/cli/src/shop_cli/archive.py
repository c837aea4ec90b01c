"""Reads the archive: the objects in S3 that hold a stream's events, and the named queries over all of them."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from datetime import datetime
from typing import Any

from shop_cli import deploy
from shop_cli.aws import client
from shop_cli.errors import ShopError
from shop_cli.home import State

QUERY_SECONDS = 60.0


def objects_with(state: State, stream_id: str, since: datetime) -> dict[str, list[str]]:
    """The keys of the objects written since then that hold events of the stream, each with those events' types."""
    s3, bucket = client(state, "s3"), deploy.outputs(state)["BucketName"]
    found: dict[str, list[str]] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="events/"):
        for entry in page.get("Contents", []):
            if entry["LastModified"] < since:
                continue
            lines = s3.get_object(Bucket=bucket, Key=entry["Key"])["Body"].read().splitlines()
            types = [event["type"] for event in map(json.loads, lines) if event["subject"] == stream_id]
            if types:
                found[entry["Key"]] = types
    return found


def run_named_query(
    state: State, name: str, values: dict[str, str], on_wait: Callable[[str], None]
) -> tuple[list[str], list[list[str]]]:
    """Columns and rows. `values` take the places in braces that some queries have."""
    athena, workgroup = client(state, "athena"), deploy.outputs(state)["AthenaWorkgroupName"]
    query = _named_query(athena, workgroup, name)
    text = query["QueryString"]
    for placeholder, value in values.items():
        text = text.replace(f"{{{placeholder}}}", value.replace("'", "''"))
    execution = athena.start_query_execution(
        QueryString=text, WorkGroup=workgroup, QueryExecutionContext={"Database": query["Database"]}
    )["QueryExecutionId"]
    deadline = time.monotonic() + QUERY_SECONDS
    while True:
        status = athena.get_query_execution(QueryExecutionId=execution)["QueryExecution"]["Status"]
        if status["State"] == "SUCCEEDED":
            return _result(athena, execution)
        if status["State"] in ("FAILED", "CANCELLED"):
            raise ShopError(f"The query {name} has {status['State'].lower()}: {status.get('StateChangeReason')}")
        if time.monotonic() > deadline:
            raise ShopError(f"The query {name} has not ended after {QUERY_SECONDS:.0f} s")
        on_wait(status["State"].lower())
        time.sleep(0.3)


def _named_query(athena: Any, workgroup: str, name: str) -> dict[str, Any]:
    ids = athena.list_named_queries(WorkGroup=workgroup)["NamedQueryIds"]
    queries = athena.batch_get_named_query(NamedQueryIds=ids)["NamedQueries"] if ids else []
    for query in queries:
        if query["Name"] == name:
            return dict(query)
    known = ", ".join(sorted(query["Name"] for query in queries)) or "none"
    raise ShopError(f"The workgroup {workgroup} has no query {name}; it has: {known}")


def _result(athena: Any, execution: str) -> tuple[list[str], list[list[str]]]:
    pages = athena.get_paginator("get_query_results").paginate(QueryExecutionId=execution)
    rows = [
        [cell.get("VarCharValue", "") for cell in row["Data"]] for page in pages for row in page["ResultSet"]["Rows"]
    ]
    return rows[0], rows[1:]
