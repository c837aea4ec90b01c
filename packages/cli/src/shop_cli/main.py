"""The commands. Each is thin: what it does is in the module that it calls."""

from __future__ import annotations

import json
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from shop_cli import environment, local_run, report
from shop_cli.errors import NotRunningError, ShopError
from shop_cli.home import Home, Run
from shop_cli.progress import Progress

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


def running_shop(*, aws: bool = False) -> tuple[Home, Run]:
    home = Home.current()
    run = home.run()
    if run is None or not local_run.is_running(run):
        raise NotRunningError
    if aws and not run.aws:
        raise NotRunningError("The shop runs without AWS: ./shop down, then ./shop up")
    return home, run
