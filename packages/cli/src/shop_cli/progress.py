"""Shows what is going on and how long it took: a live line in a terminal, plain lines where there is none (CI)."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import Progress as LiveProgress
from rich.progress import SpinnerColumn, TextColumn, TimeElapsedColumn

# A log gets a step's news this often at most, and tables of this width.
PLAIN_SECONDS = 5.0
PLAIN_WIDTH = 140


class ProgressStep:
    def __init__(self, name: str) -> None:
        self.name = name
        self.result = "done"
        self._doing = ""

    def doing(self, text: str) -> None:
        self._doing = text

    def done(self, text: str) -> None:
        self.result = text


class LiveStep(ProgressStep):
    def __init__(self, name: str, live: LiveProgress, doing: str) -> None:
        super().__init__(name)
        self._live = live
        self._task = live.add_task(f"{name:<12} {doing}", total=None)

    def doing(self, text: str) -> None:
        self._live.update(self._task, description=f"{self.name:<12} {text}")


class PlainStep(ProgressStep):
    def __init__(self, name: str, console: Console, doing: str) -> None:
        super().__init__(name)
        self._console = console
        self._last_text = ""
        self._last_at = 0.0
        self.doing(doing)

    def doing(self, text: str) -> None:
        if text != self._last_text and time.monotonic() >= self._last_at + PLAIN_SECONDS:
            self._last_text, self._last_at = text, time.monotonic()
            self._console.print(f"  ... {self.name:<12} {text}", soft_wrap=True, markup=False)


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
        step: ProgressStep
        try:
            if self.console.is_terminal:
                columns = (SpinnerColumn(), TextColumn("{task.description}"), TimeElapsedColumn())
                with LiveProgress(*columns, console=self.console, transient=True) as live:
                    step = LiveStep(name, live, doing)
                    yield step
            else:
                step = PlainStep(name, self.console, doing)
                yield step
        except BaseException as error:
            word = "interrupted" if isinstance(error, KeyboardInterrupt) else "failed"
            self.line(f"  [red]✗[/red]   {name:<12} {word} after {time.monotonic() - started:.1f} s")
            raise
        self.line(f"  [green]✓[/green]   {name:<12} {step.result} [dim]({time.monotonic() - started:.1f} s)[/dim]")
