"""How long shop-query and shop-command take to start from the built artifact, and how much memory: against plain peers.

Fresh processes that import and set up what the first request needs, connections apart, from the unzipped artifact. A
peer has the same wheels, from the same folder, and boto3 where Lambda has it. Prints milliseconds (wall and CPU) and
the peak of resident memory (VmHWM). Exits with 1 when a goal is missed, with 2 when the run is to be thrown away.
"""

import json
import random
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bench.measure import AGAIN, Comparison, Samples, Way, circumstances, options, table, unpacked, verdict

ENVIRONMENT: Final = {
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_DEFAULT_REGION": "us-east-1",
    "AWS_REGION": "us-east-1",
    "AWS_SECRET_ACCESS_KEY": "nothing",
    "AWS_XRAY_DAEMON_ADDRESS": "127.0.0.1:2000",
    "DATABASE_URL": "postgresql://shop_query@localhost/shop",
    "PAYMENT_API_KEY_PARAMETER": "/shop/bench/payment-api-key",
    "PAYMENT_URL": "https://api.stripe.com",
    "PAYMENT_WEBHOOK_SECRET_PARAMETER": "/shop/bench/payment-webhook-secret",
    "POWERTOOLS_LOG_LEVEL": "INFO",
    "POWERTOOLS_METRICS_NAMESPACE": "Shop",
    "POWERTOOLS_SERVICE_NAME": "shop",
    "STREAM_NAME": "shop",
    "TABLE_NAME": "shop",
}
# Nothing may be imported before the clock starts that the script would have to import.
FRAME: Final = """
import sys, time
sys.path[:0] = sys.argv[1:]
began = time.perf_counter(), time.process_time()
SCRIPT
ended = time.perf_counter(), time.process_time()
with open("/proc/self/status") as status:
    peak = next(line.split()[1] for line in status if line.startswith("VmHWM"))
import json, os

def compiled(module):
    spec = getattr(module, "__spec__", None)
    origin = getattr(spec, "origin", None) or ""
    if not origin.endswith(".py") or not origin.startswith(tuple(sys.argv[1:])):
        return True  # built in, an extension, or bytecode alone
    if not os.path.exists(spec.cached):
        return False
    with open(spec.cached, "rb") as file:  # PEP 552: 1 is a hash that nobody checks, which the artifact must have
        return file.read(8)[4] == 1 or not origin.startswith(sys.argv[1])

print(json.dumps({
    "ms": (ended[0] - began[0]) * 1000, "cpu_ms": (ended[1] - began[1]) * 1000, "mib": int(peak) / 1024,
    "uncompiled": [name for name, module in list(sys.modules.items()) if not compiled(module)],
    "loaded": [name for name in ("aws_xray_sdk", "boto3", "botocore", "pydantic") if name in sys.modules],
}))
"""
QUERY: Final = """
from shop_query.handlers.api import handler
from shop_query import bootstrap
from shop_observability.logs import logger
bootstrap.queries(), logger()
"""
RESOLVER: Final = """
from aws_lambda_powertools.event_handler import APIGatewayHttpResolver, Response
routes = APIGatewayHttpResolver()
@routes.get("/products")
def products():
    return Response(200, "application/json", "{}")
"""
LOGGER: Final = """
from aws_lambda_powertools import Logger
logger = Logger()
"""
COMMAND: Final = """
from shop_command.handlers.api import handler
from shop_command import bootstrap
from shop_command.domain import product, reservation
from shop_command.handlers.reservations import ReservationBody
from shop_observability.logs import logger
from shop_shared.envelope import Envelope
from shop_shared.events import ReservationPlaced
bootstrap.application(), logger()
# Pydantic makes a model ready at its first use. These are used by what a first request most likely does: place a
# reservation.
for model in (ReservationBody, ReservationPlaced, Envelope):
    assert model.model_rebuild(), model
for stream in (product.stream("MUG"), reservation.stream("1")):
    assert stream.states.rebuild(), stream
"""
BOTOCORE: Final = """
import botocore.session
session = botocore.session.get_session()
clients = [session.create_client(name) for name in ("dynamodb", "kinesis")]
"""
BOTO3: Final = """
import boto3
session = boto3.Session()
clients = [session.client(name) for name in ("dynamodb", "kinesis", "ssm")]
"""
PYDANTIC: Final = "import pydantic\npydantic.BaseModel\n"
QUERY_NAME, QUERY_PEER, QUERY_LOGGER = "shop-query", "psycopg + resolver", "psycopg + resolver + Logger"
COMMAND_NAME, COMMAND_PEER = "shop-command", "botocore, 2 clients + resolver"
COMMAND_BOTO3 = "boto3, 3 clients + resolver + Logger + pydantic"
COMPARISONS: Final = [
    Comparison(QUERY_NAME, QUERY_PEER, goal=1.3),
    Comparison(QUERY_NAME, QUERY_LOGGER),
    Comparison(QUERY_NAME, QUERY_NAME + AGAIN),
    Comparison(COMMAND_NAME, COMMAND_PEER, goal=1.25),
    Comparison(COMMAND_NAME, COMMAND_BOTO3),
    Comparison(COMMAND_NAME, COMMAND_NAME + AGAIN),
]


