"""shop-query's whole handler, from Lambda's event to answer, against FastAPI + Mangum passing the same text through.

The read model answers a prepared text, so no database is in it. Each way is a process of its own: ours from the
unzipped artifact, tracing on and the request unsampled; the peers from packages that are installed for this, pinned, in
a folder of this environment. Prints microseconds of CPU a request: nothing here waits, and the machine has other work.
Exits with 1 when a goal is missed, with 2 when the run is to be thrown away.
"""

import json
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from bench.measure import (
    AGAIN,
    QUIET_FRAME,
    Comparison,
    Samples,
    Table,
    Way,
    circumstances,
    installed,
    options,
    pipe,
    report,
    unpacked,
)

from shop_cli.local.build import CHECKOUT

PEERS: Final = {
    "annotated-doc": "0.0.7",
    "annotated-types": "0.8.0",
    "anyio": "4.16.0",
    "fastapi": "0.165.0",
    "idna": "3.20",
    "mangum": "0.22.0",
    "opentelemetry-api": "1.45.2",
    "pydantic": "2.14.3",
    "pydantic-core": "2.50.4",
    "starlette": "1.10.0",
    "typing-extensions": "4.16.0",
    "typing-inspection": "0.4.5",
}
GOAL: Final = 0.50
ITEMS: Final = 20
WARM_UP: Final = 300
BLOCK: Final = 200
BLOCKS: Final = 5
"""Each repeat has so many of each route, and the middle one counts."""
EVENTS: Final = CHECKOUT / "functions" / "shop-query" / "events"
ENVIRONMENT: Final = {
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "_X_AMZN_TRACE_ID": "Root=1-68a1b2c3-0123456789abcdef01234567;Parent=0123456789abcdef;Sampled=0",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_NAMESPACE": "Shop",
    "POWERTOOLS_SERVICE_NAME": "shop-query",
}
QUIET: Final = ENVIRONMENT | {"POWERTOOLS_LOG_LEVEL": "WARNING"}

# The first line has the texts, each other a task.
FRAME: Final = f"""
{QUIET_FRAME}
sys.path[:0] = sys.argv[1:]
TEXTS = json.loads(sys.stdin.readline())
SCRIPT
for line in sys.stdin:
    event, count = json.loads(line)
    began = time.process_time()
    for _ in range(count):
        answer = handler(event, context)
    us = (time.process_time() - began) * 1e6 / count
    found = dict(us=us, answer=answer, sampled="aws_xray_sdk" in sys.modules)
    print(json.dumps(found), file=replies, flush=True)
"""
CANDIDATE: Final = """
from shop_query import bootstrap
from shop_query.adapters.system import SystemClock
from shop_query.application.queries import Queries
from shop_query.handlers.api import handler
from shop_query.ports import Document, Page
class Prepared:
    def page(self, query, parameters):
        return Page(TEXTS["items"], ("SKU-00020",))
    def document(self, query, parameters):
        return Document(TEXTS["item"], 3)
    def cursor_key(self):
        return b"of the cursors"
queries = Queries(Prepared(), SystemClock())
bootstrap.queries = lambda: queries
"""
PEER: Final = """
from typing import Annotated
from fastapi import FastAPI, Query, Response
from mangum import Mangum
app = FastAPI()
@app.get("/products")
async def products(limit: Annotated[int, Query(ge=1, le=100)] = 20, cursor: str | None = None) -> Response:
    return Response(TEXTS["list"], media_type="application/json")
@app.get("/products/{sku}")
async def product(sku: str) -> Response:
    return Response(TEXTS["details"], media_type="application/json")
handler = Mangum(app, lifespan="off")
"""
RESOLVER: Final = """
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
routes = APIGatewayHttpResolver()
@routes.get("/products")
def products():
    return Response(200, "application/json", TEXTS["list"])
@routes.get("/products/<sku>")
def product(sku):
    return Response(200, "application/json", TEXTS["details"])
handler = routes.resolve
"""
LOGGED: Final = """
from shop_observability.logs import logger
silent = handler
def handler(event, context):
    began = time.monotonic()
    answer = silent(event, context)
    took_ms = round((time.monotonic() - began) * 1000, 1)
    correlation = event["requestContext"]["requestId"]
    extra = {"route": event["routeKey"], "status": answer["statusCode"], "duration_ms": took_ms}
    extra |= {"correlation_id": correlation, "trace_id": event["headers"]["x-amzn-trace-id"]}
    logger().info("request", extra=extra)
    return answer
"""
FLOOR: Final = """
def handler(event, context):
    text = TEXTS["list" if event["rawPath"] == "/products" else "details"]
    return {"statusCode": 200, "headers": {"Content-Type": "application/json"}, "body": text, "isBase64Encoded": False}
"""
OWN, OWN_QUIET, BARE = "shop-query", "shop-query, no log line", "hand-made answer"
OTHER, OTHER_LOGGED = "FastAPI + Mangum", "FastAPI + Mangum, log line"
OTHER_THREAD, RESOLVER_ALONE = "FastAPI + Mangum, routes not async", "Powertools resolver alone"


