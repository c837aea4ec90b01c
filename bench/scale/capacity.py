"""Which limit comes first, and what 100, 10,000 and a million purchases a second need: arithmetic, without a simulation.

A sale is a reservation, its payment and the provider's webhook, and the reads around it.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import ceil

from bench.aws import HOURS_OF_MONTH, assumed, limit
from bench.cost import READS_OF_SALE, purchases, total
from bench.scale.demand import PURCHASE, command_seconds, of_sale, project_seconds
from bench.scale.demand import provider_calls_of_sale
from bench.stacks import setting

from shop_command.ports import DUE_SHARDS

REQUESTS_OF_SALE = len(PURCHASE) + READS_OF_SALE
COMMAND_SECONDS_OF_SALE = sum(map(command_seconds, PURCHASE))


@dataclass(frozen=True)
class Limit:
    name: str
    sales: float
    """It allows so many sales a second."""
    whose: str
    turn: str


def _reserved(stack: str, function: str) -> float:
    return float(setting("production", stack, f"{function}LambdaFunction", "ReservedConcurrentExecutions"))


def limits() -> list[Limit]:
    """Returns the limits of production as it is packaged, in an account with AWS's defaults, the lowest first."""
    stage = setting("production", "shop-platform", "HttpApiStage", "DefaultRouteSettings")["ThrottlingRateLimit"]
    acu = setting("production", "shop-platform", "DatabaseCluster", "ServerlessV2ScalingConfiguration")["MaxCapacity"]
    acu_processors = acu * assumed("acu_processors")
    factor = setting("production", "shop-dispatch", "ProjectMapping", "ParallelizationFactor")
    batch = setting("production", "shop-dispatch", "ProjectMapping", "BatchSize")
    events, shards = of_sale("events"), limit("kinesis_new_stream_shards")
    projected = batch / project_seconds(batch) / events
    endpoint = max(provider_calls_of_sale(name) for name in ("create", "confirm", "list refunds", "list disputes"))
    product_reads = 1
    found = [
        Limit("requests of the stage's API", stage / REQUESTS_OF_SALE, "stage", "`apiRateLimit`"),
        Limit("requests of the account's APIs", limit("http_api_requests") / REQUESTS_OF_SALE, "AWS, on request", "Service Quotas; a cache for the catalogue"),
        Limit("one endpoint of the provider", limit("stripe_endpoint_requests") / endpoint, "provider, on request", "ask Stripe, weeks ahead"),
        Limit("all requests to the provider", limit("stripe_requests") / provider_calls_of_sale(), "provider, on request", "ask Stripe; no list calls for a plain success"),
        Limit("shop-command's concurrency", _reserved("shop-command", "Api") / COMMAND_SECONDS_OF_SALE, "stage", "`reservedConcurrency`"),
        Limit("shop-query's concurrency", _reserved("shop-query", "Api") / (READS_OF_SALE * assumed("read_seconds")), "stage", "`reservedConcurrency`; a cache"),
        Limit("the account's concurrency", limit("lambda_concurrency") / (COMMAND_SECONDS_OF_SALE + READS_OF_SALE * assumed("read_seconds")), "AWS, on request", "Service Quotas"),
        Limit("writes of a table that is new", limit("dynamodb_new_table_writes") / of_sale("write_units"), "AWS, grows", "`WarmThroughput` before the day"),
        Limit("writes of the table", limit("dynamodb_table_writes") / of_sale("write_units"), "AWS, on request", "Service Quotas"),
        Limit("writes of the index `due`", DUE_SHARDS * limit("dynamodb_partition_writes") / of_sale("index_writes"), "design", "`DUE_SHARDS`, [ADR 26](adr/0026-due-shards.md)"),
        Limit("reads of one product", limit("dynamodb_partition_reads") / product_reads, "design", "[ADR 25](adr/0025-flash-sales.md); only where all buy the same"),
        Limit("records into a new stream", shards * limit("kinesis_shard_records") / events, "AWS, grows", "warm throughput (on-demand advantage)"),
        Limit("bytes into the stream", limit("kinesis_stream_in_bytes") / of_sale("events_bytes"), "AWS, on request", "Service Quotas"),
        Limit("bytes into Firehose", limit("firehose_in_bytes") / of_sale("events_bytes"), "AWS, on request", "Service Quotas"),
        Limit("project's batches, of a new stream", shards * factor * projected, "stage", "`ParallelizationFactor`; it grows with the shards"),
        Limit("project's concurrency", _reserved("shop-dispatch", "Project") * projected, "stage", "`projectConcurrency`"),
        Limit("the writer's processors", acu_processors / (events * assumed("project_event_database_seconds")), "stage", "`MaxCapacity`"),
        Limit("the reader's processors", acu_processors / (READS_OF_SALE * assumed("read_database_seconds")), "stage", "`MaxCapacity`, more readers; a cache"),
        Limit("connections of an instance", limit("aurora_connections_8_acu") / (READS_OF_SALE * assumed("read_seconds")), "AWS", "a least capacity of 1 ACU or more; an RDS Proxy"),
    ]  # fmt: skip
    return sorted(found, key=lambda each: each.sales)


Need = tuple[str, Callable[[float], float]]


def needs() -> list[Need]:
    """Returns what is needed for so many sales a second."""
    events = of_sale("events")
    return [
        ("requests/s of the API", lambda sales: sales * REQUESTS_OF_SALE),
        ("requests/s to the provider", lambda sales: sales * provider_calls_of_sale()),
        ("executions at once of shop-command", lambda sales: sales * COMMAND_SECONDS_OF_SALE),
        ("executions, and connections, of shop-query", lambda sales: sales * READS_OF_SALE * assumed("read_seconds")),
        ("s until Lambda has started them", lambda sales: sales * COMMAND_SECONDS_OF_SALE / limit("lambda_scaling")),
        ("write units/s", lambda sales: sales * of_sale("write_units")),
        ("shards of the index `due`", lambda sales: ceil(sales * of_sale("index_writes") / limit("dynamodb_partition_writes"))),
        ("shards of the stream", lambda sales: ceil(sales * events / limit("kinesis_shard_records"))),
        ("executions at once of project", lambda sales: ceil(sales * events / (500 / project_seconds(500)))),
        ("MB/s into Firehose", lambda sales: sales * of_sale("events_bytes") / 1_000_000),
        ("ACU of the writer", lambda sales: sales * events * assumed("project_event_database_seconds") / assumed("acu_processors")),
        ("ACU of the readers", lambda sales: sales * READS_OF_SALE * assumed("read_database_seconds") / assumed("acu_processors")),
        ("GB/day of events", lambda sales: sales * of_sale("events_bytes") * 86_400 / 1e9),
        ("USD an hour", lambda sales: total(purchases(sales * 3_600 * HOURS_OF_MONTH)) / HOURS_OF_MONTH),
    ]  # fmt: skip
