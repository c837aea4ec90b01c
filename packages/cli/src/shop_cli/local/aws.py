"""Makes boto3 clients for the local AWS. Nothing of the caller's own AWS configuration is used."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import boto3
from botocore.config import Config

from shop_cli.local import emulator
from shop_cli.local.home import State

if TYPE_CHECKING:
    from boto3.session import Session


@functools.cache
def _session() -> Session:
    return boto3.Session(
        aws_access_key_id=emulator.CREDENTIALS["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=emulator.CREDENTIALS["AWS_SECRET_ACCESS_KEY"],
        region_name=emulator.REGION,
    )


def client(state: State, service: str, endpoint_url: str | None = None, *, read_timeout_seconds: int = 90) -> Any:
    # A function's first call can take some seconds, and must not be sent a second time for that.
    config = Config(connect_timeout=5, read_timeout=read_timeout_seconds, retries={"total_max_attempts": 1})
    return _session().client(service, endpoint_url=endpoint_url or emulator.endpoint_url(state), config=config)  # type: ignore[call-overload]
