"""Compares the model with what was measured on this project's local run, where both can run.

The emulator takes one call after the other, so it is a station with one server, and its customers a closed circle.
"""

from collections.abc import Iterator, Mapping
from statistics import quantiles
from types import MappingProxyType

from bench.aws import assumed
from bench.measure import RECORDED, recorded
from bench.scale.demand import calls, counted
from bench.scale.engine import Simulation, Station

CLIENTS, ATTEMPTS = 64, 10_000
HOT_STOCK: Mapping[int, tuple[float, float, float, float]] = MappingProxyType(
    {1: (705, 4_462, 8_091, 10_372), 8: (720, 4_195, 8_121, 11_521), 64: (833, 5_092, 8_887, 10_548)}
)
"""bench/RESULTS.md, hot stock: seconds for all attempts, and ms at the 50th, 95th and 99th percentile, by buckets."""

Row = tuple[str, str, str, str]


def rows() -> Iterator[Row]:
    call, item = _fitted()
    for buckets, measured in HOT_STOCK.items():
        seconds, cuts = closed_circle(_calls(buckets), call, item * _items(buckets) / _calls(buckets))
        how = "predicted" if buckets == 8 else "fitted"
        yield _row(f"hot stock, {buckets} buckets: s for 10,000 attempts, {how}", seconds, measured[0])
        for name, cut, was in zip(("50", "95", "99"), cuts, measured[1:], strict=True):
            yield _row(f"hot stock, {buckets} buckets: ms, {name} %", cut * 1000, was)
    of_event = assumed("project_event_processor_seconds") + assumed("project_event_database_seconds")
    yield _row("dispatch: us an event on a whole processor", of_event * 1e6, _recorded("dispatch", "project, 500"))
    yield _row("rebuild: us an event", of_event * 1e6, _recorded("rebuild", "load from the log"))


def _row(what: str, modelled: float, measured: float) -> Row:
    return what, f"{modelled:,.0f}", f"{measured:,.0f}", f"{(modelled / measured - 1) * 100:+.0f} %"


def _recorded(benchmark: str, what: str) -> float:
    return next(row.value for row in recorded(RECORDED, benchmark)[1] if row.what == what)


def _calls(buckets: int) -> int:
    return calls(f"refusal at {buckets} buckets")


def _items(buckets: int) -> float:
    return counted(f"refusal at {buckets} buckets", "read_units")


def _fitted() -> tuple[float, float]:
    """Returns the seconds of a call and of an item that it reads, from the rows with 1 and with 64 buckets."""
    one, most = (HOT_STOCK[buckets][0] / ATTEMPTS for buckets in (1, 64))
    item = (most - one) / (_items(64) - _items(1))
    return (one - item * _items(1)) / _calls(1), item


def closed_circle(calls_of_attempt: int, call: float, more: float) -> tuple[float, tuple[float, float, float]]:
    """Returns how long all attempts take, and percentiles of one. Each client begins the next when it is answered."""
    simulation = Simulation(seed=1)
    emulator = Station(simulation, servers=1)
    waited: list[float] = []
    begun = 0

    def attempt() -> None:
        nonlocal begun
        if begun < ATTEMPTS:
            begun += 1
            step(simulation.now, calls_of_attempt)

    def step(came: float, left: int) -> None:
        if left:
            # Calls take times that vary by themselves, as an exponential distribution does.
            seconds = simulation.random.expovariate(1 / (call + more))
            emulator.serve(seconds, lambda: step(came, left - 1))
        else:
            waited.append(simulation.now - came)
            attempt()

    for _ in range(CLIENTS):
        attempt()
    simulation.run()
    cuts = quantiles(waited, n=100)
    return simulation.now, (cuts[49], cuts[94], cuts[98])
