"""What is known of the shop at a moment: the last minute, and how things stand."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from shop_cli.operations.top.lines import Swept, Trouble

WINDOW_SECONDS: Final = 60


@dataclass(frozen=True)
class Spread:
    """The spread is made from durations. A value is None when nothing was measured."""

    count: int = 0
    p50: float | None = None
    p99: float | None = None

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        if not values:
            return cls()
        ordered = sorted(values)
        return cls(len(ordered), _percentile(ordered, 50), _percentile(ordered, 99))


def _percentile(ordered: Sequence[float], percent: int) -> float:
    """The smallest value that so many in 100 do not exceed: one that there was, as CloudWatch's p99 of few values."""
    return ordered[-(-len(ordered) * percent // 100) - 1]


@dataclass(frozen=True)
class Flow:
    """How often something happened in the last minute, and in each second of it, the oldest first."""

    count: int = 0
    by_second: Sequence[int] = (0,) * WINDOW_SECONDS

    @property
    def per_second(self) -> float:
        return self.count / WINDOW_SECONDS


@dataclass(frozen=True)
class Traffic:
    """Requests of a function or a route."""

    name: str
    flow: Flow
    statuses: Mapping[int, int]
    duration_ms: Spread

    def answered(self, lowest: int, highest: int) -> int:
        return sum(count for status, count in self.statuses.items() if lowest <= status <= highest)


@dataclass(frozen=True)
class Due:
    count: int
    oldest_at: float | None
    """The stream that has waited longest is due since then."""


@dataclass(frozen=True)
class ParkedCount:
    count: int
    is_all: bool = True
    """Not, if there are more than were counted."""


@dataclass(frozen=True)
class Sample:
    shop: str
    at: float
    requests: Sequence[Traffic] = ()
    """There is one entry for each function."""
    routes: Sequence[Traffic] = ()
    """The busiest route comes first."""
    counts: Mapping[str, int] = field(default_factory=dict)
    """The metrics that are counts, of the last minute."""
    events: Mapping[str, Flow] = field(default_factory=dict)
    """`published`, `applied` and `archived`."""
    provider_ms: Spread = Spread()
    visible_seconds: Spread = Spread()
    waiting: int = 0
    """The most that a batch of the last minute has seen waiting."""
    cold_starts: Mapping[str, int] = field(default_factory=dict)
    """The service is the key."""
    due: Due | None = None
    parked: ParkedCount | None = None
    sweep: Swept | None = None
    troubles: Sequence[Trouble] = ()
    """The last ones, also of earlier minutes; the newest first."""
    unread: Mapping[str, str] = field(default_factory=dict)
    """What could not be read, and why: what is shown of that is missing or old."""


def document(sample: Sample) -> dict[str, Any]:
    """Returns the sample for scripts. Times are in UTC; an unknown value is null."""
    return {
        "shop": sample.shop,
        "at": _time(sample.at),
        "window_seconds": WINDOW_SECONDS,
        "requests": [_traffic(each) for each in sample.requests],
        "routes": [_traffic(each) for each in sample.routes],
        "counts": dict(sample.counts),
        "events": {name: _flow(flow) for name, flow in sample.events.items()},
        "provider_ms": asdict(sample.provider_ms),
        "visible_seconds": asdict(sample.visible_seconds),
        "waiting": sample.waiting,
        "cold_starts": dict(sample.cold_starts),
        "due": sample.due and {"count": sample.due.count, "oldest_due_since": _time(sample.due.oldest_at)},
        "parked": sample.parked and asdict(sample.parked),
        "sweep": sample.sweep and {"at": _time(sample.sweep.at), **sample.sweep.counts},
        "troubles": [{**asdict(each), "at": _time(each.at)} for each in sample.troubles],
        "unread": dict(sample.unread),
    }


def _traffic(traffic: Traffic) -> dict[str, Any]:
    return {
        "name": traffic.name,
        **_flow(traffic.flow),
        "statuses": {str(status): count for status, count in sorted(traffic.statuses.items())},
        "duration_ms": asdict(traffic.duration_ms),
    }


def _flow(flow: Flow) -> dict[str, Any]:
    return {"count": flow.count, "per_second": round(flow.per_second, 3)}


def _time(at: float | None) -> str | None:
    return None if at is None else datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")
