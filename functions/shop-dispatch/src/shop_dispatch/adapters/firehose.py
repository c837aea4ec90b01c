"""Packs lines into the records of Firehose, and sends refused records again.

https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html
"""

import random
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from shop_dispatch.ports import ArchiveError
from shop_observability.tracing import subsegment

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

RECORD_BYTES: Final = 256 * 1024
"""Lines are packed up to this. A record is billed as a multiple of 5 KB: alone, an event of 0.7 KB costs seven times
its size, in a full record at most 2% more. Larger records save nothing, and a refused one is sent again whole."""
RECORD_LINES_MAX: Final = 500
"""Firehose splits a record into at most so many lines, to put each event in the folder of its type."""
RECORDS_MAX: Final = 500
REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
"""Bytes are counted as they are sent, in base64. AWS does not document which it counts, and a call that is too large
fails for ever."""
_RECORD_FRAME_BYTES: Final = len('{"Data": ""}, ')
_REQUEST_FRAME_BYTES: Final = 1_024
ATTEMPTS_MAX: Final = 5
BACKOFF_SECONDS: Final = 0.2
"""The second attempt waits up to this long. The limit doubles each time, and each wait is a random part of it."""


@dataclass(frozen=True)
class FirehoseArchive:
    client: "FirehoseClient"
    delivery_stream: str
    sleep: Callable[[float], None] = field(default=time.sleep)

    def put(self, lines: Sequence[bytes]) -> None:
        # A line that is longer than RECORD_BYTES becomes a record of its own.
        records = map(b"".join, _chunks(lines, RECORD_LINES_MAX, RECORD_BYTES, len))
        for request in _chunks(records, RECORDS_MAX, REQUEST_BYTES_MAX - _REQUEST_FRAME_BYTES, _sent_bytes):
            self._put_all(request)

    def _put_all(self, records: Sequence[bytes]) -> None:
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self.sleep(random.uniform(0, BACKOFF_SECONDS * 2 ** (attempt - 1)))  # noqa: S311 - jitter, no secret
            refused = self._put_once(records)
            if not refused:
                return
            records = [record for record, _ in refused]
        raise ArchiveError(len(refused), refused[-1][1])

    def _put_once(self, records: Sequence[bytes]) -> list[tuple[bytes, str]]:
        """Returns the refused records with the reasons. The call succeeds even if every record is refused."""
        with subsegment("Firehose", "aws", aws={"operation": "PutRecordBatch", "record_count": len(records)}):
            answer = self.client.put_record_batch(
                DeliveryStreamName=self.delivery_stream, Records=[{"Data": record} for record in records]
            )
        return [
            (record, entry["ErrorCode"])
            for record, entry in zip(records, answer["RequestResponses"], strict=True)
            if entry.get("ErrorCode")
        ]


def _sent_bytes(record: bytes) -> int:
    return (len(record) + 2) // 3 * 4 + _RECORD_FRAME_BYTES


def _chunks(
    parts: Iterable[bytes], count_max: int, bytes_max: int, size_of: Callable[[bytes], int]
) -> Iterator[list[bytes]]:
    """Splits the parts in order. Each chunk has at least one part, and as many as the limits allow."""
    chunk: list[bytes] = []
    size = 0
    for part in parts:
        if chunk and (len(chunk) == count_max or size + size_of(part) > bytes_max):
            yield chunk
            chunk, size = [], 0
        chunk.append(part)
        size += size_of(part)
    if chunk:
        yield chunk
