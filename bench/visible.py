"""How long a reservation that was acknowledged takes until a read shows it, against the emulator's own latency.

SHOP_HOME names the running shop, as for ./shop. The peer is two functions of two lines: one behind a stream of its own
notes what comes, and one waits until that is noted. Both times begin when the sender has the acknowledgement, by when a
consumer often has run, and end with the answer of the function that reads. Both in turns, one at a time. Exits with 1
when the goal is missed.
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
from typing import Any, Final

from bench.measure import AGAIN, Comparison, Samples, Table, circumstances, report
from bench.running import running_shop

from shop_cli.interrupts import Interrupts
from shop_cli.testing import Shop

SHOWN, BARE = "acknowledged to visible", "the same by functions of two lines"
GOAL: Final = 1.5
CODE: Final = """
import time
def note(event, context):
    with open({seen!r}, "a") as seen:
        seen.write("".join(each["kinesis"]["partitionKey"] for each in event["Records"]))
def read(key, context):
    while key not in open({seen!r}).read():
        time.sleep(0.001)
"""
HANDLERS: Final = ("note", "read")
TRUST: Final = {"Effect": "Allow", "Principal": {"Service": "lambda.amazonaws.com"}, "Action": "sts:AssumeRole"}
READ: Final = {"Effect": "Allow", "Action": "kinesis:*", "Resource": "*"}


@contextmanager
def bare_functions(shop: Shop, seen: str) -> Iterator[str]:
    """Yields the stream's name, and takes stream, functions and role away in the end."""
    name = f"bench-visible-{uuid.uuid4().hex[:8]}"
    kinesis, functions, iam = (shop.client(service) for service in ("kinesis", "lambda", "iam"))
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bare.py", CODE.format(seen=seen))
    role = iam.create_role(RoleName=name, AssumeRolePolicyDocument=_policy(TRUST))["Role"]["Arn"]
    try:
        iam.put_role_policy(RoleName=name, PolicyName="read", PolicyDocument=_policy(READ))
        kinesis.create_stream(StreamName=name, ShardCount=1)
        stream = kinesis.describe_stream(StreamName=name)["StreamDescription"]["StreamARN"]
        for handler in HANDLERS:
            functions.create_function(
                FunctionName=f"{name}-{handler}",
                Runtime="python3.13",
                Role=role,
                Handler=f"bare.{handler}",
                Timeout=30,
                Code={"ZipFile": packed.getvalue()},
            )
            functions.get_waiter("function_active_v2").wait(FunctionName=f"{name}-{handler}", WaiterConfig={"Delay": 1})
        mapping = functions.create_event_source_mapping(
            FunctionName=f"{name}-note", EventSourceArn=stream, StartingPosition="TRIM_HORIZON", BatchSize=500
        )
        yield name
        functions.delete_event_source_mapping(UUID=mapping["UUID"])
        for handler in HANDLERS:
            functions.delete_function(FunctionName=f"{name}-{handler}")
        kinesis.delete_stream(StreamName=name)
    finally:
        iam.delete_role_policy(RoleName=name, PolicyName="read")
        iam.delete_role(RoleName=name)


def _policy(statement: Mapping[str, object]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def shown(shop: Shop, sku: str) -> float:
    reserved = shop.reserve(sku)
    began = time.monotonic()
    path = f"/reservations/{reserved['reservation_id']}?min_version={reserved['stream_version']}"
    answer = shop.customer("GET", path)
    if answer.status != 200:
        raise SystemExit(f"{path}: {answer.status}")
    return time.monotonic() - began


def consumed(kinesis: Any, functions: Any, stream: str) -> float:
    key = uuid.uuid4().hex
    kinesis.put_record(StreamName=stream, PartitionKey=key, Data=b"{}")
    began = time.monotonic()
    answer = functions.invoke(FunctionName=f"{stream}-read", Payload=json.dumps(key))
    if "FunctionError" in answer:
        raise SystemExit(answer["Payload"].read().decode())
    return time.monotonic() - began


def main() -> int:
    parser = argparse.ArgumentParser(prog="visible", description=__doc__)
    parser.add_argument("--repeats", type=int, default=60, help="(default: %(default)s)")
    arguments = parser.parse_args()
    samples: Samples = {}
    with Interrupts().installed(), running_shop() as shop, tempfile.NamedTemporaryFile() as file:
        kinesis, functions = shop.client("kinesis"), shop.client("lambda")
        sku = shop.new_product(stock=100_000, buckets=8)
        with bare_functions(shop, file.name) as stream:
            ways = {
                SHOWN: lambda: shown(shop, sku),
                SHOWN + AGAIN: lambda: shown(shop, sku),
                BARE: lambda: consumed(kinesis, functions, stream),
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
