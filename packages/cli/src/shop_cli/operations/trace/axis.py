"""The time axis of a drawing: from moments to shares of its width. Pure."""

import math
from bisect import bisect_right
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Self

CUT_SHARE: Final = 0.12
"""Of the width, for each time that is drawn short; all together they take half of it at most."""
CUT_FROM: Final = 6.0
"""An idle time is drawn short when it is this many times as long as all the work: or the work would not be seen."""
TICKS: Final = 6
TICK_SHARE_MIN: Final = 0.1
"""Less would not leave room for the text."""


@dataclass(frozen=True)
class Stretch:
    """A part of the axis with one scale."""

    start: float
    end: float
    left: float
    right: float
    cut: bool


@dataclass(frozen=True)
class Axis:
    """The axis reaches from the first start to the last end. It is never empty; a trace without a duration lies at its
    left."""

    stretches: tuple[Stretch, ...]

    @classmethod
    def of(cls, work: Iterable[tuple[float, float]]) -> Self:
        """`work` is when something was done, as pairs of start and end; in between is idle time."""
        busy = _merged(sorted(work)) or [(0.0, 0.0)]
        seconds = sum(end - start for start, end in busy)
        parts = [(busy[0][0], busy[0][0], False)]
        for start, end in busy:
            cut = start - parts[-1][1] > CUT_FROM * seconds > 0
            if cut:
                parts += [(parts[-1][1], start, True), (start, end, False)]
            else:
                parts[-1] = (parts[-1][0], end, False)
        cut_share = min(CUT_SHARE, 0.5 / max(1, sum(cut for *_, cut in parts)))
        drawn = sum(end - start for start, end, cut in parts if not cut)
        scale = (1 - cut_share * sum(cut for *_, cut in parts)) / drawn if drawn > 0 else 0.0
        stretches, left = [], 0.0
        for start, end, cut in parts:
            right = min(1.0, left + (cut_share if cut else (end - start) * scale))
            stretches.append(Stretch(start, end, left, right, cut))
            left = right
        return cls(tuple(stretches))

    @property
    def start(self) -> float:
        return self.stretches[0].start

    @property
    def seconds(self) -> float:
        return self.stretches[-1].end - self.start

    @property
    def cuts(self) -> Sequence[Stretch]:
        return [stretch for stretch in self.stretches if stretch.cut]

    def share(self, moment: float) -> float:
        """0 at the left, 1 at the right. Later moments are never further left."""
        found = bisect_right(self.stretches, moment, key=lambda stretch: stretch.start)
        stretch = self.stretches[max(0, found - 1)]
        if stretch.end <= stretch.start:
            return stretch.left
        part = min(1.0, max(0.0, (moment - stretch.start) / (stretch.end - stretch.start)))
        return stretch.left + part * (stretch.right - stretch.left)

    def ticks(self) -> list[tuple[float, float]]:
        """Seconds since the start, and where: round numbers, or, with cuts, where each stretch begins."""
        if self.cuts:
            places = [(it.start - self.start, it.left) for it in self.stretches if not it.cut]
            apart = [at for at, before in zip(places[1:], places, strict=False) if at[1] - before[1] >= TICK_SHARE_MIN]
            return [places[0], *apart]
        if self.seconds <= 0:
            return [(0.0, 0.0)]
        step = 10.0 ** math.floor(math.log10(self.seconds / TICKS))
        step *= next(factor for factor in (1, 2, 5, 10) if self.seconds / (step * factor) <= TICKS)
        count = math.floor(self.seconds / step) + 1
        return [(number * step, self.share(self.start + number * step)) for number in range(count)]


def _merged(work: Sequence[tuple[float, float]]) -> list[tuple[float, float]]:
    merged: list[tuple[float, float]] = []
    for start, end in work:
        if merged and start <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], end))
        else:
            merged.append((start, end))
    return merged
