"""A shop of which some processes have ended is told from one that runs, and from one that does not."""

import dataclasses
import subprocess
import sys
from collections.abc import Iterator

import pytest

from shop_cli.errors import NotRunningError
from shop_cli.local import processes, status
from shop_cli.local.home import Home, ProcessRecord, RecordedRun
from shop_cli.output import display

SLEEP = "import time; time.sleep(600)"
Started = dict[str, tuple[subprocess.Popen[bytes], ProcessRecord]]


@pytest.fixture
def servers(home: Home) -> Iterator[Started]:
    started = {name: processes.spawn(home, name, [sys.executable, "-c", SLEEP], {}) for name in ("aws", "payment")}
    yield started
    for child, _ in started.values():
        child.kill()
        child.wait()


def recorded(home: Home, servers: Started) -> RecordedRun:
    records = tuple(record for _, record in servers.values())
    run = RecordedRun(processes.this_process("supervisor"), detached=True, aws=True, ready=True, processes=records)
    home.record(run)
    return run


def end(servers: Started, *names: str) -> None:
    for name in names:
        servers[name][0].kill()
        servers[name][0].wait()


def test_a_shop_runs_while_all_of_its_processes_do(home: Home, servers: Started) -> None:
    run = recorded(home, servers)
    assert status.running_shop() == (home, run)


def test_the_process_that_has_ended_is_named(home: Home, servers: Started, capsys: pytest.CaptureFixture[str]) -> None:
    run = recorded(home, servers)
    end(servers, "payment")
    assert status.is_broken(run)
    with pytest.raises(NotRunningError, match=r"payment has ended: \./shop up starts it again") as raised:
        status.status(as_json=False)
    assert raised.value.exit_code == 3
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines if "running" in line] == ["aws"]
    assert [line.split()[0] for line in lines if "ended" in line] == ["payment"]


def test_after_a_reboot_the_shop_is_not_broken_but_does_not_run(home: Home, servers: Started) -> None:
    run = recorded(home, servers)
    end(servers, "aws", "payment")
    assert not status.is_broken(run)
    with pytest.raises(NotRunningError, match="not running: start it"):
        status.running_shop()


def test_a_start_that_was_interrupted_is_not_broken(home: Home, servers: Started) -> None:
    run = dataclasses.replace(recorded(home, servers), ready=False)
    end(servers, "aws")
    assert not status.is_broken(run)
    status.list_processes(run, display(for_scripts=True))
