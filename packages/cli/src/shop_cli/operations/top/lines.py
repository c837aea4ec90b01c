"""Reads a line of a function's log. Lines that Lambda writes (START, END, REPORT) are skipped, unless they explain why
the shop has written none itself."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

NO_ANSWER: Final = re.compile(
    r"Task timed out after [\d.]+ seconds|Runtime exited|(?<=^\[ERROR\] )(?!InvocationFailedError)[\w.]+"
)
"""Lambda writes this in plain text when the function can log nothing more. Only these words of it are shown: an
exception's type, and not its message. The function itself has logged the cause of an InvocationFailedError."""
TROUBLE: Final = ("WARNING", "ERROR", "CRITICAL")


@dataclass(frozen=True, slots=True)
class LogLine:
    id: str
    """The id stays the same however often the line is read."""
    at: float
    function: str
    """A function is named without its stage, as in `shop-command-api`."""
    text: str


@dataclass(frozen=True, slots=True)
class LoggedRequest:
    at: float
    service: str
    route: str
    status: int
    duration_ms: float


@dataclass(frozen=True, slots=True)
class Measured:
    """One invocation has recorded these metrics."""

    at: float
    service: str
    values: Mapping[str, tuple[float, ...]]


@dataclass(frozen=True, slots=True)
class Swept:
    at: float
    counts: Mapping[str, int]
    """The sweep logs these counts under the same names: `due`, `published` and so on."""


@dataclass(frozen=True, slots=True)
class Trouble:
    at: float
    function: str
    level: str
    message: str
    exception_name: str
    stream_id: str


Entry = LoggedRequest | Measured | Swept | Trouble


def read(line: LogLine) -> Entry | None:
    try:
        entry = json.loads(line.text) if line.text.startswith("{") else None
    except ValueError:  # cut off by CloudWatch at its largest size
        return None
    if not isinstance(entry, dict):
        found = NO_ANSWER.search(line.text)
        return Trouble(line.at, line.function, "ERROR", found[0], "", "") if found else None
    if "_aws" in entry:
        return _measured(line.at, entry)
    if entry.get("level") in TROUBLE:
        words = (str(entry.get(name) or "") for name in ("level", "message", "exception_name", "stream_id"))
        return Trouble(line.at, line.function, *words)
    match entry:
        case {
            "message": "request",
            "service": str(service),
            "status": int(status),
            "duration_ms": int() | float() as ms,
        }:
            return LoggedRequest(line.at, service, str(entry.get("route", "")), status, ms)
        case {"message": "sweep"}:
            counts = {name: value for name, value in entry.items() if type(value) is int}
            return Swept(line.at, counts)
    return None


def _measured(at: float, entry: Mapping[str, Any]) -> Measured:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html"""
    names = [metric["Name"] for each in entry["_aws"]["CloudWatchMetrics"] for metric in each["Metrics"]]
    values = {name: entry[name] for name in names if name in entry}
    return Measured(
        at,
        str(entry.get("service", "")),
        {name: tuple(map(float, value if isinstance(value, list) else [value])) for name, value in values.items()},
    )
