"""A target is the shop that an operation works on: the one on this machine, or a stage on AWS.

Only this module knows how the two differ. Nothing of the caller's own AWS configuration is used for the shop on this
machine, and nothing else is used for a stage.
"""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final

import boto3
import typer
from botocore.config import Config

from shop_cli.errors import ShopError
from shop_cli.local import deploy, emulator, environment, identity, postgres, services
from shop_cli.local.home import State
from shop_cli.local.status import running_shop

FUNCTION_SECONDS: Final = 930
"""Lambda gives a function less time than this at most."""

StageOption = Annotated[
    str | None, typer.Option("--stage", help="Work on this stage on AWS, and not on the shop on this machine.")
]


@dataclass(frozen=True)
class Function:
    """Only operators invoke such a function. The database is in a network of its own, so its work is done there."""

    client: Any
    name: str

    def invoke(self, event: dict[str, Any]) -> dict[str, Any]:
        """Returns the function's answer, an object. Raises ShopError when it has failed; another try is always safe."""
        answer = self.client.invoke(FunctionName=self.name, Payload=json.dumps(event).encode())
        body = json.loads(answer["Payload"].read() or b"null")
        if answer.get("FunctionError") or not isinstance(body, dict):
            raise ShopError(f"The function {self.name} has failed: {json.dumps(body)}\nThe same command goes on")
        return body


@dataclass(frozen=True)
class Target:
    stage: str
    local: State | None = None
    """This is the state of the shop on this machine, and None for a stage on AWS."""
    given_database_url: str = ""
    """A stage's database has no public address, so the caller says how it is reached."""

    @classmethod
    def of(cls, stage: str | None, database_url: str = "") -> Target:
        """Raises NotRunningError without a stage when no shop runs on this machine."""
        return cls(stage, None, database_url) if stage else cls.here(running_shop(aws=True)[0].state())

    @classmethod
    def here(cls, state: State) -> Target:
        return cls(deploy.STAGE, state)

    @property
    def name(self) -> str:
        return "this machine" if self.local else self.stage

    def client(self, service: str, timeout_seconds: int | None = None) -> Any:
        """Makes a boto3 client. With a timeout, a call is sent once only: the first may still be at work."""
        if self.local:
            url = environment.xray_url(self.local) if service == "xray" else emulator.endpoint_url(self.local)
            keys = emulator.credentials(self.local)
            return emulator.client_at(url, service, keys, timeout_seconds or emulator.CALL_SECONDS)
        once = Config(
            connect_timeout=5,
            read_timeout=timeout_seconds or 0,
            retries={"total_max_attempts": 1},
            tcp_keepalive=True,
        )
        return self._session.client(service, config=once if timeout_seconds else None)  # type: ignore[call-overload]

    @cached_property
    def _session(self) -> boto3.Session:
        """One session for all clients asks only once where signing in asks for a code."""
        return boto3.Session()

    def function(self, name: str, timeout_seconds: int = FUNCTION_SECONDS) -> Function:
        """Finds a function of shop-dispatch by its name without the stage, such as `parked`."""
        return Function(self.client("lambda", timeout_seconds), f"shop-dispatch-{self.stage}-{name}")

    @cached_property
    def actor(self) -> str:
        """Returns the caller's ARN, which everybody may ask for. A function does not learn who has invoked it."""
        return str(self.client("sts").get_caller_identity()["Arn"])

    @cached_property
    def outputs(self) -> dict[str, str]:
        """Returns what the platform's stack gives to others, by the names of its Outputs."""
        return deploy.stack_outputs(self.client("cloudformation"), self.stage)

    @property
    def tool_environment(self) -> dict[str, str]:
        """Returns the environment in which the deploy tool works on this shop."""
        if self.local:
            return environment.tool_environment(environment.deploy_variables(self.local))
        return dict(os.environ)

    @property
    def people(self) -> list[dict[str, str]]:
        """Returns who may sign in to the storefront with one click. A stage on AWS has nobody."""
        return identity.seeded_people(self.local) if self.local else []

    @property
    def database_url(self) -> str:
        return postgres.role_url(self.local, "shop_owner") if self.local else self.given_database_url

    def payment_provider(self, url: str) -> tuple[str, str]:
        """Returns the URL and the key of the payment provider. A stage's is at the URL that is given."""
        if self.local:
            return environment.payment_url(self.local), services.payment_api_key(self.local)
        parameter = self.client("ssm").get_parameter(Name=f"/shop/{self.stage}/payment-api-key", WithDecryption=True)
        return url, str(parameter["Parameter"]["Value"])
