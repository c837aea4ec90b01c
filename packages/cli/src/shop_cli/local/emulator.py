"""Knows how the local AWS is started, and makes clients for it."""

from __future__ import annotations

import functools
import os
import secrets
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import boto3
import httpx
from boto3.session import Session
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError

from shop_cli.errors import ShopError
from shop_cli.local import emulator_store
from shop_cli.local.home import CHECKOUT, Home, State
from shop_cli.local.ports import HOST
from shop_cli.stage import region_of
from shop_payment_provider import browser_guard

PYTHON = CHECKOUT / ".venv-emulator" / "bin" / "python"
LAUNCHER = Path(__file__).with_name("emulator_launcher.py")
REGION = region_of("local")
CALL_SECONDS = 90


def endpoint_url(state: State) -> str:
    # An address and not a name: for `localhost` the SDKs would look up `bucket.localhost`.
    return f"http://{HOST}:{state.ports['aws']}"


def credentials(state: State) -> dict[str, str]:
    """Returns the keys of the local account's root, made for this shop: the emulator takes no others."""
    return {
        "AWS_ACCESS_KEY_ID": state.secret("aws_access_key_id", lambda: f"AKIA{secrets.token_hex(8).upper()}"),
        "AWS_SECRET_ACCESS_KEY": state.secret("aws_secret_access_key"),
    }


def client(state: State, service: str) -> Any:
    return client_at(endpoint_url(state), service, credentials(state))


def client_at(url: str, service: str, keys: Mapping[str, str], timeout_seconds: int = CALL_SECONDS) -> Any:
    """Makes a boto3 client for the server at `url`. Nothing of the caller's own AWS configuration is used."""
    # A function's first call can take some seconds, and must not be sent a second time for that.
    config = Config(connect_timeout=5, read_timeout=timeout_seconds, retries={"total_max_attempts": 1})
    return _session(*keys.values()).client(service, endpoint_url=url, config=config)  # type: ignore[call-overload]


@functools.cache
def _session(access_key_id: str, secret_access_key: str) -> Session:
    return boto3.Session(access_key_id, secret_access_key, region_name=REGION)


def python_version() -> str:
    """Returns the version, X.Y, of the Python that runs the functions locally: they are packaged for it."""
    if not PYTHON.exists():
        raise ShopError("The emulator's environment is missing: run make setup")
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.run([PYTHON, "-c", code], capture_output=True, text=True, check=True).stdout.strip()


def server_command(state: State) -> list[str]:
    # -P: the launcher's neighbours in this folder must not shadow what the emulator and the functions import.
    command = [str(PYTHON), "-P", str(LAUNCHER), "--port", str(state.ports["aws"])]
    return [*command, "--guard", browser_guard.__file__, "--allowed-origins", allowed_origins()]


def allowed_origins() -> str:
    """Returns SHOP_ALLOWED_ORIGINS, from which pages may call the API and the user pool."""
    origins = os.environ.get("SHOP_ALLOWED_ORIGINS", "")
    try:
        browser_guard.parse_origins(origins)
    except ValueError as error:
        raise ShopError(f"SHOP_ALLOWED_ORIGINS: {error}") from error
    return origins


def state_folder(home: Home) -> Path:
    return home.path / "aws" / "state"


def saved_moments(home: Home) -> emulator_store.Moments:
    """Says when the emulator has saved its state, as it is on the disk."""
    try:
        return emulator_store.read_moments(state_folder(home))
    except emulator_store.DamagedError as error:
        raise ShopError(str(error)) from error


def server_environment(home: Home, state: State) -> dict[str, str]:
    """Made from nothing: the functions inherit the emulator's environment, where a setting of ours would hide that
    they lack it themselves."""
    data = home.path / "aws"
    temporary = data / "tmp"
    shutil.rmtree(temporary, ignore_errors=True)
    for folder in (data, state_folder(home), data / "s3", temporary):
        folder.mkdir(mode=0o700, exist_ok=True)
    return {
        "PATH": f"{PYTHON.parent}:{os.environ.get('PATH', os.defpath)}",
        "HOME": str(temporary),
        "LANG": "C.UTF-8",
        "PYTHONUNBUFFERED": "1",
        **credentials(state),
        "GATEWAY_PORT": str(state.ports["aws"]),
        "BIND_HOST": HOST,
        "MINISTACK_REGION": REGION,
        # The functions' roles are enforced; the keys above are the account's root.
        "AUTH": "true",
        "PERSIST_STATE": "1",
        "S3_PERSIST": "1",
        "STATE_DIR": str(state_folder(home)),
        "S3_DATA_DIR": str(data / "s3"),
        "TMPDIR": str(temporary),
        # Nothing but the one port, and no hand on the machine's containers: at start it would remove those of others.
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "DOCKER_HOST": f"unix://{temporary}/no-docker.sock",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "INFO",
    }


def is_ready(state: State) -> bool:
    """Another shop's emulator, which was quicker to take the port, is ready too, but knows no key of this one."""
    try:
        client(state, "dynamodb").list_tables(Limit=1)
    except (BotoCoreError, ClientError):
        return False
    return answers(f"{endpoint_url(state)}/_ministack/ready")


def answers(url: str) -> bool:
    """Returns whether the server is up: its error about the path or the key counts as an answer, a 5xx does not."""
    try:
        return httpx.get(url, timeout=5).status_code < 500
    except httpx.TransportError:
        return False
