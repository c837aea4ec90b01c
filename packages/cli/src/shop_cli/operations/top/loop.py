"""Reads and shows, again and again. One thread: nothing is left behind when it is interrupted, at whatever moment."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Final, Protocol

from rich.console import Console, RenderableType
from rich.live import Live

from shop_cli.interrupts import Interrupts

LEAVE: Final = frozenset("qQ")
REST: Final = 4
"""A look that took long is followed by a rest so many times as long. The local AWS gives every invocation a log stream
of its own and goes through all of them: after 100,000 of a function half a second."""


class Typed(Protocol):
    def listen(self) -> None: ...

    def restore(self) -> None: ...

    def next(self) -> str: ...


def repeat(
    act: Callable[[], None],
    interval_seconds: float,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Until it is interrupted, which is its usual end."""
    interrupts = Interrupts()
    try:
        with interrupts.installed():
            while True:
                started = clock()
                act()
                ended = clock()
                sleep(_next(started, ended, interval_seconds) - ended)
    except KeyboardInterrupt:
        return


def show(
    draw: Callable[[], RenderableType],
    interval_seconds: float,
    console: Console,
    keys: Typed,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Draws on a screen of its own until `q` or an interruption, and then restores the terminal."""
    interrupts = Interrupts()
    # Live starts no thread, since auto_refresh is off.
    live = Live("Reading the last minute ...", console=console, screen=True, auto_refresh=False)
    try:
        with interrupts.installed():
            try:
                with interrupts.shielded():
                    keys.listen()
                    live.start(refresh=True)
                _show(draw, interval_seconds, live, keys, clock)
            finally:
                interrupts.ignore()
                live.stop()
                keys.restore()
    except KeyboardInterrupt:
        return


def _show(
    draw: Callable[[], RenderableType], interval_seconds: float, live: Live, keys: Typed, clock: Callable[[], float]
) -> None:
    while True:
        started = clock()
        live.update(draw(), refresh=True)
        next_look = _next(started, clock(), interval_seconds)
        size = live.console.size
        while clock() < next_look:
            if LEAVE & set(keys.next()):
                return
            if live.console.size != size:
                size = live.console.size
                live.refresh()


def _next(started: float, ended: float, interval_seconds: float) -> float:
    return max(started + interval_seconds, ended + REST * (ended - started))
