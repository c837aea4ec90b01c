"""Reads recorded traces by their own id, or by the stream whose events they have made."""

from __future__ import annotations

import functools
import re
import secrets
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from shop_cli.errors import ShopError
from shop_cli.operations.events import read_or_fail
from shop_cli.operations.trace import traces
from shop_cli.target import Target

TRACE_ID: Final = re.compile(r"(?:.*\bRoot=)?(1-([0-9a-f]{8})-[0-9a-f]{24})(?:;.*)?")
STREAM_PREFIXES: Final = ("product-", "reservation-")
OLD_SECONDS: Final = 3_600.0
"""What was made longer ago than this, and is not there, does not come any more."""


@dataclass(frozen=True)
class Chosen:
    """These traces are to be shown, the oldest first."""

    trace_ids: tuple[str, ...]
    made_at: float
    """When the last of them was begun, or has made its last event."""
    stream_id: str | None = None
    events: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """Each trace is mapped to the events of the stream that it has made, such as `2 shop.payment.requested.v1`."""
    earlier: int = 0
    """The stream has so many older traces."""


@dataclass(frozen=True)
class TraceSource:
    """Finds traces in X-Ray, and the events of a stream in the event store."""

    xray: Any
    events: Callable[[str], list[dict[str, Any]]]
    wait_seconds: float
    """So long after it was made a trace may not be there, or not in whole."""
    poll_seconds: float
    kept: str
    """These words say how long X-Ray keeps a trace."""
    sleep: Callable[[float], None] = time.sleep
    now: Callable[[], float] = time.time

    @classmethod
    def of(cls, target: Target) -> TraceSource:
        xray, events = target.client("xray"), functools.partial(read_or_fail, target)
        if target.local:
            return cls(xray, events, 2.0, 0.7, "this machine keeps the newest 16 MB")
        return cls(xray, events, 30.0, 2.0, "X-Ray keeps a trace for 30 days")

    def choose(self, name: str) -> Chosen:
        """Takes a trace's id, also inside of a whole X-Amzn-Trace-Id header, or a stream's."""
        if trace := TRACE_ID.fullmatch(name):
            return Chosen((trace[1],), made_at=int(trace[2], 16))
        if name.startswith(STREAM_PREFIXES):
            return self._of_stream(name)
        message = f"{name} is no trace's id, such as 1-5759e988-bd862e3fe1be46a994272793, and no stream's, which is"
        raise ShopError(f"{message} called product-<sku> or reservation-<id>", exit_code=2)

    def _of_stream(self, stream_id: str) -> Chosen:
        events = self.events(stream_id)
        made: dict[str, list[str]] = {}
        for event in events:
            header = event.get("awstraceheader") or ""
            trace = TRACE_ID.fullmatch(header)
            if trace and "Sampled=1" in header.split(";"):
                made.setdefault(trace[1], []).append(f"{event['streamversion']} {event['type']}")
        if not made:
            message = f"None of the requests that made the {len(events):,} events of {stream_id} was sampled"
            raise ShopError(f"{message}: a request is recorded when its X-Amzn-Trace-Id header says Sampled=1")
        newest = tuple(made)[-traces.IDS_MAX :]
        last = datetime.fromisoformat(events[-1]["time"]).timestamp()
        return Chosen(newest, last, stream_id, {each: made[each] for each in newest}, len(made) - len(newest))

    def documents(
        self, chosen: Chosen, report: Callable[[str], None] = lambda _: None
    ) -> dict[str, list[traces.Document]]:
        """Waits for what was just made. X-Ray gives parts of a trace first: a young one is whole once nothing in it
        is under way and another look has found nothing more."""
        started = self.now()
        found, seen = traces.documents(self.xray, chosen.trace_ids), -1
        while not self._is_settled(chosen, found, seen) and self.now() < started + self.wait_seconds:
            report(f"{sum(map(len, found.values()))} segments so far")
            self.sleep(self.poll_seconds)
            seen = sum(map(len, found.values()))
            found = traces.documents(self.xray, chosen.trace_ids)
        return {trace_id: found[trace_id] for trace_id in chosen.trace_ids if trace_id in found}

    def _is_settled(self, chosen: Chosen, found: Mapping[str, list[traces.Document]], seen: int) -> bool:
        age = self.now() - chosen.made_at
        if len(found) < len(chosen.trace_ids):
            return age > OLD_SECONDS
        read = (traces.read(trace_id, segments) for trace_id, segments in found.items())
        under_way = any(span.end is None for trace in read for span in trace.spans)
        return age > self.wait_seconds or (seen == sum(map(len, found.values())) and not under_way)


def new_trace_id() -> str:
    """https://docs.aws.amazon.com/xray/latest/devguide/xray-api-sendingdata.html#xray-api-traceids"""
    return f"1-{int(time.time()):08x}-{secrets.token_hex(12)}"


def read(target: Target, trace_id: str) -> traces.RecordedTrace:
    """Reads what has been recorded of a trace so far."""
    return traces.read(trace_id, traces.documents(target.client("xray"), [trace_id]).get(trace_id, []))
