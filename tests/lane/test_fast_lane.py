"""`make unit` runs a part of each function's tests, and nothing in it starts a process."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).resolve().parents[2]
LANE = "not slow and not emulator"
FUNCTIONS = ("shop-command", "shop-query", "shop-dispatch")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-m", LANE, *arguments]
    environment = {**os.environ, "PYTHONPATH": str(CHECKOUT)}
    return subprocess.run(command, cwd=CHECKOUT, env=environment, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def collected() -> list[str]:
    """The lane's tests, collected once since that takes seconds."""
    lines = run("--collect-only", "functions", "packages/cli/tests").stdout.splitlines()
    return [line for line in lines if "::" in line]


@pytest.mark.parametrize("function", FUNCTIONS)
def test_each_function_has_tests_in_the_lane(function: str, collected: list[str]) -> None:
    assert len([test for test in collected if test.startswith(f"functions/{function}/")]) >= 30


@pytest.mark.parametrize(
    "start", ["os.system('true')", "subprocess.run(['true'])", "os.fork()", "os.posix_spawn('/bin/true', ['true'], {})"]
)
def test_a_test_that_starts_a_process_fails(tmp_path: Path, start: str) -> None:
    (tmp_path / "test_sly.py").write_text(f"import os, subprocess\n\ndef test_sly(): {start}\n")
    done = run("-p", "conftest", str(tmp_path))
    assert done.returncode == 1
    assert "RuntimeError: a test of the fast lane starts a process" in done.stdout


@pytest.mark.parametrize(
    ("test", "is_in_lane"),
    [
        ("test_event_store.py::test_what_was_committed_is_read_back[in memory]", True),
        ("test_event_store.py::test_what_was_committed_is_read_back[moto]", False),
        ("test_event_store.py::test_what_was_committed_is_read_back[emulator]", False),
        ("TestFakeGateway::", True),
        ("TestStripeGateway::", False),
        ("test_processes.py::test_a_process_and_its_stubborn_child_are_both_stopped", False),
    ],
)
def test_a_test_is_marked_by_what_it_reaches(test: str, is_in_lane: bool, collected: list[str]) -> None:
    assert any(test in each for each in collected) is is_in_lane
