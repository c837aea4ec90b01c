"""The command itself, started and ended in every way that a user or an accident can. Real processes throughout."""

import json
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import psycopg
import pytest

from shop_cli.errors import ShopError
from shop_cli.interrupts import Interrupts
from shop_cli.local import postgres, processes
from shop_cli.local import up as local_run
from shop_cli.local.home import CHECKOUT, Home, RecordedRun, State
from shop_cli.local.ports import HOST, choose_ports
from shop_cli.progress import ProgressDisplay

START_SECONDS_MAX = 120


def shop(home: Home, *arguments: str, exit_code: int = 0) -> str:
    result = subprocess.run(
        [CHECKOUT / "shop", *arguments],
        env={**os.environ, "SHOP_HOME": str(home.path)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=START_SECONDS_MAX,
        check=False,
    )
    assert result.returncode == exit_code, result.stdout + result.stderr
    return result.stdout + result.stderr


@contextmanager
def in_the_foreground(home: Home, *arguments: str) -> Iterator[subprocess.Popen[bytes]]:
    environment = {**os.environ, "SHOP_HOME": str(home.path)}
    with (home.path / "output").open("wb") as output:
        command = [str(CHECKOUT / "shop"), "up", *arguments]
        with subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT) as process:
            try:
                yield process
            finally:
                process.kill()


def output_of(home: Home) -> str:
    return (home.path / "output").read_text()


def until(holds: Callable[[], object], home: Home) -> None:
    deadline = time.monotonic() + START_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, output_of(home)
        time.sleep(0.02)


def started(home: Home) -> RecordedRun | None:
    run = home.run()
    return run if run is not None and run.ready else None


def nothing_runs(home: Home) -> bool:
    return processes.leftovers(home) == [] and home.run() is None


def test_a_run_without_aws_from_start_to_end(home: Home) -> None:
    assert "The shop is running" in shop(home, "up", "--no-aws", "--detach")
    assert "The shop runs already" in shop(home, "up", "--no-aws", "--detach")
    assert "postgres" in shop(home, "status")
    assert "./shop down, then ./shop up" in shop(home, "up", "--detach", exit_code=1)
    assert "./shop down, then ./shop up" in shop(home, "demo", exit_code=3)
    with psycopg.connect(postgres.role_url(home.state(), "shop_query")) as connection:
        assert connection.execute("select count(*) from read_v1.products").fetchone() == (0,)

    run = started(home)
    assert run is not None
    os.kill(run.processes[0].pid, signal.SIGKILL)
    until(lambda: processes.find(run.processes[0]) is None, home)
    assert "not running" in shop(home, "status", exit_code=3)
    assert "left behind" in shop(home, "up", "--no-aws", "--detach")
    shop(home, "status")

    shop(home, "down")
    assert nothing_runs(home)
    assert "not running" in shop(home, "status", exit_code=3)
    shop(home, "down")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_in_the_middle_of_the_start_leaves_nothing(home: Home, number: signal.Signals) -> None:
    with in_the_foreground(home) as process:
        until(lambda: len(getattr(home.run(), "processes", ())) >= 2, home)
        process.send_signal(number)
        assert process.wait(60) == 130, output_of(home)
    assert nothing_runs(home)


def test_ctrl_c_during_the_deployment_leaves_nothing(home: Home) -> None:
    with in_the_foreground(home) as process:
        until((home.logs / "deploy.log").exists, home)
        until(lambda: len(processes.leftovers(home)) > 6, home)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 130, output_of(home)
    assert nothing_runs(home)
    assert home.state().deployed_digest == ""


