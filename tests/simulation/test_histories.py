"""Runs every history of every workflow with one and with two faults, and some long random ones."""

import pytest

from shop_command.ports import Clock, EventIds, EventStore, PaymentGateway, Publisher, Workers
from shop_dispatch.ports import Archive, ReadModel, Transaction
from shop_simulation import runs
from shop_simulation.explorer import Explored
from shop_simulation.faults import of_port
from shop_simulation.seam import methods
from shop_simulation.world import Delivery

PORTS = (
    EventStore, Publisher, PaymentGateway, Clock, EventIds, Workers, Delivery, ReadModel, Transaction, Archive,
)  # fmt: skip
ELSEWHERE = {("Transaction", "withdraw")}
"""Tables in memory refuse nothing. PostgreSQL's do, with a crash at each call, in shop-dispatch's test_refused.py."""
SEEDS = range(1, 41)
STEPS = 100


def explored(faults_max: int, capsys: pytest.CaptureFixture[str]) -> Explored:
    total, failed = Explored(), []
    for _, found in runs.explore(faults_max):
        if isinstance(found, str):
            failed.append(found)
        else:
            total.add(found)
    assert not failed, "\n\n".join(failed)
    with capsys.disabled():
        print(f"\n{total.histories:,} histories with at most {faults_max} faults, in {total.runs:,} runs")
    return total


def test_every_history_with_one_fault_ends_right_and_every_fault_of_every_call_is_among_them(
    capsys: pytest.CaptureFixture[str],
) -> None:
    reached = set(explored(1, capsys).reached)
    every = {
        (port.__name__, method, fault)
        for port in PORTS
        for method in methods(port)
        if (port.__name__, method) not in ELSEWHERE
        for fault in of_port(port.__name__, method)
    }
    assert every - reached == set()


def test_every_history_with_two_faults_ends_right(capsys: pytest.CaptureFixture[str]) -> None:
    assert explored(2, capsys).histories > 10_000


def test_random_histories_end_right() -> None:
    failed = [text for _, text in runs.seeds(SEEDS, STEPS) if text]
    assert not failed, "\n\n".join(failed)
