"""`shop up` says how old its data is, and goes on where it can't be audited. The end-to-end suite repairs one."""

import time

import pytest
from rich.console import Console

from shop_cli.errors import ShopError
from shop_cli.local import agreement, emulator
from shop_cli.local.emulator_store import FILE, StateFile
from shop_cli.local.home import Home, State
from shop_cli.local.ports import choose_ports
from shop_cli.progress import ProgressDisplay


def test_a_shop_without_data_has_no_age_and_nothing_to_compare(home: Home) -> None:
    assert agreement.age(home) == ""


def test_the_age_of_the_data_is_that_of_the_last_change_and_its_end_is_known(home: Home) -> None:
    folder = emulator.state_folder(home)
    folder.mkdir(parents=True)
    began = time.time()
    state = StateFile(folder / FILE)
    state.put_states({"a service": "{}"})
    state.flush()
    changed_at = emulator.saved_moments(home).changed_at
    assert changed_at is not None
    assert began <= changed_at <= time.time()
    assert agreement.age(home).startswith("last changed 0:0")
    assert not agreement.was_orderly(home)
    state.close()
    assert agreement.was_orderly(home)


def test_damaged_data_is_named(home: Home) -> None:
    folder = emulator.state_folder(home)
    folder.mkdir(parents=True)
    (folder / FILE).write_text("no database at all" * 100)
    with pytest.raises(ShopError, match=r"state\.sqlite is damaged"):
        agreement.age(home)


def test_a_shop_that_cannot_be_compared_runs_nevertheless_and_says_so() -> None:
    console = Console(record=True, width=200)
    agreement.ensure(State(ports=choose_ports({}, ["aws", "payment", "postgres"])), ProgressDisplay(console))
    shown = console.export_text()
    assert "could not be checked" in shown
    assert "./shop verify" in shown
