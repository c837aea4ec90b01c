"""Computes docs/cost.md: an idle month of each stage, and a month with a million purchases.

It multiplies what the packaged stacks have (stacks.json) and what commands were counted to do (scale/counts.json) by
the prices of aws.toml, and puts the results into the prose of cost.md. `--check` says whether the document is stale.
"""

import argparse
import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from bench.aws import GB, HOURS_OF_MONTH, MILLION, assumed, limit, limit_table, price, price_table, table
from bench.scale.demand import (
    PURCHASE,
    calls,
    command_seconds,
    counted,
    event_bytes,
    memory_gb,
    of_sale,
    project_seconds,
    provider_calls_of_sale,
)
from bench.stacks import STAGES, alarm_metrics, count, sends_metrics, setting

DOCUMENT: Final = Path(__file__).resolve().parents[1] / "docs" / "cost.md"
SECONDS: Final = HOURS_OF_MONTH * 3_600
SWEEPS, RECONCILIATIONS = HOURS_OF_MONTH * 60, HOURS_OF_MONTH * 12
READS_OF_SALE: Final = 20
"""A customer looks at so many pages and lists before and after buying."""
ROUTES_OF_SALE: Final = 10
ROUTE_METRICS: Final = 6
MAPPING_METRICS: Final = 7
SHARDS: Final = 4
KMS_REQUESTS: Final = HOURS_OF_MONTH * 12 * 5
"""Kinesis and DynamoDB ask for the key of each of some five roles every five minutes."""
TYPES_OF_SALE: Final = 3
COMMAND_METRICS: Final = 20
LOG_BYTES_OF_EVENT: Final = (
    counted("archive of 500 events", "log_bytes") - counted("archive of 1 event", "log_bytes")
) / 499
"""The line of a batch lists the ids of each of its events."""
TABLE_BYTES_OF_SALE: Final = 8 * 1_024
"""Three events, the state and the key of a sale stay in the table."""
ARCHIVE_SHARE: Final = 0.4
"""Gzipped lines and Parquet together take this share of what the events have as text."""
LOG_SHARE: Final = 0.15
"""CloudWatch keeps logs compressed, and takes this to be their share."""
T4G_SMALL_MONTH: Final = 0.0168 * HOURS_OF_MONTH


@dataclass(frozen=True)
class Line:
    service: str
    what: str
    quantity: float
    prices: tuple[str, ...]

    @property
    def usd(self) -> float:
        return self.quantity * sum(map(price, self.prices))


def line(service: str, what: str, quantity: float, *prices: str) -> Line:
    return Line(service, what, quantity, prices)


def total(lines: Sequence[Line], service: str = "") -> float:
    return sum(each.usd for each in lines if each.service.startswith(service))


def idle(stage: str) -> list[Line]:
    """Returns what a stage costs in a month in which nobody calls it."""
    capacity = setting(stage, "shop-platform", "DatabaseCluster", "ServerlessV2ScalingConfiguration")["MinCapacity"]
    runs = {"idle sweep": SWEEPS, "idle reconciliation": RECONCILIATIONS}
    seconds = sum(times * command_seconds(what, "Sweep") for what, times in runs.items())
    logs = sum(times * (counted(what, "log_bytes") + assumed("lambda_log_bytes")) for what, times in runs.items())
    mappings = [setting(stage, "shop-dispatch", name, "MetricsConfig") for name in ("ProjectMapping", "ArchiveMapping")]
    of_runs = sum(counted(what, "metrics") for what in runs) if sends_metrics(stage, "shop-command") else 0
    metrics = of_runs + MAPPING_METRICS * sum(bool(mapping["Metrics"]) for mapping in mappings)
    acu_hours = count(stage, "AWS::RDS::DBInstance") * capacity * HOURS_OF_MONTH
    mode = setting(stage, "shop-platform", "Stream", "StreamModeDetails")["StreamMode"]
    shards = setting(stage, "shop-platform", "Stream", "ShardCount") if mode == "PROVISIONED" else 0
    stream_hours = (mode == "ON_DEMAND") * HOURS_OF_MONTH
    invocations = SWEEPS + RECONCILIATIONS
    return [
        line("Aurora", "ACU-hours", acu_hours, "aurora_acu_hour"),
        line("Aurora", "GB of storage", 1, "aurora_gb_month"),
        line("Kinesis", "hours of the stream, on demand", stream_hours, "kinesis_stream_hour"),
        line("Kinesis", "hours of shards, provisioned", shards * HOURS_OF_MONTH, "kinesis_shard_hour"),
        line("CloudWatch", "metrics of alarms", alarm_metrics(stage), "alarm_metric_month"),
        line("CloudWatch", "metrics of the sweep and of the mappings", metrics, "custom_metric_month"),
        line("CloudWatch", "dashboards", count(stage, "AWS::CloudWatch::Dashboard"), "dashboard_month"),
        line("CloudWatch", "GB of logs", logs / GB, "log_gb"),
        line("Lambda", "GB-seconds of the sweep", seconds * memory_gb("shop-command", "Sweep"), "lambda_gb_second"),
        line("Lambda", "invocations", invocations, "lambda_request"),
        line(
            "DynamoDB", "read units", sum(t * counted(w, "read_units") for w, t in runs.items()), "dynamodb_read_unit"
        ),
        line(
            "DynamoDB",
            "write units",
            sum(t * counted(w, "write_units") for w, t in runs.items()),
            "dynamodb_write_unit",
        ),
        line("X-Ray", "traces", sampled(SWEEPS) + sampled(RECONCILIATIONS), "trace"),
        line("Secrets Manager", "secrets", count(stage, "AWS::RDS::DBCluster"), "secret_month"),
        line("KMS", "requests", KMS_REQUESTS, "kms_request"),
        line("NAT", "gateways", count(stage, "AWS::EC2::NatGateway")),
        line("WAF", "web ACLs", count(stage, "AWS::WAFv2::WebACL")),
    ]


