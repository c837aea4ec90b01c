"""Waiting for versions takes a bounded part of an execution environment's time, whoever waits for whatever."""

import heapq
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import count
from threading import Barrier

import pytest

from shop_query.application.errors import NotYetVisibleError
from shop_query.application.queries import Queries
from shop_query.application.waiting import FOR_ANYONE, FOR_CUSTOMERS, Patience, Waiting
from shop_query.ports import Document, Page, Parameters, Query
from shop_query.testing import FixedClock

ID = "0198c6f2-7a10-7c3e-9b0d-000000000001"
READ_SECONDS = 0.003
NETWORK_SECONDS = 0.03
LOOPS = ENVIRONMENTS = 6


@dataclass
class StalledReadModel:
    """A read of it takes a moment, and never finds anything new."""

    clock: FixedClock

    def document(self, _query: Query, _parameters: Parameters) -> Document:
        self.clock.sleep(READ_SECONDS)
        return Document("{}", 1)

    def page(self, _query: Query, _parameters: Parameters) -> Page:
        raise NotImplementedError

    def cursor_key(self) -> bytes:
        raise NotImplementedError


@dataclass
class Environment:
    """Lambda gives it one request at a time."""

    clock: FixedClock = field(default_factory=FixedClock)
    busy_until: float = 0.0

    def __post_init__(self) -> None:
        self.queries = Queries(StalledReadModel(self.clock), self.clock)

    def answer(self, now: float, customer: str | None, min_version: int | None) -> None:
        self.clock.passed_seconds = now
        try:
            if customer:
                self.queries.reservation(ID, customer, min_version)
            else:
                self.queries.product("MUG", min_version)
        except NotYetVisibleError:
            assert min_version
        self.busy_until = self.clock.passed_seconds


def attacked(seconds: float, customer: str | None, min_version: int) -> tuple[int, int]:
    """Returns how many honest reads there were, and how many of them found every environment taken."""
    environments = [Environment() for _ in range(ENVIRONMENTS)]
    order = count()
    coming = [(0.0, next(order), True) for _ in range(LOOPS)] + [
        (0.1 * number, next(order), False) for number in range(int(seconds * 10))
    ]
    heapq.heapify(coming)
    honest = refused = 0
    while coming and coming[0][0] < seconds:
        now, _, hostile = heapq.heappop(coming)
        free = next((one for one in environments if one.busy_until <= now), None)
        if free:
            free.answer(now, customer if hostile else None, min_version if hostile else None)
        if hostile:
            heapq.heappush(coming, ((free.busy_until if free else now) + NETWORK_SECONDS, next(order), True))
        else:
            honest, refused = honest + 1, refused + (free is None)
    return honest, refused


def test_six_loops_without_a_token_do_not_end_the_others_reads() -> None:
    """Each asks for the next version of a product, which is plausible and never comes."""
    honest, refused = attacked(60, customer=None, min_version=2)
    assert honest == 600
    assert refused <= 0.02 * honest


def test_six_loops_of_a_customer_leave_most_reads_to_the_others() -> None:
    honest, refused = attacked(60, customer="mallory", min_version=2)
    assert refused <= 0.2 * honest


@pytest.mark.parametrize("patience", [FOR_ANYONE, FOR_CUSTOMERS])
def test_all_waits_together_take_no_more_than_their_share(patience: Patience) -> None:
    clock = FixedClock()
    waiting, waited = Waiting(patience, clock), 0.0
    while clock.passed_seconds < 100:
        started = clock.passed_seconds
        with waiting.pauses() as pauses:
            for _ in pauses:
                pass
        waited += clock.passed_seconds - started
        clock.sleep(0.01)
    assert waited <= patience.burst_seconds + patience.share * 100 + 1e-6
    assert waited >= 0.9 * patience.share * 100


def test_what_a_wait_did_not_need_is_there_for_the_next() -> None:
    clock = FixedClock()
    waiting = Waiting(FOR_CUSTOMERS, clock)
    for _ in range(100):
        with waiting.pauses() as pauses:
            next(pauses)  # the version has arrived
    started = clock.passed_seconds
    with waiting.pauses() as pauses:
        assert len(list(pauses)) > 1
    assert clock.passed_seconds - started == pytest.approx(FOR_CUSTOMERS.seconds_max)


def test_those_who_wait_at_once_share_what_there_is() -> None:
    """An environment that answers several requests at once has no more waiters for it."""
    clock, together = FixedClock(), Barrier(8)
    waiting = Waiting(FOR_CUSTOMERS, clock)

    def wait(_: int) -> bool:
        with waiting.pauses() as pauses:
            together.wait(60)
            waits = next(pauses, pauses) is None
            together.wait(60)
            return waits

    with ThreadPoolExecutor(8) as pool:
        assert sum(pool.map(wait, range(8))) == FOR_CUSTOMERS.burst_seconds / FOR_CUSTOMERS.seconds_max
