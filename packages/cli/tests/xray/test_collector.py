"""Real datagrams in, boto3 out, in the process that the local run starts."""

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

import pytest
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment

from shop_cli.xray.collector import local_client, newest_documents
from shop_cli.xray.traces import Trace, TraceNotFoundError, fetch

WAIT_SECONDS_MAX = 20


@dataclass
class Running:
    process: subprocess.Popen[str]
    udp_port: int
    http_port: int

    def send(self, datagram: bytes) -> None:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
            sender.sendto(datagram, ("127.0.0.1", self.udp_port))

    def segment(self, name: str, trace_id: str | None = None) -> Segment:
        """Sent by the SDK's own emitter."""
        segment = Segment(name, traceid=trace_id)
        segment.add_subsegment(Subsegment("call", "remote", segment))
        segment.subsegments[0].close()
        segment.close()
        emitter = UDPEmitter(f"127.0.0.1:{self.udp_port}")
        emitter.send_entity(segment)
        emitter._socket.close()
        return segment

    def trace(self, trace_id: str, is_complete: Callable[[Trace], bool] = lambda _: True) -> Trace:
        client: Any = local_client(f"http://127.0.0.1:{self.http_port}")
        deadline = time.monotonic() + WAIT_SECONDS_MAX
        while True:
            try:
                trace = fetch(client, trace_id)
                if is_complete(trace):
                    return trace
            except TraceNotFoundError:
                pass
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
    command = [
        sys.executable,
        "-m",
        "shop_cli.xray",
        "--udp-port",
        "0",
        "--http-port",
        "0",
        "--data",
        str(data),
        *flags,
    ]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    ready = json.loads(process.stdout.readline())
    try:
        yield Running(process, ready["udp_port"], ready["http_port"])
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def document(**changes: Any) -> bytes:
    segment: dict[str, Any] = {
        "trace_id": "1-5e1b4151-000000000000000000000001",
        "id": "0000000000000001",
        "name": "shop",
    }
    segment |= {"start_time": 100.0, "end_time": 100.5, **changes}
    return b'{"format":"json","version":1}\n' + json.dumps(segment).encode()


def test_a_segment_sent_by_the_sdk_is_read_through_boto3_and_again_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    with collector(data) as running:
        segment = running.segment("shop-command")
        spans = running.trace(segment.trace_id).spans
        assert [(span.name, span.parent_id) for span in spans] == [("shop-command", None), ("call", segment.id)]
        assert running.stop()["segments"] == 1
    with collector(data) as running:
        assert running.trace(segment.trace_id).spans == spans
        running.segment("shop-dispatch", segment.trace_id)
        names = {span.name for span in running.trace(segment.trace_id, lambda trace: len(trace.spans) == 4).spans}
        assert names == {"shop-command", "shop-dispatch", "call"}


def test_traces_survive_a_kill_and_a_line_that_it_cut_short(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    with collector(data) as running:
        first = running.segment("shop-command")
        running.trace(first.trace_id)
        running.process.kill()
    with data.open("a") as file:
        file.write('{"trace_id": "1-')
    with collector(data) as running:
        second = running.segment("shop-command")
        assert running.trace(first.trace_id).spans
        assert running.trace(second.trace_id).spans
        assert running.stop()["segments"] == 2


MALFORMED = [
    b"",
    b"\xff\xfe",
    b"no header at all",
    b'{"format":"xml","version":1}\n{}',
    b'{"format":"json","version":1}\n{"trace_id": ',
    b'{"format":"json","version":1}\n' + b"[" * 60_000,
    b'{"format":"json","version":1}\n[]',
    document(start_time="soon"),
    document(end_time=None),
    document(id=7),
    document(raw="a field that moto cannot take"),
    document(start_time=1e300),
]


def test_malformed_datagrams_are_counted_and_cost_no_other(tmp_path: Path) -> None:
    with collector(tmp_path / "traces.jsonl") as running:
        segments = []
        for datagram in MALFORMED:
            running.send(datagram)
            segments.append(running.segment("shop-command"))
        for segment in segments:
            assert running.trace(segment.trace_id).spans
        stopped = running.stop()
    assert (stopped["malformed"], stopped["segments"], stopped["dropped"]) == (len(MALFORMED), len(MALFORMED), 0)


def test_the_file_and_what_can_be_read_keep_only_the_newest(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    with collector(data, "--megabytes-max", "0.02") as running:
        oldest = running.segment("shop-command")
        running.trace(oldest.trace_id)
        for _ in range(100):
            newest = running.segment("shop-command")
        running.trace(newest.trace_id)
        stopped = running.stop()
        assert 0 < stopped["segments"] < 101
        assert data.stat().st_size <= 20_000
    lines = data.read_text()
    assert newest.trace_id in lines
    assert oldest.trace_id not in lines


def test_a_file_over_its_bound_is_cut_to_its_newest_half(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    line = document().decode().splitlines()[1]
    data.write_text((line + "\n") * 100)
    assert newest_documents(data, 100 * (len(line) + 1)) == [line] * 100
    assert newest_documents(data, 100 * (len(line) + 1) - 1) == [line] * 49
    assert data.read_text() == (line + "\n") * 49


def test_a_taken_port_ends_it_at_once(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        command = [sys.executable, "-m", "shop_cli.xray", "--udp-port", "0", "--http-port", port]
        ended = subprocess.run(
            [*command, "--data", str(tmp_path / "traces.jsonl")],
            capture_output=True, timeout=WAIT_SECONDS_MAX, check=False, text=True,
        )  # fmt: skip
    assert ended.returncode != 0
    assert "Address already in use" in ended.stderr


def test_an_unknown_trace_is_not_found(tmp_path: Path) -> None:
    with collector(tmp_path / "traces.jsonl") as running, pytest.raises(TraceNotFoundError):
        fetch(local_client(f"http://127.0.0.1:{running.http_port}"), "1-5e1b4151-00000000000000000000ffff")
