"""Reads what `shop top` shows: the functions' logs, the event store's index `due` and the list of parked records.

The same calls here and on AWS. The logs have everything that the metrics are made of, and more: routes, and what went
wrong. CloudWatch's GetMetricData would be the alternative on AWS: it has whole minutes, a minute or two late, no routes
and no causes, costs by the metric asked for, and the local AWS does not make metrics of the logs. The price is that the
lines of a busy shop have to be read: PAGES_MAX bounds that. A line may come late on AWS, so each look goes back over
what was read already, and the window counts a line once.

Nothing is retried: the next look is soon. What can't be read is named, and stops nothing else.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Final

from botocore.exceptions import BotoCoreError, ClientError

from shop_cli.errors import ShopError
from shop_cli.operations.top.window import LogLine, moment
from shop_cli.target import Function, Target

FUNCTIONS: Final = {
    "shop-command": ("api", "sweep", "integrity"),
    "shop-query": ("api",),
    "shop-dispatch": ("project", "archive", "parked", "verify", "rebuild"),
}
FIRST_LOOK_SECONDS: Final = 150
"""So far back the first look goes: the last minute, and two sweeps."""
PAGES_MAX: Final = 20
"""One look reads at most so many pages of one function's log."""
PAGE_LINES_MAX: Final = 10_000
DUE_SHARDS: Final = 8
DUE_PAGES_MAX: Final = 5
"""One look reads at most so many pages of a shard; each is a megabyte of keys, some 10,000."""
PARKED_PAGES_MAX: Final = 5
TIMEOUT_SECONDS: Final = 5
"""A call times out after this. While it waits, nothing is drawn."""


class TooMuchError(Exception):
    pass


@dataclass
class Reading:
    lines: list[LogLine] = field(default_factory=list)
    due: dict[str, Any] | None = None
    """This has the number of streams that are due, and since when the oldest of them is."""
    parked: dict[str, Any] | None = None
    """This has the number of parked records, and whether that is all of them."""
    unread: dict[str, str] = field(default_factory=dict)
    """This maps what could not be read to the cause: what is shown of it is missing or old."""

    def standing(self) -> dict[str, Any]:
        return {"due": self.due, "parked": self.parked, "unread": self.unread}


@dataclass
class TopSources:
    shop: str
    logs: Any
    dynamodb: Any
    table: str
    parked: Function
    stage: str
    late_seconds: float
    """A line may arrive this late."""
    parked_every_seconds: float
    now: Callable[[], float] = time.time
    _read_until: dict[str, float] = field(default_factory=dict)
    _parked_at: float = float("-inf")
    _parked_last: dict[str, Any] | None = None
    _parked_error: str = ""

    @classmethod
    def of(cls, target: Target) -> TopSources:
        late_seconds, parked_every_seconds = (2.0, 5.0) if target.local else (20.0, 60.0)
        return cls(
            target.name,
            target.client("logs", TIMEOUT_SECONDS),
            target.client("dynamodb", TIMEOUT_SECONDS),
            target.outputs["TableName"],
            target.function("parked", TIMEOUT_SECONDS),
            target.stage,
            late_seconds,
            parked_every_seconds,
        )

    def read(self) -> Reading:
        reading = Reading()
        for service, names in FUNCTIONS.items():
            for name in names:
                self._read_log(service, name, reading)
        try:
            reading.due = self._due()
        except (BotoCoreError, ClientError) as error:
            reading.unread["due"] = _cause(error)
        reading.parked = self._parked()
        if self._parked_error:
            reading.unread["parked"] = self._parked_error
        return reading

    def _read_log(self, service: str, name: str, reading: Reading) -> None:
        """What could not be read is read by the next look, as far as the first one goes back."""
        group, now = f"/aws/lambda/{service}-{self.stage}-{name}", self.now()
        earliest = now - FIRST_LOOK_SECONDS
        since = max(earliest, self._read_until.get(group, earliest) - self.late_seconds)
        try:
            reading.lines += self._lines(group, f"{service}-{name}", since)
        except TooMuchError:
            reading.unread[f"{service}-{name}"] = f"more lines than {PAGES_MAX} pages: some are not counted"
        except (BotoCoreError, ClientError) as error:
            if _code(error) != "ResourceNotFoundException":  # no log: it never ran
                reading.unread[f"{service}-{name}"] = _cause(error)
                return
        self._read_until[group] = now

    def _lines(self, group: str, function: str, since: float) -> Iterator[LogLine]:
        arguments: dict[str, Any] = {"logGroupName": group, "startTime": int(since * 1000)}
        for _ in range(PAGES_MAX):
            page = self.logs.filter_log_events(**arguments)
            events, alike = page["events"], Counter[tuple[str, int, str]]()
            for event in events:
                place = (event["logStreamName"], event["timestamp"], event["message"])
                alike[place] += 1
                # The local AWS gives no ids; there an invocation has a stream of its own and a single timestamp.
                name = event.get("eventId") or f"{alike[place]} {hash(place)}"
                yield LogLine(f"{function} {name}", event["timestamp"] / 1000, function, event["message"])
            if page.get("nextToken"):
                arguments["nextToken"] = page["nextToken"]
            elif len(events) >= PAGE_LINES_MAX:  # the local AWS stops there, and gives no token
                arguments["startTime"] = events[-1]["timestamp"]
            else:
                return
        raise TooMuchError

    def _due(self) -> dict[str, Any]:
        now = datetime.fromtimestamp(self.now(), UTC).strftime("%Y-%m-%dT%H:%M:%S.000Z")
        found: list[str] = []
        for shard in range(DUE_SHARDS):
            pages = self.dynamodb.get_paginator("query").paginate(
                TableName=self.table,
                IndexName="due",
                KeyConditionExpression="due_shard = :shard and due_at <= :now",
                ExpressionAttributeValues={":shard": {"S": str(shard)}, ":now": {"S": now}},
                ProjectionExpression="due_at",
            )
            for _, page in zip(range(DUE_PAGES_MAX), pages, strict=False):
                found += [item["due_at"]["S"] for item in page["Items"]]
        oldest = datetime.fromisoformat(min(found)).timestamp() if found else None
        return {"count": len(found), "oldest_due_since": oldest and moment(oldest)}

    def _parked(self) -> dict[str, Any] | None:
        """Returns the last answer, unless that is too old: each is an invocation and a query."""
        if self.now() >= self._parked_at + self.parked_every_seconds:
            self._parked_at, self._parked_last, self._parked_error = self.now(), None, ""
            try:
                self._parked_last = self._ask_for_parked()
            except (BotoCoreError, ClientError, ShopError) as error:
                self._parked_error = _cause(error)
        return self._parked_last

    def _ask_for_parked(self) -> dict[str, Any]:
        count, after = 0, None
        for _ in range(PARKED_PAGES_MAX):
            answer = self.parked.invoke({"action": "list", "after": after})
            count += len(answer["records"])
            after = answer.get("next")
            if after is None:
                return {"count": count, "is_all": True}
        return {"count": count, "is_all": False}


def _cause(error: Exception) -> str:
    """Returns the error's type or code, and not its message, which may be long."""
    return _code(error) or ("the function has failed" if isinstance(error, ShopError) else type(error).__name__)


def _code(error: Exception) -> str:
    return str(error.response["Error"]["Code"]) if isinstance(error, ClientError) else ""