def ways(python: str, folder: Path) -> list[Way]:
    query = (unpacked("shop-query", python, folder),)
    command = (unpacked("shop-command", python, folder), runtime(folder))
    candidates = [Way(QUERY_NAME, QUERY, query), Way(COMMAND_NAME, COMMAND, command)]
    return [
        *candidates,
        *(candidate.again() for candidate in candidates),
        Way(QUERY_PEER, "import psycopg" + RESOLVER, query),
        Way(QUERY_LOGGER, "import psycopg" + RESOLVER + LOGGER, query),
        Way(COMMAND_PEER, BOTOCORE + RESOLVER, command),
        Way(COMMAND_BOTO3, BOTO3 + RESOLVER + LOGGER + PYDANTIC, command),
    ]


def runtime(folder: Path) -> Path:
    """Links what Lambda provides besides the artifact, and nothing else of this environment."""
    place = folder / "runtime"
    place.mkdir()
    for name in ("boto3", "botocore", "s3transfer", "urllib3", "dateutil", "jmespath", "six"):
        spec = find_spec(name)
        if spec is None or spec.origin is None:
            raise SystemExit(f"{name} is not installed: make setup")
        origin = Path(spec.origin)
        module = origin.parent if origin.name == "__init__.py" else origin
        (place / module.name).symlink_to(module)
    return place


def start(way: Way, python: str, *, warm_up: bool = False) -> dict[str, Any]:
    """A warm-up may leave bytecode of boto3 behind; a measured run finds it, and writes none."""
    command = way.command(python, FRAME)
    if not warm_up:
        command.insert(1, "-B")
    done = subprocess.run(command, env=ENVIRONMENT, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way.name} does not start:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if not warm_up and answer["uncompiled"]:
        raise SystemExit(f"{way.name} imports without bytecode: {', '.join(answer['uncompiled'])}")
    if "aws_xray_sdk" in answer["loaded"]:
        raise SystemExit(f"{way.name} imports the X-Ray SDK before a request is sampled")
    return answer


def main() -> int:
    arguments = options(__doc__, repeats=15)
    randomness = random.Random(arguments.seed)
    units: dict[str, Samples] = {"ms": {}, "cpu_ms": {}, "mib": {}}
    with tempfile.TemporaryDirectory(prefix="shop-bench-") as folder:
        every = ways(arguments.python, Path(folder))
        for way in every:
            start(way, arguments.python, warm_up=True)
        for _ in range(arguments.repeats):
            for way in randomness.sample(every, len(every)):
                answer = start(way, arguments.python)
                for unit, samples in units.items():
                    samples.setdefault(way.name, []).append(answer[unit])
    shown = [Comparison(each.way, each.peer) for each in COMPARISONS if not each.is_aa]
    print(table(COMPARISONS, units["ms"], "ms"))
    print("\n" + table(shown, units["cpu_ms"], "CPU ms"))
    print("\n" + table(shown, units["mib"], "MiB"))
    print("\n" + circumstances(arguments.python, arguments.repeats))
    return verdict(COMPARISONS, units["ms"])


if __name__ == "__main__":
    sys.exit(main())
