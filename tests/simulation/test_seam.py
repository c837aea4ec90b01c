"""The seam itself: nothing gets past it, and nothing goes on after a crash."""

from collections.abc import Mapping

import pytest

from shop_command.ports import EventStore
from shop_command.testing import InMemoryEventStore
from shop_simulation import faults
from shop_simulation.seam import Crash, Effect, PortCall, Process
from shop_simulation.world import World


class Always:
    def __init__(self, fault: str) -> None:
        self.fault = fault

    def choose(self, _call: PortCall, _offered: Mapping[str, Effect], /) -> str | None:
        return self.fault


def test_after_a_crash_every_port_of_the_process_is_dead() -> None:
    world = World()
    process = world.process("command", Always("crash-before"), thorough=True)
    store = process.port(EventStore, world.store)
    with pytest.raises(Crash):
        store.states(["product-MUG"])
    process.scheduler = Always("none of it is asked for")
    with pytest.raises(Crash):
        store.key_use("key")


def test_a_crash_is_handled_by_nobody() -> None:
    assert not issubclass(Crash, Exception)


def test_a_port_has_the_methods_of_its_protocol_and_no_others() -> None:
    process = Process("command", Always("error"), lambda *_: {})
    with pytest.raises(AttributeError, match="EventStore has no contents"):
        process.port(EventStore, InMemoryEventStore()).contents()


def test_every_subset_of_a_small_batch_is_tried() -> None:
    assert faults.subsets("abc") == [(0,), (1,), (2,), (0, 1), (0, 2), (1, 2)]
    assert len(faults.subsets("abcd")) == 14
    assert {len(kept) for kept in faults.subsets("abcde")} == {1, 4}
