"""`shop down`: stops the shop, wherever it was started from, and deletes its folder when asked to."""

from __future__ import annotations

import shutil
from typing import Annotated

import typer

from shop_cli.errors import ShopError
from shop_cli.local import emulator, environment, processes
from shop_cli.local.home import Home, ProcessRecord, RecordedRun
from shop_cli.progress import ProgressDisplay

SUPERVISOR_SECONDS = 180.0


def down(
    delete: Annotated[bool, typer.Option("--delete", help="Delete its folder too, with data and passwords.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Stop the shop, wherever it was started from. Its data stays, unless --delete says otherwise."""
    home, progress = Home.current(), ProgressDisplay()
    home.expect_a_shops()
    if delete and not yes and home.path.exists():
        typer.confirm(f"Delete {home.path} with all data of this shop?", abort=True)
    stopped = home.path.exists() and stop(home, progress)
    if delete and home.path.exists():
        shutil.rmtree(home.path)
        if home.is_default:
            environment.remove_files()
        progress.line(f"Deleted {home.path}")
    elif not stopped:
        progress.line("The shop was not running.")


def stop(home: Home, progress: ProgressDisplay) -> bool:
    """Returns whether there was anything to stop. Raises ShopError if the emulator could not save what it had."""
    run = home.run()
    was_saving = run is not None and any(record.name == "aws" and processes.find(record) for record in run.processes)
    supervisor = processes.find(run.supervisor) if run else None
    if run is not None and supervisor is not None:
        with progress.step("Shop", "waiting for the terminal that runs it to stop it"):
            # It knows best what it has started, also in the middle of a start; if it hangs, the sweep below does it.
            processes.stop_one(run.supervisor, SUPERVISOR_SECONDS)
    with home.lock(lambda: progress.line("Another shop command is at work on this shop: waiting for it")):
        run = home.run()
        left = bool(run or processes.leftovers(home))
        if left:
            with progress.step("Shop", "stopping") as step:
                processes.stop(home, stop_order(run))
                step.done("stopped")
        home.record(None)
    if was_saving:
        expect_saved(home)
    return bool(supervisor or left)


def expect_saved(home: Home) -> None:
    if emulator.saved_moments(home).stopped_at is None:
        raise ShopError(
            "The shop has stopped, but its AWS could not save its newest logs and metrics. What it had answered is "
            f"kept, and the next ./shop up checks it. Is the disk full? See {home.logs / 'aws.log'}"
        )


def clean_up_after_crash(home: Home, progress: ProgressDisplay) -> None:
    run = home.run()
    if run is None and not processes.leftovers(home):
        return
    if run is not None and processes.find(run.supervisor) is not None and not run.detached:
        raise ShopError("The shop is just being stopped: try again in a moment")
    with progress.step("Clean-up", "stopping what an earlier run has left behind"):
        processes.stop(home, stop_order(run))
    home.record(None)


def stop_order(run: RecordedRun | None) -> list[ProcessRecord]:
    """The emulator stops first, while the servers that its functions use still run; the others follow backwards."""
    records = list(run.processes) if run else []
    return sorted(records, key=lambda record: record.name != "aws")
