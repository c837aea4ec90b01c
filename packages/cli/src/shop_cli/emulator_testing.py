"""The local AWS as a child process for tests: with the table and the stream of `infra/`, and nothing else deployed.

with running_emulator() as aws, running_wire(aws.url, aws.credentials) as wire:
    wire.breaks("dynamodb", operation="TransactWriteItems", error={"code": "ThrottlingException"})
    aws.client("dynamodb")  # goes around the broken wire; clients with `wire.url` as endpoint go through it
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import sys
import tempfile
import textwrap
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx

from shop_cli.local import emulator
from shop_cli.local.home import CHECKOUT, Home, State
from shop_cli.local.ports import HOST

START_SECONDS_MAX: Final = 60
FIRED_MAX: Final = 2_000
PARAMETERS: Final = {
    "deletionPolicy": "Delete",
    "deletionProtection": "false",
    "streamMode": "ON_DEMAND",
    "streamShards": "{Ref: AWS::NoValue}",
    "streamHours": "168",
}


LOAD: Final = """
import importlib.util, json, sys
spec = importlib.util.spec_from_file_location("launcher", sys.argv[1])
launcher = importlib.util.module_from_spec(spec)
spec.loader.exec_module(launcher)
"""


def in_the_emulators_python(code: str, *, check: bool = True) -> Any:
    """Runs code that has the launcher as `launcher`. Answers what it prints as JSON, or without `check` its result."""
    command = [str(emulator.PYTHON), "-P", "-c", LOAD + textwrap.dedent(code), str(emulator.LAUNCHER)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    if not check:
        return result
    if result.returncode:
        raise RuntimeError(result.stderr)
    return json.loads(result.stdout)


@dataclass(frozen=True)
class RunningEmulator:
    state: State
    table_name: str
    stream_name: str

    @property
    def url(self) -> str:
        return emulator.endpoint_url(self.state)

    @property
    def credentials(self) -> dict[str, str]:
        return emulator.credentials(self.state)

    def client(self, service: str, endpoint_url: str | None = None) -> Any:
        return emulator.client_at(endpoint_url or self.url, service, self.credentials)


@dataclass(frozen=True)
class Wire:
    """microburst, a proxy that answers as a failing AWS would, before AWS or any other HTTP server.

    A fault is one of its rules (https://github.com/pingedbrain/microburst#rules), and holds until `heal`.
    """

    url: str
    http: httpx.Client = field(repr=False)

    def breaks(self, service: str = "*", **rule: Any) -> None:
        self._post("rules", [{"service": service, **rule}])
        self.http.delete(f"{self.url}/_microburst/fired").raise_for_status()

    def heal(self) -> None:
        self._post("rules", [])

    def broke(self) -> int:
        """Counts the calls that the fault has hit since it began."""
        return len(self.http.get(f"{self.url}/_microburst/fired", params={"limit": FIRED_MAX}).json())

    def _post(self, path: str, body: Any) -> None:
        self.http.post(f"{self.url}/_microburst/{path}", json=body).raise_for_status()


@contextmanager
def running_emulator() -> Iterator[RunningEmulator]:
    with tempfile.TemporaryDirectory() as directory:
        home, state = Home(Path(directory)), State(ports={"aws": free_port()})
        environment = emulator.server_environment(home, state)
        ready = f"{emulator.endpoint_url(state)}/_ministack/ready"
        with child(emulator.server_command(state), environment, home.path / "emulator.log", ready):
            table, stream = _deploy(state, "table"), _deploy(state, "stream")
            yield RunningEmulator(state, table["TableName"], stream["StreamName"])


@contextmanager
def running_wire(upstream: str, credentials: Mapping[str, str] | None = None) -> Iterator[Wire]:
    """AWS needs `credentials`, with which the proxy signs anew what it passes on."""
    port = free_port()
    url = f"http://{HOST}:{port}"
    command = [
        sys.executable,
        "-m",
        "microburst",
        "--upstream",
        upstream,
        "--port",
        str(port),
        "--resign" if credentials else "--no-resign",
    ]
    with tempfile.TemporaryDirectory() as directory, httpx.Client() as http:
        log = Path(directory) / "microburst.log"
        environment = {"PATH": os.defpath, "TMPDIR": directory, **(credentials or {})}
        with child(command, environment, log, f"{url}/_microburst/health"):
            yield Wire(url, http)


def _deploy(state: State, name: str) -> dict[str, str]:
    """A fragment of the platform's stack as a stack of its own; its outputs."""
    template = (CHECKOUT / "infra" / f"{name}.yml").read_text()
    for parameter, value in PARAMETERS.items():
        template = template.replace(f"${{param:{parameter}}}", value)
    cloudformation = emulator.client(state, "cloudformation")
    cloudformation.create_stack(StackName=name, TemplateBody=template)
    cloudformation.get_waiter("stack_create_complete").wait(StackName=name, WaiterConfig={"Delay": 1})
    (stack,) = cloudformation.describe_stacks(StackName=name)["Stacks"]
    return {output["OutputKey"]: output["OutputValue"] for output in stack["Outputs"]}


@contextmanager
def child(command: Sequence[str], environment: Mapping[str, str], log: Path, ready_url: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS_MAX
        while not emulator.answers(ready_url):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command} does not start: {log.read_text()}")
            time.sleep(0.05)
        yield
    finally:
        # Nothing of it is wanted afterwards, and a polite end takes seconds.
        process.kill()
        process.wait()


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        return int(probe.getsockname()[1])
