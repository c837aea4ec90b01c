"""Deploys a stage's four stacks with osls, in the order of deploy/serverless-compose.yml."""

from __future__ import annotations

import os
import subprocess
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from botocore.exceptions import ClientError

from shop_cli.deployment.provider_keys import VARIABLES
from shop_cli.errors import ShopError
from shop_cli.interrupts import Interrupts
from shop_cli.local.deploy import STACKS, compose_command, follow
from shop_cli.local.environment import tool_path
from shop_cli.local.home import CHECKOUT, Home, ProcessRecord, exclusive
from shop_cli.local.processes import created_at
from shop_cli.progress import ProgressStep
from shop_cli.target import Target

DEPLOY_SECONDS: Final = 3_600.0
"""Aurora and CloudFront take a quarter of an hour together, and AWS sometimes much more."""
NOT_FOR_THE_TOOL: Final = {*VARIABLES, "AWS_PROFILE", "AWS_DEFAULT_PROFILE", "AWS_SESSION_TOKEN"}
"""A profile would win over the credentials."""
SETTLE_SECONDS: Final = 3_600.0
POLL_SECONDS: Final = 10.0

Doing = Callable[[str], None]


def deploy(target: Target, interrupts: Interrupts, step: ProgressStep) -> None:
    """Raises ShopError when a stack fails, or was left by an earlier deployment so that none can follow."""
    settle(target, step.doing)
    # The platform takes the throttles of routes that are there: the first deployment of a stage makes them.
    has_routes = status(target.client("cloudformation"), f"shop-query-{target.stage}") is not None
    tool = DeployTool(target, interrupts, step)
    with exclusive(CHECKOUT / "deploy", lambda: step.doing("waiting for another deployment"), DEPLOY_SECONDS):
        tool.run("stacks", compose_command(target.stage), CHECKOUT / "deploy")
        if not has_routes:
            command = [str(CHECKOUT / "node_modules" / ".bin" / "serverless"), "deploy", "--stage", target.stage]
            tool.run("platform", [*command, "--verbose"], CHECKOUT)


def settle(target: Target, doing: Doing, sleep: Callable[[float], None] = time.sleep) -> None:
    """Waits for what an interrupted deployment has begun, and removes a stack whose first deployment has failed.

    CloudFormation updates neither. A stack in ROLLBACK_COMPLETE has never been in use.
    """
    cloudformation = target.client("cloudformation")
    deadline = time.monotonic() + SETTLE_SECONDS
    for stack in (f"{name}-{target.stage}" for name in STACKS):
        while (found := status(cloudformation, stack)) is not None:
            if found in ("ROLLBACK_COMPLETE", "ROLLBACK_FAILED"):
                doing(f"removing {stack}, whose first deployment has failed")
                cloudformation.update_termination_protection(EnableTerminationProtection=False, StackName=stack)
                cloudformation.delete_stack(StackName=stack)
            elif found == "UPDATE_ROLLBACK_FAILED":
                raise ShopError(
                    f"CloudFormation could not take an update of {stack} back. See its events, mend the cause, then:\n"
                    f"  aws cloudformation continue-update-rollback --stack-name {stack}"
                )
            elif found == "DELETE_FAILED":
                raise ShopError(f"{stack} could not be removed: see its events, and remove what they name")
            elif not found.endswith("_IN_PROGRESS") or found == "REVIEW_IN_PROGRESS":
                break  # osls makes a stack that is only under review
            if time.monotonic() > deadline:
                raise ShopError(f"{stack} is in {found} for {SETTLE_SECONDS / 60:.0f} minutes: see its events")
            doing(f"waiting for {stack}, which is in {found}")
            sleep(POLL_SECONDS)


def status(cloudformation: Any, stack: str) -> str | None:
    try:
        return str(cloudformation.describe_stacks(StackName=stack)["Stacks"][0]["StackStatus"])
    except ClientError as error:
        if "does not exist" not in str(error):
            raise
        return None


@dataclass(frozen=True)
class DeployTool:
    """Runs osls with the target's credentials, and without the provider's keys."""

    target: Target
    interrupts: Interrupts
    step: ProgressStep

    def run(self, name: str, command: Sequence[str], folder: Path) -> None:
        home = Home.current()
        home.create()
        log = home.logs / f"deploy-{self.target.stage}-{name}.log"
        log.touch(mode=0o600)
        environment = {key: value for key, value in os.environ.items() if key not in NOT_FOR_THE_TOOL}
        with log.open("wb") as output, self.interrupts.shielded():
            # A session of its own, so that Ctrl-C reaches only us, who end the tool and all that it has started.
            process = subprocess.Popen(
                command,
                cwd=folder,
                env=environment | self.target.tool_variables() | {"PATH": tool_path(), "CI": "1"},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            record = ProcessRecord(name, process.pid, created_at(process.pid), str(log))
        follow(process, record, DEPLOY_SECONDS, self.step)
