"""Alarms and dashboard watch metrics that there are, of what there is, and somebody is told what to do."""

import ast
import json
import re
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any, Final, NamedTuple

import pytest

from shop_cli.local.build import FUNCTIONS
from shop_observability.metrics import Metric

CHECKOUT = Path(__file__).parents[2]
# The metrics that AWS documents, as far as they are used here, by namespace and dimensions.
DOCUMENTED: Final = {
    # https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-metrics.html
    ("AWS/ApiGateway", "ApiId"): {"4xx", "5xx", "Count", "Latency"},
    # https://docs.aws.amazon.com/lambda/latest/dg/monitoring-metrics-types.html
    ("AWS/Lambda", "FunctionName"): {
        *("Invocations", "Errors", "Throttles", "Duration", "ConcurrentExecutions", "IteratorAge"),
    },
    ("AWS/Lambda", "EventSourceMappingUUID"): {"DroppedEventCount", "OnFailureDestinationDeliveredEventCount"},
    # https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/metrics-dimensions.html
    ("AWS/DynamoDB", "TableName"): {"ReadThrottleEvents", "WriteThrottleEvents"},
    ("AWS/DynamoDB", "TableName", "GlobalSecondaryIndexName"): {"ReadThrottleEvents", "WriteThrottleEvents"},
    ("AWS/DynamoDB", "TableName", "Operation"): {"SystemErrors"},
    # https://docs.aws.amazon.com/streams/latest/dev/monitoring-with-cloudwatch.html
    ("AWS/Kinesis", "StreamName"): {"IncomingRecords", "WriteProvisionedThroughputExceeded"},
    # https://docs.aws.amazon.com/firehose/latest/dev/monitoring-with-cloudwatch-metrics.html
    ("AWS/Firehose", "DeliveryStreamName"): {
        *("BackupToS3.DataFreshness", "DeliveryToS3.DataFreshness", "FailedConversion.Records", "ThrottledRecords"),
    },
    # https://docs.aws.amazon.com/AmazonRDS/latest/AuroraUserGuide/Aurora.AuroraMonitoring.Metrics.html
    ("AWS/RDS", "DBClusterIdentifier"): {
        *("ACUUtilization", "AuroraReplicaLag", "DatabaseConnections", "MaximumUsedTransactionIDs"),
    },
}
KINDS: Final = {
    "ApiId": "AWS::ApiGatewayV2::Api",
    "FunctionName": "AWS::Lambda::Function",
    "EventSourceMappingUUID": "AWS::Lambda::EventSourceMapping",
    "TableName": "AWS::DynamoDB::Table",
    "StreamName": "AWS::Kinesis::Stream",
    "DeliveryStreamName": "AWS::KinesisFirehose::DeliveryStream",
    "DBClusterIdentifier": "AWS::RDS::DBCluster",
}
SILENCE_IS_THE_FAILURE: Final = {"sweep-silent", "reconciliation-behind"}
# What the emulator's CloudFormation refuses, alarms computed from several metrics, and what its services don't tell.
ON_AWS_ONLY: Final = {
    *("answers-failing", "store-throttled", "archive-unwritten", "parquet-late", "parquet-failed"),
    *("database-full", "database-connections", "database-wraparound"),
    *("commands-failing", "project-silent", "archive-silent", "events-given-up", "refusals"),
}

Template = dict[str, Any]
Templates = dict[str, Template]
Packaged = Callable[[str], Templates]


class Watched(NamedTuple):
    namespace: str
    metric: str
    dimensions: dict[str, Any]
    """Each value is a text, or refers to a resource as {"Ref": name}."""


def of_type(template: Template, kind: str) -> dict[str, Any]:
    return {name: it["Properties"] for name, it in template["Resources"].items() if it["Type"] == kind}


def alarms(templates: Templates) -> Iterator[tuple[str, dict[str, Any]]]:
    for service, template in templates.items():
        for alarm in of_type(template, "AWS::CloudWatch::Alarm").values():
            yield service, alarm


def short(alarm: dict[str, Any], service: str, stage: str) -> str:
    name: str = alarm["AlarmName"]
    assert name.startswith(f"{service}-{stage}-")
    return name.removeprefix(f"{service}-{stage}-")


