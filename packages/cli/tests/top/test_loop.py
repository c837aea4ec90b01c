"""Showing again and again, on a screen of its own, and how it ends. The signals are real, the terminal is not."""

import io
import os
import signal
import threading
from collections.abc import Callable, Iterator

import pytest
from rich.console import Console
from rich.live import Live

from shop_cli.operations.top.command import repeat

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


def interrupted(number: int = signal.SIGINT) -> None:
    os.kill(os.getpid(), number)


def show(draw: Callable[[], str]) -> str:
    """Returns all that was written to the terminal."""
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)
    live = Live("reading", console=console, screen=True, auto_refresh=False)
    try:
        repeat(lambda: live.update(draw(), refresh=True), 0, live, sleep=lambda _: None)
    finally:
        assert isinstance(console.file, io.StringIO)
        output = console.file.getvalue()
        assert (output.count(ENTER), output.count(LEAVE)) == (1, 1)
        assert output.endswith("\x1b[?25h" + LEAVE)  # the cursor is there again
    return output


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_signals_leave_the_terminal_as_it_was(number: signal.Signals) -> None:
    looks: Iterator[Callable[[], None]] = iter([lambda: None, lambda: None, lambda: interrupted(number)])

    def draw() -> str:
        next(looks)()
        return "what it does"

    before = signal.getsignal(signal.SIGINT), threading.active_count()
    assert "what it does" in show(draw)
    assert (signal.getsignal(signal.SIGINT), threading.active_count()) == before


def test_what_is_wrong_in_the_code_is_not_hidden_and_the_terminal_is_as_it_was() -> None:
    with pytest.raises(ZeroDivisionError):
        show(lambda: str(1 // 0))


def looks(*seconds: float) -> tuple[list[float], list[float]]:
    """Returns when each look began, if it takes so long, and how long each rest was."""
    clock, began, rests, taken = [0.0], list[float](), list[float](), iter(seconds)

    def act() -> None:
        began.append(clock[0])
        clock[0] += next(taken, 0.0)
        if len(began) == len(seconds):
            interrupted()

    def sleep(rest: float) -> None:
        rests.append(round(rest, 3))
        clock[0] += rest

    repeat(act, 2.0, sleep=sleep, clock=lambda: clock[0])
    return began, rests


def test_it_looks_at_each_interval_until_it_is_interrupted() -> None:
    assert looks(0.2, 0.2, 0.2) == ([0.0, 2.0, 4.0], [1.8, 1.8])


def test_a_look_that_takes_long_is_followed_by_a_longer_rest() -> None:
    assert looks(1.0, 0.2) == ([0.0, 5.0], [4.0])
