"""Fixed and generated documents in, rows out."""

from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from shop_cli.local.testing import TRACE_ID, segment, subsegment
from shop_cli.operations.trace.layout import Axis, Layout, lay_out
from shop_cli.operations.trace.traces import RecordedTrace, Span, read

IDS = st.integers(0, 11).map(str)
TIMES = st.one_of(st.floats(0, 2), st.floats(0, 2_000), st.sampled_from([0.0, 1.0, 1_795_458_782.2450476]))


@st.composite
def spans(draw: st.DrawFn) -> Span:
    """With parents that are missing, later than their children or their own children, and clocks that run backwards."""
    return Span(
        id=draw(IDS),
        parent_id=draw(st.one_of(st.none(), IDS)),
        name=draw(st.sampled_from(["shop-command", "Kinesis"])),
        service=draw(st.sampled_from([None, "shop-command", "shop-dispatch"])),
        start=draw(TIMES),
        end=draw(st.one_of(st.none(), TIMES)),
        is_segment=draw(st.booleans()),
        annotations=draw(st.sampled_from([{}, {"function": "sweep"}])),
    )


def drawn(*documents: dict[str, Any]) -> Layout:
    return lay_out(read(TRACE_ID, documents))


@given(st.lists(spans(), unique_by=lambda span: span.id, max_size=12))
@example([Span("1", "2", "a", None, 1, 2, True), Span("2", "1", "b", None, 1, 2, True)])
def test_every_span_is_drawn_once_after_its_parent_and_inside_the_axis(generated: list[Span]) -> None:
    layout = lay_out(RecordedTrace(TRACE_ID, tuple(generated)))
    shown = [row.span.id for row in layout.rows if row.span]
    assert len(shown) == len(set(shown))
    assert set(shown) >= {span.id for span in generated}
    parents = {span.id: span.parent_id for span in generated}
    for position, span_id in enumerate(shown):
        if parents.get(span_id) in shown and not is_its_own_ancestor(span_id, parents):
            assert parents[span_id] in shown[:position]
    for row in layout.rows:
        left, right = layout.axis.share(row.start), layout.axis.share(row.end)
        assert 0 <= left <= right <= 1


def is_its_own_ancestor(span_id: str, parents: dict[str, str | None]) -> bool:
    seen: set[str] = set()
    above: str | None = span_id
    while above is not None and above not in seen:
        seen.add(above)
        above = parents.get(above)
    return above is not None


