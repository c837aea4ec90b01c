"""Every handler's work is logged, measured and traced."""

import json
import traceback
from typing import Any

import pytest

from shop_observability import metrics
from shop_observability.invocation import InvocationFailedError, invocation
from shop_observability.metrics import Metric, count
from shop_observability.testing import PARENT, ROOT, Daemon, listening_to_logs

CANARY = "canary-5f0a"
LAMBDAS = "1-5759e988-aaaaaaaaaaaaaaaaaaaaaaaa"
"""Lambda's own trace of the invocation has this id."""


def lines(capsys: pytest.CaptureFixture[str]) -> list[dict[str, Any]]:
    return [json.loads(line) for line in capsys.readouterr().out.splitlines()]


def test_what_is_raised_is_logged_inside_of_the_segment_and_leaves_without_its_message() -> None:
    with (
        listening_to_logs() as log,
        pytest.raises(InvocationFailedError) as raised,
        invocation("shop-test", f"Root={ROOT}", function="project"),
    ):
        raise LookupError(CANARY)
    [line] = log.lines()
    assert (line["message"], line["level"], line["exception_name"]) == ("failed", "ERROR", "LookupError")
    assert (line["trace_id"], line["function"]) == (ROOT, "project")
    assert str(raised.value) == "LookupError"
    # What Lambda's runtime prints, and answers to whoever has invoked the function.
    assert CANARY not in "".join(traceback.format_exception(raised.value)) + log.text


@pytest.mark.parametrize(("sampled", "links"), [("1", [{"trace_id": LAMBDAS, "id": PARENT}]), ("0", None)])
def test_a_segment_of_a_clients_trace_names_lambdas_and_links_it_where_it_is_recorded(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, sampled: str, links: list[dict[str, str]] | None
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={LAMBDAS};Parent={PARENT};Sampled={sampled}")
    with invocation("shop-test", f"Root={ROOT};Sampled=1", route="GET /products"):
        pass
    (document,) = daemon.documents()
    assert document["trace_id"] == ROOT
    assert "parent_id" not in document
    assert document["annotations"] == {"route": "GET /products", "invocation_trace_id": LAMBDAS}
    assert document.get("links") == links


def test_without_a_client_a_segment_is_inside_of_lambdas_own(daemon: Daemon, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={LAMBDAS};Parent={PARENT};Sampled=1")
    with invocation("shop-test", f"Root={ROOT}", route="GET /products"):
        pass
    (document,) = daemon.documents()
    assert (document["trace_id"], document["parent_id"]) == (LAMBDAS, PARENT)
    assert document["annotations"] == {"route": "GET /products"}
    assert "links" not in document


def test_what_was_counted_is_said_once_also_by_an_invocation_that_fails(capsys: pytest.CaptureFixture[str]) -> None:
    def fail() -> None:
        with invocation("shop-test"):
            count(Metric.COMMIT_CONFLICTS)
            raise ValueError

    with listening_to_logs(), pytest.raises(InvocationFailedError):
        fail()
    with invocation("shop-test"):
        count(Metric.EVENTS_SWEPT)
    assert [sorted(line) for line in lines(capsys)] == [
        ["CommitConflicts", "_aws", "service", "stage"],
        ["EventsSwept", "_aws", "service", "stage"],
    ]


def test_an_answer_that_was_given_stands_although_its_metrics_could_not_be_said(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("POWERTOOLS_METRICS_NAMESPACE")
    metrics._line.cache_clear()
    answered = False
    with listening_to_logs() as log, invocation("shop-test"):
        count(Metric.EVENTS_SWEPT)
        answered = True
    assert answered
    assert [line["message"] for line in log.lines()] == ["metrics are lost"]
    assert lines(capsys) == []


def test_the_first_invocation_says_that_it_is(capsys: pytest.CaptureFixture[str], monkeypatch: Any) -> None:
    monkeypatch.setattr(metrics, "_is_cold", True)
    for _ in range(2):
        with invocation("shop-test"):
            pass
    assert [line["ColdStarts"] for line in lines(capsys)] == [[1.0]]
