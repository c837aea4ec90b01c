"""Reads the archive's objects in S3: lines of JSON, each an event as it came."""

from __future__ import annotations

import gzip
import json
from datetime import datetime
from typing import Any, Final

from shop_cli.target import Target

PREFIX: Final = "events/"
_GZIP: Final = b"\x1f\x8b"


def objects_with(target: Target, stream_id: str, since: datetime) -> dict[str, list[str]]:
    """Finds the objects written since then that hold events of the stream, each with those events' types."""
    s3, bucket = target.client("s3"), target.outputs["BucketName"]
    found: dict[str, list[str]] = {}
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=PREFIX):
        for entry in page.get("Contents", []):
            if entry["LastModified"] < since:
                continue
            events = map(json.loads, lines(s3, bucket, entry["Key"]))
            types = [event["type"] for event in events if event.get("subject") == stream_id]
            if types:
                found[entry["Key"]] = types
    return found


def lines(s3: Any, bucket: str, key: str) -> list[bytes]:
    """An object is compressed on AWS and plain on this machine. Its content shows which, since a client may have
    unpacked it already: Firehose declares the compression as an encoding."""
    content = bytes(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
    return (gzip.decompress(content) if content.startswith(_GZIP) else content).splitlines()
