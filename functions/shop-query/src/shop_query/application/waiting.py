"""How long reads may wait for the versions that their callers have written, so that waiting never ends other reads."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Final

from shop_query.ports import Clock

AHEAD_MAX: Final = 10
"""A version that is further ahead than this of what the read model has is no answer's of a moment ago: a command adds
three events at most, and a stream's commands come one after the other."""
PAUSE_SECONDS_FIRST: Final = 0.002
"""A projection mostly ends some milliseconds after the command's answer. Pauses double, so a wait that takes long has
three looks more than one that begins with 20 ms."""
PAUSE_SECONDS_MAX: Final = 0.16


@dataclass(frozen=True)
class Patience:
    """One read waits for `seconds_max`. All of an execution environment together wait for `share` of the time, and for
    `burst_seconds` at once: a share of 0.1 is one waiter in ten environments."""

    seconds_max: float
    share: float
    burst_seconds: float
    unknown_streams: bool
    """It waits for a stream that the read model has no event of, too."""


FOR_CUSTOMERS: Final = Patience(seconds_max=2.0, share=0.5, burst_seconds=4.0, unknown_streams=True)
"""A reservation is read a moment after it was placed. Whoever waits for nothing has a token, and a name."""
FOR_ANYONE: Final = Patience(seconds_max=0.5, share=0.1, burst_seconds=0.5, unknown_streams=False)


class Waiting:
    """The waits of one execution environment, for one kind of callers."""

    def __init__(self, patience: Patience, clock: Clock) -> None:
        self._patience = patience
        self._clock = clock
        self._left_seconds = patience.burst_seconds
        self._refilled_at = clock.seconds()
        self._lock = Lock()

    def is_plausible(self, min_version: int, version: int | None) -> bool:
        """`version` is what the read model has, or None if it has nothing of the stream."""
        if version is None and not self._patience.unknown_streams:
            return False
        return min_version - (version or 0) <= AHEAD_MAX

    @contextmanager
    def pauses(self) -> Iterator[Iterator[None]]:
        """Gives the pauses between two looks, as many as there is time for. What is not needed is given back."""
        granted = self._take(self._patience.seconds_max)
        started = self._clock.seconds()
        try:
            yield self._pauses_until(started + granted)
        finally:
            self._take(self._clock.seconds() - started - granted)

    def _pauses_until(self, end: float) -> Iterator[None]:
        pause = PAUSE_SECONDS_FIRST
        while (left := end - self._clock.seconds()) > 0:
            self._clock.sleep(min(pause, left))
            yield
            pause = min(2 * pause, PAUSE_SECONDS_MAX)

    def _take(self, seconds: float) -> float:
        """Takes what there is of them at once, so that those who wait together do not spend it twice. A negative number
        is given back."""
        patience = self._patience
        with self._lock:
            now = self._clock.seconds()
            refilled = self._left_seconds + patience.share * (now - self._refilled_at)
            self._refilled_at = now
            taken = min(seconds, max(refilled, 0.0))
            self._left_seconds = min(refilled - taken, patience.burst_seconds)
            return taken
