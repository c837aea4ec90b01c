"""`shop parked`: shows, replays and drops the records that could not be applied to the read model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from shop_cli.errors import ShopError
from shop_cli.output import JsonOption, display, print_json, table
from shop_cli.progress import ProgressDisplay, ProgressStep
from shop_cli.target import Function, StageOption, Target

Record = dict[str, Any]
IdArgument = Annotated[str, typer.Argument(metavar="ID", help="The record's id, as the list shows it.")]

app = typer.Typer(
    help="See to the records that could not be applied: each holds up its own stream until it is replayed.",
    no_args_is_help=True,
)


@app.command("list")
def list_(stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Show what is parked, with its cause, and how many events of the same stream wait behind it."""
    listed = records(Target.of(stage).function("parked"))
    if as_json:
        print_json(listed)
    elif listed:
        ProgressDisplay().console.print(parked_table(listed))
    else:
        ProgressDisplay().line("Nothing is parked.")


@app.command()
def show(parked_id: IdArgument, stage: StageOption = None, as_json: JsonOption = False) -> None:
    """Show one record with its payload, as it came from the stream. The payload may hold a customer's data."""
    record = Target.of(stage).function("parked").ask({"action": "show", "id": parked_id})["record"]
    if as_json:
        print_json(record)
        return
    ProgressDisplay().console.print(parked_table([record]))
    typer.echo(f"\n{record['payload']}" if "payload" in record else f"\nbase64: {record['payload_base64']}")


@app.command()
def replay(
    parked_id: Annotated[str | None, typer.Argument(metavar="[ID]", help="The id of the one record to replay.")] = None,
    *,
    every: Annotated[bool, typer.Option("--all", help="Replay all records that are parked.")] = False,
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Apply a record whose cause is gone, and the events that wait behind it.

    The exit code is 1 when something is still parked. What is applied already is not applied again.
    """
    if (parked_id is None) != every:
        raise ShopError("Name a record, or use --all", exit_code=2)
    progress, target = display(for_scripts=as_json), Target.of(stage)
    with progress.step("Replay", "reading") as step:
        done = replay_all(target, None if every else [str(parked_id)], step)
        step.done(f"{len(done['resolved']):,} replayed, {done['applied']:,} events applied")
    if as_json:
        print_json(done)
    elif done["still_parked"]:
        progress.line(f"Still parked: {len(done['still_parked']):,}. See shop parked list for the causes.")
    raise typer.Exit(1 if done["still_parked"] else 0)


@app.command()
def drop(
    parked_id: IdArgument,
    reason: Annotated[str, typer.Option(help="Say why it is not worth replaying; this is kept with the record.")],
    stage: StageOption = None,
    as_json: JsonOption = False,
) -> None:
    """Take a record off the list without applying it. It is kept, with the reason; its stream goes on waiting."""
    if not reason.strip():
        raise ShopError("--reason needs some words", exit_code=2)
    target = Target.of(stage)
    request = {"action": "drop", "id": parked_id, "reason": reason, "actor": target.actor}
    dropped = target.function("parked").ask(request)["dropped"]
    if as_json:
        print_json(dropped)
    else:
        ProgressDisplay().line(f"Dropped {parked_id}. {still_waiting(dropped)}".rstrip())


def records(function: Function) -> list[Record]:
    return [record for page in function.pages({"action": "list"}) for record in page["records"]]


def replay_all(target: Target, ids: Sequence[str] | None, step: ProgressStep) -> dict[str, Any]:
    """Replays everything when `ids` is None. An interruption undoes nothing; the same command does the rest."""
    done: dict[str, Any] = {"resolved": [], "still_parked": [], "applied": 0}
    request = {"action": "replay", "ids": None if ids is None else list(ids), "actor": target.actor}
    for answer in target.function("parked").pages(request):
        for name in done:
            done[name] += answer[name]
        step.doing(f"{len(done['resolved']) + len(done['still_parked']):,} records")
    if ids and (unknown := set(ids) - {*done["resolved"], *done["still_parked"]}):
        raise ShopError(f"These records are not parked: {', '.join(sorted(unknown))}. The others were replayed")
    return done


def parked_table(listed: Sequence[Record]) -> Table:
    def row(record: Record) -> list[object]:
        version, stream, cause = record["stream_version"], record["stream_id"] or "unknown", record["cause"]
        is_applied = version is not None and (record["applied_version"] or 0) >= version
        if is_applied and not record.get("conflicts_with"):
            cause = f"Its event was applied meanwhile: replay takes it off. {cause}"
        return [record["id"], record["received_at"][:19], stream, version, record["waiting"] or None, cause]

    columns = ("id", "received", "stream", "version", "waiting", "cause")
    return table(columns, map(row, listed), right=("version", "waiting"))


def still_waiting(dropped: Record) -> str:
    """Says what a dropped record leaves behind and what to do about it, or nothing."""
    stream, version = dropped["stream_id"], dropped["stream_version"]
    if stream is None or version is None or (dropped["applied_version"] or 0) >= version:
        return ""
    return (
        f"{stream} still waits for its version {version}. Where the event store has that event as it should be: "
        "shop rebuild --from store"
    )
