"""Tracing: real datagrams on a real socket, and nothing at all for a request that is not sampled."""

import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shop_observability import tracing
from shop_observability.tracing import (
    TraceHeader,
    current_header,
    record,
    request_header,
    segment,
    subsegment,
    timeline,
)

ROOT = "1-5759e988-bd862e3fe1be46a994272793"
PARENT = "53995c3f42cd8ad8"
SAMPLED = TraceHeader(ROOT, PARENT, sampled=True)


class Daemon:
    """Stands where the X-Ray daemon listens."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.bind(("127.0.0.1", 0))
        self.socket.settimeout(0.2)

    def documents(self) -> list[dict[str, Any]]:
        received = []
        while True:
            try:
                received.append(json.loads(self.socket.recv(65_535).split(b"\n", 1)[1]))
            except TimeoutError:
                return received


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    daemon = Daemon()
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", f"127.0.0.1:{daemon.socket.getsockname()[1]}")
    tracing._recorder.cache_clear()
    yield daemon
    tracing._recorder().emitter._socket.close()
    tracing._recorder.cache_clear()
    daemon.socket.close()


def test_a_sampled_request_sends_its_segment_with_what_it_called(daemon: Daemon) -> None:
    with segment("shop-command", SAMPLED, correlation_id="c-1"):
        with subsegment("DynamoDB", "aws", aws={"operation": "TransactWriteItems"}):
            pass
    (document,) = daemon.documents()
    assert (document["name"], document["trace_id"], document["parent_id"]) == ("shop-command", ROOT, PARENT)
    assert document["annotations"] == {"correlation_id": "c-1"}
    (call,) = document["subsegments"]
    assert (call["name"], call["namespace"], call["aws"]) == ("DynamoDB", "aws", {"operation": "TransactWriteItems"})


def test_the_next_hop_continues_from_the_innermost_subsegment(daemon: Daemon) -> None:
    with segment("shop-command", SAMPLED), subsegment("Kinesis", "aws"):
        handed_on = current_header()
    with segment("shop-dispatch", TraceHeader.parse(handed_on)):
        pass
    producer, consumer = daemon.documents()
    assert consumer["trace_id"] == ROOT
    assert consumer["parent_id"] == producer["subsegments"][0]["id"]


def test_segments_nest_so_that_a_batch_can_hold_the_traces_of_its_events(daemon: Daemon) -> None:
    batch = TraceHeader("1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa", None, sampled=True)
    with segment("batch", batch):
        with segment("event", SAMPLED):
            pass
        with subsegment("postgresql", "remote"):
            pass
    event, outer = daemon.documents()
    assert (event["name"], event["trace_id"]) == ("event", ROOT)
    assert [call["name"] for call in outer["subsegments"]] == ["postgresql"]


def test_work_that_is_over_is_told_again_in_the_trace_of_each_that_it_was_done_for(daemon: Daemon) -> None:
    other = TraceHeader("1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa", None, sampled=True)
    unsampled = TraceHeader("1-5759e988-bbbbbbbbbbbbbbbbbbbbbbbb", None, sampled=False)
    with timeline() as work, subsegment("postgresql", "remote", sql={"database_type": "PostgreSQL"}):
        time.sleep(0.01)
    time.sleep(0.01)
    for header in (SAMPLED, None, unsampled, other):
        record("shop-dispatch", header, work, stream_version=2)

    first, second = daemon.documents()
    assert [(document["trace_id"], document.get("parent_id")) for document in (first, second)] == [
        (ROOT, PARENT),
        (other.root, None),
    ]
    for document in (first, second):
        assert document["annotations"] == {"stream_version": 2}
        assert (document["start_time"], document["end_time"]) == (work.started, work.ended)
        (call,) = document["subsegments"]
        assert (call["name"], call["sql"]) == ("postgresql", {"database_type": "PostgreSQL"})
        assert work.started <= call["start_time"] < call["end_time"] - 0.009 < work.ended


def test_a_timeline_notes_what_happens_inside_of_it_and_nothing_after() -> None:
    with timeline() as work:
        with subsegment("postgresql"):
            pass
    with subsegment("Kinesis"):
        pass
    assert [call.name for call in work.calls] == ["postgresql"]


def test_an_unsampled_event_inside_a_sampled_batch_sends_nothing_of_its_own(daemon: Daemon) -> None:
    unsampled = TraceHeader("1-5759e988-bbbbbbbbbbbbbbbbbbbbbbbb", None, sampled=False)
    with segment("batch", SAMPLED):
        with segment("event", unsampled), subsegment("postgresql"):
            assert current_header() == str(unsampled)
    (document,) = daemon.documents()
    assert document["name"] == "batch"
    assert "subsegments" not in document


def test_a_fault_is_recorded_by_its_type_and_not_by_its_message(daemon: Daemon) -> None:
    with pytest.raises(LookupError), segment("shop-command", SAMPLED), subsegment("DynamoDB"):
        raise LookupError("jane@example.com")
    (document,) = daemon.documents()
    assert document["fault"] is True
    assert document["subsegments"][0]["annotations"] == {"error_type": "LookupError"}
    assert "jane" not in json.dumps(document)


def test_an_unsampled_request_sends_nothing_and_never_imports_the_sdk() -> None:
    program = f"""