def watched_by(alarm: dict[str, Any]) -> list[Watched]:
    stats = [it["MetricStat"]["Metric"] for it in alarm.get("Metrics", []) if "MetricStat" in it] or [alarm]
    return [
        Watched(it["Namespace"], it["MetricName"], {each["Name"]: each["Value"] for each in it["Dimensions"]})
        for it in stats
    ]


def dashboard(template: Template) -> tuple[dict[str, Any], dict[str, Any]]:
    """Returns the dashboard's body, and the values of the variables in it."""
    [found] = of_type(template, "AWS::CloudWatch::Dashboard").values()
    text, variables = found["DashboardBody"]["Fn::Sub"]
    body: dict[str, Any] = json.loads(text)
    return body, variables


def shown_on(template: Template) -> list[Watched]:
    body, variables = dashboard(template)

    def value(text: str) -> Any:
        variable = re.fullmatch(r"\$\{(\w+)\}", text)
        return variables.get(variable[1], {"Ref": variable[1]}) if variable else text

    rows = [row for it in body["widgets"] if it["type"] == "metric" for row in it["properties"]["metrics"]]
    plain = [[each for each in row if isinstance(each, str)] for row in rows]
    return [Watched(row[0], row[1], {n: value(v) for n, v in zip(row[2::2], row[3::2], strict=True)}) for row in plain]


def emitted_by(service: str) -> set[str]:
    """The function's own code counts, and what it has from shop_observability and, behind the API, from shop_http."""
    shared = ["observability"] if service == "shop-dispatch" else ["observability", "http"]
    folders = [CHECKOUT / "functions" / service / "src", *(CHECKOUT / "packages" / it / "src" for it in shared)]
    trees = [ast.parse(file.read_text()) for folder in folders for file in folder.rglob("*.py")]
    return {
        Metric[node.attr].value
        for tree in trees
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "Metric"
    }


def is_there(watched: Watched, template: Template, templates: Templates) -> bool:
    if watched.namespace == "Shop":
        assert set(watched.dimensions) == {"service", "stage"}
        return watched.metric in emitted_by(watched.dimensions["service"])
    named = {f.get("FunctionName") for t in templates.values() for f in of_type(t, "AWS::Lambda::Function").values()}
    recorded = re.findall(r"stream/(.+)", (CHECKOUT / "config" / "platform-recorded.yml").read_text())
    named |= {name.replace("${sls:stage}", stage) for name in recorded for stage in ("production", "local")}
    for name, value in watched.dimensions.items():
        if isinstance(value, dict) and template["Resources"][value["Ref"]]["Type"] != KINDS[name]:
            return False
        if isinstance(value, str) and name in KINDS and value not in named:
            return False
    return watched.metric in DOCUMENTED[watched.namespace, *watched.dimensions]


@pytest.mark.parametrize("stage", ["production", "local"])
def test_every_alarm_watches_metrics_that_there_are_of_what_there_is(packaged: Packaged, stage: str) -> None:
    templates = packaged(stage)
    missing = [
        watched
        for service, alarm in alarms(templates)
        for watched in watched_by(alarm)
        if not is_there(watched, templates[service], templates) or watched.dimensions.get("service", service) != service
    ]
    assert missing == []


@pytest.mark.parametrize("stage", ["production", "local"])
def test_every_alarm_tells_the_topic_and_only_those_of_schedules_miss_data(packaged: Packaged, stage: str) -> None:
    for service, alarm in alarms(packaged(stage)):
        [topic] = alarm["AlarmActions"]
        assert topic == {"Ref": "AlarmTopic"} if service == "shop-platform" else topic.startswith("arn:aws:sns:")
        assert alarm["OKActions"] in ([], [topic])
        assert alarm["AlarmDescription"]
        silence = "breaching" if short(alarm, service, stage) in SILENCE_IS_THE_FAILURE else "notBreaching"
        assert alarm["TreatMissingData"] == silence


def test_the_emulator_has_every_alarm_that_it_can_make(production: Templates, local: Templates) -> None:
    on_aws = {(service, short(alarm, service, "production")) for service, alarm in alarms(production)}
    on_emulator = {(service, short(alarm, service, "local")) for service, alarm in alarms(local)}
    assert on_emulator < on_aws
    assert {name for _, name in on_aws - on_emulator} == ON_AWS_ONLY


