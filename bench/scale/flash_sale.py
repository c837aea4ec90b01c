"""A million customers want one product in the same minute: how fast it sells, and who waits, at 1 to 64 buckets.

So many customers keep the API at its limit all the time: it admits one whenever its throttle allows, and who got no
decision comes again. Each request goes on through Lambda's environments, the read of the product, and the transaction
that takes from a bucket; each of these refuses what is above its limit. Steps, retries and pauses are shop-command's.
"""

from collections import Counter
from dataclasses import dataclass, field, replace
from functools import partial
from statistics import quantiles

from bench.aws import assumed, limit
from bench.scale.demand import counted, processors
from bench.scale.engine import Simulation, Throttle
from bench.stacks import setting

from shop_command.adapters.dynamodb.store import COMMIT_ATTEMPTS_MAX, PAUSE_SECONDS_FIRST, PAUSE_SECONDS_MAX

STARTING_SECONDS, SELLING_SECONDS, REFUSING_SECONDS = 10, 10, 10
"""Environments start, then sales are counted, then refusals of what is sold out. All others come at these rates."""
BUCKET_WRITES, PRODUCT_READS = 2, 1
SALE_WRITES = counted("reservation", "write_units")
REFUSED_WRITES = counted("refusal at 1 buckets", "write_units")


@dataclass(frozen=True)
class Setup:
    """The account and the stage allow so much."""

    name: str
    requests: float
    environments: int
    table_writes: float
    table_reads: float = limit("dynamodb_table_reads")
    product_cache_seconds: float = 0.0
    """An environment believes for so long what it has read of a product."""
    sold_out_seconds: float = 0.0
    """An environment believes for so long that a product is sold out."""
    transaction_seconds: float = assumed("transaction_seconds")


def _today() -> Setup:
    stage = setting("production", "shop-platform", "HttpApiStage", "DefaultRouteSettings")
    environments = setting("production", "shop-command", "ApiLambdaFunction", "ReservedConcurrentExecutions")
    return Setup("today", stage["ThrottlingRateLimit"], environments, limit("dynamodb_new_table_writes"))


TODAY = _today()
RAISED = Setup(
    "raised",
    requests=limit("http_api_requests"),
    environments=int(limit("lambda_concurrency")),
    table_writes=limit("dynamodb_table_writes"),
)
REMEMBERING = replace(RAISED, name="raised, remembering", product_cache_seconds=1.0, sold_out_seconds=1.0)


@dataclass
class LambdaEnvironments:
    """Lambda starts at most 100 more each second, up to the function's concurrency. The last one used is used again."""

    simulation: Simulation
    most: int
    warm: int = 10
    running: int = 0

    def __post_init__(self) -> None:
        self.made = self.warm
        self._idle = list(range(self.warm))
        self._starts = Throttle(self.simulation, limit("lambda_scaling"), limit("lambda_scaling"))

    def begin(self) -> tuple[int, float] | None:
        """Returns an environment and how long its start takes, or None where Lambda throttles."""
        if self._idle:
            self.running += 1
            return self._idle.pop(), 0.0
        if self.made < self.most and self._starts.take(1):
            self.made += 1
            self.running += 1
            return self.made - 1, assumed("cold_start_seconds")
        return None

    def end(self, environment: int) -> None:
        self.running -= 1
        self._idle.append(environment)


@dataclass
class Reserving:
    came: float
    environment: int
    attempt: int = 0


