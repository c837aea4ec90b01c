"""What commands, reads and events demand, from counts.json, the packaged stacks and the times that aws.toml assumes."""

import json
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any, Final

from bench.aws import assumed, limit
from bench.stacks import setting

COUNTS: Final = Path(__file__).with_name("counts.json")
PURCHASE: Final = ("reservation", "purchase", "webhook")
"""A sale is a reservation, its payment, and the provider's webhook that the payment has succeeded."""


@cache
def _counted() -> Mapping[str, Mapping[str, Any]]:
    counted: Mapping[str, Mapping[str, Any]] = json.loads(COUNTS.read_text(encoding="utf-8"))
    return counted


def counted(command: str, what: str) -> float:
    return float(_counted()[command].get(what, 0))


def calls(command: str, service: str = "") -> int:
    return sum(number for name, number in _counted()[command]["aws"].items() if name.startswith(service))


def provider_calls(command: str, *names: str) -> int:
    """Counts the calls of these names, or all."""
    provider = _counted()[command].get("provider", {})
    return sum(number for name, number in provider.items() if not names or name in names)


def of_sale(what: str) -> float:
    return sum(counted(command, what) for command in PURCHASE)


def provider_calls_of_sale(*names: str) -> int:
    return sum(provider_calls(command, *names) for command in PURCHASE)


def event_bytes() -> float:
    return of_sale("events_bytes") / of_sale("events")


def memory_gb(stack: str, function: str) -> float:
    return float(setting("production", stack, f"{function}LambdaFunction", "MemorySize")) / 1024


def processors(stack: str, function: str) -> float:
    """Returns the share of a processor that Lambda gives for the function's memory: one at most for a single thread."""
    return min(1.0, memory_gb(stack, function) * 1024 / limit("lambda_mb_of_processor"))


def command_seconds(command: str, function: str = "Api") -> float:
    """Returns how long a warm invocation of shop-command takes, its calls one after the other."""
    made, asked = calls(command), provider_calls(command)
    waiting = made * assumed("call_seconds") + asked * assumed("provider_call_seconds")
    return waiting + (made + asked) * assumed("call_processor_seconds") / processors("shop-command", function)


def project_seconds(events: float) -> float:
    """Returns how long a warm invocation takes that applies so many events."""
    of_event = assumed("project_event_processor_seconds") / processors("shop-dispatch", "Project")
    return assumed("project_batch_seconds") + events * (of_event + assumed("project_event_database_seconds"))
