"""Deploys the four stacks to the local AWS with osls, when anything that they are made of has changed."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from shop_cli.errors import ShopError
from shop_cli.interrupts import Interrupts
from shop_cli.local import environment
from shop_cli.local.build import FUNCTIONS, workspace_packages
from shop_cli.local.emulator import client
from shop_cli.local.home import CHECKOUT, Home, ProcessRecord, State, exclusive
from shop_cli.local.processes import MARKER, spawn, stop_one
from shop_cli.progress import ProgressStep

STAGE = "local"
STACKS = ("shop-platform", *FUNCTIONS)
DEPLOY_SECONDS = 600.0
FOLDER_LOCK_SECONDS = 600.0
STOP_SECONDS = 1.0
SOURCES = (
    *("serverless.yml", "package-lock.json", "infra", "config", "deploy"),
    *{
        str(package.relative_to(CHECKOUT))
        for name in FUNCTIONS
        for package in workspace_packages(CHECKOUT / "functions" / name)
    },
    "packages/openapi/src",
    "packages/cli/src/shop_cli/local/build.py",
)
NOT_DEPLOYED = {"tests", "events", "dist", "golden", "schemas", "__pycache__", "README.md", "CHANGELOG.md"}
FAILURE = re.compile(r"\b(error|failed)\b", re.IGNORECASE)
NOISE = re.compile(r"^\S* \u203a (\s+at |$)|_IN_PROGRESS|_COMPLETE|Warning|NodeVersionSupport")
LINES_BEFORE, LINES_MAX = 6, 40


def ensure_deployed(home: Home, state: State, interrupts: Interrupts, step: ProgressStep) -> None:
    variables = environment.deploy_variables(state)
    digest = sources_digest(variables)
    if digest == state.deployed_digest and stacks_exist(state):
        restore_athena(state)
        step.done("four stacks, unchanged")
        return
    # Recorded only once it has succeeded: a failed or interrupted deployment is done again.
    state.deployed_digest = ""
    home.save(state)
    # Two shops of one checkout may not build the same zip files at once.
    with exclusive(CHECKOUT / "deploy", lambda: step.doing("waiting for another deployment"), FOLDER_LOCK_SECONDS):
        run_compose(home, variables, interrupts, step)
    # Whatever a restart has lost, a deployment takes for unchanged.
    restore_athena(state)
    state.deployed_digest = digest
    home.save(state)
    step.done("four stacks")


def run_compose(home: Home, variables: Mapping[str, str], interrupts: Interrupts, step: ProgressStep) -> None:
    with interrupts.shielded():
        process, record = spawn(
            home, "deploy", compose_command(STAGE), environment.tool_environment(variables), cwd=CHECKOUT / "deploy"
        )
    try:
        follow(process, record, DEPLOY_SECONDS, step)
    except ShopError as error:
        raise ShopError(f"{error}\nTo start over: ./shop down --delete") from error


def compose_command(stage: str) -> list[str]:
    return [str(CHECKOUT / "node_modules" / ".bin" / "osls-compose"), "deploy", "--stage", stage, "--verbose"]


def follow(process: subprocess.Popen[bytes], record: ProcessRecord, seconds_max: float, step: ProgressStep) -> None:
    """Shows how far the deploy tool has come, by its log. Whatever ends this, ends the tool too.

    Raises ShopError with what the log says of a failure.
    """
    log = Path(record.log)
    deadline = time.monotonic() + seconds_max
    try:
        while process.poll() is None:
            step.doing(_summary(log.read_text(errors="replace")))
            if time.monotonic() > deadline:
                raise ShopError(f"The deployment took more than {seconds_max:.0f} s: see {log}")
            time.sleep(0.3)
    finally:
        # Before the emulator goes, or its tries to reach that would hold up the end.
        stop_one(record, STOP_SECONDS)
        process.poll()
    if process.returncode:
        raise ShopError(f"The deployment failed. From {log}:\n{_failure(log.read_text(errors='replace'))}")


def stacks_exist(state: State) -> bool:
    cloudformation = client(state, "cloudformation")
    for stack in STACKS:
        try:
            found = cloudformation.describe_stacks(StackName=f"{stack}-{STAGE}")["Stacks"]
        except ClientError:
            return False
        if not found or found[0]["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            return False
    return True


def restore_athena(state: State) -> None:
    """The emulator keeps stacks over a restart, but neither a workgroup's settings nor its named queries, and now and
    then not even the workgroup."""
    platform = outputs(state)
    athena, workgroup = client(state, "athena"), platform["AthenaWorkgroupName"]
    location = f"s3://{platform['BucketName']}/athena-results/"
    if workgroup in {found["Name"] for found in athena.list_work_groups()["WorkGroups"]}:
        updates = {"ResultConfigurationUpdates": {"OutputLocation": location}}
        athena.update_work_group(WorkGroup=workgroup, ConfigurationUpdates=updates)
    else:
        settings = {"ResultConfiguration": {"OutputLocation": location}}
        athena.create_work_group(Name=workgroup, Configuration=settings)
    subprocess.run(
        [sys.executable, CHECKOUT / "infra" / "named_queries.py", workgroup],
        env=environment.tool_environment(environment.deploy_variables(state)),
        check=True,
    )


def outputs(state: State) -> dict[str, str]:
    return stack_outputs(client(state, "cloudformation"), STAGE)


def stack_outputs(cloudformation: Any, stage: str) -> dict[str, str]:
    """Returns what the platform's stack gives to others, by the names of its Outputs."""
    name = f"shop-platform-{stage}"
    try:
        found = cloudformation.describe_stacks(StackName=name)["Stacks"][0]
    except ClientError as error:
        raise ShopError(
            f"The stack {name} could not be read ({error}). On this machine ./shop up deploys it"
        ) from error
    return {each["OutputKey"]: each["OutputValue"] for each in found.get("Outputs", [])}