@pytest.fixture(scope="module")
def used_home() -> Iterator[Home]:
    """Makes a home that has its database already, so that no test waits seconds for one."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        home = Home(Path(folder) / "shop")
        home.create()
        yield home
        shop(home, "down")


def test_ctrl_c_ends_a_run_in_the_foreground(used_home: Home) -> None:
    with in_the_foreground(used_home, "--no-aws") as process:
        until(lambda: started(used_home), used_home)
        process.send_signal(signal.SIGINT)
        assert process.wait(60) == 0, output_of(used_home)
    assert nothing_runs(used_home)


def test_down_ends_a_run_in_another_terminal(used_home: Home) -> None:
    with in_the_foreground(used_home, "--no-aws") as process:
        until(lambda: started(used_home), used_home)
        shop(used_home, "down")
        assert process.wait(60) == 0, output_of(used_home)
    assert nothing_runs(used_home)


def test_what_a_killed_run_left_behind_is_recognised(used_home: Home) -> None:
    with in_the_foreground(used_home, "--no-aws") as process:
        until(lambda: started(used_home), used_home)
        process.kill()
        process.wait(10)
    assert len(processes.leftovers(used_home)) == 1
    assert "not running" in shop(used_home, "status", exit_code=3)
    shop(used_home, "down")
    assert nothing_runs(used_home)


def test_a_process_that_ends_by_itself_ends_the_run_and_its_log_is_shown(used_home: Home) -> None:
    with in_the_foreground(used_home, "--no-aws") as process:
        until(lambda: started(used_home), used_home)
        run = started(used_home)
        assert run is not None
        psutil.Process(run.processes[0].pid).send_signal(signal.SIGINT)
        assert process.wait(60) == 1
    assert "postgres has ended" in output_of(used_home)
    assert "database system is shut down" in output_of(used_home)
    assert nothing_runs(used_home)


def test_a_start_that_fails_shows_the_end_of_the_right_log(home: Home) -> None:
    (home.path / "postgres").mkdir(mode=0o777)
    shown = shop(home, "up", "--no-aws", "--detach", exit_code=1)
    assert "postgres has ended with exit code" in shown
    assert str(home.logs / "postgres.log") in shown
    assert "postgres" in (home.logs / "postgres.log").read_text()
    assert nothing_runs(home)


def test_a_port_that_is_taken_in_the_meantime_is_replaced(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    with socket.socket() as stranger:
        stranger.bind((HOST, 0))
        stranger.listen()
        check_that_it_goes_around(home, monkeypatch, stranger.getsockname()[1])


def check_that_it_goes_around(home: Home, monkeypatch: pytest.MonkeyPatch, taken: int) -> None:
    # The others are chosen when they are needed: a shop of somebody else may take a free one at any time.
    first = iter([{"postgres": taken}])
    monkeypatch.setattr(local_run, "choose_ports", lambda *_: next(first, None) or choose_ports({}, ["postgres"]))
    state = State()
    run = local_run.LocalRun(home, ProgressDisplay(), Interrupts(), detached=True, aws=False)
    try:
        run._start_processes(state)
        assert postgres.is_ready(state)
        assert state.ports["postgres"] != taken
    finally:
        run.stop()
    assert nothing_runs(home)


def test_another_postgresql_is_used_by_its_url(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    shop(home, "up", "--no-aws", "--detach")
    other = Home(home.path.parent / "other")
    monkeypatch.setenv("SHOP_DATABASE_URL", postgres.admin_url(home.state()))
    assert "✓   PostgreSQL" not in shop(other, "up", "--no-aws", "--detach")
    # Only `up` needs to be told.
    monkeypatch.delenv("SHOP_DATABASE_URL")
    url = json.loads(shop(other, "status", "--json"))["database_url"]
    with psycopg.connect(url) as connection:
        assert connection.execute("select count(*) from read_v1.products").fetchone() == (0,)
    shop(other, "down")
    assert postgres.is_ready(home.state())
    shop(home, "down")


def test_a_database_url_that_does_not_answer_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOP_DATABASE_URL", "postgresql://nobody@127.0.0.1:1/postgres")
    with pytest.raises(ShopError, match="SHOP_DATABASE_URL"):
        local_run.run_shop(home, ProgressDisplay(), detach=True, aws=False)
    assert nothing_runs(home)
    assert not Path(home.path / "postgres").exists()
