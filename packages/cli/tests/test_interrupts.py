"""Ctrl-C, kill and a closed terminal."""

import os
import signal

import pytest

from shop_cli.interrupts import SIGNALS, Interrupts


@pytest.mark.parametrize("number", SIGNALS)
def test_each_signal_interrupts(number: signal.Signals) -> None:
    with Interrupts().installed(), pytest.raises(KeyboardInterrupt):
        os.kill(os.getpid(), number)


def test_a_shielded_block_ends_before_the_signal_counts() -> None:
    interrupts = Interrupts()
    done = []

    def two_steps() -> None:
        with interrupts.shielded():
            os.kill(os.getpid(), signal.SIGTERM)
            done.append("block")
        done.append("never")

    with interrupts.installed(), pytest.raises(KeyboardInterrupt):
        two_steps()
    assert done == ["block"]


def test_the_clean_up_is_not_cut_short() -> None:
    interrupts = Interrupts()
    with interrupts.installed():
        interrupts.ignore()
        os.kill(os.getpid(), signal.SIGINT)


def test_the_handlers_from_before_are_back_afterwards() -> None:
    before = [signal.getsignal(number) for number in SIGNALS]
    with Interrupts().installed():
        pass
    assert [signal.getsignal(number) for number in SIGNALS] == before
