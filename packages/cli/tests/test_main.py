"""The commands as their users meet them."""

import os
import subprocess
from pathlib import Path

import pytest
import typer.main
from typer.testing import CliRunner

from shop_cli.local import status as report
from shop_cli.local.home import CHECKOUT, Home, RecordedRun, State
from shop_cli.local.processes import this_process
from shop_cli.main import app

COMMANDS = [
    *("up", "down", "status", "env", "build", "demo", "trace", "top", "events"),
    *("verify", "athena", "rebuild", "parked", "release-web", "deploy", "people"),
    *("release", "rollback", "releases", "remove"),
]


def test_every_command_and_every_parameter_is_explained() -> None:
    shop = typer.main.get_command(app)
    commands = shop.commands  # type: ignore[attr-defined]
    assert sorted(commands) == sorted(COMMANDS)
    for group in ("parked", "people"):
        commands |= {f"{group} {name}": command for name, command in commands[group].commands.items()}
    assert [name for name, command in commands.items() if not command.help] == []
    silent = [
        f"{name} {parameter.name}"
        for name, command in commands.items()
        for parameter in command.params
        if not getattr(parameter, "help", None)
    ]
    assert silent == []


@pytest.mark.parametrize(
    "command",
    [
        ["status"],
        ["status", "--json"],
        ["env"],
        ["demo"],
        ["events", "x"],
        ["trace", "x"],
        ["top"],
        ["athena"],
        ["rebuild"],
        ["release-web"],
        *([name, "shop-query"] for name in ("release", "rollback", "releases")),
        ["parked", "list"],
        ["people", "list"],
    ],
)
def test_what_needs_a_running_shop_says_how_to_start_one(home: Home, command: list[str]) -> None:
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 3
    assert "start it with ./shop up" in result.stderr
    assert result.stdout == ""


def test_down_without_a_shop_is_fine(home: Home) -> None:
    result = CliRunner().invoke(app, ["down"])
    assert (result.exit_code, result.stdout) == (0, "The shop was not running.\n")


def test_down_deletes_only_after_asking(home: Home) -> None:
    assert CliRunner().invoke(app, ["down", "--delete"], input="n\n").exit_code == 1
    assert home.path.exists()
    assert CliRunner().invoke(app, ["down", "--delete", "--yes"]).exit_code == 0
    assert not home.path.exists()


@pytest.mark.parametrize("command", [["down", "--delete", "--yes"], ["up", "--no-aws", "--detach"]])
def test_a_folder_of_something_else_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, command: list[str]
) -> None:
    monkeypatch.setenv("SHOP_HOME", str(tmp_path))
    (tmp_path / "thesis.txt").write_text("three years")
    mode = tmp_path.stat().st_mode
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 1
    assert "name another one in SHOP_HOME" in result.stderr
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert tmp_path.stat().st_mode == mode


def test_a_function_that_does_not_exist_cannot_be_built() -> None:
    result = CliRunner().invoke(app, ["build", "shop-nothing"])
    assert result.exit_code == 1
    assert "There is no function shop-nothing" in result.stderr


def test_the_status_has_the_keys_that_scripts_rely_on(home: Home) -> None:
    home.save(State(ports={"postgres": 5432}))
    run = RecordedRun(this_process("supervisor"), detached=True, aws=False, ready=True)
    status = report.values(home, run)
    assert list(status) == [
        *("api_url", "web_url", "database_url", "aws_endpoint_url", "table_name", "stream_name", "bucket_name"),
        *("payment_url", "payment_api_key", "xray_url", "admin_token", "customer_token"),
        *("aws_access_key_id", "aws_secret_access_key"),
    ]
    assert status["web_url"] is None
    assert status["database_url"].startswith("postgresql://shop_owner:")


def test_the_wrapper_runs_the_command_from_any_folder(home: Home) -> None:
    environment = {**os.environ, "SHOP_HOME": str(home.path)}
    result = subprocess.run(
        [CHECKOUT / "shop", "status", "--json"], cwd="/", env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 3
    assert result.stderr == "Error: The shop is not running: start it with ./shop up\n"
