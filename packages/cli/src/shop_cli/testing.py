"""A client of a running shop, for the end-to-end tests: over HTTP and the AWS APIs, never around them."""

import json
import os
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import boto3
import httpx
import psutil

from shop_cli.local.home import Home
from shop_cli.local.processes import MARKER
from shop_cli.stage import region_of

ROOT = Path(__file__).parents[4]
VISIBLE_SECONDS_MAX = 30
"""Projecting takes far less; the bound allows for a machine that is busy with something else."""


Result = TypeVar("Result")


@dataclass(frozen=True)
class Answer:
    status: int
    headers: httpx.Headers
    body: Any


@dataclass(frozen=True)
class Shop:
    """A running shop, as its status describes it."""

    home: Path
    status: dict[str, Any]
    http: httpx.Client = field(repr=False)

    def pid(self, name: str) -> int:
        run = Home(self.home).run()
        assert run is not None
        return next(record.pid for record in run.processes if record.name == name)

    def command(
        self, *arguments: str, check: bool = True, seconds_max: float = 300
    ) -> subprocess.CompletedProcess[str]:
        return run_shop(self.home, *arguments, check=check, seconds_max=seconds_max)

    def request(
        self,
        method: str,
        path: str,
        *,
        token: str | None = None,
        key: str | None = None,
        body: Any = None,
        content: bytes | None = None,
        headers: dict[str, str] | None = None,
    ) -> Answer:
        sent = dict(headers or {})
        if token:
            sent["Authorization"] = f"Bearer {token}"
        if key:
            sent["Idempotency-Key"] = key
        if body is not None:
            content = json.dumps(body).encode()
        if content is not None:
            sent.setdefault("Content-Type", "application/json")
        answer = self.http.request(method, self.status["api_url"] + path, content=content, headers=sent)
        is_json = "json" in answer.headers.get("content-type", "")
        return Answer(answer.status_code, answer.headers, answer.json() if is_json else answer.text)

    def customer(self, method: str, path: str, **arguments: Any) -> Answer:
        return self.request(method, path, token=self.status["customer_token"], **arguments)

    def administrator(self, method: str, path: str, **arguments: Any) -> Answer:
        return self.request(method, path, token=self.status["admin_token"], **arguments)

    def client(self, service: str, endpoint_url: str | None = None) -> Any:
        return boto3.client(
            service,  # type: ignore[call-overload]
            endpoint_url=endpoint_url or self.status["aws_endpoint_url"],
            region_name=region_of("local"),
            aws_access_key_id=self.status["aws_access_key_id"],
            aws_secret_access_key=self.status["aws_secret_access_key"],
        )

    def new_product(self, *, stock: int, price_minor: int = 1_000, buckets: int = 1, **more: Any) -> str:
        """Lists a product of its own for one test, so that no test sells another's stock."""
        sku = f"TEST-{uuid.uuid4().hex[:12].upper()}"
        product = {
            "sku": sku,
            "name": f"Product of a test {sku}",
            "description": "",
            "price": {"amount_minor": price_minor, "currency": "EUR"},
            "stock_buckets": buckets,
            **more,
        }
        assert self.administrator("POST", "/products", key=f"list-{sku}", body=product).status == 201
        if stock:
            received = self.administrator(
                "POST", f"/products/{sku}/stock", key=f"stock-{sku}", body={"quantity": stock}
            )
            assert received.status == 201
        return sku

    def reserve(self, sku: str, quantity: int = 1) -> dict[str, Any]:
        lines = [{"sku": sku, "quantity": quantity}]
        answer = self.customer("POST", "/reservations", key=str(uuid.uuid4()), body={"lines": lines})
        assert answer.status == 201, answer
        reservation: dict[str, Any] = answer.body
        return reservation

    def purchase(self, reservation_id: str, payment_method: str, key: str | None = None) -> Answer:
        body = {"reservation_id": reservation_id, "payment_method": payment_method}
        return self.customer("POST", "/purchase", key=key or str(uuid.uuid4()), body=body)

    def provider(self, method: str, path: str, **form: str) -> Any:
        """Asks the payment provider itself, which is the oracle for charges, and which others may use too."""
        credentials = (self.status["payment_api_key"], "")
        answer = self.http.request(method, self.status["payment_url"] + path, auth=credentials, data=form or None)
        return answer.raise_for_status().json()

    def events(self, stream_id: str) -> list[dict[str, Any]]:
        answer = self.command("events", stream_id, "--json")
        events: list[dict[str, Any]] = json.loads(answer.stdout)
        return events

    def items(self) -> int:
        """Counts the items of the event store, which a refused command must not change."""
        table = self.client("dynamodb")
        pages = table.get_paginator("scan").paginate(TableName=self.status["table_name"], Select="COUNT")
        return sum(page["Count"] for page in pages)


def eventually(read: Callable[[], Result], holds: Callable[[Result], bool]) -> Result:
    """Reads until it holds, or fails with what was read last."""
    deadline = time.monotonic() + VISIBLE_SECONDS_MAX
    while True:
        result = read()
        if holds(result):
            return result
        assert time.monotonic() < deadline, f"not within {VISIBLE_SECONDS_MAX} s; last: {result}"
        time.sleep(0.1)


@contextmanager
def shop_of_this_run() -> Iterator[Shop]:
    """A shop for a whole run of tests, started by the command that users run, in a folder of its own.

    SHOP_TEST_HOME names the folder of a shop that runs already, to save its start while working on tests.
    """
    running = os.environ.get("SHOP_TEST_HOME")
    # Another run of pytest closes pytest's own folder to PostgreSQL, which does not run as root.
    home = Path(running or tempfile.mkdtemp(prefix="shop-"))
    if not running:
        run_shop(home, "up", "--detach", seconds_max=540)
    try:
        status = json.loads(run_shop(home, "status", "--json").stdout)
        with httpx.Client(timeout=40) as client:
            yield Shop(home, status, client)
    finally:
        if not running:
            run_shop(home, "down")
            assert processes_of(home) == []


def run_shop(
    home: Path, *arguments: str, check: bool = True, seconds_max: float = 300
) -> subprocess.CompletedProcess[str]:
    result = subprocess.run(
        [ROOT / "shop", *arguments],
        env={**os.environ, "SHOP_HOME": str(home)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    assert not check or result.returncode == 0, (
        f"shop {' '.join(arguments)}\n{result.stdout[-8_000:]}\n{result.stderr[-8_000:]}"
    )
    return result


def run_bench(shop: Shop, name: str, *arguments: str, seconds_max: float) -> str:
    """Runs a benchmark against the shop, and returns what it prints. Fails if the benchmark finds a fault."""
    result = subprocess.run(
        [sys.executable, "-m", f"bench.{name}", *arguments],
        cwd=ROOT,
        env={**os.environ, "SHOP_HOME": str(shop.home)},
        capture_output=True,
        text=True,
        timeout=seconds_max,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    return result.stdout


def processes_of(home: Path) -> list[str]:
    """Every process that was started for this shop, known by its folder in the command line or the environment."""
    found = []
    for process in psutil.process_iter(["pid", "cmdline"]):
        try:
            environment = process.environ()
        except (psutil.AccessDenied, psutil.NoSuchProcess):
            environment = {}
        command = " ".join(process.info["cmdline"] or [])
        belongs = str(home) in command or str(home) in (environment.get("SHOP_HOME"), environment.get(MARKER))
        if process.pid != os.getpid() and belongs:
            found.append(f"{process.pid} {command}")
    return found
