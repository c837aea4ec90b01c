"""How long a reservation that was acknowledged takes until a read shows it, against the emulator's own latency.

SHOP_HOME names the running shop, as for ./shop. The peer is a function of two lines behind a stream of its own: the
time from sending a record until it runs is what the emulator takes. (It often runs before the record is acknowledged,
while the shop's time begins when its customer has the answer.) Both in turns, one at a time. Exits with 1 when the goal
is missed.
"""

import argparse
import io
import json
import random
import sys
import tempfile
import time
import uuid
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from bench.measure import AGAIN, Comparison, Samples, Table, circumstances, report
from bench.running import running_shop

from shop_cli.interrupts import Interrupts
from shop_cli.testing import Shop

SHOWN, BARE = "acknowledged to visible", "Kinesis to a function of two lines"
GOAL: Final = 1.5
POLL_SECONDS: Final = 0.002
SECONDS_MAX: Final = 30
CODE: Final = """
import time
def handler(event, context):
    with open({seen!r}, "a") as seen:
        seen.write("".join(f"{{each['kinesis']['partitionKey']}} {{time.time()}}\\n" for each in event["Records"]))
"""
TRUST: Final = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
READ: Final = {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}


@contextmanager
def bare_consumer(shop: Shop, seen: Path) -> Iterator[str]:
    """Yields the stream's name, and takes stream, function and role away in the end."""
    name = f"bench-visible-{uuid.uuid4().hex[:8]}"
    kinesis, functions, iam = (shop.client(service) for service in ("kinesis", "lambda", "iam"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bare.py", CODE.format(seen=str(seen)))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(TRUST))["Role"]["Arn"]
    try:
        iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=_policy(READ))
        kinesis.create_stream(StreamName=name, ShardCount=1)
        stream = kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
        functions.create_function(
            FunctionName=name,
            Runtime="python3.13",
            Role=role,
            Handler="bare.handler",
            Code={"ZipFile": packed.getvalue()},
        )
        functions.get_waiter("function_active_v2").wait(FunctionName=name, WaiterConfig={"Delay": 1})
        mapping = functions.create_event_source_mapping(
            FunctionName=name, EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=500
        )
        yield name
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
        functions.delete_function(FunctionName=name)
        kinesis.delete_stream(StreamName=name)
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="read")
        iam.delete_role(RoleName=name)


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def shown(shop: Shop, sku: str) -> float:
    reserved = shop.reserve(sku)["reservation_id"]
    began = time.monotonic()
    while shop.customer("GET", f"/reservations/{reserved}").status != 200:
        _wait(began)
    return time.monotonic() - began


def consumed(shop: Shop, stream: str, seen: Path) -> float:
    key, kinesis = uuid.uuid4().hex, shop.client("kinesis")
    sent, began = time.time(), time.monotonic()
    kinesis.put_record(StreamName=stream, PartitionKey=key, Data=b"{}")
    while key not in (text := seen.read_text()):
        _wait(began)
    return float(text.partition(key)[2].split()[0]) - sent


def _wait(began: float) -> None:
    if time.monotonic() - began > SECONDS_MAX:
        raise SystemExit(f"nothing came within {SECONDS_MAX} s")
    time.sleep(POLL_SECONDS)


def main() -> int:
    parser = argparse.ArgumentParser(prog="visible", description=__doc__)
    parser.add_argument("--repeats", type=int, default=60, help="(default: %(default)s)")
    arguments = parser.parse_args()
    samples: Samples = {}
    with Interrupts().installed(), running_shop() as shop, tempfile.NamedTemporaryFile() as file:
        seen, sku = Path(file.name), shop.new_product(stock=100_000, buckets=8)
        with bare_consumer(shop, seen) as stream:
            ways = {
                SHOWN: lambda: shown(shop, sku),
                SHOWN + AGAIN: lambda: shown(shop, sku),
                BARE: lambda: consumed(shop, stream, seen),
            }
            for repeat in range(-3, arguments.repeats):
                for name in random.Random(repeat).sample([*ways], len(ways)):
                    took = ways[name]() * 1_000
                    if repeat >= 0:
                        samples.setdefault(name, []).append(took)
    compared = [Comparison(SHOWN, BARE, GOAL), Comparison(SHOWN, SHOWN + AGAIN)]
    return report("visible", [Table(compared, samples, "ms")], circumstances("3.13", arguments.repeats))


if __name__ == "__main__":
    sys.exit(main())
