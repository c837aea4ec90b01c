"""The last minute, folded of lines that come late, in any order and again and again."""

import json
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shop_cli.operations.top import window
from shop_cli.operations.top.window import LogLine, Window
from shop_observability.metrics import Metric

NOW = 1_800_000_000.0


def line(at: float, text: str | dict[str, Any], name: str = "", function: str = "shop-command-api") -> LogLine:
    text = text if isinstance(text, str) else json.dumps(text)
    return LogLine(name or f"{at} {text}", at, function, text)


def request(at: float, name: str = "", **messages: Any) -> LogLine:
    usual = {"level": "INFO", "message": "request", "service": "shop-query", "route": "GET /products"}
    return line(at, {**usual, "status": 200, "duration_ms": 2.5, **messages}, name)


def metrics(at: float, service: str = "shop-command", **values: Any) -> LogLine:
    metadata = {"CloudWatchMetrics": [{"Namespace": "Shop", "Metrics": [{"Name": name} for name in values]}]}
    return line(at, {"_aws": metadata, "service": service, **values}, f"{at} {service} {values}")


def trouble(at: float, level: str = "ERROR", **messages: Any) -> LogLine:
    return line(at, {"level": level, "message": "could not be swept", "service": "shop-command", **messages})


def sample(*lines: LogLine, now: float = NOW) -> dict[str, Any]:
    folded = Window()
    folded.add(lines, now)
    return folded.document(now)


def test_what_is_counted_for_the_log_alone_is_shown_like_metrics() -> None:
    for_cloudwatch = metrics(NOW, EventsPublished=[3.0])
    for_the_log = replace(for_cloudwatch, text=for_cloudwatch.text.replace('"_aws"', '"metrics"'))
    assert sample(for_the_log) == sample(for_cloudwatch) != sample()


def counted(folded: Window, now: float) -> int:
    return sum(each["count"] for each in folded.document(now)["requests"])


@given(
    st.lists(st.floats(-400, 3), max_size=40),
    st.lists(st.tuples(st.floats(0, 30), st.floats(0, 200), st.randoms(use_true_random=False)), min_size=1, max_size=8),
)
def test_no_line_is_counted_twice_and_none_of_the_last_minute_left_out(
    ages: list[float], looks: list[tuple[float, float, Any]]
) -> None:
    """Each look reads again what it likes, in any order, once it has happened."""
    all_lines = [request(NOW + age, name=str(number)) for number, age in enumerate(ages)]
    folded, now, read_ones = Window(), NOW, dict[str, LogLine]()
    for seconds, overlap, randomness in looks:
        now += seconds
        some = [each for each in all_lines if each.at > now - overlap]
        randomness.shuffle(some)
        folded.add(some, now)
        read_ones |= {each.id: each for each in some}
        assert counted(folded, now) == sum(each.at > now - 60 for each in read_ones.values())


def test_the_window_slides_and_troubles_stay() -> None:
    folded = Window()
    folded.add([request(NOW - 59), request(NOW), trouble(NOW - 59)], NOW)
    assert [counted(folded, now) for now in (NOW, NOW + 2, NOW + 61)] == [2, 1, 0]
    folded.add([request(NOW - 59), trouble(NOW - 59)], NOW + 200)
    later = folded.document(NOW + 200)
    assert (counted(folded, NOW + 200), len(later["troubles"])) == (0, 1)
    folded.add([trouble(NOW - 59)], NOW + 600)  # forgotten, and too old to be read anew
    assert len(folded.document(NOW + 600)["troubles"]) == 1


def test_a_late_line_and_one_of_a_clock_that_is_ahead_are_counted() -> None:
    folded = Window()
    folded.add([request(NOW - 1)], NOW)
    folded.add([request(NOW - 30), request(NOW + 2, name="a clock that is ahead")], NOW)
    assert counted(folded, NOW) == 3


def test_requests_are_told_by_function_and_by_route() -> None:
    shown = sample(
        *(request(NOW - each, duration_ms=each) for each in range(1, 51)),
        request(NOW, service="shop-command", route="POST /purchase", status=402, duration_ms=80),
        request(NOW, service="shop-command", route="POST /purchase", status=503, duration_ms=8_000.5),
    )
    command, query = shown["requests"]
    assert (command["name"], command["count"], command["statuses"]) == ("shop-command", 2, {"402": 1, "503": 1})
    assert command["duration_ms"]["p99"] == 8_000.5
    assert (query["per_second"], query["duration_ms"]) == (0.833, {"count": 50, "p50": 25, "p99": 50})
    assert [(each["name"], each["count"]) for each in shown["routes"]] == [("GET /products", 50), ("POST /purchase", 2)]


