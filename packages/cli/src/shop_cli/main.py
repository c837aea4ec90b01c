"""This table of contents registers the commands of `./shop`. The module that does a command's work declares it."""

from __future__ import annotations

from typing import Any

import typer
from typer.core import TyperGroup

from shop_cli.deployment.command import deploy
from shop_cli.errors import ShopError
from shop_cli.local.build import build_command
from shop_cli.local.demo import demo
from shop_cli.local.down import down
from shop_cli.local.env import env
from shop_cli.local.status import status
from shop_cli.local.up import up
from shop_cli.operations import parked
from shop_cli.operations.athena.command import athena
from shop_cli.operations.events import events
from shop_cli.operations.people import command as people
from shop_cli.operations.rebuild import rebuild
from shop_cli.operations.releases.command import release, releases, rollback
from shop_cli.operations.removal.command import remove
from shop_cli.operations.storefront import release_web
from shop_cli.operations.top.command import top
from shop_cli.operations.trace.command import trace
from shop_cli.operations.verify.command import verify

# For errors of the libraries that reach other systems, a message and a hint say more than a traceback.
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
app.command("build")(build_command)
for command in (up, down, status, env, demo, trace, top, events, verify, athena, rebuild, release_web, deploy):
    app.command()(command)
for of_a_stage in (release, rollback, releases, remove):
    app.command()(of_a_stage)
app.add_typer(parked.app, name="parked")
app.add_typer(people.app, name="people")
