"""Two small servers of ours run beside the local AWS: the mock payment provider and the X-Ray collector."""

from __future__ import annotations

import os
import secrets
import sys
from pathlib import Path

from shop_cli.local.emulator import client
from shop_cli.local.home import Home, State

PAYMENT_KEY_PARAMETER = "/shop/local/payment-api-key"
WEBHOOK_SECRET_PARAMETER = "/shop/local/payment-webhook-secret"  # noqa: S105 - where it is, not what it is
WEBHOOK_PATH = "/payments/webhook"


def environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", os.defpath), "LANG": "C.UTF-8", "PYTHONUNBUFFERED": "1"}


def payment_api_key(state: State) -> str:
    return state.secret("payment_api_key", lambda: f"sk_test_{secrets.token_hex(24)}")


def payment_webhook_secret(state: State) -> str:
    return state.secret("payment_webhook_secret", lambda: f"whsec_{secrets.token_hex(24)}")


def payment_command(home: Home, state: State) -> list[str]:
    key_file = home.write_private("payment-api-key", payment_api_key(state))
    secret_file = home.write_private("payment-webhook-secret", payment_webhook_secret(state))
    # The last run has left its URL, perhaps with another port. The provider waits until `write_webhook_url` has
    # written it anew.
    _webhook_url_file(home).unlink(missing_ok=True)
    command = [sys.executable, "-m", "shop_payment_provider", "--port", str(state.ports["payment"])]
    command += ["--data", str(home.path / "payments.sqlite"), "--api-key-file", str(key_file)]
    return [*command, "--webhook-url-file", str(_webhook_url_file(home)), "--webhook-secret-file", str(secret_file)]


def xray_command(home: Home, state: State) -> list[str]:
    ports = ["--udp-port", str(state.ports["xray_udp"]), "--http-port", str(state.ports["xray"])]
    return [sys.executable, "-m", "shop_cli.local.collector", *ports, "--data", str(home.path / "traces.jsonl")]


def store_payment_secrets(state: State) -> None:
    """Puts them into the parameters that shop-command reads, locally as on AWS."""
    values = {PAYMENT_KEY_PARAMETER: payment_api_key(state), WEBHOOK_SECRET_PARAMETER: payment_webhook_secret(state)}
    for name, value in values.items():
        client(state, "ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)


def write_webhook_url(home: Home, api_url: str) -> None:
    """Only a deployment makes the API's address, when the provider has long been running."""
    home.write_private(_webhook_url_file(home).name, api_url + WEBHOOK_PATH)


def _webhook_url_file(home: Home) -> Path:
    return home.path / "payment-webhook-url"