def test_metrics_are_summed_by_their_names() -> None:
    shown = sample(
        metrics(NOW - 5, CommandsAccepted=[1.0], EventsPublished=[2.0], PaymentCallMilliseconds=[6.0, 4.0]),
        metrics(NOW - 4, CommandsAccepted=1, ColdStarts=1, PaymentsUnknown=[1.0]),
        metrics(NOW - 3, "shop-dispatch", EventsApplied=[2.0], EventsWaiting=[3.0], SecondsToVisible=[0.5]),
        metrics(NOW - 2, "shop-dispatch", EventsApplied=[1.0], EventsWaiting=[0.0], EventsArchived=[4.0]),
        metrics(NOW - 61, CommandsAccepted=[100.0]),
    )
    assert {name: number for name, number in shown["counts"].items() if number} == {
        "CommandsAccepted": 2,
        "PaymentsUnknown": 1,
    }
    flows = {name: flow["count"] for name, flow in shown["events"].items()}
    assert flows == {"published": 2, "applied": 3, "archived": 4}
    assert shown["provider_ms"] == {"count": 2, "p50": 4, "p99": 6}
    assert shown["visible_seconds"] == {"count": 1, "p50": 0.5, "p99": 0.5}
    assert (shown["waiting"], shown["cold_starts"]) == (3, {"shop-command": 1, "shop-query": 0, "shop-dispatch": 0})


def test_every_metric_that_is_shown_is_one_that_the_functions_have() -> None:
    named = {*window.COUNTS, *window.FLOWS.values(), window.PROVIDER, window.VISIBLE, window.WAITING, window.COLD}
    assert named <= {metric.value for metric in Metric}


def test_the_last_sweep_is_the_newest_whenever_its_line_comes() -> None:
    def swept(at: float, due: int) -> LogLine:
        return line(at, {"level": "INFO", "message": "sweep", "due": due, "published": 1, "function": "sweep"})

    shown = sample(swept(NOW - 1, 7), swept(NOW - 61, 9))
    assert shown["sweep"] == {"at": window.moment(NOW - 1), "due": 7, "published": 1}


def test_troubles_are_the_newest_first_with_what_they_are_about() -> None:
    shown = sample(
        trouble(NOW - 9, "WARNING"),
        trouble(NOW - 100, exception_name="KeyError", stream_id="product-MUG"),
        line(NOW, "2026-11-23T19:00:00Z 7f12 Task timed out after 29.00 seconds\n", function="shop-query-api"),
        line(NOW, "RequestId: 7f12 Error: Runtime exited with error: signal: killed"),
        line(NOW, "[ERROR] Runtime.ImportModuleError: Unable to import module 'handler': No module named 'secret'"),
        line(NOW, "[ERROR] InvocationFailedError: KeyError\rTraceback (most recent call last):"),
        *(line(NOW - 1, text) for text in ("START RequestId: 7f12", "{cut off", "[1]", '{"level":"INFO"}', "")),
    )
    assert shown["troubles"][0] == {
        "at": window.moment(NOW),
        "function": "shop-query-api",
        "level": "ERROR",
        "message": "Task timed out after 29.00 seconds",
        "exception_name": "",
        "stream_id": "",
    }
    assert [(each["message"], each["exception_name"], each["stream_id"]) for each in shown["troubles"][1:]] == [
        ("Runtime exited", "", ""),
        ("Runtime.ImportModuleError", "", ""),
        ("could not be swept", "", ""),
        ("could not be swept", "KeyError", "product-MUG"),
    ]


def test_only_the_newest_troubles_are_kept() -> None:
    shown = sample(*(trouble(NOW - each) for each in range(250)))
    assert [each["at"] for each in shown["troubles"]] == [window.moment(NOW - n) for n in range(window.TROUBLES_MAX)]


@pytest.mark.parametrize("messages", [{"status": "200"}, {"duration_ms": None}, {"service": None}])
def test_a_line_that_is_not_as_ours_are_is_nothing(messages: dict[str, Any]) -> None:
    assert sample(request(NOW, **messages))["routes"] == []
