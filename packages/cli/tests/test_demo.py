"""What the demonstration makes of what it finds, and of what it does not find."""

import io
from collections.abc import Callable
from typing import Any

import httpx
import pytest
from rich.console import Console

from shop_cli.local import demo
from shop_cli.local.home import State
from shop_cli.operations import archive, events
from shop_cli.operations.athena import run as athena
from shop_cli.operations.trace import source, traces
from shop_cli.progress import ProgressDisplay
from shop_cli.target import Target

STREAM = "reservation-1"
PURCHASE = {"purchase_id": "1", "stream_id": STREAM, "stream_version": 2}
EVENTS = [
    {"streamversion": version, "type": f"shop.t{version}.v1", "time": "2026-01-02T03:04:05.678901Z", "id": str(version)}
    for version in (1, 2)
]


def trace(*names: str, end: float | None = 2.0) -> traces.RecordedTrace:
    spans = [traces.Span(name, None, name, name, 1.0, end, is_segment=True) for name in names]
    return traces.RecordedTrace("1-2-3", tuple(spans))


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Each system answers this; a test takes some of it away."""
    found: dict[str, Any] = {
        "DynamoDB": EVENTS,
        "S3": {"a-key": ["shop.t1.v1"], "another": ["shop.t2.v1"]},
        "Athena": athena.Result(["version", "data"], ["integer", "varchar"], [["1", "{}"], ["2", None]], 0),
        "X-Ray": trace(*demo.HOPS),
    }
    read: dict[str, Callable[..., Any]] = {name: (lambda *_, name=name: found[name]) for name in found}
    monkeypatch.setattr(events, "read", read["DynamoDB"])
    monkeypatch.setattr(archive, "objects_with", read["S3"])
    monkeypatch.setattr(athena, "ask", read["Athena"])
    monkeypatch.setattr(source, "read", read["X-Ray"])
    monkeypatch.setattr(demo, "WAIT_SECONDS", 0.0)
    # The read model is checked with a real one, end to end.
    monkeypatch.setattr(demo.Demo, "_rows", lambda *_: "rows")
    return found


def look() -> tuple[list[str], str]:
    output = io.StringIO()
    progress, customer = ProgressDisplay(Console(file=output, width=140)), demo.Customer(httpx.Client())
    missing = demo.Demo(Target("local", State()), progress, customer).look_into_each_system(PURCHASE)
    return missing, output.getvalue()


def test_a_purchase_that_is_everywhere_misses_nothing(found: dict[str, Any]) -> None:
    missing, output = look()
    assert missing == []
    for shown in ("shop.t2.v1", "03:04:05.678", "another", "postgresql"):
        assert shown in output


@pytest.mark.parametrize(
    ("system", "instead", "named"),
    [
        ("DynamoDB", EVENTS[:1], "DynamoDB: its events (1 of 2 events)"),
        ("S3", {"a-key": ["shop.t1.v1"]}, "S3: the objects with its events (1 of 2 kinds of events in 1 objects)"),
        ("Athena", athena.Result(["version"], ["integer"], [], 0), "Athena: the query stream-history (0 of 2 rows)"),
        ("X-Ray", trace(*(demo.HOPS - {"Firehose"})), "(without Firehose)"),
        ("X-Ray", trace(*demo.HOPS, end=None), "(with something still under way)"),
    ],
)
def test_what_is_missing_is_named(found: dict[str, Any], system: str, instead: Any, named: str) -> None:
    found[system] = instead
    missing, output = look()
    assert len(missing) == 1
    assert missing[0].startswith(f"{system}: ")
    assert missing[0].endswith(named)
    assert "not found" in output
