"""Ctrl-C, `kill` and a closed terminal all end a command the same way, at any time, and never between two steps that
belong together."""

from __future__ import annotations

import signal
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


class Interrupts:
    """Turns the signals into KeyboardInterrupt while installed."""

    def __init__(self) -> None:
        self._shields = 0
        self._pending = False

    @contextmanager
    def installed(self) -> Iterator[None]:
        before = {each: signal.signal(each, self._received) for each in SIGNALS}
        try:
            yield
        finally:
            for each, handler in before.items():
                signal.signal(each, handler)

    @contextmanager
    def shielded(self) -> Iterator[None]:
        """Holds a signal back until the block has ended.

        A signal between the start of a process and the note about it would leave a process that nobody knows of.
        Blocking the signal in the kernel instead would be inherited by that process, which could then never be ended.
        """
        self._shields += 1
        try:
            yield
        finally:
            self._shields -= 1
        if self._pending and not self._shields:
            self._pending = False
            raise KeyboardInterrupt

    def ignore(self) -> None:
        """Keeps a second Ctrl-C from cutting the clean-up short; the clean-up is bounded in time itself."""
        self._shields += 1

    def _received(self, _number: int, _frame: FrameType | None) -> None:
        if self._shields:
            self._pending = True
        else:
            raise KeyboardInterrupt
