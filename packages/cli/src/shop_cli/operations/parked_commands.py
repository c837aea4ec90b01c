"""`shop parked`: the records that could not be applied to the read model."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console

from shop_cli.errors import ShopError
from shop_cli.local.running import running_shop
from shop_cli.operations import functions, parked
from shop_cli.options import JsonOption, StageOption
from shop_cli.progress import ProgressDisplay

IdArgument = Annotated[str, typer.Argument(metavar="ID", help="As the list has it.")]

app = typer.Typer(
    help="The records that could not be applied: each holds up its own stream until it is replayed.",
    no_args_is_help=True,
)


@app.command("list")
def list_(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Show what is parked, with its cause, and how many events of the same stream wait behind it."""
    listed = parked.records(_function(stage))
    if as_json:
        typer.echo(json.dumps(listed, indent=2))
    elif listed:
        ProgressDisplay().console.print(parked.table(listed))
    else:
        ProgressDisplay().line("Nothing is parked.")


@app.command()
def show(parked_id: IdArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Show one record with its payload, as it came from the stream. The payload may hold a customer's data."""
    record = parked.record(_function(stage), parked_id)
    if as_json:
        typer.echo(json.dumps(record, indent=2))
        return
    ProgressDisplay().console.print(parked.table([record]))
    typer.echo(f"\n{record['payload']}" if "payload" in record else f"\nbase64: {record['payload_base64']}")


@app.command()
def replay(
    parked_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="Of one record.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="All that are parked.")] = False,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply it, once its cause is gone, and what waits behind it. Exit code 1 when something is still parked.

    It may be repeated: what is applied already is not applied again.
    """
    if (parked_id is None) != every:
        raise ShopError("Name a record, or use --all", exit_code=2)
    progress = ProgressDisplay(Console(stderr=True) if as_json else None)
    with progress.step("Replay", "reading") as step:
        done = parked.replay(_function(stage), None if every else [str(parked_id)], step)
        step.done(f"{len(done['resolved']):,} replayed, {done['applied']:,} events applied")
    if as_json:
        typer.echo(json.dumps(done, indent=2))
    elif done["still_parked"]:
        progress.line(f"Still parked: {len(done['still_parked']):,}. See shop parked list for the causes.")
    raise typer.Exit(1 if done["still_parked"] else 0)


@app.command()
def drop(
    parked_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Why it is not worth replaying; it is kept with the record.")],
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a record off the list without applying it. It is kept, with the reason; its stream goes on waiting."""
    if not reason.strip():
        raise ShopError("--reason needs some words", exit_code=2)
    dropped = parked.drop(_function(stage), parked_id, reason)
    if as_json:
        typer.echo(json.dumps(dropped, indent=2))
    else:
        ProgressDisplay().line(f"Dropped {parked_id}. {parked.still_waiting(dropped)}".rstrip())


def _function(stage: str | None) -> functions.Function:
    return functions.on_aws(stage, "parked") if stage else functions.local(running_shop(aws=True)[0].state(), "parked")