def sampled(invocations: float) -> float:
    """Returns how many of a function's invocations, spread evenly over the month, X-Ray records: the first of each
    second and 5 % of the others. https://docs.aws.amazon.com/lambda/latest/dg/services-xray.html"""
    seconds_with_any = SECONDS * -math.expm1(-invocations / SECONDS)
    return seconds_with_any + 0.05 * (invocations - seconds_with_any)


def purchases(number: float) -> list[Line]:
    """Returns what so many purchases in a month, spread evenly, cost beside the idle month of production."""
    reads, commands, events = number * READS_OF_SALE, number * len(PURCHASE), number * of_sale("events")
    # A batch holds what came to its shard since the one before it, and archive waits 5 s for more.
    rate = events / SECONDS / max(SHARDS, events / SECONDS / limit("kinesis_shard_records"))
    projected = events / (project_batch := min(500, 1 + rate * assumed("project_batch_seconds")))
    archived = events / (archive_batch := min(500, 1 + 5 * rate))
    delivered = archived * math.ceil(archive_batch * event_bytes() / 5_120) * 5_120
    integrity = min(events, HOURS_OF_MONTH * 60 * SHARDS)
    invoked = [commands, reads, projected, archived, integrity]
    command_gb_seconds = number * sum(map(command_seconds, PURCHASE)) * memory_gb("shop-command", "Api")
    dispatch_seconds = projected * project_seconds(project_batch) + archived * 2 * assumed("call_seconds")
    database_seconds = events * assumed("project_event_database_seconds") + reads * assumed("read_database_seconds")
    logs = (
        number * of_sale("log_bytes")
        + reads * counted("reservation", "log_bytes")
        + (projected + archived) * counted("archive of 1 event", "log_bytes")
        + (2 * events - projected - archived) * LOG_BYTES_OF_EVENT
        + sum(invoked) * assumed("lambda_log_bytes")
        + (commands + reads) * assumed("api_log_bytes")
    )
    stream_gb = events * 1_024 / GB  # each is rounded up to a whole KB
    objects = HOURS_OF_MONTH * 4 * TYPES_OF_SALE
    table_gb, event_gb = number * TABLE_BYTES_OF_SALE / GB, events * event_bytes() / GB
    read_gb_seconds = reads * assumed("read_seconds") * memory_gb("shop-query", "Api")
    dispatch_gb_seconds = dispatch_seconds * memory_gb("shop-dispatch", "Project")
    return [
        line("DynamoDB", "write units", number * of_sale("write_units"), "dynamodb_write_unit"),
        line("DynamoDB", "read units", number * of_sale("read_units"), "dynamodb_read_unit"),
        line("DynamoDB", "GB more from now on", table_gb, "dynamodb_gb_month", "dynamodb_recovery_gb_month"),
        line("Lambda", "GB-seconds of commands", command_gb_seconds, "lambda_gb_second"),
        line("Lambda", "GB-seconds of reads", read_gb_seconds, "lambda_gb_second"),
        line("Lambda", "GB-seconds of project and archive", dispatch_gb_seconds, "lambda_gb_second"),
        line("Lambda", "invocations", sum(invoked), "lambda_request"),
        line("HTTP API", "requests", commands + reads, "http_api_request"),
        line("CloudWatch", "GB of logs", logs / GB, "log_gb"),
        line("CloudWatch", "GB-months of logs, for a month", LOG_SHARE * logs / GB, "log_gb_month"),
        line("CloudWatch", "metrics of routes", ROUTES_OF_SALE * ROUTE_METRICS, "custom_metric_month"),
        line("CloudWatch", "metrics of commands and dispatch", COMMAND_METRICS, "custom_metric_month"),
        line("X-Ray", "traces", sum(map(sampled, invoked)), "trace"),
        line("Kinesis", "GB in", stream_gb, "kinesis_in_gb"),
        line("Kinesis", "GB out to two consumers", 2 * stream_gb, "kinesis_out_gb"),
        line("Kinesis", "GB-months, second to seventh day", stream_gb * 6 / 30, "kinesis_retention_gb_month"),
        line("Firehose", "GB in and to Parquet", delivered / GB, "firehose_in_gb", "firehose_conversion_gb"),
        line("Firehose", "GB delivered by type", event_gb, "firehose_partitioned_gb"),
        line("Firehose", "objects by type", objects, "firehose_partitioned_object"),
        line("S3", "PUT requests", HOURS_OF_MONTH * 60 + objects, "s3_put"),
        line("S3", "GB more from now on", ARCHIVE_SHARE * event_gb, "s3_gb_month"),
        line("Aurora", "ACU-hours", database_seconds / assumed("acu_processors") / 3_600, "aurora_acu_hour"),
        line("Aurora", "I/Os of project", projected * assumed("database_ios_of_batch"), "aurora_io"),
        line("Athena", "TB of one query over all of it", event_gb * ARCHIVE_SHARE / 2 / 1_024, "athena_tb"),
    ]


