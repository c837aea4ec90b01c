"""Tracing: real datagrams on a real socket, and nothing at all for a request that is not sampled."""

import json
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from shop_observability import tracing
from shop_observability.testing import PARENT, ROOT, Daemon
from shop_observability.trace_header import TraceHeader
from shop_observability.tracing import (
    TRACED_EVENTS_MAX,
    EventTrace,
    carried,
    current_header,
    segment,
    subsegment,
    timeline,
    trace_events,
)
from shop_observability.work import annotate, answered, fields

SAMPLED = TraceHeader(ROOT, PARENT, sampled=True)
BATCH = TraceHeader("1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa", None, sampled=True)
UNSAMPLED = TraceHeader("1-5759e988-bbbbbbbbbbbbbbbbbbbbbbbb", None, sampled=False)


def event_trace(header: str) -> EventTrace:
    return header, "product-MUG", "shop.product.listed.v1", "c-1"


def test_a_sampled_request_sends_its_segment_with_what_it_called(daemon: Daemon) -> None:
    with segment("shop-command", SAMPLED, correlation_id="c-1"):
        with subsegment("DynamoDB", "aws", aws={"operation": "TransactWriteItems"}):
            pass
    (document,) = daemon.documents()
    assert (document["name"], document["trace_id"], document["parent_id"]) == ("shop-command", ROOT, PARENT)
    assert document["annotations"] == {"correlation_id": "c-1"}
    (call,) = document["subsegments"]
    assert (call["name"], call["namespace"], call["aws"]) == ("DynamoDB", "aws", {"operation": "TransactWriteItems"})


def test_of_many_calls_some_are_sent_before_their_segment(daemon: Daemon) -> None:
    with segment("shop-command", SAMPLED):
        for _ in range(150):
            with subsegment("DynamoDB", "aws"):
                pass
    *early, last = daemon.documents()
    assert early
    assert {call["type"] for call in early} == {"subsegment"}
    assert {call["parent_id"] for call in early} == {last["id"]}
    assert len({call["id"] for call in [*early, *last["subsegments"]]}) == 150


def test_the_next_hop_continues_from_the_innermost_subsegment(daemon: Daemon) -> None:
    with segment("shop-command", SAMPLED), subsegment("Kinesis", "aws"):
        handed_on = current_header()
    with segment("shop-dispatch", TraceHeader.parse(handed_on)):
        pass
    producer, consumer = daemon.documents()
    assert consumer["trace_id"] == ROOT
    assert consumer["parent_id"] == producer["subsegments"][0]["id"]


def test_what_threads_do_for_the_work_is_in_its_segment_and_what_they_follow_in_its_own(daemon: Daemon) -> None:
    together = Barrier(4)

    def part(number: int) -> dict[str, Any]:
        together.wait()  # all of them are open at once
        with subsegment(f"call {number}", "aws"):
            together.wait()
        header = TraceHeader(f"1-5759e988-{number:024x}", PARENT, sampled=True)
        with segment("shop-command", header, stream_id=f"product-{number}"):
            together.wait()
            with subsegment("DynamoDB", "aws"):
                together.wait()
            named = dict(fields())
        with subsegment(f"call {number} afterwards", "aws"):
            together.wait()
        return named

    with segment("shop-command", BATCH, function="sweep"):
        with ThreadPoolExecutor(4) as threads:
            logged = list(threads.map(carried(part), range(4)))
        assert fields() == {"trace_id": BATCH.root, "function": "sweep"}
    *followed, sweep = daemon.documents()
    for number, document in enumerate(sorted(followed, key=lambda document: str(document["trace_id"]))):
        assert document["trace_id"] == logged[number]["trace_id"] == f"1-5759e988-{number:024x}"
        assert document["annotations"]["stream_id"] == logged[number]["stream_id"] == f"product-{number}"
        assert document["annotations"]["invocation_trace_id"] == BATCH.root
        assert document["links"] == [{"trace_id": BATCH.root, "id": sweep["id"]}]
        assert [call["name"] for call in document["subsegments"]] == ["DynamoDB"]
    assert {call["name"] for call in sweep["subsegments"]} == {
        f"call {number}{when}" for number in range(4) for when in ("", " afterwards")
    }


