"""A target is the shop that an operation works on: the one on this machine, or a stage on AWS.

Only this module knows how the two differ. Nothing of the caller's own AWS configuration is used for the shop on this
machine. A stage is reached with it, in the region that config/stages.json gives the stage.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Annotated, Any, Final

import boto3
import typer
from botocore.config import Config

from shop_cli.endpoint import check_endpoint, is_emulated
from shop_cli.errors import ShopError
from shop_cli.local import deploy, emulator, environment, identity, services
from shop_cli.local.home import State
from shop_cli.local.status import running_shop
from shop_cli.stage import check_stage_name, region_of

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

    def ask(self, event: dict[str, Any]) -> dict[str, Any]:
        """Returns the answer. Raises ShopError for one that refuses, too."""
        answer = self.invoke(event)
        if "error" in answer:
            raise ShopError(answer["error"])
        return answer

    def pages(self, event: dict[str, Any]) -> Iterator[dict[str, Any]]:
        """Asks again with the `next` of each answer as `after`, for as long as there is one."""
        after = None
        while True:
            answer = self.ask({**event, "after": after})
            yield answer
            after = answer.get("next")
            if after is None:
                return


@dataclass(frozen=True)
class Target:
    stage: str
    local: State | None = None
    """This is the state of the shop on this machine, and None for a stage on AWS."""

    @classmethod
    def of(cls, stage: str | None) -> Target:
        """Raises NotRunningError without a stage when no shop runs on this machine, and ShopError for a stage's name
        that can't be one, or in a shell that points to the emulator."""
        if stage is None:
            return cls.here(running_shop(aws=True)[0].state())
        if not is_emulated(stage):
            check_stage_name(stage)
        check_endpoint(stage)
        return cls(stage)

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
        return boto3.Session(region_name=region_of(self.stage))

    def tool_variables(self) -> dict[str, str]:
        """Returns the stage's region and the credentials that this session has found, for another program: it then
        works in the account that was shown, and asks for no code again. They may last for an hour only."""
        credentials = self._session.get_credentials()
        if credentials is None:
            raise ShopError("There are no AWS credentials: name a profile in AWS_PROFILE")
        found = credentials.get_frozen_credentials()
        variables = {"AWS_REGION": region_of(self.stage), "AWS_ACCESS_KEY_ID": str(found.access_key)}
        variables |= {"AWS_SECRET_ACCESS_KEY": str(found.secret_key)}
        return variables | ({"AWS_SESSION_TOKEN": found.token} if found.token else {})

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
        return {**os.environ, **self.tool_variables()}

    @property
    def people(self) -> list[dict[str, str]]:
        """Returns who may sign in to the storefront with one click. A stage on AWS has nobody."""
        return identity.seeded_people(self.local) if self.local else []

    def payment_provider(self, url: str) -> tuple[str, str]:
        """Returns the URL and the key of the payment provider. A stage's is at the URL that is given."""
        if self.local:
            return environment.payment_url(self.local), services.payment_api_key(self.local)
        parameter = self.client("ssm").get_parameter(Name=f"/shop/{self.stage}/payment-api-key", WithDecryption=True)
        return url, str(parameter["Parameter"]["Value"])