def test_a_trace_deeper_than_pythons_stack_is_drawn() -> None:
    deepest = subsegment("5000", "s", 0, 1)
    for number in range(4_999, 0, -1):
        deepest = subsegment(str(number), "s", 0, 1, subsegments=[deepest])
    layout = drawn(segment("0", "shop", 0, 1, subsegments=[deepest]))
    assert [len(row.guides) // 3 for row in layout.rows] == list(range(5_001))


@pytest.mark.parametrize(
    ("fields", "detail"),
    [
        ({"aws": {"operation": "TransactWriteItems", "table_name": "shop"}}, "TransactWriteItems"),
        ({"sql": {"sanitized_query": "insert into\n  event_log"}}, "insert into event_log"),
        (
            {"http": {"request": {"method": "POST", "url": "https://a.test/v1/x?key=1"}, "response": {"status": 402}}},
            "POST /v1/x 402",
        ),
        (
            {"annotations": {"route": "POST /purchase"}, "http": {"request": {"method": "POST", "url": "/purchase"}}},
            "POST /purchase",
        ),
        (
            {"annotations": {"function": "project", "event_type": "shop.purchase.confirmed.v1"}},
            "project purchase.confirmed",
        ),
        ({}, ""),
    ],
)
def test_a_row_says_what_the_name_alone_does_not(fields: dict[str, Any], detail: str) -> None:
    (row,) = drawn(segment("a", "a", 0, 1, **fields)).rows
    assert row.detail == detail


def test_a_fault_is_told_with_its_type_and_clocks_that_differ_are_told_too() -> None:
    parent = segment("a", "a", 10, 11, fault=True, annotations={"error_type": "TimeoutError"})
    layout = drawn(parent, segment("b", "b", 9.5, 10.5, parent_id="a", error=True, throttle=True))
    assert [row.marks for row in layout.rows] == [("fault TimeoutError",), ("error", "throttle", "clocks differ")]
    assert layout.faults == 1


def published(span_id: str, start: float, end: float, **fields: Any) -> dict[str, Any]:
    call = subsegment(f"{span_id}k", "Kinesis", start, end, fault=bool(fields.pop("fails", False)))
    return segment(span_id, "shop-command", start, end, subsegments=[call], **fields)


def consumed(span_id: str, start: float, function: str) -> dict[str, Any]:
    return segment(span_id, "shop-dispatch", start, start + 1, parent_id="a", annotations={"function": function})


def waits(layout: Layout) -> list[tuple[str, float, float]]:
    return [(row.name, row.start, row.end) for row in layout.rows if row.waited]


def test_an_event_waits_in_kinesis_from_the_end_of_what_has_published_it() -> None:
    layout = drawn(published("a", 0, 2), consumed("b", 5, "project"), consumed("c", 1, "archive"))
    assert waits(layout) == [("waiting in Kinesis", 2, 5)]


def test_an_event_that_only_the_sweep_could_publish_waits_for_the_sweep_and_then_in_kinesis() -> None:
    swept = published("s", 60, 61, parent_id="a", annotations={"function": "sweep"})
    layout = drawn(published("a", 0, 2, fails=True), swept, consumed("b", 63, "project"))
    assert waits(layout) == [("waiting for sweep", 2, 60), ("waiting in Kinesis", 61, 63)]


def test_a_request_is_drawn_inside_of_lambdas_own_segments_and_its_event_waits_in_kinesis() -> None:
    name = "shop-command-production-api"
    layout = drawn(
        segment("l", name, 100, 104, origin="AWS::Lambda"),
        segment("f", name, 101, 104, parent_id="l", origin="AWS::Lambda::Function"),
        published("a", 102, 103, parent_id="f"),
        consumed("b", 105, "project"),
    )
    rows = [row.guides + row.name for row in layout.rows]
    assert [row.strip(" ├└─│") for row in rows[:3]] == [name, name, "shop-command"]
    assert waits(layout) == [("waiting in Kinesis", 103, 105)]


def test_a_parked_event_waits_for_its_replay() -> None:
    assert waits(drawn(published("a", 0, 2), consumed("b", 300, "replay"))) == [("waiting for replay", 2, 300)]


def test_a_parent_that_was_not_recorded_is_drawn_from_its_subsegments() -> None:
    alone = {"type": "subsegment", "trace_id": TRACE_ID, "parent_id": "lambda"}
    layout = drawn(
        subsegment("h1", "## handler", 100.0, 100.1, annotations={"Service": "shop-query"}) | alone,
        subsegment("h2", "flush", 100.1, 100.2) | alone,
        segment("d1", "shop-dispatch", 100.3, 100.4, parent_id="lambda"),
    )
    assert [(row.guides + row.name, row.service, row.start, row.end) for row in layout.rows] == [
        ("(segment not recorded)", "shop-query", 100.0, 100.2),
        ("├─ ## handler", "shop-query", 100.0, 100.1),
        ("├─ flush", "shop-query", 100.1, 100.2),
        ("│  waiting", "shop-dispatch", 100.2, 100.3),
        ("└─ shop-dispatch", "shop-dispatch", 100.3, 100.4),
    ]


def test_segments_whose_parent_is_missing_stand_beside_each_other() -> None:
    layout = drawn(segment("b", "two", 101.0, 102.0, parent_id="x"), segment("a", "one", 100.0, 101.0))
    assert [(row.guides, row.name) for row in layout.rows] == [("", "one"), ("", "two")]


def test_a_call_that_is_waited_for_shows_no_waiting_time() -> None:
    layout = drawn(segment("a", "caller", 100.0, 101.0), segment("b", "callee", 100.2, 100.5, parent_id="a"))
    assert [row.name for row in layout.rows] == ["caller", "callee"]


def test_a_segment_in_progress_lasts_to_the_end_of_what_is_known_until_it_is_sent_whole() -> None:
    running, other = segment("a", "one", 100.0, None), segment("b", "two", 100.0, 103.0)
    row, _ = drawn(running, other).rows
    assert (row.end, row.marks) == (103.0, ("in progress",))
    for documents in ([running, segment("a", "one", 100.0, 101.0)], [segment("a", "one", 100.0, 101.0), running]):
        (row,) = drawn(*documents).rows
        assert (row.end, row.marks) == (101.0, ())


def test_what_x_ray_infers_from_a_call_is_not_drawn_beside_the_call() -> None:
    call = subsegment("b", "DynamoDB", 0.1, 0.2, namespace="aws")
    inferred = segment("c", "DynamoDB", 0.1, 0.2, parent_id="b", inferred=True)
    assert [row.name for row in drawn(segment("a", "a", 0, 1, subsegments=[call]), inferred).rows] == ["a", "DynamoDB"]


def test_a_long_time_without_work_is_drawn_short_and_named() -> None:
    axis = Axis.of([(0, 1), (900, 902)])
    assert list(axis.cuts) == [(1, 900)]
    assert [round(axis.share(moment), 3) for moment in (0, 1, 450.5, 900, 902)] == [0, 0.293, 0.353, 0.413, 1]
