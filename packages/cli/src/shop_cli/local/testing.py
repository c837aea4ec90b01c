"""Segments, and a collector in the process that the local run starts, for tests."""

import json
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shop_cli.local.emulator import client_at
from shop_cli.operations.trace.traces import Document, RecordedTrace, documents, read

TRACE_ID = "1-5e1b4151-000000000000000000000001"
WAIT_SECONDS_MAX = 20
KEYS = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test"}
"""moto takes any."""


def segment(span_id: str, name: str, start: float, end: float | None, **fields: Any) -> Document:
    return {"trace_id": TRACE_ID, **subsegment(span_id, name, start, end), **fields}


def subsegment(span_id: str, name: str, start: float, end: float | None, **fields: Any) -> Document:
    ended = {"in_progress": True} if end is None else {"end_time": end}
    return {"id": span_id, "name": name, "start_time": start, **ended, **fields}


@dataclass
class Running:
    process: subprocess.Popen[str]
    udp_port: int
    http_port: int

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.http_port}"

    def send(self, datagram: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, ("127.0.0.1", self.udp_port))

    def send_document(self, document: Document) -> None:
        self.send(b'{"format": "json", "version": 1}\n' + json.dumps(document).encode())

    def trace(self, trace_id: str, is_complete: Callable[[RecordedTrace], bool] = lambda _: True) -> RecordedTrace:
        client: Any = client_at(self.url, "xray", KEYS)
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            found = documents(client, [trace_id])
            if found:
                trace = read(trace_id, found[trace_id])
                if is_complete(trace):
                    return trace
            assert time.monotonic() < deadline
            time.sleep(0.05)

    def stop(self) -> dict[str, Any]:
        """The last line of its log."""
        self.process.send_signal(signal.SIGTERM)
        log, _ = self.process.communicate(timeout=WAIT_SECONDS_MAX)
        assert self.process.returncode == 0
        return dict(json.loads(log.splitlines()[-1]))


@contextmanager
def collector(data: Path, *flags: str) -> Iterator[Running]:
    ports = ["--udp-port", "0", "--http-port", "0"]
    command = [sys.executable, "-m", "shop_cli.local.collector", *ports, "--data", str(data), *flags]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    try:
        yield Running(process, ready["udp_port"], ready["http_port"])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()
