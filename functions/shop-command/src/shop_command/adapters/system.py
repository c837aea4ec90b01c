"""This module reads the real clock, and makes ids."""

import os
import time
import uuid
from datetime import UTC, datetime


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
