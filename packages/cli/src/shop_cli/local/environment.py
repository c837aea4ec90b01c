"""These variables make the deploy tool, the AWS tools and psql talk to this shop and to no other."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

from shop_cli.local import emulator, postgres
from shop_cli.local.build import FUNCTIONS, MACHINE
from shop_cli.local.home import CHECKOUT, Home, State, write_private
from shop_cli.local.ports import HOST

OWN_TOOLS = (CHECKOUT / ".venv" / "bin", CHECKOUT / "node_modules" / ".bin")


def database_variables(state: State) -> dict[str, str]:
    return {
        "SHOP_OWNER_DATABASE_URL": postgres.role_url(state, "shop_owner"),
        "SHOP_DISPATCH_DATABASE_URL": postgres.role_url(state, "shop_dispatch"),
        "SHOP_QUERY_DATABASE_URL": postgres.role_url(state, "shop_query"),
    }


def deploy_variables(state: State) -> dict[str, str]:
    return {
        "AWS_ENDPOINT_URL": emulator.endpoint_url(state),
        **emulator.credentials(state),
        "AWS_REGION": emulator.REGION,
        "AWS_DEFAULT_REGION": emulator.REGION,
        "SHOP_ARCHITECTURE": MACHINE,
        # The emulator has changed a stack long before the 5,000 ms after which osls looks again by itself.
        "SLS_AWS_MONITORING_FREQUENCY": "500",
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
    """The checkout's own tools come first: `serverless` finds its python3.13 there, and the packaging hook finds uv."""
    return os.pathsep.join([*map(str, OWN_TOOLS), os.environ.get("PATH", os.defpath)])


def tool_environment(variables: Mapping[str, str]) -> dict[str, str]:
    """The deploy tool gets these variables, which alone decide where it deploys to. A profile in the caller's shell
    would win over the keys, and take a deployment meant for this machine to an account."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SLS_", "SHOP_"))}
    return {**kept, "PATH": tool_path(), "CI": "1", "SHOP_HOME": str(Home.current().path), **variables}


def _folders() -> list[Path]:
    return [CHECKOUT, *(CHECKOUT / "functions" / name for name in FUNCTIONS)]


def write_files(home: Home, state: State) -> None:
    """Writes `.env.local` beside each serverless.yml, which osls loads for the stage `local`: `serverless deploy` in a
    function's folder then needs nothing else. Only for the checkout's own shop: the files can't serve two."""
    if not home.is_default:
        return
    content = "".join(f'{name}="{value}"\n' for name, value in deploy_variables(state).items())
    header = "# Written by `shop up`: where the local run is. Overwritten at each start.\n"
    for folder in _folders():
        write_private(folder / ".env.local", header + content)


def remove_files() -> None:
    for folder in _folders():
        (folder / ".env.local").unlink(missing_ok=True)
