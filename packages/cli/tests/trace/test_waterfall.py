"""Fixed documents in, whole tables out."""

import io
from typing import Literal

import pytest
from rich.console import Console

from shop_cli.local.testing import TRACE_ID, segment, subsegment
from shop_cli.operations.trace.traces import RecordedTrace, read
from shop_cli.operations.trace.waterfall import render

PURCHASE = [
    segment(
        "c1", "shop-command", 100.0, 100.2, parent_id="c0", annotations={"route": "POST /purchase"},
        subsegments=[
            subsegment("c2", "api.stripe.com", 100.05, 100.15, error=True),
            subsegment("c3", "Kinesis", 100.16, 100.2, aws={"operation": "PutRecords"}),
        ],
    ),
    segment(
        "d1", "shop-dispatch", 100.3, 100.4, parent_id="c1", fault=True, annotations={"error_type": "TimeoutError"},
        subsegments=[subsegment("d2", "postgresql", 100.3, 100.35, throttle=True)],
    ),
]  # fmt: skip


def drawn(trace: RecordedTrace, width: int = 120, *, terminal: bool = False) -> list[str]:
    colours: Literal["standard", "auto"] = "standard" if terminal else "auto"
    console = Console(file=io.StringIO(), width=width, force_terminal=terminal, color_system=colours)
    with console.capture() as captured:
        console.print(render(trace))
    return [line.rstrip() for line in captured.get().splitlines()]


def test_a_purchase_is_drawn_as_one_tree_with_its_faults_and_the_time_it_waited_between_systems() -> None:
    assert drawn(read(TRACE_ID, PURCHASE), 90) == [
        f"Trace {TRACE_ID}  400 ms",
        "1970-01-01 00:01:40 UTC  ━ shop-command ━ shop-dispatch  1 fault",
        "shop-command POST /purchase     200 ms  ━━━━━━━━━━━━━━━",
        "├─ api.stripe.com               100 ms     ━━━━━━━━                     error",
        "├─ Kinesis PutRecords          40.0 ms             ━━━━",
        "│  waiting in Kinesis           100 ms                 ·······",
        "└─ shop-dispatch                100 ms                        ━━━━━━━━  fault TimeoutError",
        "   └─ postgresql               50.0 ms                        ━━━━      throttle",
    ]
    assert drawn(read(TRACE_ID, PURCHASE), 120)[4].startswith("├─ Kinesis PutRecords          +160 ms    40.0 ms  ")


def test_the_order_in_which_documents_come_changes_nothing() -> None:
    assert drawn(read(TRACE_ID, PURCHASE[::-1])) == drawn(read(TRACE_ID, PURCHASE))


def test_subsegments_sent_separately_are_drawn_as_embedded_ones_are() -> None:
    command = PURCHASE[0] | {"subsegments": []}
    alone = [
        child | {"type": "subsegment", "trace_id": TRACE_ID, "parent_id": "c1"} for child in PURCHASE[0]["subsegments"]
    ]
    assert drawn(read(TRACE_ID, [command, *alone, PURCHASE[1]])) == drawn(read(TRACE_ID, PURCHASE))


@pytest.mark.parametrize("width", [40, 80, 100, 140, 400])
def test_no_line_is_wider_than_the_terminal_and_each_span_has_a_bar(width: int) -> None:
    lines = drawn(read(TRACE_ID, PURCHASE), width)
    assert max(map(len, lines)) <= width
    assert all("━" in line or "··" in line for line in lines[-6:])
    assert len(lines) >= 8


def test_only_a_terminal_gets_colours() -> None:
    assert not any("\x1b" in line for line in drawn(read(TRACE_ID, PURCHASE)))
    assert any("\x1b" in line for line in drawn(read(TRACE_ID, PURCHASE), terminal=True))


def test_a_trace_of_no_duration_is_drawn() -> None:
    assert "━" in drawn(read(TRACE_ID, [segment("a", "one", 100.0, 100.0)]))[2]


def test_what_was_drawn_short_is_told() -> None:
    lines = drawn(read(TRACE_ID, [segment("a", "one", 0, 1), segment("b", "two", 901, 902)]))
    assert lines[-1] == "Drawn short: 15.0 min in which nothing was done"
