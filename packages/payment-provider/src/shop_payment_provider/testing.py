"""Runs the provider as a child process for tests, with files of its own:

with running_provider() as provider:
    stripe.StripeClient(provider.api_key, base_addresses={"api": provider.url})
"""

import os
import signal
import socket
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx

START_SECONDS_MAX = 30
STOP_SECONDS_MAX = 10


class ProviderProcess:
    """Keeps its port, key and data from one `start` to the next; `stop` is SIGTERM and `kill` is SIGKILL."""

    def __init__(self, directory: Path, *, slow_seconds: float, timeout_seconds: float, webhooks: bool) -> None:
        self.api_key = "sk_test_local"
        self.webhook_secret = "whsec_test_local"
        self.data = directory / "payments.sqlite3"
        self.log = directory / "payments.log"
        self.webhook_url_file = directory / "webhook-url"
        key_file, secret_file = directory / "payment-api-key", directory / "webhook-secret"
        key_file.write_text(self.api_key)
        secret_file.write_text(self.webhook_secret)
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        self.url = f"http://127.0.0.1:{port}"
        self._command = [sys.executable, "-m", "shop_payment_provider", "--port", str(port)]
        self._command += ["--data", str(self.data), "--api-key-file", str(key_file)]
        self._command += ["--slow-seconds", str(slow_seconds), "--timeout-seconds", str(timeout_seconds)]
        if webhooks:
            self._command += ["--webhook-url-file", str(self.webhook_url_file)]
            self._command += ["--webhook-secret-file", str(secret_file)]
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        with self.log.open("ab") as log:
            self._process = subprocess.Popen(self._command, stdout=log, stderr=subprocess.STDOUT)
        deadline = time.monotonic() + START_SECONDS_MAX
        while not self._is_healthy():
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"the payment provider does not start: {self.log.read_text()}")
            time.sleep(0.05)

    def stop(self) -> int:
        """Returns the exit status, which is 0 after a clean end."""
        return self._end(signal.SIGTERM)

    def kill(self) -> None:
        self._end(signal.SIGKILL)

    @contextmanager
    def database(self) -> Iterator[sqlite3.Connection]:
        """Opens the provider's file, which a test may read or corrupt while it runs."""
        connection = sqlite3.connect(self.data, timeout=10)
        try:
            with connection:
                yield connection
        finally:
            connection.close()

    def _end(self, number: signal.Signals) -> int:
        if self._process is None:
            return 0
        os.kill(self._process.pid, number)
        status = self._process.wait(STOP_SECONDS_MAX)
        self._process = None
        return status

    def _is_healthy(self) -> bool:
        try:
            return httpx.get(f"{self.url}/health").is_success
        except httpx.TransportError:
            return False


@contextmanager
def running_provider(
    *, slow_seconds: float = 0.5, timeout_seconds: float = 5.0, webhooks: bool = False
) -> Iterator[ProviderProcess]:
    """With `webhooks` it sends them to the URL in its `webhook_url_file`, once a test has written that."""
    with tempfile.TemporaryDirectory() as directory:
        provider = ProviderProcess(
            Path(directory), slow_seconds=slow_seconds, timeout_seconds=timeout_seconds, webhooks=webhooks
        )
        provider.start()
        try:
            yield provider
        finally:
            provider.stop()
