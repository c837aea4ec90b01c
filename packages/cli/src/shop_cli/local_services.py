"""The two small servers of ours that run beside the local AWS: the mock payment provider and the X-Ray collector."""

from __future__ import annotations

import os
import secrets
import sys

from shop_cli.aws import client
from shop_cli.home import Home, State

PAYMENT_KEY_PARAMETER = "/shop/local/payment-api-key"


def environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def payment_api_key(state: State) -> str:
    return state.secret("payment_api_key", lambda: f"sk_test_{secrets.token_hex(24)}")


def payment_command(home: Home, state: State) -> list[str]:
    key_file = home.write_private("payment-api-key", payment_api_key(state))
    command = [sys.executable, "-m", "shop_cli.payment_provider", "--port", str(state.ports["payment"])]
    return [*command, "--data", str(home.path / "payments.sqlite"), "--api-key-file", str(key_file)]


def xray_command(home: Home, state: State) -> list[str]:
    ports = ["--udp-port", str(state.ports["xray_udp"]), "--http-port", str(state.ports["xray"])]
    return [sys.executable, "-m", "shop_cli.xray", *ports, "--data", str(home.path / "traces.jsonl")]


def store_payment_key(state: State) -> None:
    """Where shop-command looks for it, locally as on AWS."""
    client(state, "ssm").put_parameter(
        Name=PAYMENT_KEY_PARAMETER, Value=payment_api_key(state), Type="SecureString", Overwrite=True
    )
