"""`shop top`: what the shop is doing, in a terminal, and as JSON."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from typing import Annotated

import typer
from rich.console import Console

from shop_cli.local.running import running_shop
from shop_cli.operations.top import loop, sources
from shop_cli.operations.top.keys import Keys
from shop_cli.operations.top.sample import Sample, document
from shop_cli.operations.top.view import render
from shop_cli.operations.top.window import Window
from shop_cli.options import JsonOption, StageOption
from shop_cli.progress import ProgressDisplay

LOCAL_SECONDS, AWS_SECONDS = 2.0, 10.0


def top(
    *,
    interval: Annotated[
        float | None,
        typer.Option(min=0.5, help="Seconds from one look to the next.", show_default="2, with --stage 10"),
    ] = None,
    once: Annotated[bool, typer.Option("--once", help="Show the last minute once, as when it is piped.")] = False,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Show what the shop does, live: requests, commands, payments, events, what is due, parked, or went wrong.

    q or Ctrl-C leaves. --json prints a line for each look; with --once it prints one document.
    """
    seconds = interval or (AWS_SECONDS if stage else LOCAL_SECONDS)
    look = looker(sources.on_aws(stage) if stage else sources.local(running_shop(aws=True)[0].state()), stage)
    if as_json and once:
        typer.echo(json.dumps(document(look()), indent=2))
    elif as_json:
        loop.repeat(lambda: typer.echo(json.dumps(document(look()))), seconds)
    else:
        _show(look, seconds, ProgressDisplay().console, once=once)


def looker(source: sources.TopSources, stage: str | None, now: Callable[[], float] = time.time) -> Callable[[], Sample]:
    window = Window()

    def look() -> Sample:
        reading = source.read()
        window.add(reading.lines, now())
        return window.sample(stage or "this machine", now(), reading.due, reading.parked, reading.unread)

    return look


def _show(look: Callable[[], Sample], seconds: float, console: Console, *, once: bool) -> None:
    if once or not console.is_terminal or console.is_dumb_terminal:
        console.print(render(look(), "the last minute", fits=False))
    else:
        caption = f"the last minute, every {seconds:g} s, q leaves"
        loop.show(lambda: render(look(), caption, fits=True), seconds, console, Keys())