@dataclass
class FlashSale:
    setup: Setup
    buckets: int
    seed: int = 1
    answers: Counter[str] = field(default_factory=Counter)
    refusals: Counter[str] = field(default_factory=Counter)
    """Which limit has refused how many requests, or tries within one."""
    waited: list[float] = field(default_factory=list)
    """Each customer who bought while sales were counted adds the seconds until the answer."""
    refused: int = 0
    begun: int = 0
    failed: int = 0
    """So many requests of those that began had no decision."""

    def run(self) -> "FlashSale":
        self.simulation = Simulation(self.seed)
        limits = partial(Throttle, self.simulation)
        self.environments = LambdaEnvironments(self.simulation, self.setup.environments)
        self.table_writes = limits(self.setup.table_writes, self.setup.table_writes)
        self.table_reads = limits(self.setup.table_reads, self.setup.table_reads)
        partition_reads, partition_writes = limit("dynamodb_partition_reads"), limit("dynamodb_partition_writes")
        self.product = limits(partition_reads, partition_reads)
        self.bucket_reads = limits(partition_reads, partition_reads)  # all are read together, so one stands for all
        self.bucket_writes = [limits(partition_writes, partition_writes) for _ in range(self.buckets)]
        self.is_sold_out = False
        self.held_until = [0.0] * self.buckets
        self.product_read: dict[int, float] = {}
        self.sold_out: dict[int, float] = {}
        cpu = assumed("call_processor_seconds") / processors("shop-command", "Api")
        self.call = assumed("call_seconds") + cpu
        self._ends = STARTING_SECONDS + SELLING_SECONDS
        self._admit()
        self.simulation.run()
        self.is_sold_out, self._ends = True, self._ends + REFUSING_SECONDS
        self._admit()
        self.simulation.run()
        return self

    def _admit(self) -> None:
        self._begin()
        if self.simulation.now < self._ends:
            self.simulation.after(1 / self.setup.requests, self._admit)

    def _begin(self) -> None:
        self.begun += 1
        begun = self.environments.begin()
        if begun is None:
            return self._again("Lambda concurrency")
        environment, start = begun
        return self.simulation.after(start, partial(self._read_product, Reserving(self.simulation.now, environment)))

    def _again(self, refused_by: str) -> None:
        """The customer gets an error, and is one more of those who wait for the API."""
        self.refusals[refused_by] += 1
        self.failed += 1

    def _fail(self, request: Reserving, refused_by: str) -> None:
        self.environments.end(request.environment)
        self._again(refused_by)

    def _decide(self, request: Reserving, answer: str) -> None:
        now, selling_ends = self.simulation.now, STARTING_SECONDS + SELLING_SECONDS
        self.answers[answer] += 1
        if answer == "reserved" and STARTING_SECONDS <= now < selling_ends:
            self.waited.append(now - request.came)
        elif answer == "sold out" and now < selling_ends + REFUSING_SECONDS:
            self.refused += 1

    def _read_product(self, request: Reserving) -> None:
        now, environment = self.simulation.now, request.environment
        if now < self.sold_out.get(environment, 0.0):
            return self._leave(request, "sold out", self.call)
        fresh = now < self.product_read.get(environment, 0.0)
        if not fresh and not self.product.take(PRODUCT_READS):
            return self._fail(request, "reads of the product")
        self.product_read[environment] = now + self.setup.product_cache_seconds
        bucket = self.simulation.random.randrange(self.buckets)
        return self.simulation.after(self.call, partial(self._commit, request, bucket))

    def _commit(self, request: Reserving, bucket: int) -> None:
        now = self.simulation.now
        refused_by = self._refuses(now, bucket)
        if refused_by:
            self.refusals[refused_by] += 1
            request.attempt += 1
            if request.attempt == COMMIT_ATTEMPTS_MAX:
                return self._fail(request, "tries of a commit")
            pause = self.simulation.random.uniform(0, min(PAUSE_SECONDS_MAX, PAUSE_SECONDS_FIRST * 2**request.attempt))
            return self.simulation.after(self.call + pause, partial(self._commit, request, bucket))
        if self.is_sold_out:
            return self.simulation.after(self.call, partial(self._look, request))
        self.held_until[bucket] = now + self.setup.transaction_seconds
        return self._leave(request, "reserved", self.setup.transaction_seconds + 2 * self.call)

    def _refuses(self, now: float, bucket: int) -> str | None:
        if now < self.held_until[bucket]:
            return "conflicts at a bucket"
        if not self.bucket_writes[bucket].take(BUCKET_WRITES):
            return "writes of a bucket"
        if not self.table_writes.take(REFUSED_WRITES if self.is_sold_out else SALE_WRITES):
            return "writes of the table"
        return None

    def _look(self, request: Reserving, reads_done: int = 0) -> None:
        """All buckets are read, then the product, and all of them once more."""
        if reads_done == 3:
            self.sold_out[request.environment] = self.simulation.now + self.setup.sold_out_seconds
            return self._leave(request, "sold out", self.call)
        of_buckets = [
            (self.table_reads, self.buckets, "reads of the table"),
            (self.bucket_reads, 1, "reads of a bucket"),
        ]
        for throttle, units, name in (
            of_buckets if reads_done != 1 else [(self.product, PRODUCT_READS, "reads of the product")]
        ):
            if not throttle.take(units):
                return self._fail(request, name)
        return self.simulation.after(self.call, partial(self._look, request, reads_done + 1))

    def _leave(self, request: Reserving, answer: str, seconds: float) -> None:
        def left() -> None:
            self.environments.end(request.environment)
            self._decide(request, answer)

        self.simulation.after(seconds, left)

    @property
    def sales_per_second(self) -> float:
        return len(self.waited) / SELLING_SECONDS

    @property
    def refusals_per_second(self) -> float:
        return self.refused / REFUSING_SECONDS

    def waited_seconds(self, percent: int) -> float:
        return quantiles(self.waited, n=100)[percent - 1]

    def decided_seconds(self, customers: int, units: int) -> float:
        """Returns after how long everybody has an answer that is a decision."""
        return units / self.sales_per_second + (customers - units) / self.refusals_per_second
