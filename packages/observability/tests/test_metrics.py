import json
from typing import Any

import pytest
from aws_lambda_powertools.metrics import SchemaValidationError

from shop_observability.metrics import Unit, emit


@pytest.fixture(autouse=True)
def function(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Shop")
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "shop-test")


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_one_line_holds_all_metrics_with_namespace_service_units_and_values(
    capsys: pytest.CaptureFixture[str],
) -> None:
    emit(OldestSeconds=(Unit.Seconds, 12.5), DueCount=(Unit.Count, 3))
    (line,) = lines(capsys)
    about = line.pop("_aws")
    assert isinstance(about.pop("Timestamp"), int)
    assert about == {
        "CloudWatchMetrics": [
            {
                "Namespace": "Shop",
                "Dimensions": [["service"]],
                "Metrics": [{"Name": "OldestSeconds", "Unit": "Seconds"}, {"Name": "DueCount", "Unit": "Count"}],
            }
        ]
    }
    assert line == {"service": "shop-test", "OldestSeconds": [12.5], "DueCount": [3.0]}


def test_two_lines_do_not_mix(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    emit(First=(Unit.Count, 1), Both=(Unit.Count, 2))
    monkeypatch.setenv("POWERTOOLS_SERVICE_NAME", "shop-other")
    emit(Both=(Unit.Seconds, 0), Second=(Unit.Count, 3))
    contents = [{name: value for name, value in line.items() if name != "_aws"} for line in lines(capsys)]
    assert contents == [
        {"service": "shop-test", "First": [1.0], "Both": [2.0]},
        {"service": "shop-other", "Both": [0.0], "Second": [3.0]},
    ]


def test_what_one_line_could_not_say_is_in_no_other(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE")
    with pytest.raises(SchemaValidationError):
        emit(Lost=(Unit.Count, 1))
    monkeypatch.setenv("POWERTOOLS_METRICS_NAMESPACE", "Shop")
    emit(Kept=(Unit.Count, 2))
    assert [sorted(line) for line in lines(capsys)] == [["Kept", "_aws", "service"]]