def document() -> str:
    months = {stage: idle(stage) for stage in STAGES}
    idle_rows = [
        (
            both[0].service,
            both[0].what,
            *(f"{_number(each.quantity)}" for each in both),
            *(f"{each.usd:.2f}" for each in both),
        )
        for both in zip(*months.values(), strict=True)
    ]
    idle_rows.append(("**all**", "", "", "", *(f"**{total(each):.0f}**" for each in months.values())))
    sold = purchases(MILLION)
    sold_rows = [(each.service, each.what, _number(each.quantity), f"{each.usd:.2f}") for each in sold]
    sold_rows.append(("**all**", "", "", f"**{total(sold):.0f}**"))
    reading = price("lambda_gb_second") * assumed("read_seconds") * memory_gb("shop-query", "Api")
    routes = count("production", "AWS::ApiGatewayV2::Route")
    return (
        Path(__file__)
        .with_suffix(".md")
        .read_text(encoding="utf-8")
        .format(
            idle_table=table(("service", "what", *STAGES, *(f"{stage}, USD" for stage in STAGES)), idle_rows),
            sold_table=table(("service", "what", "quantity", "USD"), sold_rows),
            dev=total(months["dev"]),
            production=total(months["production"]),
            small=T4G_SMALL_MONTH,
            shard=price("kinesis_shard_hour") * HOURS_OF_MONTH,
            database=total(months["production"], "Aurora"),
            sold=total(sold),
            each=total(sold) / MILLION * 100,
            reads=READS_OF_SALE,
            read_cost=READS_OF_SALE * MILLION * (price("http_api_request") + price("lambda_request") + reading),
            provider=price("lambda_gb_second") * memory_gb("shop-command", "Api") * MILLION,
            provider_calls=provider_calls_of_sale(),
            write_units=of_sale("write_units"),
            index_writes=of_sale("index_writes"),
            calls=sum(map(calls, PURCHASE)),
            routes=routes,
            route_metrics=routes * ROUTE_METRICS * price("custom_metric_month"),
            pages_gb=READS_OF_SALE * MILLION * assumed("read_bytes") / GB,
            pages=READS_OF_SALE * MILLION * assumed("read_bytes") / GB * price("transfer_out_gb"),
            assumptions=limit_table("assumed"),
            prices=price_table(),
        )
    )


def _number(quantity: float) -> str:
    return f"{quantity:,.0f}" if quantity >= 100 or quantity == int(quantity) else f"{quantity:.2g}"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing; exit with 1 if docs/cost.md is stale")
    if not parser.parse_args().check:
        DOCUMENT.write_text(document(), encoding="utf-8")
    elif DOCUMENT.read_text(encoding="utf-8") != document():
        print("docs/cost.md is stale: run make cost", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
