"""Fixed documents in, whole tables out."""

import io
from typing import Any

from rich.console import Console

from shop_cli.xray.traces import Trace, read
from shop_cli.xray.waterfall import lay_out, render

TRACE_ID = "1-5e1b4151-000000000000000000000001"


def segment(span_id: str, name: str, start: float, end: float | None, **fields: Any) -> dict[str, Any]:
    ended = {"in_progress": True} if end is None else {"end_time": end}
    return {"trace_id": TRACE_ID, "id": span_id, "name": name, "start_time": start, **ended, **fields}


def subsegment(span_id: str, name: str, start: float, end: float, **fields: Any) -> dict[str, Any]:
    return {"id": span_id, "name": name, "start_time": start, "end_time": end, **fields}


def drawn(trace: Trace) -> list[str]:
    console = Console(file=io.StringIO(), width=120)
    with console.capture() as captured:
        console.print(render(trace, bar_width=10))
    return [line.rstrip() for line in captured.get().splitlines()]


PURCHASE = [
    segment(
        "c1", "shop-command", 100.0, 100.2, parent_id="c0",
        subsegments=[
            subsegment("c2", "payment", 100.05, 100.15, error=True),
            subsegment("c3", "kinesis", 100.16, 100.2),
        ],
    ),
    segment(
        "d1", "shop-dispatch", 100.3, 100.4, parent_id="c3", fault=True,
        subsegments=[subsegment("d2", "postgresql", 100.3, 100.35, throttle=True)],
    ),
]  # fmt: skip


def test_a_purchase_is_drawn_as_one_tree_with_its_faults_and_the_time_it_waited_between_systems() -> None:
    assert drawn(read(TRACE_ID, PURCHASE)) == [
        f"Trace {TRACE_ID}  400 ms",
        "span                 service           start  duration",
        "shop-command         shop-command    +0.0 ms    200 ms  ━━━━━",
        "├─ payment           shop-command   +50.0 ms    100 ms   ━━━        error",
        "└─ kinesis           shop-command    +160 ms   40.0 ms     ━",
        "   │  waiting                        +200 ms    100 ms       ··",
        "   └─ shop-dispatch  shop-dispatch   +300 ms    100 ms         ━━━  fault",
        "      └─ postgresql  shop-dispatch   +300 ms   50.0 ms         ━    throttle",
    ]


def test_the_order_in_which_documents_come_changes_nothing() -> None:
    assert drawn(read(TRACE_ID, PURCHASE[::-1])) == drawn(read(TRACE_ID, PURCHASE))


def test_subsegments_sent_separately_are_drawn_as_embedded_ones_are() -> None:
    command = PURCHASE[0] | {"subsegments": []}
    alone = [
        child | {"type": "subsegment", "trace_id": TRACE_ID, "parent_id": "c1"} for child in PURCHASE[0]["subsegments"]
    ]
    assert drawn(read(TRACE_ID, [command, *alone, PURCHASE[1]])) == drawn(read(TRACE_ID, PURCHASE))


def test_a_parent_that_was_not_recorded_is_drawn_from_its_subsegments() -> None:
    alone = {"type": "subsegment", "trace_id": TRACE_ID, "parent_id": "lambda"}
    rows = list(
        lay_out(
            read(
                TRACE_ID,
                [
                    subsegment("h1", "## handler", 100.0, 100.1, annotations={"Service": "shop-query"}) | alone,
                    subsegment("h2", "flush", 100.1, 100.2) | alone,
                    segment("d1", "shop-dispatch", 100.3, 100.4, parent_id="lambda"),
                ],
            )
        )
    )
    assert [(row.guides + row.name, row.service, row.start, row.end) for row in rows] == [
        ("(segment not recorded)", "shop-query", 100.0, 100.2),
        ("├─ ## handler", "shop-query", 100.0, 100.1),
        ("├─ flush", "shop-query", 100.1, 100.2),
        ("│  waiting", "", 100.2, 100.3),
        ("└─ shop-dispatch", "shop-dispatch", 100.3, 100.4),
    ]


def test_segments_whose_parent_is_missing_stand_beside_each_other() -> None:
    rows = list(
        lay_out(read(TRACE_ID, [segment("b", "two", 101.0, 102.0, parent_id="x"), segment("a", "one", 100.0, 101.0)]))
    )
    assert [(row.guides, row.name) for row in rows] == [("", "one"), ("", "two")]


def test_a_call_that_is_waited_for_shows_no_waiting_time() -> None:
    called = segment("b", "callee", 100.2, 100.5, parent_id="a")
    rows = list(lay_out(read(TRACE_ID, [segment("a", "caller", 100.0, 101.0), called])))
    assert [row.name for row in rows] == ["caller", "callee"]


def test_a_segment_in_progress_lasts_to_the_end_of_what_is_known_until_it_is_sent_whole() -> None:
    running, other = segment("a", "one", 100.0, None), segment("b", "two", 100.0, 103.0)
    (row, _) = lay_out(read(TRACE_ID, [running, other]))
    assert (row.end, row.mark) == (103.0, "in progress")
    for documents in ([running, segment("a", "one", 100.0, 101.0)], [segment("a", "one", 100.0, 101.0), running]):
        (row,) = lay_out(read(TRACE_ID, documents))
        assert (row.end, row.mark) == (101.0, "")


def test_a_trace_of_no_duration_is_drawn() -> None:
    assert "━" in drawn(read(TRACE_ID, [segment("a", "one", 100.0, 100.0)]))[2]
