"""How long shop-query and shop-command take to start from the built artifact, and until their first answer.

Fresh processes that import the function as Lambda does, and so set up what the first request needs, connections apart,
from the unzipped artifact. A peer has the same wheels, from the same folder, and boto3 where Lambda has it. Prints
milliseconds (wall and CPU) and the peak of resident memory (VmHWM). The first answer is compared with the import alone:
what follows the initialization has the deployed memory's share of a processor, so its CPU time is divided by that. Then
come a warm reservation and purchase with all calls stubbed, against the same calls of the same clients alone. Exits
with 1 when a goal is missed, with 2 when the run is to be thrown away.
"""

import json
import random
import subprocess
import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Final

from bench import handlers
from bench.measure import AGAIN, QUIET_FRAME, Comparison, Samples, Table, Way, circumstances, options, report, unpacked

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
IN_LAMBDA: Final = ENVIRONMENT | {"AWS_LAMBDA_INITIALIZATION_TYPE": "on-demand"}
"""With it the import makes ready what the first request needs, and the garbage collector pauses."""
PAUSED: Final = "import gc\ngc.disable()\n"
"""An import alone begins with it, as one in Lambda does."""
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
QUERY: Final = "from shop_query.handlers.api import handler\n"
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
COMMAND: Final = "from shop_command.handlers.api import handler\n"
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
    Comparison(QUERY_NAME, QUERY_PEER, goal=1.2),
    Comparison(QUERY_NAME, QUERY_LOGGER),
    Comparison(QUERY_NAME, QUERY_NAME + AGAIN),
    Comparison(COMMAND_NAME, COMMAND_PEER, goal=1.35),
    Comparison(COMMAND_NAME, COMMAND_BOTO3),
    Comparison(COMMAND_NAME, COMMAND_NAME + AGAIN),
]
IMPORT, ANSWER = ", import alone", ", until its first answer"
RESERVING, OWN_CODE, BARE_CALLS, PAYING = (
    f"{COMMAND_NAME}: {what}" for what in ("reserve", "reserve, calls answered at once", "bare", "purchase")
)
FIRST_ANSWERS: Final = [
    *(Comparison(name + ANSWER, name + IMPORT, goal=1.5) for name in (QUERY_NAME, COMMAND_NAME)),
    Comparison(RESERVING, BARE_CALLS, goal=1.25),
    Comparison(OWN_CODE, BARE_CALLS),
    Comparison(PAYING, RESERVING),
]


