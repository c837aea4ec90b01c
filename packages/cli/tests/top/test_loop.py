"""Showing again and again, on a screen of its own, and how it ends. The signals are real, the terminal is not."""

import io
import os
import signal
import termios
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from rich.console import Console

from shop_cli.operations.top import loop
from shop_cli.operations.top.keys import Keys

ENTER, LEAVE = "\x1b[?1049h", "\x1b[?1049l"


@dataclass
class Terminal:
    """Whose user types `typed`, one of them a look at the keyboard; each takes a tenth of a second."""

    typed: Iterator[str | Callable[[], str]]
    seconds: float = 0.0
    messages: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24)

    def listen(self) -> None:
        self.messages.append("listen")

    def restore(self) -> None:
        self.messages.append("restore")

    def next(self) -> str:
        self.seconds += 0.1
        typed = next(self.typed)
        return typed if isinstance(typed, str) else typed()

    def show(self, draw: Callable[[], str], interval_seconds: float = 1.0) -> str:
        loop.show(draw, interval_seconds, self.console, self, lambda: self.seconds)
        assert isinstance(self.console.file, io.StringIO)
        return self.console.file.getvalue()


def interrupted(number: int = signal.SIGINT) -> Callable[[], str]:
    def kill() -> str:
        os.kill(os.getpid(), number)
        return ""

    return kill


@pytest.mark.parametrize(
    "last", ["q", "Q", "xq", *map(interrupted, (signal.SIGINT, signal.SIGTERM, signal.SIGHUP))], ids=str
)
def test_q_and_signals_leave_the_terminal_as_it_was(last: str | Callable[[], str]) -> None:
    terminal = Terminal(iter(["", "x", last]))
    before = signal.getsignal(signal.SIGINT), threading.active_count()
    output = terminal.show(lambda: "what it does")
    assert (output.count(ENTER), output.count(LEAVE)) == (1, 1)
    assert output.endswith("\x1b[?25h" + LEAVE)  # the cursor is there again
    assert "what it does" in output
    assert terminal.messages == ["listen", "restore"]
    assert (signal.getsignal(signal.SIGINT), threading.active_count()) == before


def test_an_interruption_while_it_reads_leaves_too() -> None:
    terminal = Terminal(iter(()))
    assert terminal.show(interrupted()).endswith(LEAVE)
    assert terminal.messages == ["listen", "restore"]


def test_what_is_wrong_in_the_code_is_not_hidden_and_the_terminal_is_as_it_was() -> None:
    terminal = Terminal(iter(()))
    with pytest.raises(ZeroDivisionError):
        terminal.show(lambda: str(1 // 0))
    assert terminal.messages == ["listen", "restore"]
    assert isinstance(terminal.console.file, io.StringIO)
    assert terminal.console.file.getvalue().endswith(LEAVE)


def test_it_draws_at_each_interval() -> None:
    terminal, drawn = Terminal(iter([*[""] * 25, "q"])), list[float]()

    def draw() -> str:
        drawn.append(terminal.seconds)
        return ""

    terminal.show(draw)
    assert [round(at) for at in drawn] == [0, 1, 2]


def test_a_look_that_takes_long_is_followed_by_a_longer_rest() -> None:
    terminal, drawn = Terminal(iter([*[""] * 70, "q"])), list[float]()

    def slow() -> str:
        drawn.append(terminal.seconds)
        terminal.seconds += 1.0
        return ""

    terminal.show(slow)
    assert [round(at) for at in drawn] == [0, 5]


def test_a_new_size_is_drawn_at_once_without_another_look() -> None:
    terminal, looks = Terminal(iter(())), list[float]()

    def draw() -> str:
        looks.append(terminal.seconds)
        return "-" * 200

    def smaller() -> str:
        terminal.console.width = 30
        return ""

    terminal.typed = iter(["", smaller, "", "q"])
    output = terminal.show(draw)
    assert len(looks) == 1
    widest = [max(map(len, screen.split("\n"))) for screen in output.split("\x1b[H")]
    assert (max(widest[:-1]) >= 80, widest[-1] < 80) == (True, True)


def test_repeating_ends_with_the_interruption() -> None:
    acted, slept = list[float](), list[float]()

    def act() -> None:
        acted.append(clock[0])
        clock[0] += 0.2
        if len(acted) == 3:
            interrupted()()

    def sleep(seconds: float) -> None:
        slept.append(round(seconds, 3))
        clock[0] += seconds

    clock = [0.0]
    loop.repeat(act, 2.0, sleep, lambda: clock[0])
    assert (acted, slept) == ([0.0, 2.0, 4.0], [1.8, 1.8])


def test_keys_come_one_by_one_and_the_terminal_gets_its_settings_back(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, theirs = os.openpty()
    try:
        before = termios.tcgetattr(theirs)
        with os.fdopen(os.dup(theirs)) as stdin:
            monkeypatch.setattr("sys.stdin", stdin)
            keys = Keys()
            keys.listen()
            os.write(ours, b"q")  # no Enter
            assert keys.next() == "q"
            assert keys.next() == ""
            keys.restore()
        assert termios.tcgetattr(theirs) == before
    finally:
        os.close(ours)
        os.close(theirs)


def test_where_nobody_can_type_nothing_is_typed(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    with (tmp_path / "empty").open("w+") as stdin:
        monkeypatch.setattr("sys.stdin", stdin)
        keys = Keys()
        keys.listen()
        assert keys.next() == ""
        keys.restore()
