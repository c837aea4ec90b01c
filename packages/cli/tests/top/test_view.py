"""What is drawn, at the sizes that terminals have."""

from dataclasses import replace

import pytest
from rich.console import Console

from shop_cli.operations.top.lines import Swept, Trouble
from shop_cli.operations.top.sample import Due, Flow, ParkedCount, Sample, Spread, Traffic, document
from shop_cli.operations.top.view import render, sparkline
from shop_cli.operations.top.words import count, milliseconds, seconds

NOW = 1_795_000_000.0
BUSY = Flow(600, (0, *range(1, 60)))


def traffic(name: str, failed: int = 0) -> Traffic:
    return Traffic(name, BUSY, {200: 590, 404: 7, **({503: failed} if failed else {})}, Spread(600, 2.51, 12_345.0))


ROUTES = ("GET /products", "GET /products/{sku}", "POST /reservations", "POST /purchase", "DELETE /products/{sku}")
QUIET = Sample(
    "this machine",
    NOW,
    requests=[Traffic(name, Flow(), {}, Spread()) for name in ("shop-command", "shop-query")],
    events={name: Flow() for name in ("published", "applied", "archived")},
    cold_starts={"shop-command": 0, "shop-query": 0, "shop-dispatch": 0},
    due=Due(0, None),
    parked=ParkedCount(0),
    sweep=Swept(NOW - 12, {"due": 0, "failed": 0}),
)
BAD = replace(
    QUIET,
    requests=[traffic("shop-command", 3), traffic("shop-query")],
    routes=[traffic(name) for name in ROUTES],
    counts={"CommandsAccepted": 590, "CommandsFailed": 3, "PaymentsUnknown": 2, "CommitConflicts": 26},
    events={"published": BUSY, "applied": Flow(), "archived": BUSY},
    provider_ms=Spread(300, 40.0, 9_100.0),
    visible_seconds=Spread(9, 0.05, 42.0),
    waiting=4,
    cold_starts={"shop-command": 2, "shop-query": 1, "shop-dispatch": 0},
    due=Due(1_234, NOW - 4_000),
    parked=ParkedCount(500, is_all=False),
    sweep=Swept(NOW - 200, {"due": 1_300, "published": 300, "expired": 400, "left": 3, "failed": 2}),
    troubles=[
        Trouble(NOW - 9, f"shop-{name}", "ERROR", "could not be swept", f"{number}Error", f"reservation-{number:036}")
        for name in ("command-sweep", "command-api")
        for number in range(6)
    ],
    unread={"shop-query-api": "ThrottlingException", "due": "ThrottlingException"},
)
"""All that can be bad at once."""


def drawn(sample: Sample, width: int, height: int, *, fits: bool = True) -> list[str]:
    console = Console(width=width, height=height, force_terminal=True, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(render(sample, "the last minute", fits=fits))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("sample", [QUIET, BAD], ids=["quiet", "bad"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 50), (100, 30), (250, 80)])
def test_everything_has_its_place_on_the_screen(sample: Sample, width: int, height: int) -> None:
    lines = drawn(sample, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    for label in ("Commands", "Payments", "Provider", "Events", "Repeats", "Lag", "Due", "Sweep", "Cold"):
        assert sum(line.startswith(label) for line in lines) == 1
    figures = [line for line in lines if line[:10].strip() and "GET" not in line]
    assert [line for line in figures if line.endswith("…") and "could not be swept" not in line] == []


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 50)])
def test_what_is_bad_is_marked(width: int, height: int) -> None:
    text = "\n".join(drawn(BAD, width, height))
    for figure in (
        *("!3 failed", "!2 unknown", "p99 !9.1s", "!0.0/s applied", "!p99 42s", "!4 waiting", "!500+ parked"),
        *("!the oldest for 67min", "!200s ago", "!2 failed", "!ThrottlingException: shop-query-api, due", "!error"),
    ):
        assert figure.replace("p99 !", "!p99 ") in text
    assert [line.split()[4:] for line in text.splitlines()[2:4] if "!" in line] == [
        ["!3", "2.5ms", "!12s", *line_end(text, 2)],
        ["0", "2.5ms", "!12s", *line_end(text, 3)],
    ]


