"""The variables for the deploy tool and for shells."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from shop_cli.local import emulator, env, environment
from shop_cli.local.home import CHECKOUT, Home, State

DUMP = "import json, os; print(json.dumps(dict(os.environ)))"


@pytest.fixture
def state() -> State:
    ports = {"aws": 1001, "postgres": 1002, "payment": 1003, "xray": 1004, "xray_udp": 1005}
    return State(ports=ports, secrets={"shop_owner": 'it\'s a "secret" $HOME'})


def in_a_shell(script: str) -> dict[str, str]:
    command = ["sh", "-c", f"{script}\n{sys.executable} -c '{DUMP}'"]
    caller = {"PATH": os.environ["PATH"], "AWS_PROFILE": "the-callers-account"}
    result = subprocess.run(command, env=caller, capture_output=True, text=True, check=True)
    return dict(json.loads(result.stdout))


def test_the_exports_have_what_the_deploy_tool_aws_and_psql_need(home: Home, state: State) -> None:
    got = in_a_shell(env.shell_exports(state, aws=True))
    assert got["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1001"
    keys = (got["AWS_ACCESS_KEY_ID"], got["AWS_SECRET_ACCESS_KEY"])
    assert keys == (state.secrets["aws_access_key_id"], state.secrets["aws_secret_access_key"])
    assert got["AWS_REGION"] == "us-east-1"
    assert "AWS_PROFILE" not in got
    assert got["SHOP_XRAY_ADDRESS"] == "127.0.0.1:1005"
    assert got["SHOP_PAYMENT_URL"] == "http://127.0.0.1:1003"
    assert got["SHOP_QUERY_DATABASE_URL"].startswith("postgresql://shop_query:")
    assert (got["PGHOST"], got["PGPORT"], got["PGDATABASE"]) == ("127.0.0.1", "1002", "shop")
    assert got["PGPASSWORD"] == 'it\'s a "secret" $HOME'
    folders = got["PATH"].split(":")
    assert folders[:2] == [str(CHECKOUT / ".venv/bin"), str(CHECKOUT / "node_modules/.bin")]
    assert os.path.exists(f"{folders[-1]}/psql")  # noqa: PTH110


def test_without_aws_nothing_points_there(home: Home, state: State) -> None:
    got = in_a_shell(env.shell_exports(state, aws=False))
    assert "AWS_ENDPOINT_URL" not in got
    assert got["SHOP_DISPATCH_DATABASE_URL"].startswith("postgresql://shop_dispatch:")


def test_unset_takes_every_variable_away_again(home: Home, state: State) -> None:
    exports = env.shell_exports(state, aws=True)
    got = in_a_shell(f"{exports}\n{env.shell_unsets()}")
    names = [line.split()[1].split("=")[0] for line in exports.splitlines() if line.startswith("export ")]
    assert [name for name in names if name in got] == ["PATH"]


def test_the_deploy_tool_never_sees_the_callers_aws_settings(
    home: Home, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-callers-account")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    got = environment.tool_environment(environment.deploy_variables(state))
    assert "AWS_PROFILE" not in got
    assert "AWS_SESSION_TOKEN" not in got
    assert got["AWS_ENDPOINT_URL"] == "http://127.0.0.1:1001"
    assert got["SHOP_HOME"] == str(home.path)


def test_a_shop_in_another_folder_leaves_the_checkouts_files_alone(home: Home, state: State) -> None:
    path = CHECKOUT / ".env.local"
    before = path.read_text() if path.exists() else None
    environment.write_files(home, state)
    assert (path.read_text() if path.exists() else None) == before


def test_the_checkouts_files_are_readable_by_their_owner_only(
    state: State, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(environment, "_folders", lambda: [tmp_path])
    environment.write_files(Home(CHECKOUT / ".shop"), state)
    assert (tmp_path / ".env.local").stat().st_mode & 0o777 == 0o600
    assert state.secrets["aws_secret_access_key"] in (tmp_path / ".env.local").read_text()


def test_the_emulator_inherits_nothing_that_a_function_could_use(
    home: Home, state: State, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AWS_PROFILE", "the-callers-account")
    monkeypatch.setenv("DATABASE_URL", "postgresql://elsewhere")
    got = emulator.server_environment(home, state)
    assert {"AWS_PROFILE", "DATABASE_URL", "PYTHONPATH"}.isdisjoint(got)
    assert got["AUTH"] == "true"
    assert got["BIND_HOST"] == "127.0.0.1"
