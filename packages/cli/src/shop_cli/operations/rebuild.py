"""`shop rebuild`: asks a function of shop-dispatch for one step after the other until the read model is made anew.

Nothing is kept here. Whatever ends this, asking again goes on from where the rebuild stands.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final

import typer

from shop_cli.errors import ShopError
from shop_cli.output import JsonOption, display, duration, print_json
from shop_cli.progress import ProgressDisplay, ProgressStep
from shop_cli.target import Function, StageOption, Target

STEP_SECONDS: Final = 2.0
BUSY_SECONDS_MAX: Final = 120.0
BUSY_PAUSE_SECONDS: Final = 0.5
BEHIND_MAX: Final = 1_000
"""Events that the swap itself catches up with. Under load there are always some."""

Status = dict[str, Any]
HINT_OF_STORE: Final = (
    "where the store is right, as after a restore of its table: shop rebuild --replace; else: shop rebuild --abandon"
)


class RebuildSource(StrEnum):
    log = "log"
    store = "store"
    archive = "archive"


HINTS: Final = {
    "old-tables": "shop rebuild --drop-old",
    "incomplete": "shop rebuild --abandon, then shop rebuild --from store",
    "under-way": "shop rebuild goes on with it, shop rebuild --abandon ends it",
    "other-release": "shop rebuild --abandon, then begin again",
    "no-table": "the function migrate of shop-dispatch",
}


def rebuild(
    *,
    source: Annotated[
        RebuildSource | None,
        typer.Option("--from", help="Read every event from there.", show_default="log"),
    ] = None,
    no_swap: Annotated[bool, typer.Option("--no-swap", help="Make the new tables, and put them in use later.")] = False,
    replace: Annotated[
        bool,
        typer.Option(
            "--replace",
            help="The source is right: forget the events that it lacks, and replace those that are others there.",
        ),
    ] = False,
    drop_old: Annotated[
        bool, typer.Option("--drop-old", help="Only drop the tables that the last rebuild has replaced.")
    ] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Only end a rebuild that is under way.")] = False,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Make the read model anew from every event, beside the one in use, and then put it in its place.

    The shop goes on meanwhile. Interrupted or failed, the same command goes on from where it stood.
    """
    if drop_old + abandon + bool(source or no_swap or replace) > 1:
        raise ShopError("--drop-old and --abandon go with no other option but --stage and --json", exit_code=2)
    if replace and source is RebuildSource.log:
        raise ShopError("--replace replaces what the log has: it needs another source", exit_code=2)
    progress = display(for_scripts=as_json)
    target = Target.of(stage)
    function = RebuildFunction(target.function("rebuild"), target.actor)
    if drop_old:
        status = function.ask("drop-old")
        progress.line("Dropped the tables from before the last rebuild.")
    elif abandon:
        status = function.ask("abandon")
        progress.line("The rebuild has ended. The shop uses the tables that it used before.")
    else:
        status = run(function, source, progress, swap=not no_swap, replace=replace)
        progress.line(
            "The old tables take no more events. To have their space back: shop rebuild --drop-old"
            if status["phase"] == "swapped"
            else "To use the new tables, which are kept up to date by the same command: shop rebuild"
        )
    if as_json:
        print_json(status)


@dataclass(frozen=True)
class RebuildFunction:
    function: Function
    actor: str
    sleep: Callable[[float], None] = time.sleep

    def ask(self, action: str, **more: Any) -> Status:
        """Returns the function's answer. Waits while others hold the tables; raises ShopError for any other refusal."""
        deadline = time.monotonic() + BUSY_SECONDS_MAX
        while True:
            status = self.function.invoke({"action": action, "actor": self.actor, **more})
            error = status.pop("error", None)
            if error is None:
                return status
            if error["code"] != "busy":
                is_store = error["code"] == "incomplete" and status.get("source") == RebuildSource.store
                hint = HINT_OF_STORE if is_store else HINTS.get(error["code"])
                raise ShopError(f"{error['message']}{f' ({hint})' if hint else ''}")
            if time.monotonic() > deadline:
                raise ShopError(f"{error['message']}, and was for {BUSY_SECONDS_MAX:.0f} s. The same command goes on")
            self.sleep(BUSY_PAUSE_SECONDS)


def run(
    function: RebuildFunction,
    source: RebuildSource | None,
    progress: ProgressDisplay,
    *,
    swap: bool,
    replace: bool = False,
) -> Status:
    """Begins a rebuild, or goes on with the one that is under way, and ends it."""
    status = _begin(function, source, progress, replace=replace)
    more = {"replace": True} if replace else {}
    try:
        status = _make(function, status, progress, more)
        if replace:
            difference = function.ask("compare")
            progress.line(
                f"Of the log's events the {status['source']} lacks {difference['lacks']:,}, which will be forgotten,"
                f" and has others in place of {difference['replaces']:,}"
            )
        if swap:
            with progress.step("Swap", "waiting for a moment in which nobody uses the tables") as step:
                status = {**status, **function.ask("swap", **more)}
                step.done("the new tables are in place")
    except KeyboardInterrupt:
        progress.line("Nothing is lost: the same command goes on, and --abandon ends it. The shop uses the old tables.")
        raise ShopError("", exit_code=130) from None
    return status


def _begin(
    function: RebuildFunction, source: RebuildSource | None, progress: ProgressDisplay, *, replace: bool
) -> Status:
    status = function.ask("status")
    if status["phase"] in ("none", "swapped"):
        if replace and source is None:
            raise ShopError("--replace needs a source that is right, such as --from store", exit_code=2)
        return function.ask("begin", source=source or RebuildSource.log)
    if source and status["source"] != source:
        raise ShopError(f"A rebuild from the {status['source']} is under way: go on without --from, or --abandon it")
    progress.line(f"Going on with the rebuild from the {status['source']}, begun {status['started_at'][:19]}")
    return status


def _make(function: RebuildFunction, status: Status, progress: ProgressDisplay, more: dict[str, bool]) -> Status:
    def go_on() -> Status:
        return function.ask("continue", seconds=STEP_SECONDS, **more)

    with progress.step("Load", f"from the {status['source']}") as step:
        meter = _Meter(status["events"], step)
        while status["phase"] == "loading":
            meter.show(status)
            status = go_on()
        step.done(meter.result(status))
    with progress.step("Index", "building indexes") as step:
        while status["phase"] == "indexing":
            status = go_on()
    with progress.step("Catch up", "with what happened meanwhile") as step:
        while status["phase"] == "catching-up" or status["behind"] > BEHIND_MAX:
            step.doing(f"{status['behind']:,} events")
            status = go_on()
        step.done("the new tables have all that the old ones have")
    return status


class _Meter:
    """Shows the progress of a load, its rate and the time left at that rate. The load may have begun before us."""

    def __init__(self, events_before: int, step: ProgressStep) -> None:
        self._before = events_before
        self._step = step
        self._started = time.monotonic()

    def show(self, status: Status) -> None:
        events, total, rate = status["events"], status["total"], self._rate(status)
        share = min(events / total, 1) if total else 1
        seconds_left = f", {duration((total - events) / rate)} left" if rate and total > events else ""
        self._step.doing(f"{share:.0%}  {events:,} events, {rate:,.0f}/s{seconds_left}")

    def result(self, status: Status) -> str:
        unreadable = f", {status['unreadable']:,} of them unreadable" if status["unreadable"] else ""
        return f"{status['events']:,} events of the {status['source']}{unreadable}, {self._rate(status):,.0f}/s"

    def _rate(self, status: Status) -> float:
        return float(status["events"] - self._before) / max(time.monotonic() - self._started, 0.001)
