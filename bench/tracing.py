"""What tracing costs, sampled and not, against the same work without it and against Powertools' Tracer.

A read is shop-query's whole handler without its database, with one call; a command's calls are six in one invocation;
a batch is what shop-dispatch does around a batch of 500 events, each of another request, of which it tells 50. Each way
is a process of its own from the unzipped artifacts. Prints microseconds of CPU, then the first request of fresh
processes in milliseconds. That segments arrive is asserted, and that none does where none is meant to.
"""

import json
import random
import socket
import statistics
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Final

from bench.measure import AGAIN, QUIET_FRAME, Comparison, Samples, Table, Way, circumstances, options, report, unpacked
from bench.start import runtime

from shop_cli.local.build import CHECKOUT

WARM_UP: Final = 200
ROOT: Final = "1-68a1b2c3-0123456789abcdef01234567"
EVENT: Final = CHECKOUT / "functions" / "shop-query" / "events" / "get-product.json"
ENVIRONMENT: Final = {
    "LAMBDA_TASK_ROOT": "/var/task",  # or Powertools' Tracer does nothing
    "POWERTOOLS_LOG_LEVEL": "WARNING",
    "POWERTOOLS_METRICS_NAMESPACE": "Shop",
    "POWERTOOLS_SERVICE_NAME": "shop-query",
}

# Its last line has the CPU time of the first request, and the mean of many.
FRAME: Final = f"""
{QUIET_FRAME}
*paths, warm_up, count = sys.argv[1:]
sys.path[:0] = paths
EVENT = json.loads(sys.stdin.read())
began = time.process_time()
SCRIPT
handler(EVENT, context)
first = time.process_time() - began
for _ in range(int(warm_up)):
    handler(EVENT, context)
began = time.process_time()
for _ in range(int(count)):
    handler(EVENT, context)
each = (time.process_time() - began) / max(int(count), 1)
print(json.dumps(dict(first_ms=first * 1e3, us=each * 1e6, sdk="aws_xray_sdk" in sys.modules)), file=replies)
"""
UNTRACED: Final = """
from contextlib import nullcontext
from shop_observability import invocation, tracing
nothing = lambda *_, **__: nullcontext()
invocation.segment = tracing.segment = tracing.subsegment = nothing
"""
READ: Final = """
from shop_observability import tracing
from shop_query import bootstrap
from shop_query.adapters.system import SystemClock
from shop_query.application.queries import Queries
from shop_query.handlers.api import handler
from shop_query.ports import Document
class Prepared:
    def document(self, query, parameters):
        with tracing.subsegment("postgresql", "remote", sql={"sanitized_query": "product"}):
            return Document('{"sku": "MUG"}', 3)
    def cursor_key(self):
        return b"of the cursors"
queries = Queries(Prepared(), SystemClock())
bootstrap.queries = lambda: queries
"""
TRACER: Final = """
from aws_lambda_powertools import Tracer
tracer = Tracer(auto_patch=False)
Prepared.document = tracer.capture_method(Prepared.document)
untraced = handler
@tracer.capture_lambda_handler
def handler(event, context):
    return untraced(event, context)
"""
CALLS: Final = """
from shop_observability import tracing
from shop_observability.invocation import invocation as invoked
def handler(event, context):
    with invoked("shop-command", route="POST /purchase", correlation_id="request-1"):
        for number in range(6):
            with tracing.subsegment("DynamoDB", "aws", aws={"operation": "GetItem", "table_name": "shop"}):
                pass
"""
BATCH: Final = """
from types import SimpleNamespace
from shop_dispatch.domain.records import Trace
from shop_dispatch.handlers.kinesis import traced
from shop_observability import tracing
sampled = os.environ["_X_AMZN_TRACE_ID"][-1]
HEADER = "Root=1-68a1b2c3-{0:024x};Parent={0:016x};Sampled=" + sampled
TRACES = [Trace(HEADER.format(n), f"product-{n}", "shop.product.listed.v1", f"c-{n}") for n in range(500)]
def work():
    with tracing.subsegment("postgresql", "remote", sql={"database_type": "PostgreSQL"}):
        return SimpleNamespace(applied=500, traces=TRACES)
def handler(event, context):
    traced("project", "projected", work)
"""
BATCH_UNTRACED: Final = """
from shop_dispatch.handlers import kinesis
kinesis.tell = lambda *_: None
"""


@dataclass(frozen=True)
class Case:
    name: str
    function: str
    untraced: str
    script: str
    rounds: int


CASES: Final = (
    Case("read", "shop-query", UNTRACED, READ, 1_000),
    Case("six calls", "shop-command", UNTRACED, CALLS, 4_000),
    Case("batch of 500", "shop-dispatch", UNTRACED + BATCH_UNTRACED, BATCH, 40),
)
SINGLY: Final = """
tracing._recorder().configure(streaming_threshold=0)
"""
OFF, UNSAMPLED, SAMPLED, ONE_BY_ONE, OTHER, OTHER_SAMPLED = (
    *("no tracing", "unsampled", "sampled", "each a datagram, sampled"),
    *("Powertools' Tracer, unsampled", "Powertools' Tracer, sampled"),
)


