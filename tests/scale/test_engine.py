"""The model keeps the laws of queues, and loses or invents no request."""

from math import factorial

import pytest
from bench.aws import assumed
from bench.scale.calibration import CLIENTS, closed_circle
from bench.scale.dispatch import Pipeline, Run
from bench.scale.engine import Simulation, Station, Throttle
from bench.scale.flash_sale import RAISED, REMEMBERING, TODAY, FlashSale, Setup


def station_of(servers: int, arrivals_per_second: float, seconds_of_service: float, customers: int) -> Station:
    """Customers come and are served at random, independent of each other."""
    simulation = Simulation(seed=5)
    station = Station(simulation, servers)

    def arrive(left: int) -> None:
        station.serve(simulation.random.expovariate(1 / seconds_of_service), lambda: None)
        if left > 1:
            simulation.after(simulation.random.expovariate(arrivals_per_second), lambda: arrive(left - 1))

    arrive(customers)
    simulation.run()
    return station


def erlang_c(servers: int, load: float) -> float:
    """Returns the share of customers that wait, of a queue M/M/c."""
    busy = load**servers / factorial(servers) * servers / (servers - load)
    return busy / (sum(load**n / factorial(n) for n in range(servers)) + busy)


@pytest.mark.parametrize(("servers", "load"), [(1, 0.7), (3, 2.1), (10, 7.0)])
def test_a_station_waits_as_long_as_a_queue_with_so_many_servers_does(servers: int, load: float) -> None:
    station = station_of(servers, arrivals_per_second=load, seconds_of_service=1.0, customers=40_000)
    expected = 1 + erlang_c(servers, load) / (servers - load)
    assert station.spent / station.left == pytest.approx(expected, rel=0.06)


def test_those_inside_are_as_many_as_come_in_the_time_that_each_stays() -> None:
    station = station_of(2, arrivals_per_second=1.5, seconds_of_service=1.0, customers=5_000)
    assert station.arrived == station.left == 5_000
    assert station.inside_seconds == pytest.approx(station.spent)


def test_in_a_closed_circle_everybody_is_always_somewhere() -> None:
    seconds, (median, _, most) = closed_circle(6, 0.01, 0.001)
    assert median * 10_000 / seconds == pytest.approx(CLIENTS, rel=0.05)
    assert most < 2 * median


def test_a_throttle_gives_its_rate_and_what_it_has_saved() -> None:
    simulation = Simulation(seed=1)
    throttle = Throttle(simulation, rate=10, burst=5)

    def ask_four_times() -> None:
        for _ in range(4):
            throttle.take(1)

    for tenth in range(100):
        simulation.after(tenth / 10, ask_four_times)
    simulation.run()
    assert throttle.taken == pytest.approx(5 + 10 * 9.9, abs=1)
    assert throttle.taken + throttle.refused == 400


SMALL = Setup("small", requests=500, environments=50, table_writes=4_000)


@pytest.mark.parametrize("buckets", [1, 8])
def test_a_flash_sale_loses_and_invents_no_request(buckets: int) -> None:
    sale = FlashSale(SMALL, buckets).run()
    assert sale.begun == sale.answers.total() + sale.failed
    assert sale.environments.running == 0
    assert FlashSale(SMALL, buckets).run().answers == sale.answers


def test_no_limit_is_exceeded() -> None:
    sale = FlashSale(TODAY, 8).run()
    seconds = sale.simulation.now + 1
    throttles = [sale.table_writes, sale.table_reads, sale.product, sale.bucket_reads, *sale.bucket_writes]
    assert all(each.taken <= each.rate * seconds + each.burst for each in throttles)
    assert sale.environments.made <= TODAY.environments


def test_a_bucket_sells_one_transaction_after_the_other_and_more_buckets_sell_more() -> None:
    one, four = (FlashSale(SMALL, buckets).run().sales_per_second for buckets in (1, 4))
    assert 0.8 < one * assumed("transaction_seconds") <= 1
    assert one < four <= SMALL.requests


def test_remembering_that_all_is_sold_tells_more_customers() -> None:
    assert (RAISED.sold_out_seconds, REMEMBERING.sold_out_seconds) == (0, 1)
    remembering = Setup("small", 500, 50, 4_000, product_cache_seconds=1, sold_out_seconds=1)
    assert FlashSale(remembering, 64).run().refused > FlashSale(SMALL, 64).run().refused


def test_every_event_is_applied_or_waits() -> None:
    run = Run(Pipeline(), sales_per_second=20, seconds=200, outage=(60, 120)).run()
    assert run.arrived == pytest.approx(run.applied + run.waiting)
    assert max(waiting for _, waiting in run.behind) == pytest.approx(20 * 3 * 60, rel=0.05)
    assert run.level_at is not None
    assert run.level_at < 130
    assert run.visible_seconds(0.1) < 1 < run.visible_seconds(0.99) < 65


def test_a_replay_is_as_quick_as_the_shards_can_be_read() -> None:
    slow, quick = (Run(Pipeline(shards=n), 20, 400, backlog=500_000).run() for n in (4, 8))
    assert slow.level_at is not None
    assert quick.level_at is not None
    assert slow.level_at == pytest.approx(2 * quick.level_at, rel=0.1)
