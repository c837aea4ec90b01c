"""Declares the commands. Each is thin and leaves the work to the module that it calls."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from shop_cli.errors import ShopError
from shop_cli.local import demo as demonstration
from shop_cli.local import environment
from shop_cli.local import status as report
from shop_cli.local import up as local_run
from shop_cli.local.build import BuildError
from shop_cli.local.build import build as build_artifact
from shop_cli.local.home import Home
from shop_cli.local.running import running_shop
from shop_cli.operations import events as event_store
from shop_cli.operations import parked_commands
from shop_cli.operations import rebuild as rebuilding
from shop_cli.operations.athena import output as athena_output
from shop_cli.operations.athena import run as athena_run
from shop_cli.operations.top import command as top_command
from shop_cli.operations.trace import command as trace_command
from shop_cli.operations.verify import output as verify_output
from shop_cli.operations.verify import run as verify_run
from shop_cli.operations.verify import sources as verify_sources
from shop_cli.options import JsonOption
from shop_cli.progress import ProgressDisplay

# Errors of those that we talk to: a message and a hint say more than a traceback into their code.
FOREIGN_ERRORS = {"httpx", "botocore", "psycopg"}


class ShopCommands(TyperGroup):
    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except ShopError as error:
            if str(error):
                typer.echo(f"Error: {error}", err=True)
            raise typer.Exit(error.exit_code) from error
        except Exception as error:
            if type(error).__module__.split(".")[0] not in FOREIGN_ERRORS:
                raise
            hint = "Is the shop running? See ./shop status, and the logs in its folder"
            typer.echo(f"Error: {type(error).__name__}: {error}\n{hint}", err=True)
            raise typer.Exit(1) from error


app = typer.Typer(
    cls=ShopCommands,
    help="The local run of the shop and its operations. Start with `./shop up`, then `./shop demo`.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
)


app.add_typer(parked_commands.app, name="parked")


@app.command()
def up(
    detach: Annotated[
        bool, typer.Option("--detach", help="Return when it runs, instead of waiting for Ctrl-C.")
    ] = False,
    no_aws: Annotated[bool, typer.Option("--no-aws", help="Only PostgreSQL with its schema, and no AWS.")] = False,
) -> None:
    """Start the shop on this machine: local AWS, PostgreSQL, mock payments and traces; deploy, migrate, seed.

    Everything is kept in .shop (or in the folder that SHOP_HOME names) and is there again at the next start.
    SHOP_DATABASE_URL, an administrator's URL, uses that PostgreSQL (16 or newer) instead of starting one.
    """
    local_run.up(Home.current(), ProgressDisplay(), detach=detach, aws=not no_aws)


@app.command()
def down(
    delete: Annotated[bool, typer.Option("--delete", help="Delete its folder too: the data, the passwords.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Stop the shop, wherever it was started from. Its data stays, unless --delete says otherwise."""
    home, progress = Home.current(), ProgressDisplay()
    home.expect_a_shops()
    if delete and not yes and home.path.exists():
        typer.confirm(f"Delete {home.path} with all data of this shop?", abort=True)
    stopped = home.path.exists() and local_run.down(home, progress)
    if delete and home.path.exists():
        local_run.delete(home)
        progress.line(f"Deleted {home.path}")
    elif not stopped:
        progress.line("The shop was not running.")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Tell where everything is. With --json also the secrets and fresh tokens. Exit code 3 when it does not run."""
    home, run = running_shop()
    if as_json:
        typer.echo(json.dumps(report.status(home, run), indent=2))
    else:
        report.running(home, run, ProgressDisplay())


@app.command()
def env(
    unset: Annotated[bool, typer.Option("--unset", help="Print what takes the variables away again.")] = False,
) -> None:
    """Print the exports that point serverless, aws and psql to this shop: eval "$(./shop env)"."""
    if unset:
        typer.echo(environment.shell_unsets())
        return
    home, run = running_shop()
    typer.echo(environment.shell_exports(home.state(), aws=run.aws))


@app.command()
def build(
    function: Annotated[str, typer.Argument(help="Its folder in functions/, such as shop-query.")],
    python: Annotated[str, typer.Option(help="The version of Python that it will run on.")] = "3.13",
) -> None:
    """Make the zip that a function is deployed as. Deploying does this by itself."""
    try:
        build_artifact(function, python)
    except BuildError as error:
        raise ShopError(str(error)) from error


@app.command()
def demo() -> None:
    """Buy something over HTTP, have a card declined, and look at the purchase in every system that it went through."""
    home, _ = running_shop(aws=True)
    demonstration.run(home, ProgressDisplay())


app.command()(trace_command.trace)
app.command()(top_command.top)


@app.command()
def events(
    stream: Annotated[str, typer.Argument(help="A stream's id: product-<sku> or reservation-<id>.")],
    as_json: JsonOption = False,
) -> None:
    """Show the events of a stream, as they are in the event store."""
    home, _ = running_shop(aws=True)
    found = event_store.read_stream(home.state(), stream)
    if not found:
        raise ShopError(f"There is no stream {stream}. A stream is called product-<sku> or reservation-<id>")
    if as_json:
        typer.echo(json.dumps(found, indent=2))
    else:
        ProgressDisplay().console.print(demonstration.events_table(found))


@app.command()
def verify(
    *,
    stage: Annotated[str | None, typer.Option(help="A stage on AWS, instead of the shop on this machine.")] = None,
    database_url: Annotated[str, typer.Option(help="With --stage: its PostgreSQL, as shop_owner.")] = "",
    payment_url: Annotated[str, typer.Option(help="With --stage: the payment provider.")] = "https://api.stripe.com",
    grace_seconds: Annotated[float, typer.Option(help="What is due may be this late.")] = 120,
    wait_seconds: Annotated[
        float, typer.Option(help="How long what was just done may take to arrive. On AWS the archive takes 60 s.")
    ] = 10,
    as_json: JsonOption = False,
) -> None:
    """Audit a quiet shop: streams, states, stock, payments, what is due, read model and archive. It changes nothing.

    Exit code 0: clean, 1: there are differences, each named, 2: could not check. Differences are looked at twice.
    """
    progress = ProgressDisplay(Console(stderr=True) if as_json else None)
    with verify_sources.reading():
        if stage and not database_url:
            raise ShopError("--stage needs --database-url")
        sources = (
            verify_sources.on_aws(stage, database_url, payment_url)
            if stage
            else verify_sources.local(running_shop(aws=True)[0].state())
        )
        with progress.step("Verify", "reading") as step:
            findings = verify_run.run(
                sources, grace_seconds=grace_seconds, wait_seconds=wait_seconds, report=step.doing
            )
            step.done(f"{findings.examined['streams']:,} events")
    if as_json:
        typer.echo(json.dumps(verify_output.document(findings), indent=2))
    else:
        verify_output.show(findings, progress)
    raise typer.Exit(1 if findings.differences else 0)


@app.command()
def athena(
    name: Annotated[
        str | None, typer.Argument(help="A query. Without one: which there are, and what they take.")
    ] = None,
    *,
    param: Annotated[list[str] | None, typer.Option(help="key=value, as often as the query has parameters.")] = None,
    stage: Annotated[str | None, typer.Option(help="A stage on AWS, instead of the shop on this machine.")] = None,
    wait_seconds: Annotated[float, typer.Option(help="How long the query may take; then it is stopped.")] = 300,
    as_csv: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the archive a named query, such as revenue-by-day-and-product. Without a name: which queries there are."""
    if as_csv and as_json:
        raise ShopError("Either --csv or --json", exit_code=2)
    progress = ProgressDisplay(Console(stderr=True) if as_csv or as_json else None)
    archive = athena_run.on_aws(stage) if stage else athena_run.local(running_shop(aws=True)[0].state())
    if name is None:
        queries = archive.queries().values()
        if as_json:
            typer.echo(athena_output.list_json(queries))
        else:
            progress.console.print(athena_output.list_table(queries))
        return
    query = archive.query(name)
    values = query.values(param or [])
    with progress.step("Athena", "queued") as step:
        result = archive.run(query, values, step.doing, wait_seconds)
        rows = "1 row" if len(result.rows) == 1 else f"{len(result.rows):,} rows"
        step.done(f"{rows}, {athena_run.size(result.scanned_bytes)} read")
    if as_csv:
        typer.echo(athena_output.csv_text(result), nl=False)
    elif as_json:
        typer.echo(athena_output.json_text(query, values, result))
    else:
        progress.console.print(athena_output.table(result))