class CountingDaemon:
    """Counts what arrives, all the time: a socket that nobody empties drops."""

    def __init__(self) -> None:
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 8_000_000)
        self.socket.bind(("127.0.0.1", 0))
        self.received = 0

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.socket.getsockname()[1]}"

    @contextmanager
    def listening(self) -> Iterator["CountingDaemon"]:
        thread = threading.Thread(target=self._count)
        thread.start()
        try:
            yield self
        finally:
            with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as own:
                own.sendto(b"", self.socket.getsockname())
            thread.join()
            self.socket.close()

    def _count(self) -> None:
        while self.socket.recv(65_535):
            self.received += 1


def ways(case: Case, paths: tuple[Path, ...], address: str) -> list[Way]:
    def environment(decision: int) -> dict[str, str]:
        header = f"Root={ROOT};Parent=0123456789abcdef;Sampled={decision}"
        return ENVIRONMENT | {"AWS_XRAY_DAEMON_ADDRESS": address, "_X_AMZN_TRACE_ID": header}

    unsampled = Way(f"{case.name}: {UNSAMPLED}", case.script, paths, environment(0))
    own = [
        Way(f"{case.name}: {OFF}", case.untraced + case.script, paths, environment(0)),
        unsampled,
        unsampled.again(),
        Way(f"{case.name}: {SAMPLED}", case.script, paths, environment(1)),
    ]
    if case.script == CALLS:
        own.append(Way(f"{case.name}: {ONE_BY_ONE}", case.script + SINGLY, paths, environment(1)))
    if case.script != READ:
        return own
    tracer = case.untraced + case.script + TRACER
    return [
        *own,
        Way(f"{case.name}: {OTHER}", tracer, paths, environment(0)),
        Way(f"{case.name}: {OTHER_SAMPLED}", tracer, paths, environment(1)),
    ]


def measured(way: Way, python: str, rounds: int, daemon: CountingDaemon) -> dict[str, Any]:
    before = daemon.received
    event = json.loads(EVENT.read_text())
    event["headers"].pop("x-amzn-trace-id", None)
    command = [*way.command(python, FRAME), str(WARM_UP if rounds else 0), str(rounds)]
    done = subprocess.run(
        command, env=way.environment, input=json.dumps(event), capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{way.name}:\n{done.stderr}")
    found: dict[str, Any] = json.loads(done.stdout)
    if (daemon.received > before) != way.name.endswith(", sampled") | way.name.endswith(f": {SAMPLED}"):
        raise SystemExit(f"{way.name}: {daemon.received - before} segments arrived")
    if found["sdk"] and way.name.endswith((f": {OFF}", f": {UNSAMPLED}")):
        raise SystemExit(f"{way.name} has imported the SDK")
    return found


def comparisons(case: Case) -> list[Comparison]:
    own = f"{case.name}: {UNSAMPLED}"
    found = [
        Comparison(own, f"{case.name}: {OFF}"),
        Comparison(own, own + AGAIN),
        Comparison(f"{case.name}: {SAMPLED}", own),
    ]
    if case.script == CALLS:
        found.append(Comparison(f"{case.name}: {SAMPLED}", f"{case.name}: {ONE_BY_ONE}"))
    if case.script == READ:
        found += [
            Comparison(own, f"{case.name}: {OTHER}"),
            Comparison(f"{case.name}: {SAMPLED}", f"{case.name}: {OTHER_SAMPLED}"),
        ]
    return found


def main() -> int:
    arguments = options(__doc__, repeats=11)
    randomness, cpu, first = random.Random(arguments.seed), Samples(), Samples()
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder, CountingDaemon().listening() as daemon:
        lambdas_own = runtime(Path(folder))  # the SDK imports botocore where there is one
        tasks = {case.function: unpacked(case.function, arguments.python, Path(folder)) for case in CASES}
        every = [
            (way, case.rounds)
            for case in CASES
            for way in ways(case, (tasks[case.function], lambdas_own), daemon.address)
        ]
        for _ in range(arguments.repeats):
            for way, rounds in randomness.sample(every, len(every)):
                found = measured(way, arguments.python, rounds, daemon)
                cpu.setdefault(way.name, []).append(found["us"])
                first.setdefault(way.name, []).append(found["first_ms"])
    compared = [each for case in CASES for each in comparisons(case)]
    starts = [replace(each, goal=None) for each in comparisons(CASES[0]) if not each.is_aa]
    spread = {name: statistics.median(values) for name, values in cpu.items()}
    event = (spread[f"{CASES[2].name}: {SAMPLED}"] - spread[f"{CASES[2].name}: {UNSAMPLED}"]) / 50
    call = (spread[f"{CASES[1].name}: {SAMPLED}"] - spread[f"{CASES[1].name}: {UNSAMPLED}"]) / 7
    costs = f"A segment or call that is sampled: {call:.0f} us; an event of a batch that is sampled: {event:.0f} us."
    tables = [Table(compared, cpu, "us"), Table(starts, first, "ms", "The start and the first request")]
    return report("tracing", tables, f"{costs}\n{circumstances(arguments.python, arguments.repeats)}")


if __name__ == "__main__":
    sys.exit(main())