def line_end(text: str, line: int) -> list[str]:
    return text.splitlines()[line].split()[7:]


def test_a_quiet_shop_has_no_mark() -> None:
    lines = drawn(QUIET, 80, 24)
    assert "!" not in "".join(lines)
    assert lines[-1].rstrip() == "No warnings and no errors"
    assert lines[0].startswith("shop top  this machine  the last minute ")
    assert lines[0].endswith(" UTC")


def test_what_is_not_known_says_so() -> None:
    text = "\n".join(drawn(replace(QUIET, due=None, parked=None, sweep=None), 80, 24))
    for figure in ("!? parked", "Due       !?", "Sweep     none seen yet"):
        assert figure in text


def test_a_larger_screen_shows_more_routes_and_more_troubles() -> None:
    small, large = drawn(BAD, 80, 24), drawn(BAD, 140, 50)
    assert sum("could not be swept" in line for line in small) == 4
    assert "Warnings and errors, the last 4 of 12 kinds" in "\n".join(small)
    assert sum("Error  reservation-0" in line for line in large) == 12
    assert all(f"  {route} " in "\n".join(large) for route in ROUTES)


def test_what_went_wrong_again_and_again_is_told_once_with_its_last_time() -> None:
    storm = [Trouble(NOW - each, "shop-query-api", "WARNING", "read failed", "", f"{each}") for each in range(40)]
    lines = drawn(replace(QUIET, troubles=[*storm, *BAD.troubles[:1]]), 140, 24)
    assert [line.rstrip() for line in lines[-2:]] == [
        "11:06:40 warning query-api     40 x read failed  0",
        f"11:06:31 !error  command-sweep could not be swept  0Error  reservation-{0:036}",
    ]


def test_a_snapshot_that_is_printed_is_as_long_as_it_has_to_be() -> None:
    assert sum("could not be swept" in line for line in drawn(BAD, 140, 10, fits=False)) == 12


def test_a_narrow_terminal_cuts_and_does_not_wrap() -> None:
    assert max(map(len, drawn(BAD, 40, 24))) <= 40


def test_the_line_of_a_minute_shows_each_part_of_it_against_the_highest() -> None:
    assert sparkline([0] * 30 + [1] * 15 + [8] * 15, 4) == "  ▂█"
    assert sparkline([0, 1_000, 1], 3) == " █▁"
    assert sparkline([0] * 60, 10) == " " * 10
    assert len(sparkline(range(60), 60)) == 60


def test_numbers_are_short() -> None:
    assert [count(each) for each in (0, 9_999, 10_000, 999_499, 1_500_000)] == ["0", "9999", "10k", "999k", "2M"]
    assert [milliseconds(each) for each in (None, 0.04, 9.96, 999.4, 1_000, 45_000)] == [
        *("-", "0.0ms", "10ms", "999ms", "1.0s", "45s")
    ]
    assert [seconds(each) for each in (0.02, 599, 4_000, 90_000)] == ["20ms", "599s", "67min", "25h"]


def test_the_document_has_all_of_it() -> None:
    shown = document(BAD)
    assert shown["at"] == "2026-11-18T11:06:40.000+00:00"
    assert shown["requests"][0] == {
        "name": "shop-command",
        "count": 600,
        "per_second": 10.0,
        "statuses": {"200": 590, "404": 7, "503": 3},
        "duration_ms": {"count": 600, "p50": 2.51, "p99": 12_345.0},
    }
    assert shown["due"] == {"count": 1_234, "oldest_due_since": "2026-11-18T10:00:00.000+00:00"}
    assert shown["parked"] == {"count": 500, "is_all": False}
    assert (shown["sweep"]["due"], len(shown["troubles"]), shown["unread"]) == (1_300, 12, BAD.unread)
    assert document(replace(QUIET, due=None, parked=None, sweep=None))["due"] is None
