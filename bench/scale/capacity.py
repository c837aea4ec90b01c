"""Computes which limit comes first, and what 100, 10,000 and a million purchases a second need, without a simulation.

A sale is a reservation, its payment and the provider's webhook, and the reads around it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil, log2
from typing import Any, Final

from bench.aws import HOURS_OF_MONTH, assumed, limit
from bench.cost import READS_OF_SALE, purchases, total
from bench.scale.demand import PURCHASE, command_seconds, of_sale, project_seconds, provider_calls_of_sale
from bench.stacks import setting

from shop_command.ports import DUE_SHARDS

REQUESTS: Final = len(PURCHASE) + READS_OF_SALE
EVENTS: Final = of_sale("events")
COMMAND_SECONDS: Final = sum(map(command_seconds, PURCHASE))
READ_SECONDS: Final = READS_OF_SALE * assumed("read_seconds")
PROVIDER_CALLS: Final = provider_calls_of_sale()
ENDPOINT_CALLS: Final = max(map(provider_calls_of_sale, ("create", "confirm", "list refunds", "list disputes")))
READER_SECONDS: Final = READS_OF_SALE * assumed("read_database_seconds")
WRITER_SECONDS: Final = EVENTS * assumed("project_event_database_seconds")
"""A sale takes so much of each."""
STAGE, REQUEST, GROWS, DESIGN = "stage", "AWS, on request", "AWS, grows", "design"
PROVIDER: Final = "provider, on request"
QUOTAS: Final = "Service Quotas"


@dataclass(frozen=True)
class Limit:
    name: str
    sales: float
    """It allows so many sales a second."""
    whose: str
    turn: str


def _production(stack: str, resource: str, name: str) -> Any:
    return setting("production", stack, resource, name)


def _reserved(stack: str, function: str) -> float:
    return float(_production(stack, f"{function}LambdaFunction", "ReservedConcurrentExecutions"))


def limits() -> list[Limit]:
    """Returns the limits of production as it is packaged, in an account with AWS's defaults, the lowest first."""
    api = _production("shop-platform", "HttpApiStage", "DefaultRouteSettings")["ThrottlingRateLimit"]
    acu = _production("shop-platform", "DatabaseCluster", "ServerlessV2ScalingConfiguration")["MaxCapacity"]
    factor, batch = (
        _production("shop-dispatch", "ProjectMapping", name) for name in ("ParallelizationFactor", "BatchSize")
    )
    processors, shards = acu * assumed("acu_processors"), limit("kinesis_new_stream_shards")
    projected = batch / project_seconds(batch) / EVENTS
    concurrency, due = limit("lambda_concurrency"), DUE_SHARDS * limit("dynamodb_partition_writes")
    writes, size = of_sale("write_units"), of_sale("events_bytes")
    buying = _reserved("shop-command", "Api") / COMMAND_SECONDS
    reading = _reserved("shop-query", "Api") / READ_SECONDS
    connections = min(limit("aurora_connections_8_acu"), limit("aurora_connections_small_start"))
    only_one, cache = "[ADR 25](adr/0025-flash-sales.md); where all buy the same", "a cache for the catalogue"
    found = [
        Limit("requests of the stage's API", api / REQUESTS, STAGE, "`apiRateLimit`"),
        Limit("requests of all APIs", limit("http_api_requests") / REQUESTS, REQUEST, f"{QUOTAS}; {cache}"),
        Limit(
            "an endpoint of Stripe's", limit("stripe_endpoint_requests") / ENDPOINT_CALLS, PROVIDER, "ask weeks ahead"
        ),
        Limit(
            "requests to Stripe", limit("stripe_requests") / PROVIDER_CALLS, PROVIDER, "ask; fewer lists in webhooks"
        ),
        Limit("shop-command's concurrency", buying, STAGE, "`reservedConcurrency`"),
        Limit("shop-query's concurrency", reading, STAGE, f"`reservedConcurrency`; {cache}"),
        Limit("all functions' concurrency", concurrency / (COMMAND_SECONDS + READ_SECONDS), REQUEST, QUOTAS),
        Limit("writes of a new table", limit("dynamodb_new_table_writes") / writes, GROWS, "`WarmThroughput` before"),
        Limit("writes of the table", limit("dynamodb_table_writes") / writes, REQUEST, QUOTAS),
        Limit("writes of the index due", due / of_sale("index_writes"), DESIGN, "[ADR 26](adr/0026-due-shards.md)"),
        Limit("reads of one product", limit("dynamodb_partition_reads"), DESIGN, only_one),
        Limit("records into a new stream", shards * limit("kinesis_shard_records") / EVENTS, GROWS, "warm throughput"),
        Limit("bytes into a new stream", shards * limit("kinesis_shard_in_bytes") / size, GROWS, "warm throughput"),
        Limit("bytes into the stream", limit("kinesis_stream_in_bytes") / size, REQUEST, QUOTAS),
        Limit("bytes into Firehose", limit("firehose_in_bytes") / size, REQUEST, QUOTAS),
        Limit(
            "project's batches, 4 shards", shards * factor * projected, STAGE, "`ParallelizationFactor`; more shards"
        ),
        Limit(
            "project's concurrency", _reserved("shop-dispatch", "Project") * projected, STAGE, "`projectConcurrency`"
        ),
        Limit("the writer's processors", processors / WRITER_SECONDS, STAGE, "`MaxCapacity`"),
        Limit("the reader's processors", processors / READER_SECONDS, STAGE, f"`MaxCapacity`, more readers; {cache}"),
        Limit("connections of the reader", connections / READ_SECONDS, GROWS, "a least capacity of 1 ACU, a proxy"),
    ]
    return sorted(found, key=lambda each: each.sales)


