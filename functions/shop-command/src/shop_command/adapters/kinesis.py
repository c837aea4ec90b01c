"""Events are published to a Kinesis stream."""

import time
from collections.abc import Callable, Iterable, Sequence
from random import Random
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from shop_command.adapters import telemetry
from shop_command.ports import deadline
from shop_observability.logs import logger
from shop_observability.tracing import subsegment
from shop_shared.envelope import Envelope, encode

if TYPE_CHECKING:
    from mypy_boto3_kinesis import KinesisClient

ATTEMPTS_MAX: Final = 3
PAUSE_SECONDS_MAX: Final = 0.1


class KinesisPublisher(Struct, frozen=True):
    client: "KinesisClient"
    stream_name: str
    randomness: Random
    sleep: Callable[[float], None] = time.sleep

    def publish(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        published: list[Envelope] = []
        failed = list(events)
        for attempt in range(ATTEMPTS_MAX):
            if attempt:
                telemetry.publishing_retried(len(failed))
                self.sleep(self.randomness.uniform(0, PAUSE_SECONDS_MAX))
            try:
                codes = self._put(failed)
            except (BotoCoreError, ClientError, deadline.OutOfTimeError):
                # Some may have arrived all the same. They are published twice, which readers expect.
                due = {"stream_ids": _streams(failed)}
                logger().warning("events stay due: Kinesis does not answer", extra=due, exc_info=True)
                return published
            # The answer has an entry for each record, in order; a success of the call says nothing details them.
            taken = [event for event, code in zip(failed, codes, strict=True) if code is None]
            telemetry.published(len(taken))
            published += taken
            failed = [event for event, code in zip(failed, codes, strict=True) if code is not None]
            if not failed:
                return published
        details: dict[str, object] = {"refused": len(failed), "code": codes[-1], "stream_ids": _streams(failed)}
        logger().warning("events stay due: Kinesis refused them", extra=details)
        return published

    def _put(self, events: Sequence[Envelope]) -> list[str | None]:
        """Returns the error code of each event, or None."""
        deadline.require(deadline.AWS_CALL_SECONDS_MAX)
        with subsegment("Kinesis", "aws", aws={"operation": "PutRecords", "stream_name": self.stream_name}):
            answer = self.client.put_records(
                StreamName=self.stream_name,
                Records=[{"Data": encode(event), "PartitionKey": event.partitionkey} for event in events],
            )
        return [record.get("ErrorCode") for record in answer["Records"]]


def _streams(events: Iterable[Envelope]) -> list[str]:
    return list(dict.fromkeys(event.subject for event in events))
