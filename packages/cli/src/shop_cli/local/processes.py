"""Starts, finds and stops the processes of one shop, and only of that one.

Three things make sure that none is forgotten and no stranger is hit: each start is recorded with pid and creation
time; each process carries the shop's folder in its environment, which its descendants inherit; and PostgreSQL, which
runs as another user and overwrites its environment, is also known by the pid file in its data folder.
"""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import psutil

from shop_cli.local.home import Home, ProcessRecord

MARKER = "SHOP_RUN_HOME"
# The emulator saves its logs then, PostgreSQL its pages.
GRACE_SECONDS = 60.0
LEFTOVER_GRACE_SECONDS = 3.0
# PostgreSQL's fast shutdown: ends its clients instead of waiting for them to leave.
STOP_SIGNALS = {"postgres": signal.SIGINT}


def spawn(
    home: Home,
    name: str,
    command: Sequence[str],
    environment: Mapping[str, str],
    *,
    port: int | None = None,
    cwd: Path | None = None,
    user: str | None = None,
) -> tuple[subprocess.Popen[bytes], ProcessRecord]:
    """The process has a session of its own, so that Ctrl-C reaches only us, who stop things in order. Its files, and
    those of its children, are readable by their owner only."""
    log = home.logs / f"{name}.log"
    if log.exists():
        log.replace(log.with_suffix(".previous.log"))
    log.touch(mode=0o600)
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            env={**environment, MARKER: str(home.path)},
            cwd=cwd,
            start_new_session=True,
            umask=0o077,
            **as_user(user),
        )
    return process, ProcessRecord(name, process.pid, created_at(process.pid), str(log), port)


def as_user(name: str | None) -> dict[str, Any]:
    """Returns arguments for subprocess. They set the group too: a member of root's group would not count among the
    others, whom the permissions let pass."""
    return {"user": name, "group": name, "extra_groups": []} if name else {}


def created_at(pid: int) -> float:
    try:
        return psutil.Process(pid).create_time()
    except psutil.Error:
        return 0.0


def this_process(name: str) -> ProcessRecord:
    return ProcessRecord(name, os.getpid(), created_at(os.getpid()), "")


def find(record: ProcessRecord) -> psutil.Process | None:
    """Returns the recorded process if it still runs, and neither a zombie nor a stranger that got its pid."""
    try:
        process = psutil.Process(record.pid)
        if process.status() == psutil.STATUS_ZOMBIE or abs(process.create_time() - record.created) > 1:
            return None
    except psutil.Error:
        return None
    return process


def leftovers(home: Home) -> list[psutil.Process]:
    """Returns every process that carries this shop's mark, except for ourselves and our own ancestors."""
    own = {os.getpid(), *(parent.pid for parent in psutil.Process().parents())}
    found = [process for process in psutil.process_iter() if process.pid not in own and _marked(process, home)]
    postmaster = _postmaster(home)
    servers = [postmaster] if postmaster else _orphaned_servers(home)
    return [*found, *(server for server in servers if server not in found)]


def stop(home: Home, records: Iterable[ProcessRecord]) -> None:
    """Ends each in turn, asked first and forced after a while, and then whatever else carries the mark."""
    for record in records:
        process = find(record)
        if process is not None:
            _end([process], STOP_SIGNALS.get(record.name, signal.SIGTERM), GRACE_SECONDS)
    if (postmaster := _postmaster(home)) is not None:
        _end([postmaster], STOP_SIGNALS["postgres"], GRACE_SECONDS)
    _end(leftovers(home), signal.SIGTERM, LEFTOVER_GRACE_SECONDS)


def stop_orphans(home: Home, running: Iterable[ProcessRecord]) -> None:
    """Ends what carries the mark and descends from none of these, as the functions of an emulator that was killed."""
    leaders = [process for record in running if (process := find(record))]
    families = {process.pid for leader in leaders for process in (leader, *_descendants(leader))}
    _end([left for left in leftovers(home) if left.pid not in families], signal.SIGTERM, LEFTOVER_GRACE_SECONDS)


def stop_one(record: ProcessRecord, grace_seconds: float) -> None:
    """Stops a process and its descendants, if it still runs."""
    process = find(record)
    if process is not None:
        _end([process], signal.SIGTERM, grace_seconds)


def _end(leaders: list[psutil.Process], number: signal.Signals, grace_seconds: float) -> None:
    """Asks the leaders; what is left of them and their families after the grace is killed."""
    family = [*leaders, *(child for leader in leaders for child in _descendants(leader))]
    for leader in leaders:
        with contextlib.suppress(psutil.NoSuchProcess):
            leader.send_signal(number)
    _wait(leaders, grace_seconds)
    for process in family:
        # psutil compares the creation time first, so a reused pid is not hit.
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    _wait(family, 5.0)


def _wait(processes: list[psutil.Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline and any(_runs(process) for process in processes):
        time.sleep(0.05)


def _runs(process: psutil.Process) -> bool:
    try:
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    except psutil.Error:
        return False


def _descendants(process: psutil.Process) -> list[psutil.Process]:
    try:
        return process.children(recursive=True)
    except psutil.Error:
        return []


def _marked(process: psutil.Process, home: Home) -> bool:
    try:
        return process.environ().get(MARKER) == str(home.path) and process.status() != psutil.STATUS_ZOMBIE
    except (psutil.Error, OSError):
        return False


def _postmaster(home: Home) -> psutil.Process | None:
    data = home.path / "postgres"
    try:
        process = psutil.Process(int((data / "postmaster.pid").read_text().split("\n", 1)[0]))
        return process if str(data) in process.cmdline() and _runs(process) else None
    except (OSError, ValueError, psutil.Error):
        return None


def _orphaned_servers(home: Home) -> list[psutil.Process]:
    """When its postmaster was killed, a server may live for a moment, in which no other one can start."""
    found = []
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            if process.name() == "postgres" and process.cwd() == str(home.path / "postgres") and _runs(process):
                found.append(process)
    return found
