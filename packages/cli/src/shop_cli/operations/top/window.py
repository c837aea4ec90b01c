"""Folds lines of logs into the last minute. Lines may come late, in any order, and be read again and again."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from typing import Final

from shop_cli.operations.top import lines
from shop_cli.operations.top.lines import LoggedRequest, LogLine, Measured, Swept, Trouble
from shop_cli.operations.top.sample import WINDOW_SECONDS, Due, Flow, ParkedCount, Sample, Spread, Traffic

KEPT_SECONDS: Final = 300
"""A line that is older is not read any more, so no line has to be remembered for longer."""
TROUBLES_MAX: Final = 200
SERVICES: Final = ("shop-command", "shop-query", "shop-dispatch")
WITH_REQUESTS: Final = SERVICES[:2]
COUNTS: Final = (
    *("CommandsAccepted", "CommandsPending", "CommandsRefused", "CommandsFailed"),
    *("PaymentsCaptured", "PaymentsDeclined", "PaymentsUnknown", "PaymentsRefunded"),
    *("CommitConflicts", "CommitRetries", "PublishRetries", "EventsParked"),
)
FLOWS: Final = {"published": "EventsPublished", "applied": "EventsApplied", "archived": "EventsArchived"}
PROVIDER, VISIBLE, WAITING, COLD = "PaymentCallMilliseconds", "SecondsToVisible", "EventsWaiting", "ColdStarts"


class Window:
    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._requests: list[LoggedRequest] = []
        self._measured: list[Measured] = []
        self._troubles: list[Trouble] = []
        self._sweep: Swept | None = None

    def add(self, read: Iterable[LogLine], now: float) -> None:
        """Each line once, whatever was read before. Drops what is too old to be shown any more."""
        self._slide(now)
        for line in read:
            if line.at <= now - KEPT_SECONDS or line.id in self._seen:
                continue
            self._seen[line.id] = line.at
            match lines.read(line):
                case LoggedRequest() as request:
                    self._requests.append(request)
                case Measured() as measured:
                    self._measured.append(measured)
                case Trouble() as trouble:
                    self._troubles.append(trouble)
                case Swept() as swept if self._sweep is None or swept.at >= self._sweep.at:
                    self._sweep = swept
        self._troubles = sorted(self._troubles, key=lambda each: each.at, reverse=True)[:TROUBLES_MAX]

    def sample(
        self, shop: str, now: float, due: Due | None, parked: ParkedCount | None, unread: dict[str, str]
    ) -> Sample:
        requests = [each for each in self._requests if each.at > now - WINDOW_SECONDS]
        measured = [each for each in self._measured if each.at > now - WINDOW_SECONDS]
        by_service, by_route = (
            _grouped(requests, lambda each: each.service),
            _grouped(requests, lambda each: each.route),
        )
        routes = [_traffic(name, some, now) for name, some in by_route.items()]
        return Sample(
            shop,
            now,
            requests=[_traffic(name, by_service.get(name, ()), now) for name in WITH_REQUESTS],
            routes=sorted(routes, key=lambda each: (-each.flow.count, each.name)),
            counts={name: int(sum(_values(measured, name))) for name in COUNTS},
            events={name: _events(measured, metric, now) for name, metric in FLOWS.items()},
            provider_ms=Spread.of(_values(measured, PROVIDER)),
            visible_seconds=Spread.of(_values(measured, VISIBLE)),
            waiting=int(max(_values(measured, WAITING), default=0)),
            cold_starts={
                each: int(sum(_values([it for it in measured if it.service == each], COLD))) for each in SERVICES
            },
            due=due,
            parked=parked,
            sweep=self._sweep,
            troubles=tuple(self._troubles),
            unread=unread,
        )

    def _slide(self, now: float) -> None:
        self._seen = {name: at for name, at in self._seen.items() if at > now - KEPT_SECONDS}
        self._requests = [each for each in self._requests if each.at > now - WINDOW_SECONDS]
        self._measured = [each for each in self._measured if each.at > now - WINDOW_SECONDS]


def _grouped(requests: Iterable[LoggedRequest], key: Callable[[LoggedRequest], str]) -> dict[str, list[LoggedRequest]]:
    groups: dict[str, list[LoggedRequest]] = defaultdict(list)
    for request in requests:
        groups[key(request)].append(request)
    return groups


def _traffic(name: str, requests: Sequence[LoggedRequest], now: float) -> Traffic:
    flow = _flow([(each.at, 1) for each in requests], now)
    return Traffic(
        name, flow, Counter(each.status for each in requests), Spread.of([each.duration_ms for each in requests])
    )


def _events(measured: Iterable[Measured], metric: str, now: float) -> Flow:
    return _flow([(each.at, int(sum(each.values.get(metric, ())))) for each in measured], now)


def _flow(happened: Sequence[tuple[float, int]], now: float) -> Flow:
    by_second = [0] * WINDOW_SECONDS
    for at, count in happened:
        # Another machine's clock may be ahead of ours.
        by_second[max(0, WINDOW_SECONDS - 1 - max(0, int(now - at)))] += count
    return Flow(sum(by_second), tuple(by_second))


def _values(measured: Iterable[Measured], metric: str) -> list[float]:
    return [value for each in measured for value in each.values.get(metric, ())]