import sys
from shop_observability.tracing import TraceHeader, current_header, segment, subsegment
with segment("shop-query", TraceHeader("{ROOT}", None, sampled=False)), subsegment("postgresql"):
    assert current_header() == "Root={ROOT};Sampled=0"
with segment("shop-query", None), subsegment("postgresql"):
    assert current_header() is None
assert not [name for name in sys.modules if name.startswith(("aws_xray_sdk", "botocore"))]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_where_there_is_no_daemon_nothing_is_recorded_and_the_decision_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS", raising=False)
    with segment("shop-query", SAMPLED), subsegment("postgresql"):
        assert current_header() == str(SAMPLED)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "nonsense",
        "Root=",
        "Root=1-xyz-1",
        f"Parent={PARENT}",
        "Root=2-5759e988-bd862e3fe1be46a994272793",
        ";;==;",
    ],
)
def test_what_is_no_trace_header_is_ignored(text: str | None) -> None:
    assert TraceHeader.parse(text) is None


def test_a_header_is_read_and_written_alike() -> None:
    text = f"Root={ROOT};Parent={PARENT};Sampled=1"
    assert str(TraceHeader.parse(text)) == text
    assert TraceHeader.parse(f"Self=1-1-1; Root={ROOT} ;Sampled=?;Lineage=a:0") == TraceHeader(ROOT, None, None)


def read_in_steps(text: str) -> TraceHeader | None:
    """The header's rules one by one: fields in any order, each at its last place, with anything around them."""
    fields = dict(part.strip().partition("=")[::2] for part in text.split(";"))
    root, parent = fields.get("Root", ""), fields.get("Parent", "")
    parts = root.split("-")
    if [len(part) for part in parts] != [1, 8, 24] or parts[0] != "1" or set(root) - set("0123456789abcdef-"):
        return None
    is_segment = len(parent) == 16 and not set(parent) - set("0123456789abcdef")
    sampled = {"1": True, "0": False}.get(fields.get("Sampled", ""))
    return TraceHeader(root, parent if is_segment else None, sampled)


VALUES = st.sampled_from(
    [
        ROOT,
        ROOT[:-1],
        ROOT.upper(),
        "1-2-3",
        PARENT,
        PARENT + "0",
        "",
        "0",
        "1",
        "?",
        "a:0",
        " 1",
        "\u0661",
        f"{ROOT}\n",
    ]
)
FIELDS = st.builds(
    "{}{}{}{}{}".format,
    st.sampled_from(["", " ", "\t"]),
    st.sampled_from(["Root", "Parent", "Sampled", "Lineage", "Self", "root", ""]),
    st.sampled_from(["=", "==", "", " ="]),
    VALUES,
    st.sampled_from(["", " ", "\n"]),
)


@given(st.lists(FIELDS, max_size=6).map(";".join) | st.text(max_size=60))
@example(f"Root={ROOT}")
@example(f"Root={ROOT};Parent={PARENT};Sampled=0")
@example(f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=1:a87bd80c:0")
@example(f"Root={ROOT};Sampled=1\n")
@example(f"Root={ROOT};Parent={PARENT};Sampled=1;Lineage=a:0;Sampled=0")
@example(f"Root={ROOT};Parent={PARENT};Root=1-2-3")
@example(f"Root={ROOT};Root")
def test_the_usual_form_is_read_like_any_other(text: str) -> None:
    assert TraceHeader.parse(text) == read_in_steps(text)


def test_the_clients_trace_goes_before_lambdas_and_the_decision_falls_back_to_lambda(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    own = "1-5759e988-cccccccccccccccccccccccc"
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={own};Parent={PARENT};Sampled=1")
    assert request_header(f"Root={ROOT};Sampled=0") == TraceHeader(ROOT, None, sampled=False)
    assert request_header(f"Root={ROOT}") == TraceHeader(ROOT, None, sampled=True)
    assert request_header("nonsense") == TraceHeader(own, PARENT, sampled=True)
    monkeypatch.delenv("_X_AMZN_TRACE_ID")
    assert request_header(None) is None
    assert request_header(f"Root={ROOT}") == TraceHeader(ROOT, None, sampled=False)
