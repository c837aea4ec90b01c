"""Real datagrams in, boto3 out, in the process that the local run starts."""

import json
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from aws_xray_sdk.core import xray_recorder
from aws_xray_sdk.core.emitters.udp_emitter import UDPEmitter
from aws_xray_sdk.core.models.segment import Segment
from aws_xray_sdk.core.models.subsegment import Subsegment

from shop_cli.local.collector import newest_documents
from shop_cli.local.emulator import client_at
from shop_cli.local.testing import KEYS, TRACE_ID, WAIT_SECONDS_MAX, Running, collector
from shop_cli.operations.trace.traces import documents

xray_recorder.emitter._socket.close()  # the SDK opens it at its import, and nobody uses it


def sent_by_the_sdk(running: Running, name: str, trace_id: str | None = None) -> Segment:
    segment = Segment(name, traceid=trace_id)
    segment.add_subsegment(Subsegment("call", "remote", segment))
    segment.subsegments[0].close()
    segment.close()
    emitter = UDPEmitter(f"127.0.0.1:{running.udp_port}")
    emitter.send_entity(segment)
    emitter._socket.close()
    return segment


def document(**changes: Any) -> bytes:
    segment: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "id": "0000000000000001",
        "name": "shop",
    }
    segment |= {"start_time": 100.0, "end_time": 100.5, **changes}
    return b'{"format":"json","version":1}\n' + json.dumps(segment).encode()


def test_a_segment_sent_by_the_sdk_is_read_through_boto3_and_again_after_a_restart(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    with collector(data) as running:
        segment = sent_by_the_sdk(running, "shop-command")
        spans = running.trace(segment.trace_id).spans
        assert [(span.name, span.parent_id) for span in spans] == [("shop-command", None), ("call", segment.id)]
        assert running.stop()["segments"] == 1
    with collector(data) as running:
        assert running.trace(segment.trace_id).spans == spans
        sent_by_the_sdk(running, "shop-dispatch", segment.trace_id)
        names = {span.name for span in running.trace(segment.trace_id, lambda trace: len(trace.spans) == 4).spans}
        assert names == {"shop-command", "shop-dispatch", "call"}


def test_traces_survive_a_kill_and_a_line_that_it_cut_short(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    with collector(data) as running:
        first = sent_by_the_sdk(running, "shop-command")
        running.trace(first.trace_id)
        running.process.kill()
    with data.open("a") as file:
        file.write('{"trace_id": "1-')
    with collector(data) as running:
        second = sent_by_the_sdk(running, "shop-command")
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
            segments.append(sent_by_the_sdk(running, "shop-command"))
        for segment in segments:
            assert running.trace(segment.trace_id).spans
        stopped = running.stop()
    assert (stopped["malformed"], stopped["segments"], stopped["dropped"]) == (len(MALFORMED), len(MALFORMED), 0)


def test_the_file_and_what_can_be_read_keep_only_the_newest(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    with collector(data, "--megabytes-max", "0.02") as running:
        oldest = sent_by_the_sdk(running, "shop-command")
        running.trace(oldest.trace_id)
        for _ in range(100):
            newest = sent_by_the_sdk(running, "shop-command")
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
        command = [sys.executable, "-m", "shop_cli.local.collector", "--udp-port", "0", "--http-port", port]
        ended = subprocess.run(
            [*command, "--data", str(tmp_path / "traces.jsonl")],
            capture_output=True, timeout=WAIT_SECONDS_MAX, check=False, text=True,
        )  # fmt: skip
    assert ended.returncode != 0
    assert "Address already in use" in ended.stderr


@pytest.mark.parametrize(
    "page",
    [
        {"Origin": "https://evil.example"},
        {"Origin": "null", "Content-Type": "text/plain"},
        {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"},
        {"Sec-Fetch-Site": "same-site", "Sec-Fetch-Mode": "no-cors"},
        {"Host": "evil.example"},
    ],
    ids=str,
)
def test_no_page_reads_traces_or_resets_them(tmp_path: Path, page: dict[str, str]) -> None:
    with collector(tmp_path / "traces.jsonl") as running:
        kept = sent_by_the_sdk(running, "shop-command").trace_id
        running.trace(kept)
        page = {name: f"{value}:{running.http_port}" if name == "Host" else value for name, value in page.items()}
        for method, path in (("POST", "/Traces"), ("OPTIONS", "/Traces"), ("POST", "/moto-api/reset"), ("GET", "/")):
            answer = httpx.request(method, running.url + path, headers=page, json={"TraceIds": [kept]})
            assert answer.status_code == 403
            assert "access-control-allow-origin" not in answer.headers
        assert running.trace(kept).spans
        signed = {"Authorization": "AWS4-HMAC-SHA256 Credential=any/20261127/us-east-1/xray/aws4_request"}
        own = httpx.post(f"{running.url}/Traces", json={"TraceIds": [kept]}, headers=signed)
        assert (own.status_code, own.headers.get("Access-Control-Allow-Origin")) == (200, None)


def test_an_unknown_trace_is_absent(tmp_path: Path) -> None:
    with collector(tmp_path / "traces.jsonl") as running:
        assert documents(client_at(running.url, "xray", KEYS), ["1-5e1b4151-00000000000000000000ffff"]) == {}


def test_a_document_is_kept_as_it_came_and_on_one_line_whatever_is_in_it(tmp_path: Path) -> None:
    data = tmp_path / "traces.jsonl"
    header, plain = document(name="line\u2028separator").split(b"\n", 1)
    raw = plain.replace(b"\\u2028", "\u2028".encode())
    assert raw != plain
    indented = json.dumps(json.loads(document(id="0000000000000002").split(b"\n", 1)[1]), indent=1).encode()
    with collector(data) as running:
        running.send(header + b"\n" + raw)
        running.send(header + b"\n" + indented.replace(b"\n", b"\r\n"))
        assert len(running.trace(TRACE_ID, lambda trace: len(trace.spans) == 2).spans) == 2
    assert data.read_bytes().split(b"\n") == [raw, json.dumps(json.loads(indented)).encode(), b""]
    with collector(data) as running:
        names = {span.name for span in running.trace(TRACE_ID, lambda trace: len(trace.spans) == 2).spans}
    assert names == {"line\u2028separator", "shop"}
