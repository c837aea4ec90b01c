"""This module reads the real clock and secrets, and makes ids."""

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from botocore.exceptions import BotoCoreError, ClientError

from shop_command.ports import deadline
from shop_observability.tracing import subsegment


class SystemClock:
    def now(self) -> datetime:
        now = datetime.now(UTC)
        return now.replace(microsecond=now.microsecond // 1000 * 1000)


class Uuid7:
    """https://www.rfc-editor.org/rfc/rfc9562#name-uuid-version-7 (the standard library has it from Python 3.14)."""

    def next(self) -> str:
        milliseconds = time.time_ns() // 1_000_000
        value = bytearray(milliseconds.to_bytes(6, "big") + os.urandom(10))
        value[6] = value[6] & 0x0F | 0x70
        value[8] = value[8] & 0x3F | 0x80
        return str(uuid.UUID(bytes=bytes(value)))


class SecretUnavailableError(Exception):
    """The parameter could not be read. A retry may help."""


@dataclass(frozen=True)
class SecretParameter:
    """Each call reads a SecureString of the parameter store."""

    client: Callable[[], Any]  # botocore's, of ssm
    name: str

    def __call__(self) -> str:
        try:
            deadline.require(deadline.AWS_CALL_SECONDS_MAX)
            with subsegment("SSM", "aws", aws={"operation": "GetParameter"}):
                answer = self.client().get_parameter(Name=self.name, WithDecryption=True)
        except (BotoCoreError, ClientError, deadline.OutOfTimeError) as error:
            raise SecretUnavailableError(self.name) from error
        return str(answer["Parameter"]["Value"])
