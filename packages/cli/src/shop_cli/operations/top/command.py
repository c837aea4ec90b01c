"""`shop top`: shows what the shop is doing, in a terminal or as JSON, again and again until it is interrupted."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Annotated, Any, Final

import typer
from rich.live import Live

from shop_cli.interrupts import Interrupts
from shop_cli.operations.top.sources import TopSources
from shop_cli.operations.top.view import view
from shop_cli.operations.top.window import Window
from shop_cli.output import JsonOption, print_json
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target

LOCAL_SECONDS, AWS_SECONDS = 2.0, 10.0
REST: Final = 4
"""A look that took long is followed by a rest so many times as long. The local AWS gives every invocation a log stream
of its own and goes through all of them: after 100,000 of a function half a second."""


def top(
    *,
    interval: Annotated[
        float | None,
        typer.Option(min=0.5, help="Look again after so many seconds.", show_default="2, with --stage 10"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show the last minute once, and end.")] = False,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the shop does, live: requests, commands, payments, events, what is due, parked, or went wrong.

    Ctrl-C leaves. --json prints a line for each look; with --once it prints one document.
    """
    seconds = interval or (AWS_SECONDS if stage else LOCAL_SECONDS)
    look = looker(TopSources.of(Target.of(stage)))
    console = ProgressDisplay().console
    if as_json and once:
        print_json(look())
    elif as_json:
        repeat(lambda: typer.echo(json.dumps(look())), seconds)
    elif once or not console.is_terminal or console.is_dumb_terminal:
        console.print(view(look()))
    else:
        live = Live("Reading the last minute ...", console=console, screen=True, auto_refresh=False)
        repeat(lambda: live.update(view(look(), console.height), refresh=True), seconds, live)


def looker(sources: TopSources, now: Callable[[], float] = time.time) -> Callable[[], dict[str, Any]]:
    window = Window()

    def look() -> dict[str, Any]:
        reading = sources.read()
        window.add(reading.lines, now())
        return {"shop": sources.shop, **window.document(now()), **reading.standing()}

    return look


def repeat(
    act: Callable[[], None],
    interval_seconds: float,
    live: Live | None = None,
    sleep: Callable[[float], None] = time.sleep,
    clock: Callable[[], float] = time.monotonic,
) -> None:
    """Acts until it is interrupted, which is its usual end, and leaves the terminal as it was at whatever moment."""
    interrupts = Interrupts()
    try:
        with interrupts.installed():
            try:
                if live:
                    with interrupts.shielded():
                        live.start(refresh=True)
                while True:
                    started = clock()
                    act()
                    ended = clock()
                    sleep(max(started + interval_seconds - ended, REST * (ended - started)))
            finally:
                interrupts.ignore()
                if live:
                    live.stop()
    except KeyboardInterrupt:
        return
