"""A test run that is interrupted or killed leaves no process, no port and no folder behind."""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

EVERYTHING = Path(__file__).with_name("everything.py")
SECONDS_MAX = 120
STARTED = {"emulator_launcher", "microburst", "shop_payment_provider", "/traces", "/home/postgres", "-postgres-"}
"""Their command lines tell them apart. The last two are the PostgreSQL of the shop and that of the tests."""


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_nothing_is_left_of_a_run(number: signal.Signals, tmp_path: Path) -> None:
    ready = tmp_path / "ready"
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(EVERYTHING)]
    with (tmp_path / "output").open("w+") as output:
        environment = {**os.environ, "READY": str(ready)}
        with subprocess.Popen(command, env=environment, stdout=output, stderr=output) as run:
            _wait(lambda: (ready.exists() and ready.read_text() != "") or run.poll() is not None, "it does not start")
            assert run.poll() is None, (tmp_path / "output").read_text()
            folder = Path(ready.read_text())
            processes = _processes_that_name(folder)
            lines = [line for process in processes for line in _command_line(process)]
            assert {part for part in STARTED if any(part in line for line in lines)} == STARTED
            ports = [port for process in processes for port in _ports(process)]
            assert len(ports) >= len(STARTED) - 1
            run.send_signal(number)
    _wait(lambda: not [process for process in processes if _runs(process)], "a process is left")
    _wait(lambda: not [port for port in ports if _answers(port)], "a port is left")
    _wait(lambda: not folder.exists(), "its temporary folder is left")


def _processes_that_name(folder: Path) -> list[psutil.Process]:
    """Finds more than the guard itself looks for: also by the command line, and all that they have started."""
    found = set()
    for process in psutil.process_iter():
        try:
            if str(folder) in f"{process.cmdline()} {process.environ()}":
                found |= {process, *process.children(recursive=True)}
        except (psutil.Error, OSError):
            continue
    return list(found)


def _command_line(process: psutil.Process) -> list[str]:
    with suppress(psutil.NoSuchProcess):  # PostgreSQL's own children come and go
        return [" ".join(process.cmdline())]
    return []


def _ports(process: psutil.Process) -> list[int]:
    with suppress(psutil.NoSuchProcess):
        return [each.laddr.port for each in process.net_connections("tcp") if each.status == psutil.CONN_LISTEN]
    return []


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _answers(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _wait(holds: Callable[[], bool], otherwise: str) -> None:
    deadline = time.monotonic() + SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, otherwise
        time.sleep(0.05)
