"""What is drawn, at the sizes that terminals have."""

from typing import Any

import pytest
from rich.console import Console
from rich.screen import Screen

from shop_cli.operations.top.view import view
from shop_cli.operations.top.window import COUNTS, moment
from shop_cli.output import duration

NOW = 1_795_000_000.0


def flow(count: int) -> dict[str, Any]:
    return {"count": count, "per_second": count / 60}


def spread(count: int = 0, p50: float | None = None, p99: float | None = None) -> dict[str, Any]:
    return {"count": count, "p50": p50, "p99": p99}


def traffic(name: str, failed: int = 0) -> dict[str, Any]:
    statuses = {"200": 590, "404": 7, **({"503": failed} if failed else {})}
    return {"name": name, **flow(600), "statuses": statuses, "duration_ms": spread(600, 2.51, 12_345.0)}


def trouble(name: str, number: int, age: float = 9) -> dict[str, Any]:
    words = {"level": "ERROR", "message": "could not be swept", "exception_name": f"{number}Error"}
    return {"at": moment(NOW - age), "function": f"shop-{name}", **words, "stream_id": f"reservation-{number:036}"}


ROUTES = ("GET /products", "GET /products/{sku}", "POST /reservations", "POST /purchase", "DELETE /products/{sku}")
QUIET: dict[str, Any] = {
    "shop": "this machine",
    "at": moment(NOW),
    "requests": [
        {"name": name, **flow(0), "statuses": {}, "duration_ms": spread()} for name in ("shop-command", "shop-query")
    ],
    "routes": [],
    "counts": dict.fromkeys(COUNTS, 0),
    "events": {name: flow(0) for name in ("published", "applied", "archived")},
    "provider_ms": spread(),
    "visible_seconds": spread(),
    "waiting": 0,
    "cold_starts": {"shop-command": 0, "shop-query": 0, "shop-dispatch": 0},
    "due": {"count": 0, "oldest_due_since": None},
    "parked": {"count": 0, "is_all": True},
    "sweep": {"at": moment(NOW - 12), "due": 0, "failed": 0},
    "troubles": [],
    "unread": {},
}
BAD: dict[str, Any] = QUIET | {
    "requests": [traffic("shop-command", 3), traffic("shop-query")],
    "routes": [traffic(name) for name in ROUTES],
    "counts": QUIET["counts"]
    | {"CommandsAccepted": 590, "CommandsFailed": 3, "PaymentsUnknown": 2, "CommitConflicts": 26},
    "events": {"published": flow(600), "applied": flow(0), "archived": flow(600)},
    "provider_ms": spread(300, 40.0, 9_100.0),
    "visible_seconds": spread(9, 0.05, 42.0),
    "waiting": 4,
    "cold_starts": {"shop-command": 2, "shop-query": 1, "shop-dispatch": 0},
    "due": {"count": 1_234, "oldest_due_since": moment(NOW - 4_000)},
    "parked": {"count": 500, "is_all": False},
    "sweep": {"at": moment(NOW - 200), "due": 1_300, "published": 300, "expired": 400, "left": 3, "failed": 2},
    "troubles": [trouble(name, number) for name in ("command-sweep", "command-api") for number in range(6)],
    "unread": {"shop-query-api": "ThrottlingException", "due": "ThrottlingException"},
}
"""All that can be bad at once."""


def drawn(shown: dict[str, Any], width: int, height: int | None = None) -> list[str]:
    """It is drawn on a screen of its own if it has a height, as the command does."""
    console = Console(width=width, height=height, force_terminal=True, color_system=None, highlight=False)
    with console.capture() as capture:
        console.print(view(shown) if height is None else Screen(view(shown, height)))
    return capture.get().rstrip("\n").split("\n")


@pytest.mark.parametrize("shown", [QUIET, BAD], ids=["quiet", "bad"])
@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 50), (100, 30), (250, 80)])
def test_everything_has_its_place_on_the_screen(shown: dict[str, Any], width: int, height: int) -> None:
    lines = drawn(shown, width, height)
    assert len(lines) <= height
    assert max(map(len, lines)) <= width
    for label in ("Commands", "Payments", "Provider", "Events", "Repeats", "Lag", "Due", "Sweep", "Cold"):
        assert sum(line.startswith(label) for line in lines) == 1
    assert any(line.startswith(("Warnings and errors", "No warnings and no errors")) for line in lines)
    figures = [line.rstrip() for line in lines if line[:10].strip() and "GET" not in line]
    assert [line for line in figures if line.endswith("…") and "could not be swept" not in line] == []


@pytest.mark.parametrize(("width", "height"), [(80, 24), (140, 50)])
def test_what_is_bad_is_marked(width: int, height: int) -> None:
    text = "\n".join(drawn(BAD, width, height))
    for figure in (
        *("!3 failed", "!2 unknown", "!p99 9.100 s", "!0.0/s applied", "!p99 42.0 s", "!4 waiting", "!500+ parked"),
        *("!the oldest for 66.7 min", "!3.3 min ago", "!2 failed", "!ThrottlingException: shop-query-api, due"),
        "!error",
    ):
        assert figure in text
    assert [line.split()[4:] for line in text.splitlines()[2:4]] == [
        ["!3", *["2.5", "ms"], *["!12.3", "s"]],
        ["0", *["2.5", "ms"], *["!12.3", "s"]],
    ]


def test_a_quiet_shop_has_no_mark() -> None:
    lines = drawn(QUIET, 80)
    assert "!" not in "".join(lines)
    assert lines[-1].rstrip() == "No warnings and no errors"
    assert lines[0].startswith("shop top  this machine  the last minute, ")
    assert lines[0].rstrip().endswith(" UTC")


def test_what_is_not_known_says_so() -> None:
    text = "\n".join(drawn(QUIET | {"due": None, "parked": None, "sweep": None}, 80))
    for figure in ("!? parked", "Due       !?", "Sweep     none seen yet"):
        assert figure in text


def test_a_larger_screen_shows_more_routes_and_more_troubles() -> None:
    small, large = drawn(BAD, 80, 24), drawn(BAD, 140, 50)
    assert sum("could not be swept" in line for line in small) >= 2
    assert sum("Error  reservation-0" in line for line in large) == 12
    assert all(f"  {route} " in "\n".join(large) for route in ROUTES)


def test_what_went_wrong_again_and_again_is_shown_once_with_its_last_time() -> None:
    warning = {"function": "shop-query-api", "level": "WARNING", "message": "read failed", "exception_name": ""}
    storm = [{"at": moment(NOW - each), **warning, "stream_id": str(each)} for each in range(40)]
    lines = drawn(QUIET | {"troubles": [*storm, trouble("command-sweep", 0)]}, 140)
    assert [line.rstrip() for line in lines[-2:]] == [
        "11:06:40 warning query-api     40 x read failed    0",
        f"11:06:31 !error  command-sweep could not be swept  0Error  reservation-{0:036}",
    ]


def test_a_snapshot_that_is_printed_is_as_long_as_it_has_to_be() -> None:
    assert sum("could not be swept" in line for line in drawn(BAD, 140)) == 12


def test_a_narrow_terminal_cuts_and_does_not_wrap() -> None:
    assert max(map(len, drawn(BAD, 40, 24))) <= 40


def test_durations_have_three_digits_and_below_ten_seconds_tell_milliseconds() -> None:
    shown = [duration(seconds) for seconds in (0, 0.0123, 0.123, 1.234, 12.34, 123.4)]
    assert shown == ["0.0 ms", "12.3 ms", "123 ms", "1.234 s", "12.3 s", "2.1 min"]