def test_an_alarm_that_is_computed_returns_its_expression_alone(production: Templates) -> None:
    for _, alarm in alarms(production):
        if metrics := alarm.get("Metrics"):
            assert [it["Id"] for it in metrics if it.get("ReturnData", True)] == [metrics[0]["Id"]]
            names = set(re.findall(r"\b[a-z]\w*", metrics[0]["Expression"]))
            assert names == {it["Id"] for it in metrics[1:]}
            assert len({it["MetricStat"]["Period"] for it in metrics[1:]}) == 1


def test_every_alarm_has_its_section_of_what_to_do_and_no_section_is_without_one(production: Templates) -> None:
    document = (CHECKOUT / "docs" / "operations.md").read_text()
    sections = re.findall(r"^### (.+)$", document.split("\n## Alarms\n")[1].split("\n## ")[0], re.MULTILINE)
    assert len(sections) == len(set(sections))
    assert set(sections) == {short(alarm, service, "production") for service, alarm in alarms(production)}


def test_every_metric_of_the_code_has_its_row_in_the_operations_document_and_no_row_is_without_one() -> None:
    document = (CHECKOUT / "docs" / "operations.md").read_text()
    rows = re.findall(r"^\| `(\w+)` \|", document.split("\n## Metrics\n")[1].split("\n## ")[0], re.MULTILINE)
    assert sorted(rows) == sorted(metric.value for metric in Metric)


@pytest.mark.parametrize("stage", ["production", "local"])
def test_the_dashboard_shows_metrics_that_there_are(packaged: Packaged, stage: str) -> None:
    templates = packaged(stage)
    shown = shown_on(templates["shop-platform"])
    if stage == "local":  # no Aurora
        shown = [it for it in shown if it.dimensions != {"DBClusterIdentifier": "none"}]
    assert [it for it in shown if not is_there(it, templates["shop-platform"], templates)] == []


def test_the_dashboard_shows_every_alarm_and_every_metric_of_the_code(production: Templates) -> None:
    body, variables = dashboard(production["shop-platform"])
    assert variables["Alarm"]["Fn::Sub"].endswith(":cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm")
    [states] = [it["properties"]["alarms"] for it in body["widgets"] if it["type"] == "alarm"]
    assert sorted(states) == sorted(f"${{Alarm}}:{alarm['AlarmName']}" for _, alarm in alarms(production))
    shown = {it.metric for it in shown_on(production["shop-platform"]) if it.namespace == "Shop"}
    assert shown == {metric.value for metric in Metric}


def test_no_two_stages_watch_or_show_the_same_metric_or_alarm(production: Templates, another: Templates) -> None:
    def of_stage(stage: str, templates: Templates) -> tuple[set[str], set[str]]:
        watched = [each for _, alarm in alarms(templates) for each in watched_by(alarm)]
        every = [*watched, *shown_on(templates["shop-platform"])]
        # A resource that a stack refers to is another one in each stage.
        metrics = {json.dumps(each).replace('{"Ref": "', f'{{"Ref": "{stage}-') for each in every}
        return metrics, {alarm["AlarmName"] for _, alarm in alarms(templates)}

    of_both = zip(of_stage("production", production), of_stage("another", another), strict=True)
    assert [one & other for one, other in of_both] == [set(), set()]


def test_the_dashboards_widgets_have_the_form_that_cloudwatch_takes_and_their_own_places(production: Templates) -> None:
    """https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
    body, _ = dashboard(production["shop-platform"])
    needed = {"alarm": {"alarms", "title"}, "text": {"markdown"}, "metric": {"metrics", "region", "title", "stat"}}
    taken: list[set[tuple[int, int]]] = []
    for it in body["widgets"]:
        assert set(it) == {"type", "x", "y", "width", "height", "properties"}
        assert needed[it["type"]] <= set(it["properties"])
        assert it["x"] + it["width"] <= 24
        taken.append({(it["x"] + i, it["y"] + j) for i in range(it["width"]) for j in range(it["height"])})
    assert not [pair for pair in combinations(taken, 2) if pair[0] & pair[1]]


def test_functions_log_from_info_on_unless_they_are_told_otherwise(production: Templates) -> None:
    for service in FUNCTIONS:
        for function in of_type(production[service], "AWS::Lambda::Function").values():
            variables = function["Environment"]["Variables"]
            assert (variables["POWERTOOLS_LOG_LEVEL"], variables["POWERTOOLS_LOGGER_SAMPLE_RATE"]) == ("INFO", "0")
