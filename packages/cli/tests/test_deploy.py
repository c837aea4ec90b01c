"""When a deployment can be skipped, and how a failed one is told."""

from pathlib import Path

import pytest

from shop_cli.interrupts import Interrupts
from shop_cli.local import deploy, environment
from shop_cli.local.home import CHECKOUT, Home, State
from shop_cli.progress import ProgressStep


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    for name, content in SOURCES.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    monkeypatch.setattr(deploy, "CHECKOUT", tmp_path)
    return tmp_path


SOURCES = {
    "serverless.yml": "platform",
    "functions/shop-query/serverless.yml": "query",
    "functions/shop-query/src/shop_query/api.py": "code",
    "functions/shop-query/tests/test_api.py": "test",
    "functions/shop-query/.env.local": "addresses",
    "packages/shared/src/shop_shared/events.py": "events",
    "README.md": "readme",
}


@pytest.mark.parametrize(
    "changed",
    ["serverless.yml", "functions/shop-query/src/shop_query/api.py", "packages/shared/src/shop_shared/new.py"],
)
def test_a_changed_source_is_deployed_again(checkout: Path, changed: str) -> None:
    before = deploy.sources_digest({})
    (checkout / changed).write_text("changed")
    assert deploy.sources_digest({}) != before


@pytest.mark.parametrize(
    "changed",
    [
        "README.md",
        "functions/shop-query/tests/test_api.py",
        "functions/shop-query/.env.local",
        "functions/shop-query/src/shop_query/api.pyc",
    ],
)
def test_what_no_stack_is_made_of_changes_nothing(checkout: Path, changed: str) -> None:
    before = deploy.sources_digest({})
    (checkout / changed).write_text("changed")
    assert deploy.sources_digest({}) == before


def test_another_address_is_deployed_again(checkout: Path) -> None:
    assert deploy.sources_digest({"SHOP_PAYMENT_URL": "a"}) != deploy.sources_digest({"SHOP_PAYMENT_URL": "b"})


def test_every_source_of_this_checkout_exists() -> None:
    assert [source for source in deploy.SOURCES if not (CHECKOUT / source).exists()] == []


def test_a_deployment_gives_back_what_the_emulator_has_lost_in_a_restart(
    home: Home, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[str] = []
    monkeypatch.setattr(deploy, "run_compose", lambda *_: done.append("deployed"))
    monkeypatch.setattr(deploy, "restore_athena", lambda _: done.append("restored"))
    monkeypatch.setattr(deploy, "sources_digest", lambda _: "new")
    monkeypatch.setattr(deploy, "stacks_exist", lambda _: True)
    monkeypatch.setattr(environment, "deploy_variables", lambda _: {})
    state, interrupts = State(deployed_digest="old"), Interrupts()
    deploy.ensure_deployed(home, state, interrupts, ProgressStep("Stacks"))
    assert done == ["deployed", "restored"]
    deploy.ensure_deployed(home, state, interrupts, ProgressStep("Stacks"))
    assert done == ["deployed", "restored", "restored"]


LOG = """\
Deploying to stage local
platform \u203a deploying
platform \u203a UPDATE_COMPLETE - AWS::Athena::WorkGroup - Workgroup
platform \u203a python: can't open file 'named_queries.py'
platform \u203a Error:
platform \u203a Error: Command failed: python named_queries.py
platform \u203a     at genericNodeError (node:internal/errors:984:15)
platform \u203a error
platform \u203a Error:
platform \u203a Error: Command failed: python named_queries.py
query \u203a skipped
"""


def test_a_failure_is_told_with_its_cause_and_without_the_tools_own_frames() -> None:
    shown = deploy._failure(LOG)
    assert "can't open file 'named_queries.py'" in shown
    assert shown.count("Command failed") == 1
    assert "genericNodeError" not in shown
    assert "UPDATE_COMPLETE" not in shown


def test_progress_names_what_is_still_to_come() -> None:
    log = "platform \u203a deployed\nquery \u203a deploying\ncommand \u203a no changes\n"
    assert deploy._summary(log) == "2 of 4 stacks, now shop-dispatch, shop-query"
