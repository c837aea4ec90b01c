"""`shop release`, `shop rollback` and `shop releases`: one function of a stage, and no other stack."""

from __future__ import annotations

import tempfile
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from shop_cli.errors import ShopError
from shop_cli.operations.releases.check import check
from shop_cli.operations.releases.history import Service, moment, read
from shop_cli.operations.releases.osls import osls
from shop_cli.output import JsonOption, print_json, table
from shop_cli.progress import ProgressDisplay
from shop_cli.target import StageOption, Target

ServiceArgument = Annotated[Service, typer.Argument(metavar="FUNCTION", help="One of the folders in functions/.")]


def release(
    service: ServiceArgument,
    stage: StageOption = None,
    package: Annotated[
        Path | None,
        typer.Option(
            metavar="FOLDER", exists=True, file_okay=False, help="Release what `serverless package` put there."
        ),
    ] = None,
) -> None:
    """Build a function and release it alone. Before shop-dispatch, its migrations bring the read model up to date.

    If it fails, what was live stays live, and the same command goes on.
    """
    target, progress = Target.of(stage), ProgressDisplay()
    before = read(target, service).live
    with tempfile.TemporaryDirectory(prefix="shop-release-") as scratch:
        folder = package.resolve() if package else Path(scratch) / service
        if not package:
            with progress.step("Package", f"building {service}"):
                osls(target, service, "package", "--package", str(folder))
        if service is Service.dispatch:
            with progress.step("Migrate", "bringing the read model up to date") as step:
                step.done(f"at {migrate(target, folder)}")
        with progress.step("Deploy", f"{service} to {target.name}") as step:
            osls(target, service, "deploy", "--package", str(folder))
            history = read(target, service)
            is_new = history.live is not None and (before is None or history.live.timestamp != before.timestamp)
            step.done(f"{history.live.timestamp} is live" if history.live and is_new else "nothing has changed")
    _check(target, service, progress)
    if is_new and history.previous:
        progress.line(f"To take it back: {_command('rollback', target, service)}")


def migrate(target: Target, folder: Path) -> str:
    """Gives the function that migrates its new code, and no other function, since the migrations are in the zip of the
    release, which may not be live before they have run. Returns the version of the schema."""
    function, artifact = target.function("migrate"), next(folder.glob(f"{Service.dispatch}-*.zip"), None)
    if artifact is None:
        raise ShopError(f"{folder} is no package of {Service.dispatch}")
    function.client.update_function_code(FunctionName=function.name, ZipFile=artifact.read_bytes())
    function.client.get_waiter("function_updated_v2").wait(FunctionName=function.name)
    return str(function.invoke({})["current"])


def rollback(
    service: ServiceArgument,
    stage: StageOption = None,
    to: Annotated[
        int | None,
        typer.Option(metavar="TIMESTAMP", help="Go to this release.", show_default="what was live before"),
    ] = None,
) -> None:
    """Put an earlier release of a function back in place.

    The read model's schema stays as it is: a migration keeps the release before it working.
    """
    target, progress = Target.of(stage), ProgressDisplay()
    history = read(target, service)
    chosen = history.previous if to is None else history.at(to)
    if chosen is None:
        raise ShopError(f"{service} has no earlier release to go back to: see {_command('releases', target, service)}")
    if chosen.is_live:
        progress.line(f"{chosen.timestamp} is live already.")
        return
    with progress.step("Roll back", f"{service} of {target.name} to {chosen.timestamp}") as step:
        osls(target, service, "rollback", "--timestamp", str(chosen.timestamp))
        live = read(target, service).live
        if live is None or live.timestamp != chosen.timestamp:
            raise ShopError(f"{chosen.timestamp} is not live, but {live.timestamp if live else 'nothing that is kept'}")
        step.done(f"{chosen.timestamp} is live, of {moment(chosen.timestamp)}")
    _check(target, service, progress)
    progress.line(f"To release the code of this checkout again: {_command('release', target, service)}")


def releases(service: ServiceArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """List the releases of a function that are kept, and which of them is live."""
    history = read(Target.of(stage), service)
    if as_json:
        print_json([{**asdict(it), "state": it.state} for it in history.releases])
        return
    rows = [
        (it.timestamp, moment(it.timestamp), moment(it.live_since) if it.live_since else None, it.state)
        for it in history.releases
    ]
    ProgressDisplay().console.print(table(["release", "packaged", "live since", ""], rows))


def _check(target: Target, service: Service, progress: ProgressDisplay) -> None:
    try:
        with progress.step("Check", "asking for an answer") as step:
            step.done(check(target, service))
    except ShopError as error:
        raise ShopError(f"{error}\nTo take it back: {_command('rollback', target, service)}") from error


def _command(name: str, target: Target, service: Service) -> str:
    return f"./shop {name} {service}" + ("" if target.local else f" --stage {target.stage}")
