"""What an earlier deployment has left, and how the deploy tool is run."""

import json
import os
import signal
import sys
import threading
import time
from pathlib import Path
from typing import Any

import psutil
import pytest
from botocore.exceptions import ClientError

from shop_cli.deployment import stacks
from shop_cli.deployment.stacks import DeployTool, settle
from shop_cli.errors import ShopError
from shop_cli.interrupts import Interrupts
from shop_cli.local.deploy import STACKS
from shop_cli.local.home import Home
from shop_cli.progress import ProgressStep
from shop_cli.stage import region_of
from shop_cli.target import Target

TOOL_SECONDS_MAX = 60


class CloudFormation:
    """Each stack is in each of its states once, and stays in the last; None is a stack that does not exist."""

    def __init__(self, **states: list[str | None]) -> None:
        self.states = {f"shop-{name}-dev": list(found) for name, found in states.items()}
        self.unprotected: list[str] = []
        self.deleted: list[str] = []

    def describe_stacks(self, *, StackName: str) -> dict[str, Any]:  # noqa: N803 - boto3's
        states = self.states.get(StackName, [None])
        state = states.pop(0) if len(states) > 1 else states[0]
        if state is None:
            message = f"Stack with id {StackName} does not exist"
            raise ClientError({"Error": {"Code": "ValidationError", "Message": message}}, "DescribeStacks")
        return {"Stacks": [{"StackStatus": state}]}

    def update_termination_protection(self, *, EnableTerminationProtection: bool, StackName: str) -> None:  # noqa: N803
        assert not EnableTerminationProtection
        self.unprotected.append(StackName)

    def delete_stack(self, *, StackName: str) -> None:  # noqa: N803
        assert StackName in self.unprotected  # production's stacks are protected from their first deployment on
        self.deleted.append(StackName)


def settled(monkeypatch: pytest.MonkeyPatch, cloudformation: CloudFormation) -> list[str]:
    monkeypatch.setattr(Target, "client", lambda *_: cloudformation)
    shown: list[str] = []
    settle(Target("dev"), shown.append, sleep=lambda _: None)
    return shown


@pytest.mark.parametrize(
    "state", [None, "CREATE_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE", "REVIEW_IN_PROGRESS"]
)
def test_what_can_be_deployed_is_left_alone(monkeypatch: pytest.MonkeyPatch, state: str | None) -> None:
    cloudformation = CloudFormation(**{name.removeprefix("shop-"): [state] for name in STACKS})
    assert settled(monkeypatch, cloudformation) == []
    assert cloudformation.deleted == []


def test_what_is_under_way_is_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    under_way = CloudFormation(
        platform=["UPDATE_IN_PROGRESS", "UPDATE_COMPLETE_CLEANUP_IN_PROGRESS", "UPDATE_COMPLETE"]
    )
    assert settled(monkeypatch, under_way) == [
        "waiting for shop-platform-dev, which is in UPDATE_IN_PROGRESS",
        "waiting for shop-platform-dev, which is in UPDATE_COMPLETE_CLEANUP_IN_PROGRESS",
    ]


def test_a_stack_whose_first_deployment_failed_is_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    failed = CloudFormation(query=["ROLLBACK_IN_PROGRESS", "ROLLBACK_COMPLETE", "DELETE_IN_PROGRESS", None])
    shown = settled(monkeypatch, failed)
    assert failed.deleted == ["shop-query-dev"]
    assert shown[-1] == "waiting for shop-query-dev, which is in DELETE_IN_PROGRESS"


@pytest.mark.parametrize(
    ("state", "shown"),
    [("UPDATE_ROLLBACK_FAILED", "continue-update-rollback"), ("DELETE_FAILED", "could not be removed")],
)
def test_what_only_a_person_can_mend_is_shown(monkeypatch: pytest.MonkeyPatch, state: str, shown: str) -> None:
    with pytest.raises(ShopError, match=shown):
        settled(monkeypatch, CloudFormation(command=[state]))


def test_a_stack_that_never_settles_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stacks, "SETTLE_SECONDS", -1.0)
    with pytest.raises(ShopError, match="shop-platform-dev is in CREATE_IN_PROGRESS"):
        settled(monkeypatch, CloudFormation(platform=["CREATE_IN_PROGRESS"]))


@pytest.mark.parametrize(("existing", "runs"), [(None, ["stacks", "platform"]), ("UPDATE_COMPLETE", ["stacks"])])
def test_a_first_deployment_brings_the_throttles_of_its_routes(
    monkeypatch: pytest.MonkeyPatch, existing: str | None, runs: list[str]
) -> None:
    """infra/http-api.yml says why the platform can't have them before."""
    done: list[str] = []
    monkeypatch.setattr(Target, "client", lambda *_: CloudFormation(query=[existing]))
    monkeypatch.setattr(DeployTool, "run", lambda _self, name, *_: done.append(name))
    stacks.deploy(Target("dev"), Interrupts(), ProgressStep("Stacks"))
    assert done == runs


@pytest.fixture
def tool(home: Home, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> DeployTool:
    credentials = tmp_path / "credentials"
    credentials.write_text(
        "[mine]\naws_access_key_id = the-id\naws_secret_access_key = the-key\naws_session_token = the-token\n"
    )
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(credentials))
    monkeypatch.setenv("AWS_PROFILE", "mine")
    monkeypatch.setenv("SHOP_PAYMENT_API_KEY", "sk_test_1")
    return DeployTool(Target("dev"), Interrupts(), ProgressStep("Stacks"))


def test_the_tool_gets_the_credentials_of_the_account_that_was_shown_and_no_key_of_the_provider(
    home: Home, tool: DeployTool
) -> None:
    code = "import json, os; print(json.dumps(dict(os.environ)))"
    tool.run("stacks", [sys.executable, "-c", code], home.path)
    log = home.logs / "deploy-dev-stacks.log"
    given = json.loads(log.read_text())
    found = [given[name] for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_REGION")]
    assert found == ["the-id", "the-key", "the-token", region_of("dev")]
    assert not {"SHOP_PAYMENT_API_KEY", "AWS_PROFILE"} & given.keys()
    assert log.stat().st_mode & 0o077 == 0


def test_a_failure_of_the_tool_is_shown_from_its_log(home: Home, tool: DeployTool) -> None:
    with pytest.raises(ShopError, match="Error: no such stack"):
        tool.run("stacks", [sys.executable, "-c", "import sys; sys.exit('Error: no such stack')"], home.path)


def test_ctrl_c_ends_the_tool_and_what_it_has_started(home: Home, tool: DeployTool) -> None:
    code = "import subprocess, sys, time; print(subprocess.Popen(['sleep', '600']).pid, flush=True); time.sleep(600)"
    log = home.logs / "deploy-dev-stacks.log"

    def interrupt() -> None:
        deadline = time.monotonic() + TOOL_SECONDS_MAX
        while not (log.exists() and log.read_text().strip()) and time.monotonic() < deadline:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=interrupt).start()
    with tool.interrupts.installed(), pytest.raises(KeyboardInterrupt):
        tool.run("stacks", [sys.executable, "-c", code], home.path)
    started = int(log.read_text())
    assert not psutil.pid_exists(started) or psutil.Process(started).status() == psutil.STATUS_ZOMBIE
