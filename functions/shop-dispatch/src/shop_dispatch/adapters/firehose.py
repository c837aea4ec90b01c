"""The archive behind Firehose. https://docs.aws.amazon.com/firehose/latest/APIReference/API_PutRecordBatch.html"""

import random
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final

from shop_dispatch.ports import ArchiveError
from shop_observability.tracing import subsegment

if TYPE_CHECKING:
    from mypy_boto3_firehose import FirehoseClient

RECORDS_MAX: Final = 500
REQUEST_BYTES_MAX: Final = 4 * 1024 * 1024
ATTEMPTS_MAX: Final = 5
BACKOFF_SECONDS: Final = 0.1
"""Before the second attempt; it doubles, and each wait is a random part of it."""


class FirehoseArchive:
    def __init__(
        self, client: "FirehoseClient", delivery_stream: str, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._client = client
        self._delivery_stream = delivery_stream
        self._sleep = sleep

    def put(self, lines: Sequence[bytes]) -> None:
        for request in _requests(lines):
            self._put_all(request)

    def _put_all(self, lines: Sequence[bytes]) -> None:
        cause = ""
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                self._sleep(random.uniform(0, BACKOFF_SECONDS * 2**attempt))  # noqa: S311 - jitter, no secret
            lines, cause = self._put_once(lines)
            if not lines:
                return
        raise ArchiveError(len(lines), cause)

    def _put_once(self, lines: Sequence[bytes]) -> tuple[list[bytes], str]:
        """What was refused, and one of the reasons. The call succeeds even if it takes nothing."""
        with subsegment("Firehose", "aws", aws={"operation": "PutRecordBatch", "record_count": len(lines)}):
            answer = self._client.put_record_batch(
                DeliveryStreamName=self._delivery_stream, Records=[{"Data": line} for line in lines]
            )
        refused = [
            (line, entry["ErrorCode"])
            for line, entry in zip(lines, answer["RequestResponses"], strict=True)
            if entry.get("ErrorCode")
        ]
        return [line for line, _ in refused], refused[-1][1] if refused else ""


def _requests(lines: Sequence[bytes]) -> Iterator[list[bytes]]:
    request: list[bytes] = []
    size = 0
    for line in lines:
        if request and (len(request) == RECORDS_MAX or size + len(line) > REQUEST_BYTES_MAX):
            yield request
            request, size = [], 0
        request.append(line)
        size += len(line)
    if request:
        yield request
