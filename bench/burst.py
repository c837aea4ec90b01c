"""Sends a burst of customers to a running shop whose functions have no execution environment, and then another one.

SHOP_HOME names the shop, as for ./shop. Each customer reserves something and looks at the catalogue. Exits with 1 if
anything is refused, or if the first burst's 95th percentile is over `--seconds-max`.
"""

import argparse
import contextlib
import os
import statistics
import sys
import time
import uuid
from concurrent.futures import ThreadPoolExecutor
from typing import Final

import psutil
from bench.measure import RecordedRow, circumstances, record
from bench.running import running_shop, server

from shop_cli.local.home import Home
from shop_cli.testing import Shop

FUNCTIONS: Final = ("shop-command-local-api", "shop-query-local-api")
ANSWER_SECONDS_MAX: Final = 90


def end_environments(shop: Shop) -> None:
    """The emulator runs each in a child process of its own."""
    for child in psutil.Process(server(Home(shop.home), "aws").pid).children():
        with contextlib.suppress(psutil.NoSuchProcess):
            if child.environ().get("AWS_LAMBDA_FUNCTION_NAME") in FUNCTIONS:
                child.kill()
                # The emulator notices the end of its child only when it looks.
                while child.status() != psutil.STATUS_ZOMBIE:
                    time.sleep(0.01)


def buy(shop: Shop, sku: str) -> float:
    began = time.monotonic()
    lines = [{"sku": sku, "quantity": 1}]
    placed = shop.customer("POST", "/reservations", key=str(uuid.uuid4()), body={"lines": lines})
    listed = shop.request("GET", "/products")
    if (placed.status, listed.status) != (201, 200):
        raise SystemExit(f"Refused: {placed} {listed.status}")
    return time.monotonic() - began


def burst(shop: Shop, sku: str, clients: int) -> float:
    """Returns the 95th percentile."""
    with ThreadPoolExecutor(clients) as pool:
        seconds = sorted(pool.map(lambda _: buy(shop, sku), range(clients)))
    p95 = statistics.quantiles(seconds, n=20)[-1]
    print(f"  half within {statistics.median(seconds):.2f} s, 95 % within {p95:.2f} s, all within {seconds[-1]:.2f} s")
    return p95


def main() -> int:
    parser = argparse.ArgumentParser(prog="burst", description=__doc__)
    parser.add_argument("--clients", type=int, default=16, help="at once (%(default)s)")
    parser.add_argument("--seconds-max", type=float, default=10, help="for 95 %% of the first burst (%(default)s)")
    arguments = parser.parse_args()
    with running_shop(answer_seconds_max=ANSWER_SECONDS_MAX, connections_max=arguments.clients) as shop:
        sku = shop.new_product(stock=10_000, buckets=8)
        end_environments(shop)
        print(f"{arguments.clients} clients, load average {os.getloadavg()[0]:.1f}: with no environment, then again")
        first = burst(shop, sku, arguments.clients)
        burst(shop, sku, arguments.clients)
    row = RecordedRow("95 % of a burst", "s", first, first, (first, first), arguments.seconds_max)
    record("burst", [row], f"{circumstances('3.13', 1)}, {arguments.clients} clients")
    return int(first > arguments.seconds_max)


if __name__ == "__main__":
    sys.exit(main())
