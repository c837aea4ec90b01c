"""The commands. Each is thin: what it does is in the module that it calls."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from rich.console import Console
from typer.core import TyperGroup

from shop_cli import demo as demonstration
from shop_cli import environment, event_store, local_run, report, tracing
from shop_cli.build import BuildError
from shop_cli.build import build as build_artifact
from shop_cli.errors import NotRunningError, ShopError
from shop_cli.home import Home, Run
from shop_cli.progress import Progress
from shop_cli.verify import output as verify_output
from shop_cli.verify import run as verify_run
from shop_cli.verify import sources as verify_sources

# Errors of those that we talk to: a message and a hint say more than a traceback into their code.
FOREIGN_ERRORS = {"httpx", "botocore", "psycopg"}
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]


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
    local_run.up(Home.current(), Progress(), detach=detach, aws=not no_aws)


@app.command()
def down(
    delete: Annotated[bool, typer.Option("--delete", help="Delete its folder too: the data, the passwords.")] = False,
    yes: Annotated[bool, typer.Option("--yes", help="Delete without asking.")] = False,
) -> None:
    """Stop the shop, wherever it was started from. Its data stays, unless --delete says otherwise."""
    home, progress = Home.current(), Progress()
    home.expect_a_shops()
    if delete and not yes and home.path.exists():
        typer.confirm(f"Delete {home.path} with all data of this shop?", abort=True)
    stopped = home.path.exists() and local_run.down(home, progress)
    if delete and home.path.exists():
        local_run.delete(home)
        progress.say(f"Deleted {home.path}")
    elif not stopped:
        progress.say("The shop was not running.")


@app.command()
def status(as_json: JsonOption = False) -> None:
    """Tell where everything is. With --json also the secrets and fresh tokens. Exit code 3 when it does not run."""
    home, run = running_shop()
    if as_json:
        typer.echo(json.dumps(report.status(home, run), indent=2))
    else:
        report.running(home, run, Progress())


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
    demonstration.run(home, Progress())


@app.command()
def trace(
    trace_id: Annotated[str | None, typer.Argument(help="Such as 1-5759e988-bd862e3fe1be46a994272793.")] = None,
    last: Annotated[bool, typer.Option("--last", help="The one of the last `shop demo`.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Show a recorded trace: what called what, and how long each took."""
    home, _ = running_shop(aws=True)
    state = home.state()
    chosen = state.last_trace if last else trace_id
    if not chosen or (last and trace_id):
        raise ShopError("Name a trace, or use --last once ./shop demo has run", exit_code=2)
    documents = tracing.documents(state, chosen)
    if not documents:
        raise ShopError(f"No trace {chosen}: a request is recorded when its X-Amzn-Trace-Id header says Sampled=1")
    if as_json:
        typer.echo(json.dumps({"id": chosen, "segments": documents}, indent=2))
    else:
        Progress().console.print(tracing.drawing(chosen, documents))


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
        Progress().console.print(demonstration.events_table(found))


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
    progress = Progress(Console(stderr=True) if as_json else None)
    with verify_sources.reading():
        if stage and not database_url:
            raise ShopError("--stage needs --database-url")
        sources = (
            verify_sources.on_aws(stage, database_url, payment_url)
            if stage
            else verify_sources.local(running_shop(aws=True)[0].state())
        )
        with progress.step("Verify", "reading") as step:
            findings = verify_run.run(sources, grace_seconds=grace_seconds, wait_seconds=wait_seconds, say=step.doing)
            step.done(f"{findings.examined['streams']:,} events")
    if as_json:
        typer.echo(json.dumps(verify_output.document(findings), indent=2))
    else:
        verify_output.tell(findings, progress)
    raise typer.Exit(1 if findings.differences else 0)


def running_shop(*, aws: bool = False) -> tuple[Home, Run]:
    home = Home.current()
    run = home.run()
    if run is None or not local_run.is_running(run):
        raise NotRunningError
    if aws and not run.aws:
        raise NotRunningError("The shop runs without AWS: ./shop down, then ./shop up")
    return home, run