def test_threads_trace_nothing_for_work_that_is_not_sampled(daemon: Daemon) -> None:
    with segment("shop-command", UNSAMPLED), ThreadPoolExecutor(1) as threads:
        assert list(threads.map(carried(lambda _: fields()["trace_id"]), [0])) == [UNSAMPLED.root]
    assert daemon.documents() == []


def test_a_segment_of_another_trace_names_and_links_the_one_that_it_is_opened_in(daemon: Daemon) -> None:
    with segment("shop-command", BATCH, function="sweep", records=3):
        with segment("shop-command", SAMPLED, stream_id="product-MUG"), subsegment("DynamoDB", "aws"):
            pass
        with subsegment("postgresql", "remote"):
            pass
    event, outer = daemon.documents()
    assert (event["trace_id"], event["parent_id"]) == (ROOT, PARENT)
    assert event["annotations"] == {
        "function": "sweep",
        "stream_id": "product-MUG",
        "invocation_trace_id": BATCH.root,
    }
    assert event["links"] == [{"trace_id": BATCH.root, "id": outer["id"]}]
    assert [call["name"] for call in event["subsegments"]] == ["DynamoDB"]
    assert "links" not in outer
    assert outer["annotations"] == {"function": "sweep", "records": 3}
    assert [call["name"] for call in outer["subsegments"]] == ["postgresql"]


def test_what_is_not_recorded_is_named_but_not_linked(daemon: Daemon) -> None:
    unsampled = TraceHeader(BATCH.root, None, sampled=False)
    with segment("shop-command", unsampled, function="sweep"), segment("shop-command", SAMPLED):
        pass
    (event,) = daemon.documents()
    assert event["annotations"] == {"function": "sweep", "invocation_trace_id": BATCH.root}
    assert "links" not in event


def test_work_that_is_over_is_told_in_the_trace_of_each_event_that_it_was_done_for(daemon: Daemon) -> None:
    other = TraceHeader("1-5759e988-cccccccccccccccccccccccc", None, sampled=True)
    headers = [str(SAMPLED), "", f"Root={UNSAMPLED.root};Sampled=0", "nonsense", str(other)]
    with segment("shop-dispatch", BATCH, function="project"):
        with timeline() as done, subsegment("postgresql", "remote", sql={"database_type": "PostgreSQL"}):
            time.sleep(0.01)
        time.sleep(0.01)
        trace_events("shop-dispatch", done, [event_trace(header) for header in headers])

    first, second, batch = daemon.documents()
    assert [(document["trace_id"], document.get("parent_id")) for document in (first, second)] == [
        (ROOT, PARENT),
        (other.root, None),
    ]
    for document in (first, second):
        assert document["annotations"] == {
            "function": "project",
            "stream_id": "product-MUG",
            "event_type": "shop.product.listed.v1",
            "correlation_id": "c-1",
            "invocation_trace_id": BATCH.root,
        }
        assert document["links"] == [{"trace_id": BATCH.root, "id": batch["id"]}]
        assert (document["start_time"], document["end_time"]) == (done.started, done.ended)
        (call,) = document["subsegments"]
        assert (call["name"], call["sql"]) == ("postgresql", {"database_type": "PostgreSQL"})
        assert done.started <= call["start_time"] < call["end_time"] - 0.009 < done.ended
    assert batch["end_time"] > done.ended


def test_of_a_large_batch_only_some_events_are_told_of(daemon: Daemon) -> None:
    with timeline() as done:
        pass
    trace_events("shop-dispatch", done, [event_trace(str(UNSAMPLED))] * 9 + [event_trace(str(SAMPLED))] * 60)
    assert len(daemon.documents()) == TRACED_EVENTS_MAX == 50


def test_a_timeline_notes_what_happens_inside_of_it_and_nothing_after() -> None:
    with timeline() as done:
        with subsegment("postgresql"):
            pass
    with subsegment("Kinesis"):
        pass
    assert [call.name for call in done.calls] == ["postgresql"]


def test_an_unsampled_event_inside_a_sampled_batch_sends_nothing_of_its_own(daemon: Daemon) -> None:
    with segment("batch", BATCH):
        with segment("event", UNSAMPLED), subsegment("postgresql"):
            assert current_header() == str(UNSAMPLED)
    (document,) = daemon.documents()
    assert document["name"] == "batch"
    assert "subsegments" not in document


