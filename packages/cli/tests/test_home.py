"""A shop's folder remembers ports, secrets and processes."""

import dataclasses
import threading
from collections.abc import Callable

import pytest

from shop_cli.errors import ShopError
from shop_cli.local.home import CHECKOUT, Home, ProcessRecord, RecordedRun, State

SUPERVISOR = ProcessRecord("supervisor", 1, 1.5, "")


def test_the_state_is_there_again_and_nobody_else_can_read_it(home: Home) -> None:
    state = State(ports={"aws": 1}, deployed_digest="d")
    secret = state.secret("shop_owner")
    home.save(state)
    assert home.state() == state
    assert home.state().secret("shop_owner") == secret
    assert (home.path / "state.json").stat().st_mode & 0o777 == 0o600
    assert home.logs.stat().st_mode & 0o777 == 0o700


def test_what_an_earlier_run_let_others_read_is_closed_to_them(home: Home) -> None:
    archived = home.path / "aws" / "s3" / "bucket" / "object"
    theirs = home.path / "postgres"
    for folder in (archived.parent, theirs):
        folder.mkdir(parents=True)
        folder.chmod(0o755)
    for name in ("payments.sqlite", "payments.sqlite-wal", str(archived)):
        (home.path / name).touch()
        (home.path / name).chmod(0o664)
    (home.path / "gone").symlink_to("nowhere")
    home.close_to_others()
    found = [path for path in home.path.rglob("*") if path not in (theirs, home.path / "gone")]
    assert len(found) == 8
    assert [path for path in found if path.stat().st_mode & 0o077] == []
    assert archived.parent.stat().st_mode & 0o700 == 0o700
    assert theirs.stat().st_mode & 0o777 == 0o755


def test_two_secrets_differ(home: Home) -> None:
    assert State().secret("a") != State().secret("a")


def test_a_run_is_recorded_and_forgotten(home: Home) -> None:
    run = RecordedRun(SUPERVISOR, detached=True, aws=True, processes=(ProcessRecord("aws", 2, 2.5, "log", 4566),))
    home.record(run)
    assert home.run() == run
    home.record(dataclasses.replace(run, ready=True))
    assert home.run() == dataclasses.replace(run, ready=True)
    home.record(None)
    assert home.run() is None


def test_a_damaged_state_says_how_to_go_on(home: Home) -> None:
    (home.path / "state.json").write_text("{")
    with pytest.raises(ShopError, match="shop down --delete"):
        home.state()


def test_the_folder_is_the_checkouts_unless_another_is_named(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    assert not home.is_default
    monkeypatch.delenv("SHOP_HOME")
    assert Home.current() == Home(CHECKOUT / ".shop")
    assert Home.current().is_default


def test_a_second_command_waits_for_the_first_and_says_so(home: Home) -> None:
    order: list[str] = []
    waiting = threading.Event()

    def on_wait() -> None:
        order.append("waiting")
        waiting.set()

    def second() -> None:
        with home.lock(on_wait):
            order.append("second")

    with home.lock(lambda: None):
        thread = threading.Thread(target=second)
        thread.start()
        assert waiting.wait(10)
        order.append("first is done")
    thread.join(10)
    assert order == ["waiting", "first is done", "second"]


def test_the_wait_for_another_command_is_bounded(home: Home) -> None:
    nothing: Callable[[], None] = lambda: None  # noqa: E731
    with home.lock(nothing), pytest.raises(ShopError, match="has held"), home.lock(nothing, wait_seconds=0.1):
        pass