Need = tuple[str, Callable[[float], float]]


def needs() -> list[Need]:
    """Returns what is needed for so many sales a second, each as a function of them."""
    of_shard, of_partition = limit("kinesis_shard_records"), limit("dynamodb_partition_writes")
    acu, of_project = assumed("acu_processors"), 500 / project_seconds(500)
    writes, table = of_sale("write_units"), limit("dynamodb_new_table_writes")
    stream = limit("kinesis_new_stream_shards") * of_shard
    return [
        ("requests/s of the API", lambda sales: sales * REQUESTS),
        ("requests/s to the provider", lambda sales: sales * PROVIDER_CALLS),
        ("executions at once of shop-command", lambda sales: sales * COMMAND_SECONDS),
        ("executions, and connections, of shop-query", lambda sales: sales * READ_SECONDS),
        ("s until Lambda has started them", lambda sales: sales * COMMAND_SECONDS / limit("lambda_scaling")),
        ("write units/s", lambda sales: sales * writes),
        ("h until a new table has grown so far", lambda sales: _growing(table, sales * writes, "dynamodb") / 3_600),
        ("shards of the index due", lambda sales: ceil(sales * of_sale("index_writes") / of_partition)),
        ("shards of the stream", lambda sales: ceil(sales * EVENTS / of_shard)),
        ("h until a new stream has grown so far", lambda sales: _growing(stream, sales * EVENTS, "kinesis") / 3_600),
        ("executions at once of project", lambda sales: ceil(sales * EVENTS / of_project)),
        ("MB/s into Firehose", lambda sales: sales * of_sale("events_bytes") / 1_000_000),
        ("ACU of the writer", lambda sales: sales * WRITER_SECONDS / acu),
        ("ACU of the readers", lambda sales: sales * READER_SECONDS / acu),
        ("readers of the largest size", lambda sales: ceil(sales * READER_SECONDS / acu / limit("aurora_acu"))),
        ("GB/day of events", lambda sales: sales * of_sale("events_bytes") * 86_400 / 1e9),
        ("USD an hour", lambda sales: total(purchases(sales * 3_600 * HOURS_OF_MONTH)) / HOURS_OF_MONTH),
    ]


def _growing(now: float, wanted: float, service: str) -> float:
    """Capacity on demand doubles the last peak, which takes a while each time."""
    return max(0, ceil(log2(wanted / now))) * limit(f"{service}_growth_seconds")
