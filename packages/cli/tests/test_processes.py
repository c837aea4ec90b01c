"""Real child processes: found again, stopped with all that they have started, and never mistaken for others."""

import dataclasses
import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import psutil
import pytest

from shop_cli.local import processes
from shop_cli.local.home import Home, ProcessRecord

IGNORES_SIGTERM = "import signal, time; signal.signal(signal.SIGTERM, signal.SIG_IGN); print('up', flush=True); "
SLEEP = "time.sleep(600)"
PARENT = f"import subprocess, sys, time; subprocess.Popen([sys.executable, '-c', {IGNORES_SIGTERM + SLEEP!r}]); "


def start(home: Home, code: str, name: str = "child") -> tuple[subprocess.Popen[bytes], ProcessRecord]:
    environment = {"PATH": os.environ["PATH"]}
    return processes.spawn(home, name, [sys.executable, "-c", code], environment)


def until(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 10
    while not holds():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def has_reported_up(record: ProcessRecord) -> bool:
    return "up" in Path(record.log).read_text()


def test_a_process_and_its_stubborn_child_are_both_stopped(home: Home) -> None:
    child, record = start(home, PARENT + SLEEP)
    until(lambda: has_reported_up(record))
    family = [psutil.Process(record.pid), *psutil.Process(record.pid).children(recursive=True)]
    assert len(family) == 2
    processes.stop(home, [record])
    child.wait(5)
    assert not any(processes._runs(process) for process in family)
    assert processes.leftovers(home) == []


def test_what_a_process_and_its_children_write_is_readable_by_their_owner_only(home: Home) -> None:
    write = f"open({str(home.path / 'own')!r}, 'w'); os.mkdir({str(home.path / 'folder')!r}); "
    write += f"subprocess.run([sys.executable, '-c', \"open({str(home.path / 'of-a-child')!r}, 'w')\"])"
    child, record = start(home, f"import os, subprocess, sys; {write}")
    assert child.wait(10) == 0
    for path in (home.path / "own", home.path / "folder", home.path / "of-a-child", Path(record.log)):
        assert path.stat().st_mode & 0o077 == 0


def test_a_child_whose_parent_was_killed_is_found_by_its_mark(home: Home) -> None:
    child, record = start(home, PARENT + SLEEP)
    until(lambda: has_reported_up(record))
    child.kill()
    child.wait(5)
    assert len(processes.leftovers(home)) == 1
    processes.stop(home, [])
    assert processes.leftovers(home) == []


def test_a_process_that_ignores_the_request_is_forced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    child, record = start(home, IGNORES_SIGTERM.replace("import", "import sys,", 1) + SLEEP)
    until(lambda: has_reported_up(record))
    processes.stop_one(record, grace_seconds=0.2)
    assert child.wait(5) == -9


def test_another_shops_processes_are_left_alone(home: Home, tmp_path: Path) -> None:
    other = Home(tmp_path / "other")
    other.create()
    child, record = start(other, "import time; " + SLEEP)
    try:
        processes.stop(home, [])
        assert processes.find(record) is not None
    finally:
        processes.stop(other, [record])
        child.wait(5)


def test_a_stranger_with_a_reused_pid_is_not_touched(home: Home) -> None:
    with subprocess.Popen([sys.executable, "-c", "import time; " + SLEEP]) as stranger:
        record = ProcessRecord("aws", stranger.pid, processes.created_at(stranger.pid) - 100, "")
        assert processes.find(record) is None
        processes.stop(home, [record])
        assert stranger.poll() is None
        stranger.kill()


def test_a_process_that_has_ended_is_not_found(home: Home) -> None:
    child, record = start(home, "pass")
    # Not yet waited for, it is a zombie: that counts as ended too.
    until(lambda: processes.find(record) is None)
    child.wait(5)
    assert processes.find(record) is None
    assert processes.find(dataclasses.replace(record, pid=2**22 - 1)) is None


def test_the_log_of_the_run_before_is_kept(home: Home) -> None:
    for text in ("first", "second"):
        start(home, f"print({text!r})")[0].wait(5)
    assert (home.logs / "child.log").read_text() == "second\n"
    assert (home.logs / "child.previous.log").read_text() == "first\n"


def test_it_does_not_count_itself_as_left_over(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    code = "from shop_cli.local import home, processes; print(processes.leftovers(home.Home.current()))"
    environment = {"PATH": os.environ["PATH"], "SHOP_HOME": str(home.path)}
    child, record = processes.spawn(home, "child", [sys.executable, "-c", code], environment)
    child.wait(20)
    assert Path(record.log).read_text() == "[]\n"


def test_only_the_children_of_what_has_ended_are_orphans(home: Home) -> None:
    child, record = start(home, PARENT + SLEEP)
    other, living = start(home, PARENT + SLEEP, "other")
    until(lambda: has_reported_up(record) and has_reported_up(living))
    child.kill()
    child.wait(5)
    family = [psutil.Process(living.pid), *psutil.Process(living.pid).children(recursive=True)]
    processes.stop_orphans(home, [living])
    assert sorted(process.pid for process in processes.leftovers(home)) == sorted(process.pid for process in family)
    processes.stop(home, [living])
    other.wait(5)
