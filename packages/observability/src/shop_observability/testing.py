"""The suites of all functions use these: they stand for the X-Ray daemon, and read what is logged and measured."""

import json
import logging
import os
import socket
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from io import StringIO
from typing import Any, Final
from unittest import mock

import pytest

from shop_observability import metrics, tracing
from shop_observability.logs import logger

ROOT: Final = "1-5759e988-bd862e3fe1be46a994272793"
PARENT: Final = "53995c3f42cd8ad8"
HEADER: Final = f"Root={ROOT};Parent={PARENT};Sampled=1"
QUIET_SECONDS: Final = 0.2


class Daemon:
    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening

    def documents(self) -> list[dict[str, Any]]:
        """Returns what has arrived since the last call, until nothing more comes."""
        received = []
        while True:
            try:
                received.append(json.loads(self._socket.recv(65_535).split(b"\n", 1)[1]))
            except TimeoutError:
                return received

    def forget(self) -> None:
        """Drops what an earlier test has sent."""
        self._socket.setblocking(False)
        try:
            while True:
                self._socket.recv(65_535)
        except BlockingIOError:
            self._socket.settimeout(QUIET_SECONDS)


@contextmanager
def listening_daemon() -> Iterator[Daemon]:
    """Inside, the environment names it as Lambda's does. It takes a tenth of a second: one is enough for a module."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.settimeout(QUIET_SECONDS)
        address = f"127.0.0.1:{listening.getsockname()[1]}"
        with _variables(AWS_XRAY_DAEMON_ADDRESS=address, LAMBDA_TASK_ROOT="/var/task"):  # the SDK looks at both
            tracing._recorder.cache_clear()
            tracing._recorder()  # reads the address
            try:
                yield Daemon(listening)
            finally:
                _close()


def _close() -> None:
    tracing._recorder().emitter._socket.close()
    tracing._recorder.cache_clear()
    # The SDK makes a recorder of its own at import, which nobody uses and nobody closes.
    sys.modules["aws_xray_sdk.core"].xray_recorder.emitter._socket.close()


class Log:
    """A test reads what was logged as text or line by line."""

    def __init__(self) -> None:
        self.written = StringIO()

    @property
    def text(self) -> str:
        return self.written.getvalue()

    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def listening_to_logs() -> Iterator[Log]:
    """The logger itself keeps the stdout of whoever used it first, which may be another test's."""
    log, own = Log(), list(logger().handlers)
    listening = logging.StreamHandler(log.written)
    listening.setFormatter(own[0].formatter)
    logger().handlers[:] = [listening]
    try:
        yield log
    finally:
        logger().handlers[:] = own


@contextmanager
def invoked_before(service: str) -> Iterator[None]:
    """Inside, the function has the names that its stack gives it, and its environment is not a new one."""
    with (
        _variables(POWERTOOLS_METRICS_NAMESPACE="Shop", POWERTOOLS_SERVICE_NAME=service, SHOP_STAGE="test"),
        mock.patch.object(metrics, "_is_cold", new=False),
    ):
        metrics.begin()
        metrics._line.cache_clear()
        logger().append_keys(service=service)  # another suite of the same process may have made the logger
        yield


@contextmanager
def _variables(**values: str) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        # Only these are restored: other fixtures may have set variables since, and restore them on their own.
        for name, value in before.items():
            os.environ.pop(name)
            os.environ.update({name: value} if value is not None else {})


def measured(printed: str) -> dict[str, list[float]]:
    """Returns all metrics in what was printed. Fails where they take more than one line."""
    [line] = [json.loads(text) for text in printed.splitlines() if '"_aws":' in text] or [{}]
    return {name: values for name, values in line.items() if name not in ("_aws", "service", "stage")}


# A suite imports the fixtures that it uses into its conftest.


@pytest.fixture(scope="module")
def kept_daemon() -> Iterator[Daemon]:
    with listening_daemon() as daemon:
        yield daemon


@pytest.fixture
def daemon(kept_daemon: Daemon) -> Daemon:
    kept_daemon.forget()
    return kept_daemon


@pytest.fixture
def log() -> Iterator[Log]:
    with listening_to_logs() as log:
        yield log


@pytest.fixture
def recorded(log: Log, daemon: Daemon, capsys: pytest.CaptureFixture[str]) -> Callable[[], str]:
    """Returns all that the function has logged, traced and measured since, which somebody may read."""
    capsys.readouterr()
    return lambda: log.text + json.dumps(daemon.documents()) + capsys.readouterr().out