SHARE: Final = 512 / 1769
"""Both functions are deployed with this part of a processor."""
FIRST_FRAME: Final = f"""
{QUIET_FRAME}
sys.path[:0] = sys.argv[1:]
started = time.process_time()
SCRIPT
def taken(answer, wanted, began):
    took_ms = (time.process_time() - began) * 1000
    if answer["statusCode"] != wanted:
        raise SystemExit(answer)
    return took_ms
print(json.dumps(measured()), file=replies, flush=True)
"""
FIRST_QUERY: Final = f"""
from shop_query.handlers.api import handler
ready_ms = (time.process_time() - started) * 1000
TEXTS = {handlers.prepared()!r}
{handlers.CANDIDATE}
EVENT = {handlers.events()["list"]!r}
def measured():
    before = time.process_time()
    return dict(ready=ready_ms, first=taken(handler(EVENT, context), 200, before))
"""
FIRST_COMMAND: Final = """
from shop_command.handlers.api import handler
ready_ms = (time.process_time() - started) * 1000
from botocore import xform_name
from botocore.awsrequest import AWSResponse
from botocore.client import BaseClient
from shop_command import bootstrap
class Raw:
    def __init__(self, body):
        self.body = body
    def stream(self):
        yield self.body
PRODUCT = {"status": "listed", "sku": "MUG", "name": "Mug", "description": "", "stock_buckets": 8}
PRODUCT["price"] = {"amount_minor": 500, "currency": "EUR"}
STATES = {"product-MUG": json.dumps(PRODUCT)}
def answer(request, **_):
    operation = request.headers["X-Amz-Target"].decode().rpartition(".")[2]
    asked = json.loads(request.body)
    if operation == "BatchGetItem":
        keys = [key["pk"]["S"] for key in asked["RequestItems"]["shop"]["Keys"]]
        items = [
            {"pk": {"S": pk}, "sk": {"S": "state"}, "version": {"N": "1"}, "state": {"S": STATES[pk]}}
            for pk in keys if pk in STATES
        ]
        found = {"Responses": {"shop": items}, "UnprocessedKeys": {}}
    elif operation == "TransactWriteItems":
        for action in asked["TransactItems"]:
            item = action.get("Put", {}).get("Item", {})
            if "state" in item:
                STATES[item["pk"]["S"]] = item["state"]["S"]
        found = {}
    else:
        found = {"FailedRecordCount": 0, "Records": [{"SequenceNumber": "1", "ShardId": "1"}]}
    headers = {"content-type": "application/x-amz-json-1.1"}
    return AWSResponse(request.url, 200, headers, Raw(json.dumps(found).encode()))
class Provider:
    def request(self, method, url, **_):
        intent = {"object": "payment_intent", "id": "pi_1", "amount": 500, "currency": "eur", "amount_received": 500}
        intent |= {"status": "succeeded", "metadata": {"reservation_id": self.reservation_id}}
        return type("Reply", (), {"status": 200, "data": json.dumps(intent).encode()})
def event(route, body, key):
    claims = {"sub": "customer-1", "token_use": "access", "iat": "1795424340"}
    http = {"method": "POST", "path": route, "protocol": "HTTP/1.1", "sourceIp": "192.0.2.1", "userAgent": "bench"}
    context = {"http": http, "requestId": "request", "stage": "$default", "authorizer": {"jwt": {"claims": claims}}}
    context |= {"accountId": "1", "apiId": "api", "domainName": "api", "routeKey": f"POST {route}"}
    context |= {"time": "23/Nov/2026:09:00:00 +0000", "timeEpoch": 1795424400000}
    headers = {"content-type": "application/json", "idempotency-key": key}
    return {
        "version": "2.0", "routeKey": f"POST {route}", "rawPath": route, "rawQueryString": "", "headers": headers,
        "requestContext": context, "body": json.dumps(body), "isBase64Encoded": False,
    }
def reserve(key):
    answered = handler(event("/reservations", {"lines": [{"sku": "MUG", "quantity": 1}]}, key), context)
    return answered, json.loads(answered["body"]).get("reservation_id")
def measured():
    before = time.process_time()
    journal = bootstrap.application().purchases.journal
    for client in (journal.store.client, journal.publisher.client):
        client.meta.events.register("before-send", answer)
    gateway = bootstrap.application().purchases.gateway
    gateway._http, gateway._api_key = Provider(), type("Key", (), {"values": lambda _: ("sk_none",)})()
    first = taken(reserve("first")[0], 201, before)
    calls = []
    for client in (journal.store.client, journal.publisher.client):
        note = lambda params, model, client=client, **_: calls.append((getattr(client, xform_name(model.name)), params))
        client.meta.events.register("provide-client-params", note)
        answered, _ = reserve(client.meta.service_model.service_name)
        taken(answered, 201, 0)
        client.meta.events.unregister("provide-client-params", note)
    if len(calls) != 4:
        raise SystemExit(f"a reservation makes {len(calls)} calls, and not 4")
    reserved, bare, paid = [], [], []
    for number in range(200):
        before = time.process_time()
        answered, gateway._http.reservation_id = reserve(f"reserve-{number}")
        reserved.append(taken(answered, 201, before))
        before = time.process_time()
        for call, parameters in calls:
            call(**parameters)
        bare.append((time.process_time() - before) * 1000)
        paying = {"reservation_id": gateway._http.reservation_id, "payment_method": "pm_card_visa"}
        before = time.process_time()
        paid.append(taken(handler(event("/purchase", paying, f"pay-{number}"), context), 201, before))
    answers = {call.__name__: call(**parameters) for call, parameters in calls}
    BaseClient._make_api_call = lambda _, operation, parameters: answers[xform_name(operation)]
    own = []
    for number in range(200):
        before = time.process_time()
        own.append(taken(reserve(f"own-{number}")[0], 201, before))
    later = {"reserve": reserved, "reserve, calls answered at once": own, "bare": bare, "purchase": paid}
    return dict(ready=ready_ms, first=first, **{name: sorted(ms)[len(ms) // 2] for name, ms in later.items()})
"""


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
    done = subprocess.run(command, env=IN_LAMBDA, capture_output=True, text=True, check=False)
    if done.returncode:
        raise SystemExit(f"{way.name} does not start:\n{done.stderr}")
    answer: dict[str, Any] = json.loads(done.stdout)
    if not warm_up and answer["uncompiled"]:
        raise SystemExit(f"{way.name} imports without bytecode: {', '.join(answer['uncompiled'])}")
    if "aws_xray_sdk" in answer["loaded"]:
        raise SystemExit(f"{way.name} imports the X-Ray SDK before a request is sampled")
    return answer


def first_answers(python: str, folder: Path, repeats: int, randomness: random.Random) -> Samples:
    """Returns CPU milliseconds: of each function's import, until its first answer, and of what comes later."""
    scripts: dict[str, tuple[str, tuple[Path, ...]]] = {QUERY_NAME: (FIRST_QUERY, (folder / QUERY_NAME,))}
    scripts[COMMAND_NAME] = FIRST_COMMAND, (folder / COMMAND_NAME, folder / "runtime")
    samples: Samples = {}
    every = [(name, environment) for name in scripts for environment in (ENVIRONMENT, IN_LAMBDA)]
    for _ in range(repeats):
        for name, environment in randomness.sample(every, len(every)):
            script, paths = scripts[name]
            paused = PAUSED if environment is ENVIRONMENT else ""
            found = _measured(Way(name, paused + script, paths), python, environment)
            ready, first = found.pop("ready"), found.pop("first")
            if environment is ENVIRONMENT:
                samples.setdefault(name + IMPORT, []).append(ready)
            else:
                samples.setdefault(name + ANSWER, []).append(ready + first / SHARE)
                for what, ms in found.items():
                    samples.setdefault(f"{name}: {what}", []).append(ms)
    return samples


def _measured(way: Way, python: str, environment: dict[str, str]) -> dict[str, float]:
    done = subprocess.run(
        way.command(python, FIRST_FRAME), env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise SystemExit(f"{way.name} does not answer:\n{done.stderr}")
    found: dict[str, float] = json.loads(done.stdout)
    return found


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
        first = first_answers(arguments.python, Path(folder), arguments.repeats, randomness)
    shown = [Comparison(each.way, each.peer) for each in COMPARISONS if not each.is_aa]
    tables = [
        Table(COMPARISONS, units["ms"], "ms"),
        Table(shown, units["cpu_ms"], "CPU ms"),
        Table(shown, units["mib"], "MiB"),
        Table(FIRST_ANSWERS, first, "CPU ms", "The first answer of a new environment"),
    ]
    return report("start", tables, circumstances(arguments.python, arguments.repeats))


if __name__ == "__main__":
    sys.exit(main())
