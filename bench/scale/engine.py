"""A clock jumps from one event to the next; stations have queues and servers, and throttles refuse.

Everything random comes from one generator, so that a seed gives the same run again.
"""

import heapq
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count


class Simulation:
    def __init__(self, seed: int) -> None:
        self.now = 0.0
        self.random = random.Random(seed)
        self._waiting: list[tuple[float, int, Callable[[], None]]] = []
        self._order = count()

    def after(self, seconds: float, do: Callable[[], None]) -> None:
        """Actions of the same moment are run in the order in which they were scheduled."""
        heapq.heappush(self._waiting, (self.now + seconds, next(self._order), do))

    def run(self, until: float = float("inf")) -> None:
        while self._waiting and self._waiting[0][0] <= until:
            self.now, _, do = heapq.heappop(self._waiting)
            do()


@dataclass
class Station:
    """Several servers work off one queue, first come, first served."""

    simulation: Simulation
    servers: int
    arrived: int = 0
    left: int = 0
    spent: float = 0.0
    """All that have left were here for so many seconds together."""
    inside_seconds: float = 0.0
    """The integral over time of the number that is inside."""
    _busy: int = 0
    _queue: deque[tuple[float, float, Callable[[], None]]] = field(default_factory=deque)
    _changed_at: float = 0.0

    def serve(self, seconds: float, then: Callable[[], None]) -> None:
        """Takes so long with one server, once there is one, and then goes on."""
        self._count()
        self.arrived += 1
        self._queue.append((self.simulation.now, seconds, then))
        self._begin()

    def _begin(self) -> None:
        while self._queue and self._busy < self.servers:
            came, seconds, then = self._queue.popleft()
            self._busy += 1
            self.simulation.after(seconds, lambda came=came, then=then: self._end(came, then))  # type: ignore[misc]

    def _end(self, came: float, then: Callable[[], None]) -> None:
        self._count()
        self._busy -= 1
        self.left += 1
        self.spent += self.simulation.now - came
        self._begin()
        then()

    def _count(self) -> None:
        self.inside_seconds += (self.arrived - self.left) * (self.simulation.now - self._changed_at)
        self._changed_at = self.simulation.now


@dataclass
class Throttle:
    """A token bucket: so many units a second, and as many at once as it has saved up, `burst` at most."""

    simulation: Simulation
    rate: float
    burst: float
    taken: float = 0.0
    refused: int = 0

    def __post_init__(self) -> None:
        self._left, self._at = self.burst, self.simulation.now

    def has(self, units: float) -> bool:
        self._left = min(self.burst, self._left + self.rate * (self.simulation.now - self._at))
        self._at = self.simulation.now
        return self._left >= units

    def take(self, units: float) -> bool:
        if not self.has(units):
            self.refused += 1
            return False
        self._left -= units
        self.taken += units
        return True
