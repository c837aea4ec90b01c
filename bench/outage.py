"""Takes the servers of a running shop away while customers buy: PostgreSQL for a while, then each by kill -9 in turn.

PostgreSQL is started again as it was, and what was killed by `shop up`, after `shop status` has named it. Then nothing
may be behind that a customer was answered, and `shop verify` looks for what was lost or doubled. SHOP_HOME names the
shop, as for ./shop; its PostgreSQL has to be the one that `shop up` starts. Exits with 1 if there is anything.
"""

import argparse
import json
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

import httpx
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
DOWN_SECONDS: Final = 2
"""Customers meet a killed server for so long before `shop up`."""
UP_SECONDS_MAX: Final = 900
KILLED: Final = ("aws", "postgres", "payment", "xray")
NOT_RUNNING: Final = 3
SETTLED_SECONDS_MAX: Final = 200
"""A payment that a kill has cut off is due after a minute, and the sweep that settles it runs every minute."""
HEADS: Final = "SELECT stream_id, stream_version FROM shop.stream_head"


class Trade:
    """Customers who reserve, pay and look at the catalogue, until it is over."""

    def __init__(self, shop: Shop, sku: str) -> None:
        self._shop = shop
        self._sku = sku
        self._over = threading.Event()
        self.versions: dict[str, int] = {}
        """The last version of each stream that a customer was told."""
        self.answers: Counter[tuple[str, str]] = Counter()

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
        try:
            answer = self._shop.customer(method, path, key=key, body=body)
        except (httpx.TransportError, json.JSONDecodeError):
            self.answers[f"{method} {path}", "not answered"] += 1
            return {}
        self.answers[f"{method} {path}", str(answer.status)] += 1
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


def stop_for(shop: Shop, seconds: float) -> None:
    home = Home(shop.home)
    say(f"PostgreSQL stops for {seconds:.0f} s")
    stop_database(home)
    try:
        time.sleep(seconds)
    finally:
        start_database(home)


def kill(shop: Shop, name: str) -> float:
    """Returns the seconds from the kill until the shop says again that it runs."""
    say(f"kill -9 {name}")
    os.kill(server(Home(shop.home), name).pid, signal.SIGKILL)
    began = time.monotonic()
    time.sleep(DOWN_SECONDS)
    status = shop.command("status", check=False)
    if status.returncode != NOT_RUNNING or f"{name} has ended" not in status.stderr:
        raise SystemExit(f"shop status does not tell that {name} has ended: {status.stdout}{status.stderr}")
    shop.command("up", "--detach", seconds_max=UP_SECONDS_MAX)
    return time.monotonic() - began


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


def say(text: str) -> None:
    Console(stderr=True).print(text)


def main() -> int:
    parser = argparse.ArgumentParser(prog="outage", description=__doc__)
    parser.add_argument("--seconds", type=float, default=60, help="that PostgreSQL is away for; 0 leaves it out (60)")
    parser.add_argument("--kill", nargs="*", default=KILLED, choices=KILLED, help="servers by name; none leaves it out")
    arguments = parser.parse_args()
    with running_shop() as shop:
        trade = Trade(shop, shop.new_product(stock=100_000, buckets=8))
        with ThreadPoolExecutor(CLIENTS) as pool:
            customers = [pool.submit(trade.run) for _ in range(CLIENTS)]
            try:
                time.sleep(UP_SECONDS)
                if arguments.seconds:
                    stop_for(shop, arguments.seconds)
                    report_outage(shop, arguments.seconds, dict(trade.versions))
                for name in arguments.kill:
                    print(f"{name} killed: the shop ran again {kill(shop, name):.1f} s later")
                    time.sleep(UP_SECONDS)
            finally:
                trade.stop()
            for customer in customers:
                customer.result()
        seconds_behind(shop, trade.versions)
    print(f"{len(trade.versions):,} streams changed, and what customers were answered is in the read model")
    for (request, answer), count in sorted(trade.answers.items()):
        print(f"  {request}: {count:,} times {answer}")
    verified = shop.command("verify", "--wait-seconds", str(SETTLED_SECONDS_MAX), check=False)
    print(verified.stdout.strip().splitlines()[-1])
    return verified.returncode


def report_outage(shop: Shop, seconds: float, versions: dict[str, int]) -> None:
    print(f"PostgreSQL away for {seconds:.0f} s, in which {len(versions):,} streams had changed by its end")
    print(f"read model level with the store {seconds_behind(shop, versions):.1f} s after it answered again")
    time.sleep(UP_SECONDS)


if __name__ == "__main__":
    sys.exit(main())
