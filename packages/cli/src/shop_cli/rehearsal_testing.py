"""Starts an AWS on this machine for stage rehearsal: the emulator, and what it lacks. Nothing is deployed to it yet."""

import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from shop_cli.aurora_testing import running_aurora
from shop_cli.data_api_testing import running_data_api
from shop_cli.emulator_testing import child, free_port
from shop_cli.local import emulator, environment, services
from shop_cli.local.home import CHECKOUT, Home, State
from shop_cli.local.postgres import ROLES

COMMAND_SECONDS_MAX = 1_800
RESUMING = ["DatabaseResumingException"] * 3 + ["ThrottlingException"]
"""A paused database answers so."""


@dataclass(frozen=True)
class RehearsalAccount:
    home: Home
    state: State
    variables: dict[str, str]

    def shop(self, *arguments: str) -> str:
        """Runs a command of ./shop as somebody does whose shell has this account, and returns what it prints."""
        done = subprocess.run(
            [CHECKOUT / "shop", *arguments],
            env=self.variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=COMMAND_SECONDS_MAX,
            check=False,
        )
        printed = done.stdout + done.stderr
        if done.returncode:
            raise AssertionError(printed[-8_000:])
        return printed

    def client(self, service: str) -> Any:
        return emulator.client(self.state, service)

    def register_webhook(self, api_url: str) -> None:
        services.write_webhook_url(self.home, api_url)


@contextmanager
def running_account() -> Iterator[RehearsalAccount]:
    with tempfile.TemporaryDirectory(prefix="shop-rehearsal-") as folder, ExitStack() as servers:
        home = Home(Path(folder) / "shop")
        home.create()
        state = State(ports={name: free_port() for name in ("aws", "postgres", "payment", "xray", "xray_udp")})
        aurora = servers.enter_context(running_aurora(state.ports["postgres"]))
        master = servers.enter_context(psycopg.connect(aurora.url("master"), autocommit=True))
        data_api = servers.enter_context(running_data_api(lambda sql: master.execute(sql.encode()), RESUMING))
        urls = {"xray": environment.xray_url(state), "payment": environment.payment_url(state)}
        for name, command, variables, url in (
            ("xray", services.xray_command(home, state), services.environment(), urls["xray"]),
            ("payment", services.payment_command(home, state), services.environment(), urls["payment"]),
            ("aws", emulator.server_command(state), emulator.server_environment(home, state), _ready(state)),
        ):
            servers.enter_context(child(command, variables, home.logs / f"{name}.log", url))
        yield RehearsalAccount(
            home,
            state,
            {
                **{name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "SHOP_"))},
                **environment.deploy_variables(state),
                **{f"{role.upper()}_DATABASE_URL": aurora.url_by_tcp(role) for role in ROLES},
                "AWS_ENDPOINT_URL_RDS_DATA": data_api,
                "AWS_ENDPOINT_URL_XRAY": urls["xray"],
                "SHOP_HOME": str(home.path),
                "SHOP_PAYMENT_API_KEY": services.payment_api_key(state),
                "SHOP_PAYMENT_WEBHOOK_SECRET": services.payment_webhook_secret(state),
            },
        )


def _ready(state: State) -> str:
    return f"{emulator.endpoint_url(state)}/_ministack/ready"
