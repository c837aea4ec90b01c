"""How many reservations of one hot product are accepted in a second, against the bare transactions that they write.

The real adapters run against the emulator's table and stream, in as many threads as say so. The bare calls are the
TransactWriteItems of such a reservation, each with new ids, by a client of the same settings: without the reads before,
without publishing, and without deciding anything. Exits with 1 when the goal is missed.
"""

import argparse
import json
import random
import sys
import time
import uuid
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, Final

from bench.measure import AGAIN, Comparison, Samples, Table, circumstances, report
from bench.sweep import Bench, opened

from shop_cli.guard_testing import guard_this_process
from shop_command.application.request import Request
from shop_command.application.stock_search import WantedLine

RESERVED, BARE = "place a reservation", "bare TransactWriteItems"
GOAL: Final = 1 / 0.8
"""The rate is to be at least 0.8 of that of the bare calls, so each may take this times as long."""
BUCKETS: Final = 64


class BareTransactions:
    """Sends what a reservation writes, again and again, for another customer and with other ids each time."""

    def __init__(self, bench: Bench) -> None:
        self._client = bench.client("dynamodb")
        seen: list[dict[str, Any]] = []
        client = bench.client("dynamodb")
        client.meta.events.register(
            "provide-client-params.dynamodb.TransactWriteItems", lambda params, **_: seen.append(params)
        )
        placed = bench.application(1, client).reservations.place(
            Request("customer-0", "key-0", "r-0", "c-0"), (WantedLine("MUG", 1),)
        )
        self._text = json.dumps(seen[-1])
        self._ids = ("customer-0", "key-0", str(placed.id), placed.subject.removeprefix("reservation-"))

    def __call__(self, _number: int) -> None:
        text = self._text
        for each in self._ids:
            text = text.replace(each, str(uuid.UUID(int=random.getrandbits(128))))
        params = json.loads(text)
        params.pop("ClientRequestToken", None)
        self._client.transact_write_items(**params)


def main() -> int:
    guard_this_process()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--reservations", type=int, default=200, help="in each repeat (default: %(default)s)")
    parser.add_argument("--repeats", type=int, default=9, help="(default: %(default)s)")
    parser.add_argument("--threads", type=int, default=8, help="(default: %(default)s)")
    arguments = parser.parse_args()
    samples: Samples = {}
    with opened(0) as bench, ThreadPoolExecutor(arguments.threads) as pool:
        application = bench.application(1)
        bench.list_product(application, BUCKETS)
        ways: dict[str, Callable[[int], None]] = {
            RESERVED: lambda number: bench.place_one(application, number),
            RESERVED + AGAIN: lambda number: bench.place_one(application, number),
            BARE: BareTransactions(bench),
        }
        for repeat in range(-1, arguments.repeats):
            for name in random.Random(repeat).sample([*ways], len(ways)):
                began = time.perf_counter()
                for done in [pool.submit(ways[name], bench.next_number()) for _ in range(arguments.reservations)]:
                    done.result()
                if repeat >= 0:
                    took = (time.perf_counter() - began) * 1_000 / arguments.reservations
                    samples.setdefault(name, []).append(took)
    compared = [Comparison(RESERVED, BARE, GOAL), Comparison(RESERVED, RESERVED + AGAIN)]
    where = f"{circumstances('3.13', arguments.repeats)}, {arguments.threads} threads, {BUCKETS} buckets"
    return report("reserve", [Table(compared, samples, "ms each")], where)


if __name__ == "__main__":
    sys.exit(main())
