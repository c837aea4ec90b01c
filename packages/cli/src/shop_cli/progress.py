"""Shows what is going on and how long it took: a live line in a terminal, plain lines where there is none (CI)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.markup import escape

# A log gets a step's news this often at most, and tables of this width.
PLAIN_SECONDS = 5.0
PLAIN_WIDTH = 140


class ProgressStep:
    def __init__(self, name: str, show: Callable[[str], None] = lambda _: None) -> None:
        self.name = name
        self.result = "done"
        self._show = show

    def doing(self, text: str) -> None:
        self._show(f"{self.name:<12} {text}")

    def done(self, text: str) -> None:
        self.result = text


class PlainLines:
    def __init__(self, console: Console) -> None:
        self._console = console
        self._last_text = ""
        self._last_at = float("-inf")

    def show(self, text: str) -> None:
        if text != self._last_text and time.monotonic() >= self._last_at + PLAIN_SECONDS:
            self._last_text, self._last_at = text, time.monotonic()
            self._console.print(f"  ... {text}", soft_wrap=True, markup=False)


class ProgressDisplay:
    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(highlight=False)
        if console is None and not self.console.is_terminal:
            self.console.width = PLAIN_WIDTH

    def line(self, text: str = "") -> None:
        self.console.print(text, soft_wrap=True)

    @contextmanager
    def step(self, name: str, doing: str) -> Iterator[ProgressStep]:
        started = time.monotonic()
        try:
            if self.console.is_terminal:
                with self.console.status("") as status:
                    step = ProgressStep(name, lambda text: status.update(escape(text)))
                    step.doing(doing)
                    yield step
            else:
                step = ProgressStep(name, PlainLines(self.console).show)
                step.doing(doing)
                yield step
        except BaseException as error:
            word = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.line(f"  [red]✗[/red]   {name:<12} {word} after {time.monotonic() - started:.1f} s")
            raise
        self.line(f"  [green]✓[/green]   {name:<12} {step.result} [dim]({time.monotonic() - started:.1f} s)[/dim]")
