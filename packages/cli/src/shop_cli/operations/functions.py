"""Invokes a function that only operators use. The database is in a network of its own, so they do its work there."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Final

import boto3
from botocore.config import Config

from shop_cli.errors import ShopError
from shop_cli.local import aws, deploy
from shop_cli.local.home import State

FUNCTION_SECONDS: Final = 930
"""More than the longest time that Lambda gives a function."""


@dataclass(frozen=True)
class Function:
    client: Any
    name: str

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Returns the function's answer, an object. Raises ShopError when it has failed; another try is always safe."""
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError") or not isinstance(body, dict):
            raise ShopError(f"The function {self.name} has failed: {json.dumps(body)}\nThe same command goes on")
        return body


def local(state: State, name: str) -> Function:
    """`name` comes without its stage, such as `parked`."""
    return Function(aws.client(state, "lambda", read_timeout_seconds=FUNCTION_SECONDS), _name(deploy.STAGE, name))


def on_aws(stage: str, name: str) -> Function:
    """Uses the caller's own AWS configuration. A call is never sent twice: the first may still be at work."""
    config = Config(read_timeout=FUNCTION_SECONDS, retries={"total_max_attempts": 1}, tcp_keepalive=True)
    return Function(boto3.Session().client("lambda", config=config), _name(stage, name))


def _name(stage: str, name: str) -> str:
    return f"shop-dispatch-{stage}-{name}"
