"""Reads a line of a function's log. What the shop does not say itself (START, END, REPORT) is nothing, unless it tells
why there is no line of the shop's own."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NO_ANSWER: Final = re.compile(
    r"Task timed out after [\d.]+ seconds|Runtime exited|(?<=^\[ERROR\] )(?!InvocationFailedError)[\w.]+"
)
"""What Lambda writes in plain text where the function could say no more. Only these words are shown of it: an
exception's type, and not its message. Of an InvocationFailedError the function has told the cause."""
TROUBLE: Final = ("WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class Line:
    id: str
    """The same however often the line is read."""
    at: float
    function: str
    """As `shop-command-api`, without the stage."""
    text: str


@dataclass(frozen=True, slots=True)
class Request:
    at: float
    service: str
    route: str
    status: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """The metrics of an invocation."""

    at: float
    service: str
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Swept:
    at: float
    counts: Mapping[str, int]
    """`due`, `published` and so on, as the sweep says them."""


@dataclass(frozen=True, slots=True)
class Trouble:
    at: float
    function: str
    level: str
    message: str
    exception_name: str
    stream_id: str


Entry = Request | Measured | Swept | Trouble


def read(line: Line) -> Entry | None:
    try:
        said = json.loads(line.text) if line.text.startswith("{") else None
    except ValueError:  # cut off by CloudWatch at its largest size
        return None
    if not isinstance(said, dict):
        found = NO_ANSWER.search(line.text)
        return Trouble(line.at, line.function, "ERROR", found[0], "", "") if found else None
    if "_aws" in said:
        return _measured(line.at, said)
    if said.get("level") in TROUBLE:
        words = (str(said.get(name) or "") for name in ("level", "message", "exception_name", "stream_id"))
        return Trouble(line.at, line.function, *words)
    match said:
        case {
            "message": "request",
            "service": str(service),
            "status": int(status),
            "duration_ms": int() | float() as ms,
        }:
            return Request(line.at, service, str(said.get("route", "")), status, ms)
        case {"message": "sweep"}:
            counts = {name: value for name, value in said.items() if type(value) is int}
            return Swept(line.at, counts)
    return None


def _measured(at: float, said: Mapping[str, Any]) -> Measured:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
    names = [metric["Name"] for each in said["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]]
    values = {name: said[name] for name in names if name in said}
    return Measured(
        at,
        str(said.get("service", "")),
        {name: tuple(map(float, value if isinstance(value, list) else [value])) for name, value in values.items()},
    )
