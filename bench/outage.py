"""Stops the PostgreSQL of a running shop while customers buy, starts it again, and waits until nothing is behind.

SHOP_HOME names the shop, as for ./shop; its PostgreSQL has to be the one that `shop up` starts. Then `shop verify`
looks for what was lost or doubled. Exits with 1 if there is anything, or if the lag does not go away by itself.
"""

import argparse
import os
import signal
import sys
import threading
import time
import uuid
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

import psycopg
from bench.running import running_shop, server, start_again
from rich.console import Console

from shop_cli.local import postgres, processes
from shop_cli.local.home import Home
from shop_cli.testing import Shop

CLIENTS: Final = 3
PAUSE_SECONDS: Final = 0.2
UP_SECONDS: Final = 5
"""The trade continues for so long before the outage, and again after it."""
STOP_SECONDS_MAX: Final = 30
LAG_SECONDS_MAX: Final = 120
HEADS: Final = "SELECT stream_id, stream_version FROM shop.stream_head"


class Trade:
    """Customers who reserve, pay and look at the catalogue, until it is over."""

    def __init__(self, shop: Shop, sku: str) -> None:
        self._shop = shop
        self._sku = sku
        self._over = threading.Event()
        self.versions: dict[str, int] = {}
        """The last version of each stream that a customer was told."""
        self.answers: Counter[tuple[str, int]] = Counter()

    def run(self) -> None:
        while not self._over.wait(PAUSE_SECONDS):
            lines = [{"sku": self._sku, "quantity": 1}]
            placed = self._ask("POST", "/reservations", {"lines": lines})
            if placed.get("reservation_id"):
                body = {"reservation_id": placed["reservation_id"], "payment_method": "pm_card_visa"}
                self._ask("POST", "/purchase", body)
            self._ask("GET", "/products")

    def stop(self) -> None:
        self._over.set()

    def _ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        key = str(uuid.uuid4()) if body else None
        answer = self._shop.customer(method, path, key=key, body=body)
        self.answers[f"{method} {path}", answer.status] += 1
        answered: dict[str, Any] = answer.body if isinstance(answer.body, dict) else {}
        if "stream_version" in answered:
            self.versions[answered["stream_id"]] = max(
                answered["stream_version"], self.versions.get(answered["stream_id"], 0)
            )
        return answered


def stop_database(home: Home) -> None:
    record = server(home, "postgres")
    os.kill(record.pid, signal.SIGINT)  # "fast": connections are cut, what is committed is kept
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while processes.find(record):
        if time.monotonic() > deadline:
            raise SystemExit("PostgreSQL does not stop")
        time.sleep(0.05)


def start_database(home: Home) -> None:
    state, account = home.state(), postgres.account()
    command, environment = postgres.server_command(home, state), postgres.server_environment()
    start_again(home, "postgres", command, environment, lambda: postgres.is_ready(state), cwd=Path("/"), user=account)


def seconds_behind(shop: Shop, versions: dict[str, int]) -> float:
    """Measures how long the read model takes to show all that customers were answered."""
    began = time.monotonic()
    with psycopg.connect(shop.status["database_url"], autocommit=True) as connection:
        while time.monotonic() < began + LAG_SECONDS_MAX:
            heads: dict[str, int] = dict(connection.execute(HEADS))
            if all(heads.get(stream_id, 0) >= version for stream_id, version in versions.items()):
                return time.monotonic() - began
            time.sleep(0.1)
    raise SystemExit(f"The read model is still behind after {LAG_SECONDS_MAX} s")


def main() -> int:
    parser = argparse.ArgumentParser(prog="outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="that PostgreSQL is away for (60)")
    arguments = parser.parse_args()
    say = Console(stderr=True).print
    with running_shop() as shop:
        home = Home(shop.home)
        trade = Trade(shop, shop.new_product(stock=100_000, buckets=8))
        with ThreadPoolExecutor(CLIENTS) as pool:
            customers = [pool.submit(trade.run) for _ in range(CLIENTS)]
            try:
                time.sleep(UP_SECONDS)
                say(f"PostgreSQL stops for {arguments.seconds:.0f} s")
                stop_database(home)
                try:
                    time.sleep(arguments.seconds)
                finally:
                    start_database(home)
                meanwhile = dict(trade.versions)
                lag = seconds_behind(shop, meanwhile)
                say("PostgreSQL is back, and nothing is behind")
                time.sleep(UP_SECONDS)
            finally:
                trade.stop()
            for customer in customers:
                customer.result()
        seconds_behind(shop, trade.versions)
    print(f"away for {arguments.seconds:.0f} s; {len(trade.versions):,} streams changed, {len(meanwhile):,} by its end")
    print(f"read model level with the store {lag:.1f} s after PostgreSQL answered again")
    for (request, code), count in sorted(trade.answers.items()):
        print(f"  {request}: {count:,} times {code}")
    verified = shop.command("verify", check=False)
    print(verified.stdout.strip().splitlines()[-1])
    return verified.returncode


if __name__ == "__main__":
    sys.exit(main())
