"""Secrets are read from the parameter store, and may be replaced while the function runs."""

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from math import inf
from threading import Lock
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError
from msgspec import Struct

from shop_command.ports import deadline
from shop_observability.logs import logger
from shop_observability.tracing import subsegment

LIFETIME_SECONDS_DEFAULT: Final = 300
PAUSE_SECONDS: Final = 30.0
"""However many signatures and keys fail, an execution environment reads no more often."""
OVERLAP: Final = timedelta(hours=24)
"""Stripe lets a secret and its successor be valid side by side for a day at most."""

Values = tuple[str, ...]
"""The newest is first."""


class SecretUnavailableError(Exception):
    """The parameter could not be read. A retry may help."""


class SecretParameter(Struct, frozen=True):
    """Each call reads a SecureString, and the version before it while that may still be in use."""

    client: Callable[[], Any]  # botocore's, of ssm
    name: str
    overlap: timedelta = timedelta()

    def __call__(self) -> Values:
        newest = self._read(self.name)
        version, changed_at = int(newest["Version"]), newest["LastModifiedDate"]
        if version == 1 or datetime.now(UTC) - changed_at >= self.overlap:
            return (newest["Value"],)
        try:
            return newest["Value"], self._read(f"{self.name}:{version - 1}")["Value"]
        except SecretUnavailableError:
            logger().warning("the earlier version of a secret could not be read", exc_info=True)
            return (newest["Value"],)

    def _read(self, name: str) -> Any:
        try:
            deadline.require(deadline.AWS_CALL_SECONDS_MAX)
            with subsegment("SSM", "aws", aws={"operation": "GetParameter"}):
                return self.client().get_parameter(Name=name, WithDecryption=True)["Parameter"]
        except (BotoCoreError, ClientError, deadline.OutOfTimeError) as error:
            raise SecretUnavailableError(name) from error


class Secret:
    """Keeps the values that `read` returns for `lifetime_seconds`, and for longer while they can't be read again."""

    def __init__(
        self,
        read: Callable[[], Values],
        lifetime_seconds: float = LIFETIME_SECONDS_DEFAULT,
        *,
        seconds_now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._read = read
        self._lifetime_seconds = lifetime_seconds
        self._seconds_now = seconds_now
        self._lock = Lock()
        self._values: Values = ()
        self._read_at = self._tried_at = -inf

    def values(self) -> Values:
        """Raises SecretUnavailableError if they were never read."""
        with self._lock:
            if not self._values:
                self._replace()
            elif self._seconds_now() - self._read_at >= self._lifetime_seconds:
                self._try_to_replace()
            return self._values

    def others_than(self, failed: Values) -> Values | None:
        """Returns the present values, which are read for it at once, if they are others than those that failed."""
        with self._lock:
            if self._values == failed:
                self._try_to_replace()
            return self._values if self._values != failed else None

    def _try_to_replace(self) -> None:
        if self._seconds_now() - self._tried_at < PAUSE_SECONDS:
            return
        self._tried_at = self._seconds_now()
        try:
            self._replace()
        except SecretUnavailableError:
            logger().warning("a secret could not be read again", exc_info=True)

    def _replace(self) -> None:
        self._values = self._read()
        self._read_at = self._seconds_now()