def test_what_work_is_about_can_be_said_until_it_is_over(daemon: Daemon) -> None:
    assert fields() == {}
    with segment("shop-command", SAMPLED, route="POST /purchase"):
        annotate(stream_id="reservation-1")
        with segment("shop-command", UNSAMPLED):
            annotate(stream_id="reservation-2")
            assert fields()["trace_id"] == UNSAMPLED.root
        assert fields() == {"trace_id": ROOT, "route": "POST /purchase", "stream_id": "reservation-1"}
    annotate(stream_id="reservation-3")
    assert fields() == {}
    (document,) = daemon.documents()
    assert document["annotations"] == {"route": "POST /purchase", "stream_id": "reservation-1"}


@pytest.mark.parametrize(
    ("status", "flags"),
    [(201, set()), (404, {"error"}), (429, {"error", "throttle"}), (503, {"fault"})],
)
def test_an_answers_status_is_in_its_segment(daemon: Daemon, status: int, flags: set[str]) -> None:
    with segment("shop-command", SAMPLED):
        answered("POST", "/purchase", status)
        http: dict[str, Any] = {"request": {"method": "GET", "url": "https://provider.example/v1"}}
        with subsegment("provider.example", "remote", http=http):
            http["response"] = {"status": status}
    (document,) = daemon.documents()
    assert document["http"] == {"request": {"method": "POST", "url": "/purchase"}, "response": {"status": status}}
    for entity in (document, document["subsegments"][0]):
        assert entity["http"]["response"] == {"status": status}
        assert {flag for flag in ("error", "throttle", "fault") if entity.get(flag)} == flags


def test_a_fault_is_recorded_by_its_type_and_not_by_its_message(daemon: Daemon) -> None:
    with pytest.raises(LookupError), segment("shop-command", SAMPLED), subsegment("DynamoDB"):
        raise LookupError("jane@example.com")
    (document,) = daemon.documents()
    assert document["fault"] is True
    assert document["subsegments"][0]["annotations"] == {"error_type": "LookupError"}
    assert "jane" not in json.dumps(document)


class BrokenError(Exception):
    pass


def broken(*_: object, **__: object) -> None:
    raise BrokenError


@pytest.mark.parametrize("method", ["begin_segment", "end_segment", "begin_subsegment", "end_subsegment"])
def test_what_goes_wrong_in_telling_goes_wrong_with_nothing_else(
    daemon: Daemon, method: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr(tracing._recorder(), method, broken)
    with segment("shop-dispatch", BATCH):
        with timeline() as done, subsegment("postgresql", "remote"):
            pass
        assert str(current_header()).startswith(f"Root={BATCH.root};")
        trace_events("shop-dispatch", done, [event_trace(str(SAMPLED))])
        with pytest.raises(LookupError), subsegment("DynamoDB"):
            raise LookupError
    assert "a segment is lost" in caplog.messages
    monkeypatch.undo()
    daemon.forget()
    with segment("shop-command", SAMPLED), subsegment("DynamoDB", "aws"):
        pass
    (document,) = daemon.documents()
    assert len(document["subsegments"]) == 1


def test_an_unsampled_request_sends_nothing_and_never_imports_the_sdk() -> None:
    program = f"""
import sys
from shop_observability.trace_header import TraceHeader
from shop_observability.tracing import current_header, segment, subsegment
with segment("shop-query", TraceHeader("{ROOT}", None, sampled=False)), subsegment("postgresql"):
    assert current_header() == "Root={ROOT};Sampled=0"
with segment("shop-query", None), subsegment("postgresql"):
    assert current_header() is None
assert not [name for name in sys.modules if name.startswith(("aws_xray_sdk", "botocore."))]
"""
    subprocess.run([sys.executable, "-c", program], check=True)


def test_where_there_is_no_daemon_nothing_is_recorded_and_the_decision_is_handed_on(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("AWS_XRAY_DAEMON_ADDRESS", raising=False)
    with segment("shop-query", SAMPLED), subsegment("postgresql"):
        assert current_header() == str(SAMPLED)