def migrate(state: State) -> str:
    """Invokes the Lambda function that migrates the read model; answers the version that it has reached."""
    answer = client(state, "lambda").invoke(FunctionName=f"shop-dispatch-{STAGE}-migrate", Payload=b"{}")
    body = json.loads(answer["Payload"].read() or b"null")
    if answer.get("FunctionError") or not isinstance(body, dict):
        advice = "If a migration was edited after it had run here, start over: ./shop down --delete"
        raise ShopError(f"The function migrate of shop-dispatch has failed: {json.dumps(body)}\n{advice}")
    return str(body.get("current", ""))


def migrate_without_aws(home: Home, state: State) -> None:
    """Runs the same function on this machine, with the stage that needs no AWS at all."""
    command = [str(CHECKOUT / "node_modules" / ".bin" / "serverless")]
    command += ["invoke", "local", "-f", "migrate", "--stage", "offline", "--data", "{}"]
    variables = environment.tool_environment(environment.database_variables(state))
    folder = CHECKOUT / "functions" / "shop-dispatch"
    result = subprocess.run(
        command,
        cwd=folder,
        env={**variables, MARKER: str(home.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    if result.returncode or "errorMessage" in result.stdout:
        raise ShopError(f"The migration failed:\n{result.stdout}\n{result.stderr}")


def sources_digest(variables: Mapping[str, str]) -> str:
    """Hashes the files that a deployment reads and the addresses given to the functions."""
    digest = hashlib.sha256(json.dumps(variables, sort_keys=True).encode())
    for source in sorted(SOURCES):
        for path in sorted(_files(CHECKOUT / source)):
            digest.update(f"\0{path.relative_to(CHECKOUT)}\0".encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(path: Path) -> Iterator[Path]:
    if path.is_file():
        yield path
    elif path.is_dir():
        for child in path.iterdir():
            if child.name not in NOT_DEPLOYED and not child.name.startswith(".") and child.suffix != ".pyc":
                yield from _files(child)


def _summary(log: str) -> str:
    done = [stack for stack in STACKS if re.search(rf"{stack.removeprefix('shop-')}\W+(deployed|no changes)", log)]
    waiting = [stack for stack in STACKS if stack not in done]
    return f"{len(done)} of {len(STACKS)} stacks, now {', '.join(waiting) or 'finishing'}"


def _failure(log: str) -> str:
    """Returns the errors and what came before the first one, without the tool's own stack traces and repetitions."""
    lines = [line for line in log.splitlines() if line.strip() and not NOISE.search(line)]
    first = next((index for index, line in enumerate(lines) if FAILURE.search(line)), len(lines))
    return "\n".join(dict.fromkeys(lines[max(0, first - LINES_BEFORE) :][:LINES_MAX]))