@dataclass
class Worker:
    process: "subprocess.Popen[str]"

    def ask(self, event: dict[str, Any], count: int) -> dict[str, Any]:
        self.write([event, count])
        line = pipe(self.process.stdout).readline()
        if not line:
            raise SystemExit(f"a handler ended with {self.process.wait()}")
        answer: dict[str, Any] = json.loads(line)
        if answer["answer"]["statusCode"] != 200 or answer["sampled"]:
            raise SystemExit(f"not what is to be measured: {answer}")
        return answer

    def write(self, value: Any) -> None:
        stdin = pipe(self.process.stdin)
        stdin.write(json.dumps(value) + "\n")
        stdin.flush()


@contextmanager
def running(way: Way, python: str, texts: dict[str, str]) -> Iterator[Worker]:
    with subprocess.Popen(
        way.command(python, FRAME), env=way.environment, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        worker = Worker(process)
        try:
            worker.write(texts)
            yield worker
        finally:
            process.kill()


def ways(python: str, folder: Path) -> list[Way]:
    task, others = unpacked("shop-query", python, folder), installed("fastapi", PEERS, python)
    own = Way(OWN, CANDIDATE, (task,), ENVIRONMENT)
    return [
        own,
        own.again(),
        Way(OWN_QUIET, CANDIDATE, (task,), QUIET),
        Way(OTHER, PEER, (others,), ENVIRONMENT),
        Way(OTHER_LOGGED, PEER + LOGGED, (others, task), ENVIRONMENT),
        Way(OTHER_THREAD, PEER.replace("async def", "def"), (others,), ENVIRONMENT),
        Way(RESOLVER_ALONE, RESOLVER, (task,), ENVIRONMENT),
        Way(BARE, FLOOR, (), ENVIRONMENT),
    ]


def events() -> dict[str, dict[str, Any]]:
    found = {"list": "list-products", "details": "get-product"}
    read = {route: json.loads((EVENTS / f"{name}.json").read_text()) for route, name in found.items()}
    read["list"] |= {"rawQueryString": f"limit={ITEMS}", "queryStringParameters": {"limit": str(ITEMS)}}
    return read


def prepared() -> dict[str, str]:
    """Makes the JSON as PostgreSQL writes it."""
    items = [
        {
            "sku": f"SKU-{number:05}",
            "name": f"Mug with handle {number}",
            "description": "For tea and for coffee, of stoneware, 300 ml; dishwasher and microwave safe.",
            "category": "kitchen",
            "price": {"amount_minor": 1250 + number, "currency": "EUR"},
            "available": 100 - number,
            "status": "listed",
            "version": 3,
        }
        for number in range(1, ITEMS + 1)
    ]
    return {name: json.dumps(value, separators=(", ", " : ")) for name, value in (("items", items), ("item", items[0]))}


def repeat(
    every: list[Way], python: str, texts: dict[str, str], randomness: random.Random
) -> dict[tuple[str, str], float]:
    """Microseconds by way and route, of processes that are started for it, so that no luck in one stays for long."""
    asked, times = events(), dict[tuple[str, str], list[float]]()
    with ExitStack() as stack:
        workers = {way.name: stack.enter_context(running(way, python, texts)) for way in every}
        for worker in workers.values():
            for route, event in asked.items():
                body = worker.ask(event, WARM_UP)["answer"]["body"]
                if body != texts[route]:
                    raise SystemExit(f"{route}: the answers differ: {body}")
        turns = [(name, route) for name in workers for route in asked]
        for _ in range(BLOCKS):
            for name, route in randomness.sample(turns, len(turns)):
                times.setdefault((name, route), []).append(workers[name].ask(asked[route], BLOCK)["us"])
    return {turn: statistics.median(us) for turn, us in times.items()}


def answers(own: Way, python: str) -> dict[str, str]:
    """What ours makes of the prepared texts, for the others to pass through."""
    texts = prepared()
    with running(own, python, texts) as worker:
        return texts | {route: worker.ask(event, 1)["answer"]["body"] for route, event in events().items()}


def comparisons(route: str) -> list[Comparison]:
    held = [Comparison(OWN, OTHER_LOGGED, GOAL), Comparison(OWN, OWN + AGAIN)]
    shown = [(OWN, OTHER), (OWN_QUIET, OTHER), (OWN, OTHER_THREAD), (RESOLVER_ALONE, OTHER), (OTHER, BARE)]
    every = [*held, *(Comparison(way, peer) for way, peer in shown)]
    return [Comparison(f"{route}: {each.way}", f"{route}: {each.peer}", each.goal) for each in every]


def main() -> int:
    arguments = options(__doc__, repeats=15)
    randomness, samples = random.Random(arguments.seed), Samples()
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        every = ways(arguments.python, Path(folder))
        texts = answers(every[0], arguments.python)
        for _ in range(arguments.repeats):
            for (name, route), us in repeat(every, arguments.python, texts, randomness).items():
                samples.setdefault(f"{route}: {name}", []).append(us)
    compared = [comparison for route in events() for comparison in comparisons(route)]
    sizes = {route: len(texts[route]) for route in events()}
    where = f"bodies of {sizes} bytes; {circumstances(arguments.python, arguments.repeats)}"
    return report("handlers", [Table(compared, samples, "CPU us")], where)


if __name__ == "__main__":
    sys.exit(main())
