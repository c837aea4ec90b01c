"""Events go to the read model while a zone is lost and the database fails over, and when a day's backlog is replayed.

Each shard hands batches to as many invocations of project at once as the mapping's factor says, and they end when they
have committed. Batches wait for the shard's reads, which archive takes part of, and for the database's processors.
"""

from collections import deque
from dataclasses import dataclass, field

from bench.aws import assumed, limit
from bench.scale.demand import event_bytes, of_sale, project_seconds
from bench.scale.engine import Simulation, Station
from bench.stacks import setting

REDELIVERY_SECONDS = 2.5
"""A batch that failed comes again after so long on the emulator; AWS's pauses are not documented."""
READS_PER_SECOND = 5


def _mapping(name: str) -> int:
    return int(setting("production", "shop-dispatch", "ProjectMapping", name))


@dataclass(frozen=True)
class Pipeline:
    shards: int = int(limit("kinesis_new_stream_shards"))
    factor: int = _mapping("ParallelizationFactor")
    batch: int = _mapping("BatchSize")
    concurrency: int = int(
        setting("production", "shop-dispatch", "ProjectLambdaFunction", "ReservedConcurrentExecutions")
    )
    acu: float = float(
        setting("production", "shop-platform", "DatabaseCluster", "ServerlessV2ScalingConfiguration")["MaxCapacity"]
    )
    own_reads: bool = False
    """With enhanced fan-out, each consumer reads 2 MB/s of a shard by itself; otherwise both share them."""


@dataclass
class Run:
    """A chunk is so many events that came at the same time, as (time, number)."""

    pipeline: Pipeline
    sales_per_second: float
    seconds: float
    outage: tuple[float, float] = (0.0, 0.0)
    """The database answers nobody between these moments."""
    backlog: float = 0.0
    """So many events wait when it begins."""
    seed: int = 1
    arrived: float = 0.0
    applied: float = 0.0
    behind: list[tuple[float, float]] = field(default_factory=list)
    """Each second it notes how many events wait."""
    level_at: float | None = None
    """Nothing of the backlog waits from this moment on, counted from the end of the outage, or from the beginning."""
    late: list[tuple[float, float]] = field(default_factory=list)
    """Each chunk that was applied: the seconds that it waited, and its events."""

    def run(self) -> "Run":
        made, lanes = self.pipeline, min(self.pipeline.shards * self.pipeline.factor, self.pipeline.concurrency)
        self.simulation = Simulation(self.seed)
        self._database = Station(self.simulation, max(1, round(made.acu * assumed("acu_processors"))))
        self._queue: deque[tuple[float, float]] = deque([(0.0, self.backlog)] if self.backlog else [])
        self.arrived = self.waiting = self.backlog
        out_of_shard = limit("kinesis_shard_out_bytes") * made.shards
        archive = 0.0 if made.own_reads else self.sales_per_second * of_sale("events_bytes")
        self._readable = (out_of_shard - archive) / event_bytes()
        self._read_until = 0.0
        for lane in range(lanes):
            self.simulation.after(lane / lanes / READS_PER_SECOND, self._poll)
        self._arrive()
        self._watch()
        self.simulation.run(self.seconds)
        return self

    def _arrive(self) -> None:
        events = self.sales_per_second * of_sale("events") * 0.1
        self._queue.append((self.simulation.now, events))
        self.arrived += events
        self.waiting += events
        self.simulation.after(0.1, self._arrive)

    def _watch(self) -> None:
        now = self.simulation.now
        self.behind.append((now, self.waiting))
        fresh = self.sales_per_second * of_sale("events")
        if self.level_at is None and now >= self.outage[1] and self.waiting <= fresh:
            self.level_at = now
        self.simulation.after(1.0, self._watch)

    def _poll(self) -> None:
        now = self.simulation.now
        if self.outage[0] <= now < self.outage[1]:
            return self.simulation.after(REDELIVERY_SECONDS, self._poll)
        chunks = self._take()
        events = sum(number for _, number in chunks)
        if not events:
            return self.simulation.after(1 / READS_PER_SECOND, self._poll)
        # What is read waits for the shard's bytes, one batch after the other.
        self._read_until = max(now, self._read_until) + events / self._readable
        in_database = events * assumed("project_event_database_seconds")
        own = project_seconds(events) - in_database

        def commit() -> None:
            self._database.serve(in_database, applied)

        def applied() -> None:
            self.waiting -= events
            self.applied += events
            self.late += [(self.simulation.now - came, number) for came, number in chunks]
            self._poll()

        return self.simulation.after(self._read_until - now + own, commit)

    def _take(self) -> list[tuple[float, float]]:
        taken: list[tuple[float, float]] = []
        room = float(self.pipeline.batch)
        while self._queue and room > 0:
            came, number = self._queue.popleft()
            if number > room:
                self._queue.appendleft((came, number - room))
                number = room
            taken.append((came, number))
            room -= number
        return taken

    def visible_seconds(self, share: float) -> float:
        """Returns after how long this share of the events was visible."""
        wanted, seen = share * sum(number for _, number in self.late), 0.0
        for waited, number in sorted(self.late):
            seen += number
            if seen >= wanted:
                return waited
        return float("inf")
