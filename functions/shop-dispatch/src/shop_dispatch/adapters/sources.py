"""A rebuild reads every event from the live log, the event store or the archive, and changes none of them."""

import gzip
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import chain
from typing import TYPE_CHECKING, Any, Final

import psycopg

from shop_dispatch.ports import SourceBatch
from shop_shared import stored

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_dynamodb.type_defs import ScanInputTypeDef
    from mypy_boto3_s3 import S3Client

ARCHIVE_PREFIX: Final = "events/"
OBJECTS_AT_ONCE: Final = 8
BYTES_AT_ONCE: Final = 4 * 1024 * 1024
"""Objects are read together up to this: many small ones, or one large one. A step that ends wastes at most so much."""
_GZIP: Final = b"\x1f\x8b"

_LOGGED: Final = """
SELECT stream_id, stream_version, event FROM shop.event_log
WHERE (stream_id, stream_version) > (%s, %s) ORDER BY stream_id, stream_version LIMIT %s
"""


@dataclass(frozen=True)
class LogSource:
    """Reads in the order of the log's key. Events that are added behind the place that was reached have been noted."""

    connection: psycopg.Connection
    batch_events: int

    def batches(self, checkpoint: Any) -> Iterator[SourceBatch]:
        while True:
            place = checkpoint or ["", 0]
            rows = self.connection.execute(_LOGGED, [*place, self.batch_events]).fetchall()
            checkpoint = list(rows[-1][:2]) if len(rows) == self.batch_events else None
            yield SourceBatch([text.encode() for _, _, text in rows], checkpoint)
            if checkpoint is None:
                return


@dataclass(frozen=True)
class StoreSource:
    """Scans consistently, so every published event is there, and events that are not published yet are, too."""

    client: "DynamoDBClient"
    table: str
    batch_events: int

    def batches(self, checkpoint: Any) -> Iterator[SourceBatch]:
        request: ScanInputTypeDef = {
            "TableName": self.table,
            "ConsistentRead": True,
            "FilterExpression": "begins_with(sk, :event)",
            "ExpressionAttributeValues": {":event": {"S": "event#"}},
            "ProjectionExpression": ", ".join(f"#{name}" for name in stored.ATTRIBUTES),
            "ExpressionAttributeNames": {f"#{name}": name for name in stored.ATTRIBUTES},
        }
        records: list[bytes] = []
        while True:
            # A page has a megabyte of items before the filter.
            page = self.client.scan(**request, **({"ExclusiveStartKey": checkpoint} if checkpoint else {}))
            records += [stored.event_text_of_dynamodb(item).encode() for item in page["Items"]]
            checkpoint = page.get("LastEvaluatedKey")
            if checkpoint is None or len(records) >= self.batch_events:
                yield SourceBatch(records, checkpoint)
                records = []
            if checkpoint is None:
                return


@dataclass(frozen=True)
class ArchiveSource:
    """Reads JSON lines, compressed with gzip or not, object by object in the order of their keys."""

    client: "S3Client"
    bucket: str
    batch_events: int

    def batches(self, checkpoint: Any) -> Iterator[SourceBatch]:
        # A checkpoint names the last object that was read whole, the next one, and how many of its lines were read.
        after, begun, lines_read = checkpoint or ("", "", 0)
        records: list[bytes] = []
        for key, lines in self._objects(after):
            line = lines_read if key == begun else 0
            while len(records) + len(lines) - line >= self.batch_events:
                end = line + self.batch_events - len(records)
                yield SourceBatch(records + lines[line:end], [after, key, end])
                records, line = [], end
            records += lines[line:]
            after = key
        yield SourceBatch(records, None)

    def _objects(self, after: str) -> Iterator[tuple[str, list[bytes]]]:
        with ThreadPoolExecutor(OBJECTS_AT_ONCE) as pool:
            for keys in self._keys(after):
                yield from zip(keys, pool.map(self._lines, keys), strict=True)

    def _keys(self, after: str) -> Iterator[list[str]]:
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=ARCHIVE_PREFIX, StartAfter=after
        )
        together: list[str] = []
        size = 0
        for entry in chain.from_iterable(page.get("Contents", []) for page in pages):
            if together and size + entry["Size"] > BYTES_AT_ONCE:
                yield together
                together, size = [], 0
            together.append(entry["Key"])
            size += entry["Size"]
        if together:
            yield together

    def _lines(self, key: str) -> list[bytes]:
        content = self.client.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        if content.startswith(_GZIP):
            content = gzip.decompress(content)
        return [line for line in content.split(b"\n") if line.strip()]
