"""How many reservations a sweep expires in a second, with one thread and with as many as it is deployed with.

The real adapters run against the emulator's table and stream, and each call takes some milliseconds longer, as it does
on AWS. Each repeat expires the same number with either, in shuffled order. Beside the rates it prints the processor's
time for each reservation, which on AWS is what bounds the rate. Exits with 1 when the goal is missed.
"""

import argparse
import random
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any, Final

import botocore.session
from bench.measure import REPEATS_MIN, Comparison, Samples, Table, circumstances, report

from shop_cli.emulator_testing import RunningEmulator, running_emulator
from shop_cli.guard_testing import guard_this_process
from shop_command.adapters.dynamodb import DynamoDbEventStore
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.adapters.secrets import Secret
from shop_command.adapters.system import Uuid7
from shop_command.adapters.telemetry import Observability
from shop_command.adapters.threads import Threads
from shop_command.application.request import Request
from shop_command.application.stock_search import WantedLine
from shop_command.bootstrap import AWS_CONFIG, RESERVATION_SECONDS_DEFAULT, THREADS, Application, assemble
from shop_command.domain.product import ListProduct
from shop_command.testing import FakeClock, FakeGateway, FakeHelpers
from shop_observability.testing import invoked_before
from shop_shared.values import Price

BUCKETS: Final = 64
GOAL: Final = 0.5
"""The threads are to take at most this share of the time."""
SWEEP_SECONDS: Final = 600.0


@dataclass
class Bench:
    aws: RunningEmulator
    call_seconds: float
    clock: FakeClock = field(default_factory=FakeClock)
    placed: int = 0

    def application(self, threads: int, store: Any = None) -> Application:
        randomness = random.Random(1)
        return assemble(
            store=DynamoDbEventStore(store or self.client("dynamodb"), self.aws.table_name, randomness),
            publisher=KinesisPublisher(self.client("kinesis"), self.aws.stream_name, randomness),
            gateway=FakeGateway(),
            clock=self.clock,
            ids=Uuid7(),
            randomness=randomness,
            webhook_secret=Secret(lambda: ("",)),
            telemetry=Observability(),
            workers=Threads(threads),
            helpers=FakeHelpers(),
        )

    def client(self, service: str) -> Any:
        session = botocore.session.get_session()
        session.set_credentials(*self.aws.credentials.values())
        client = session.create_client(service, "us-east-1", endpoint_url=self.aws.url, config=AWS_CONFIG)
        client.meta.events.register("before-send", lambda **_: time.sleep(self.call_seconds))
        return client

    def list_product(self, application: Application, buckets: int) -> None:
        price = Price(amount_minor=500, currency="EUR")
        application.products.list_product(
            Request("admin", "list", "r", "c"), ListProduct("MUG", "Mug", "", price, buckets)
        )
        application.products.receive_stock(Request("admin", "stock", "r", "c"), "MUG", 1_000_000)

    def next_number(self) -> int:
        self.placed += 1
        return self.placed

    def place_one(self, application: Application, number: int) -> None:
        request = Request(f"customer-{number}", str(number), f"r-{number}", f"c-{number}")
        application.reservations.place(request, (WantedLine("MUG", 1),))

    def place(self, application: Application, count: int) -> None:
        for _ in range(count):
            self.place_one(application, self.next_number())

    def swept(self, application: Application, number: int) -> tuple[float, float]:
        """Returns the seconds, and the processor's milliseconds, for each reservation."""
        self.clock.advance(RESERVATION_SECONDS_DEFAULT)
        began, worked = time.perf_counter(), time.process_time()
        report = application.sweep.run(SWEEP_SECONDS)
        seconds, cpu = time.perf_counter() - began, time.process_time() - worked
        if (report.expired, report.left, report.failures) != (number, 0, []):
            raise SystemExit(f"{number} were due: {report}")
        return seconds / number, cpu * 1_000 / number


@contextmanager
def opened(milliseconds: float) -> Iterator[Bench]:
    with running_emulator() as aws, invoked_before("shop-command"):
        yield Bench(aws, milliseconds / 1_000)


def main() -> int:
    guard_this_process()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=100, help="in each repeat (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=REPEATS_MIN, help="(default: %(default)s)")
    parser.add_argument("--milliseconds", type=float, default=5, help="for each call (default: %(default)s)")
    arguments = parser.parse_args()
    several = f"{THREADS} threads"
    took: Samples = {"one thread": [], several: []}
    cpu: Samples = {"one thread": [], several: []}
    with opened(arguments.milliseconds) as bench:
        applications = {"one thread": bench.application(1), several: bench.application(THREADS)}
        bench.list_product(applications[several], BUCKETS)
        for repeat in range(arguments.repeats):
            for name in random.Random(repeat).sample([*took], len(took)):
                bench.place(applications[several], arguments.reservations)
                seconds, worked = bench.swept(applications[name], arguments.reservations)
                took[name].append(seconds * 1_000)
                cpu[name].append(worked)
    tables = [
        Table([Comparison(several, "one thread", goal=GOAL)], took, "ms each"),
        Table([Comparison(several, "one thread")], cpu, "CPU ms each"),
    ]
    where = f"{circumstances('3.13', arguments.repeats)}, {arguments.milliseconds} ms longer for each call"
    return report("sweep", tables, where)


if __name__ == "__main__":
    sys.exit(main())
