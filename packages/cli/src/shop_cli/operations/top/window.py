"""Folds lines of the functions' logs into a document of the last minute, which is what `shop top --json` prints.

Lines may come late, in any order, and be read again and again. Lines that Lambda writes (START, END, REPORT) are
skipped, unless they explain why the shop has written none itself. Times in the document are in UTC.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, NamedTuple

WINDOW_SECONDS: Final = 60
KEPT_SECONDS: Final = 300
"""A line that is older is not read any more, so no line has to be remembered for longer."""
TROUBLES_MAX: Final = 200
SERVICES: Final = ("shop-command", "shop-query", "shop-dispatch")
WITH_REQUESTS: Final = SERVICES[:2]
COUNTS: Final = (
    *("CommandsAccepted", "CommandsPending", "CommandsRefused", "CommandsFailed"),
    *("PaymentsCaptured", "PaymentsDeclined", "PaymentsUnknown", "PaymentsRefunded"),
    *("CommitConflicts", "CommitRetries", "PublishRetries", "EventsParked", "EventsConflicting"),
)
FLOWS: Final = {"published": "EventsPublished", "applied": "EventsApplied", "archived": "EventsArchived"}
PROVIDER, VISIBLE, WAITING, COLD = "PaymentCallMilliseconds", "SecondsToVisible", "EventsWaiting", "ColdStarts"
TROUBLE: Final = ("level", "message", "exception_name", "stream_id")
NO_ANSWER: Final = re.compile(
    r"Task timed out after [\d.]+ seconds|Runtime exited|(?<=^\[ERROR\] )(?!InvocationFailedError)[\w.]+"
)
"""Lambda writes this in plain text when the function can log nothing more. Only these words of it are shown: an
exception's type, and not its message. The function itself has logged the cause of an InvocationFailedError."""


@dataclass(frozen=True, slots=True)
class LogLine:
    id: str
    """The id stays the same however often the line is read."""
    at: float
    function: str
    """A function is named without its stage, as in `shop-command-api`."""
    text: str


class LoggedRequest(NamedTuple):
    at: float
    service: str
    route: str
    status: int
    duration_ms: float


class Measurement(NamedTuple):
    at: float
    service: str
    metric: str
    value: float


class Window:
    def __init__(self) -> None:
        self._seen: dict[str, float] = {}
        self._requests: list[LoggedRequest] = []
        self._measured: list[Measurement] = []
        self._troubles: list[tuple[float, dict[str, str]]] = []
        self._sweep: tuple[float, dict[str, int]] | None = None

    def add(self, lines: Iterable[LogLine], now: float) -> None:
        """Reads each line once, whatever was read before, and drops what is too old to be shown any more."""
        self._seen = {name: at for name, at in self._seen.items() if at > now - KEPT_SECONDS}
        self._requests = [each for each in self._requests if each.at > now - WINDOW_SECONDS]
        self._measured = [each for each in self._measured if each.at > now - WINDOW_SECONDS]
        for line in lines:
            if line.at > now - KEPT_SECONDS and line.id not in self._seen:
                self._seen[line.id] = line.at
                self._read(line)
        self._troubles = sorted(self._troubles, key=lambda each: each[0], reverse=True)[:TROUBLES_MAX]

    def document(self, now: float) -> dict[str, Any]:
        requests = [each for each in self._requests if each.at > now - WINDOW_SECONDS]
        measured = [each for each in self._measured if each.at > now - WINDOW_SECONDS]

        def values(metric: str, *services: str) -> list[float]:
            chosen = services or SERVICES
            return [each.value for each in measured if each.metric == metric and each.service in chosen]

        by_route = (_traffic(route, [r for r in requests if r.route == route]) for route in {r.route for r in requests})
        return {
            "at": moment(now),
            "window_seconds": WINDOW_SECONDS,
            "requests": [_traffic(name, [r for r in requests if r.service == name]) for name in WITH_REQUESTS],
            "routes": sorted(by_route, key=lambda each: (-each["count"], each["name"])),
            "counts": {name: int(sum(values(name))) for name in COUNTS},
            "events": {name: _flow(int(sum(values(metric)))) for name, metric in FLOWS.items()},
            "provider_ms": _spread(values(PROVIDER)),
            "visible_seconds": _spread(values(VISIBLE)),
            "waiting": int(max(values(WAITING), default=0)),
            "cold_starts": {name: int(sum(values(COLD, name))) for name in SERVICES},
            "sweep": self._sweep and {"at": moment(self._sweep[0]), **self._sweep[1]},
            "troubles": [{"at": moment(at), **trouble} for at, trouble in self._troubles],
        }

    def _read(self, line: LogLine) -> None:
        try:
            entry = json.loads(line.text) if line.text.startswith("{") else None
        except ValueError:  # cut off by CloudWatch at its largest size
            return
        match entry:
            case None:
                if found := NO_ANSWER.search(line.text):
                    self._trouble(line, {"level": "ERROR", "message": found[0]})
            case {"_aws": {"CloudWatchMetrics": groups}} | {"metrics": {"CloudWatchMetrics": groups}}:
                self._measure(line.at, entry, groups)
            case {"level": "WARNING" | "ERROR" | "CRITICAL"}:
                self._trouble(line, entry)
            case {
                "message": "request",
                "service": str(by),
                "status": int(status),
                "duration_ms": int() | float() as ms,
            }:
                self._requests.append(LoggedRequest(line.at, by, str(entry.get("route", "")), status, ms))
            case {"message": "sweep"} if self._sweep is None or line.at >= self._sweep[0]:
                self._sweep = line.at, {name: value for name, value in entry.items() if type(value) is int}

    def _measure(self, at: float, entry: dict[str, Any], groups: Iterable[dict[str, Any]]) -> None:
        """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
        for name in (metric["Name"] for group in groups for metric in group["Metrics"]):
            value = entry.get(name, [])
            for one in value if isinstance(value, list) else [value]:
                self._measured.append(Measurement(at, str(entry.get("service", "")), name, float(one)))

    def _trouble(self, line: LogLine, entry: dict[str, Any]) -> None:
        words = {name: str(entry.get(name) or "") for name in TROUBLE}
        self._troubles.append((line.at, {"function": line.function, **words}))


def moment(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds")


def _traffic(name: str, requests: Sequence[LoggedRequest]) -> dict[str, Any]:
    statuses = Counter(str(each.status) for each in requests)
    durations = _spread([each.duration_ms for each in requests])
    return {"name": name, **_flow(len(requests)), "statuses": dict(sorted(statuses.items())), "duration_ms": durations}


def _flow(count: int) -> dict[str, Any]:
    return {"count": count, "per_second": round(count / WINDOW_SECONDS, 3)}


def _spread(values: Sequence[float]) -> dict[str, Any]:
    """A percentile is the smallest value that so many in 100 do not exceed: one that there was, as CloudWatch's."""
    ordered = sorted(values)
    p50, p99 = (ordered[-(-len(ordered) * percent // 100) - 1] if ordered else None for percent in (50, 99))
    return {"count": len(ordered), "p50": p50, "p99": p99}