@app.command()
def rebuild(
    *,
    source: Annotated[
        rebuilding.RebuildSource | None,
        typer.Option("--from", help="Where every event is read from.", show_default="log"),
    ] = None,
    no_swap: Annotated[bool, typer.Option("--no-swap", help="Make the new tables, and use them later.")] = False,
    drop_old: Annotated[bool, typer.Option("--drop-old", help="Only drop what the last rebuild has replaced.")] = False,
    abandon: Annotated[bool, typer.Option("--abandon", help="Only end a rebuild that is under way.")] = False,
    stage: Annotated[str | None, typer.Option(help="A stage on AWS, instead of the shop on this machine.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the read model anew from every event, beside the one in use, and then put it in its place.

    The shop goes on meanwhile. Interrupted or failed, the same command goes on from where it stood.
    """
    if drop_old + abandon + bool(source or no_swap) > 1:
        raise ShopError("--drop-old and --abandon go with no other option but --stage and --json", exit_code=2)
    progress = ProgressDisplay(Console(stderr=True) if as_json else None)
    function = rebuilding.on_aws(stage) if stage else rebuilding.local(running_shop(aws=True)[0].state())
    if drop_old:
        status = function.ask("drop-old")
        progress.line("Dropped the tables from before the last rebuild.")
    elif abandon:
        status = function.ask("abandon")
        progress.line("Ended. The shop uses the tables that it used before.")
    else:
        status = rebuilding.run(function, source, progress, swap=not no_swap)
        progress.line(
            "The old tables take no more events. To have their space back: shop rebuild --drop-old"
            if status["phase"] == "swapped"
            else "To use the new tables, which are kept up to date by the same command: shop rebuild"
        )
    if as_json:
        typer.echo(json.dumps(status, indent=2))
