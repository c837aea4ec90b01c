import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from threading import Barrier
from typing import Any

import pytest

from shop_observability import metrics
from shop_observability.metrics import Metric, count, measure
from shop_observability.testing import listening_to_logs

Lines = Callable[[], list[dict[str, Any]]]


@pytest.fixture
def lines(capsys: pytest.CaptureFixture[str]) -> Lines:
    return lambda: [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def values(line: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in line.items() if name not in ("_aws", "service", "stage")}


def test_one_line_holds_all_metrics_with_namespace_service_units_and_values(lines: Lines) -> None:
    measure(Metric.OLDEST_UNPUBLISHED_SECONDS, 12.5)
    count(Metric.EVENTS_PUBLISHED, 3)
    metrics.flush()
    (line,) = lines()
    metadata = line.pop("_aws")
    assert isinstance(metadata.pop("Timestamp"), int)
    assert metadata == {
        "CloudWatchMetrics": [
            {
                "Namespace": "Shop",
                "Dimensions": [["stage", "service"]],
                "Metrics": [
                    {"Name": "OldestUnpublishedSeconds", "Unit": "Seconds"},
                    {"Name": "EventsPublished", "Unit": "Count"},
                ],
            }
        ]
    }
    assert line.pop("stage") == "test"
    assert line == {"service": "shop-test", "OldestUnpublishedSeconds": [12.5], "EventsPublished": [3.0]}


def test_what_is_for_the_log_alone_has_nothing_of_which_cloudwatch_makes_metrics(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(Metric.EVENTS_PUBLISHED, 3)
    metrics.flush()
    monkeypatch.setenv("SHOP_METRICS", "logs")
    count(Metric.EVENTS_PUBLISHED, 3)
    metrics.flush()
    for_cloudwatch, for_the_log = lines()
    described, metadata = (for_the_log.pop("metrics"), for_cloudwatch.pop("_aws"))
    assert described["CloudWatchMetrics"] == metadata["CloudWatchMetrics"]
    assert for_the_log == for_cloudwatch


def test_threads_count_together(lines: Lines) -> None:
    started = Barrier(8)

    def counting(_: int) -> None:
        started.wait()
        for _ in range(1_000):
            count(Metric.EVENTS_PUBLISHED)

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(counting, range(8)))
    metrics.flush()
    [line] = lines()
    assert line["EventsPublished"] == [8_000.0]


def test_counts_are_added_up_and_what_is_measured_is_kept_value_by_value(lines: Lines) -> None:
    for milliseconds in (0.0, 7.5):
        count(Metric.COMMIT_RETRIES)
        measure(Metric.PAYMENT_CALL_MILLISECONDS, milliseconds)
    count(Metric.COMMIT_CONFLICTS, 0)
    metrics.flush()
    (line,) = lines()
    assert values(line) == {"CommitRetries": [2.0], "PaymentCallMilliseconds": [0.0, 7.5]}


def test_nothing_is_said_of_nothing(lines: Lines) -> None:
    metrics.flush()
    count(Metric.EVENTS_SWEPT, 0)
    metrics.flush()
    assert lines() == []


@pytest.mark.parametrize("calls", [99, 100, 101, 200, 250])
def test_more_values_than_a_line_may_have_are_all_said(lines: Lines, calls: int) -> None:
    for call in range(calls):
        measure(Metric.PAYMENT_CALL_MILLISECONDS, call)
    metrics.flush()
    written = [line["PaymentCallMilliseconds"] for line in lines()]
    assert [value for each in written for value in each] == list(range(calls))
    assert max(map(len, written)) <= 100


def test_what_one_invocation_could_not_say_is_logged_and_in_no_others_line(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    count(Metric.COMMANDS_FAILED)
    with monkeypatch.context() as patch, listening_to_logs() as log:
        patch.delenv("POWERTOOLS_METRICS_NAMESPACE")
        metrics._line.cache_clear()
        metrics.flush()
    [error] = log.lines()
    assert (error["message"], error["exception_name"]) == ("metrics are lost", "SchemaValidationError")
    count(Metric.COMMANDS_ACCEPTED)
    metrics.flush()
    assert [values(line) for line in lines()] == [{"CommandsAccepted": [1.0]}]


def test_what_an_invocation_that_was_ended_in_the_middle_has_counted_is_in_no_others_line(lines: Lines) -> None:
    count(Metric.EVENTS_APPLIED, 7)
    metrics.begin()
    count(Metric.EVENTS_WAITING)
    metrics.flush()
    assert [values(line) for line in lines()] == [{"EventsWaiting": [1.0]}]


def test_where_metrics_are_disabled_there_is_no_line_however_many_values(
    lines: Lines, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_DISABLED", "true")
    for _ in range(300):
        measure(Metric.PAYMENT_CALL_MILLISECONDS, 1)
    metrics.flush()
    monkeypatch.delenv("POWERTOOLS_METRICS_DISABLED")
    metrics.flush()
    assert lines() == []


def test_the_first_invocation_of_an_environment_is_a_cold_start(lines: Lines, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(metrics, "_is_cold", True)
    for _ in range(3):
        metrics.begin()
        metrics.flush()
    assert [values(line) for line in lines()] == [{"ColdStarts": [1.0]}]


def test_each_metric_has_the_name_that_it_is_written_by_in_code() -> None:
    for metric in Metric:
        assert metric.value.upper() == metric.name.replace("_", "")
        assert str(metric) == metric.value
