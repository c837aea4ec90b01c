"""What is typed while something is shown: key by key, and not echoed. Ctrl-C stays a signal."""

from __future__ import annotations

import os
import select
import sys
import termios
import time
import tty
from typing import Any, Final

LOOK_SECONDS: Final = 0.2


class Keys:
    """Reads keys from standard input if it is a terminal; otherwise nobody types anything."""

    def __init__(self) -> None:
        self._file = sys.stdin.fileno() if sys.stdin.isatty() else None
        self._before: Any = None

    def listen(self) -> None:
        if self._file is not None:
            self._before = termios.tcgetattr(self._file)
            tty.setcbreak(self._file)

    def restore(self) -> None:
        if self._file is not None and self._before is not None:
            termios.tcsetattr(self._file, termios.TCSADRAIN, self._before)

    def next(self) -> str:
        """Returns the key that was typed, or nothing after LOOK_SECONDS without one."""
        if self._file is None:
            time.sleep(LOOK_SECONDS)
            return ""
        if not select.select([self._file], [], [], LOOK_SECONDS)[0]:
            return ""
        typed = os.read(self._file, 64)
        if not typed:  # the terminal is gone
            self._file = None
        return typed.decode(errors="replace")
