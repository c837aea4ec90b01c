"""`shop demo`: makes a purchase as a client does, over HTTP and nothing else, and then looks into each system that the
purchase has gone through.

Each look waits for a bounded time, because everything after the answer to the client happens in its own time. What is
not there by then is named at the end, and the command fails.
"""

from __future__ import annotations

import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import httpx
import psycopg
from rich.console import Group, RenderableType
from rich.markup import escape
from rich.padding import Padding
from rich.table import Table

from shop_cli.errors import ShopError
from shop_cli.local import identity, postgres, seed
from shop_cli.local.status import running_shop
from shop_cli.operations import archive, events, guest
from shop_cli.operations.athena import run as athena
from shop_cli.operations.trace import source, waterfall
from shop_cli.output import table
from shop_cli.progress import ProgressDisplay, ProgressStep
from shop_cli.target import StageOption, Target
from shop_shared.currencies import formatted

WAIT_SECONDS = 60.0
STAGE_WAIT_SECONDS = 300.0
"""On AWS, Firehose keeps an object open for a minute, and X-Ray shows a trace when it has indexed it."""
SHOWN_PRODUCTS = 5
QUERY = "stream-history"
# One span of each, at least, is in the trace of a purchase that has gone all the way.
HOPS = frozenset({"shop-query", "shop-command", "DynamoDB", "Kinesis", "shop-dispatch", "postgresql", "Firehose"})


class MissingError(Exception):
    """Something that should be there is not. The message says what was found instead."""


@dataclass(frozen=True)
class Customer:
    api: httpx.Client
    skus: tuple[str, ...] = ()
    """Only these are bought; where there are none, whatever is for sale."""


def demo(stage: StageOption = None) -> None:
    """Buy something over HTTP, have a card declined, and look at the purchase in every system that it went through.

    On a stage it buys a product of its own, with the provider's test cards, as a customer who is deleted afterwards.
    """
    progress = ProgressDisplay()
    if stage is not None:
        demonstrate(Target.of(stage), progress)
        return
    home, _ = running_shop(aws=True)
    state = home.state()
    demonstrate(Target.here(state), progress, remember=lambda trace_id: setattr(state, "last_trace", trace_id))
    home.save(state)


def demonstrate(
    target: Target, progress: ProgressDisplay, remember: Callable[[str], None] = lambda _trace_id: None
) -> None:
    with customer_of(target, progress) as customer:
        shown = Demo(target, progress, customer)
        remember(shown.trace_id)
        purchase = shown.buy()
        Demo(target, progress, customer).be_declined()
        missing = shown.look_into_each_system(purchase)
    if missing:
        raise ShopError("This is missing: " + "; ".join(missing))
    option = "" if target.local else f" --stage {target.stage}"
    progress.line("\n[bold green]The purchase is in every system.[/bold green] Next:")
    progress.line(f"  ./shop events {purchase['stream_id']}{option}")
    progress.line("  ./shop trace --last" if target.local else f"  ./shop trace {shown.trace_id}{option}")


@contextmanager
def customer_of(target: Target, progress: ProgressDisplay) -> Iterator[Customer]:
    if target.local:
        yield Customer(seed.api_client(target.local, identity.token(target.local, "customer")))
        return
    with guest.customer(target, progress) as (api, sku):
        yield Customer(api, (sku,))


FOR_SALE = "/products?in_stock=true&currency=EUR&price_max=100000"
"""These products can be bought together, also where somebody has listed other things than the catalogue."""


class Demo:
    """What it does over HTTP is in one trace, so that the purchase's shows nothing else."""

    def __init__(self, target: Target, progress: ProgressDisplay, customer: Customer) -> None:
        self.trace_id = source.new_trace_id()
        self._target = target
        self._progress = progress
        self._started = datetime.now(UTC)
        self._api, self._skus = customer.api, customer.skus

    def buy(self) -> dict[str, Any]:
        self._heading("A purchase, seen from the client")
        products = self._for_sale()
        self._show(_product_table(products))
        chosen = products[:2]
        product = self._call("GET", f"/products/{chosen[0]['sku']}", 200)
        self._note(f"{product['name']}: {product['description']}")
        purchase = self._reserve_and_pay(chosen, "pm_card_visa", 201)
        self._note(f"paid with a good card: {purchase['status']}, payment {purchase['payment_intent_id']}")
        return purchase

    def be_declined(self) -> None:
        problem = self._reserve_and_pay(self._for_sale()[-1:], "pm_card_visa_chargeDeclined", 402)
        self._note(f"{problem['title']} ({problem['decline_code']}): {problem['detail']}")

    def _for_sale(self) -> list[dict[str, Any]]:
        if self._skus:
            return [self._call("GET", f"/products/{sku}", 200) for sku in self._skus]
        found: list[dict[str, Any]] = self._call("GET", FOR_SALE, 200)["items"]
        if not found:
            raise ShopError("Nothing is for sale: start over with ./shop down --delete, then ./shop up")
        return found

    def look_into_each_system(self, purchase: dict[str, Any]) -> list[str]:
        stream_id, version = purchase["stream_id"], purchase["stream_version"]
        self._heading(f"The same purchase in every system that it has gone through: {stream_id}")
        looks: list[tuple[str, str, Callable[[ProgressStep], RenderableType]]] = [
            ("DynamoDB", "its events", lambda _: self._events(stream_id, version)),
            ("PostgreSQL", "its rows", lambda _: self._rows(purchase["purchase_id"], version)),
            ("S3", "the objects with its events", lambda _: self._objects(stream_id, version)),
            ("Athena", f"the query {QUERY}", lambda step: self._query(stream_id, version, step)),
            ("X-Ray", f"the trace {self.trace_id}", lambda _: self._trace()),
        ]
        return [f"{system}: {problem}" for system, what, read in looks if (problem := self._look(system, what, read))]

    def _look(self, system: str, what: str, read: Callable[[ProgressStep], RenderableType]) -> str | None:
        """Repeats until it succeeds or the time is up, and then returns what is missing."""
        deadline = time.monotonic() + (WAIT_SECONDS if self._target.local else STAGE_WAIT_SECONDS)
        with self._progress.step(system, f"waiting for {what}") as step:
            while True:
                try:
                    found = read(step)
                    break
                except MissingError as error:
                    if time.monotonic() > deadline:
                        step.done(f"[red]{escape(what)} not found: {escape(str(error))}[/red]")
                        return f"{what} ({error})"
                    time.sleep(0.3)
            step.done(escape(what))
        self._show(found)
        return None

    def _reserve_and_pay(self, products: list[dict[str, Any]], card: str, expected: int) -> dict[str, Any]:
        lines = [{"sku": each["sku"], "quantity": 1} for each in products]
        reservation = self._call("POST", "/reservations", 201, {"lines": lines})
        held_until = datetime.fromisoformat(reservation["expires_at"]).astimezone()
        self._note(f"{_money(reservation['total'])}, held until {held_until:%H:%M:%S}")
        body = {"reservation_id": reservation["reservation_id"], "payment_method": card}
        return self._call("POST", "/purchase", expected, body)

    def _events(self, stream_id: str, version: int) -> RenderableType:
        found = events.read(self._target, stream_id)
        _expect(len(found) == version, f"{len(found)} of {version} events")
        return events.events_table(found)

    def _rows(self, purchase_id: str, version: int) -> RenderableType:
        """A stage's database has no public address, so its rows are those that shop-query answers with."""
        if not self._target.local:
            answer = self._api.get(f"/purchases/{purchase_id}", params={"min_version": version})
            _expect(answer.status_code == 200, f"GET /purchases answers {answer.status_code}")
            found = answer.json()
            columns = [name for name, value in found.items() if isinstance(value, str | int)]
            return table(columns, [[found[name] for name in columns]], title="GET /purchases/{id}")
        tables: list[RenderableType] = []
        with psycopg.connect(postgres.role_url(self._target.local, "shop_owner")) as connection:
            for view, sql in READ_MODEL.items():
                cursor = connection.execute(sql, [purchase_id])
                rows = cursor.fetchall()
                _expect(bool(rows), f"{view} has no row of it")
                columns = [column.name for column in cursor.description or ()]
                tables.append(table(columns, rows, title=view))
        return Group(*tables)

    def _objects(self, stream_id: str, version: int) -> RenderableType:
        # S3 gives whole seconds.
        found = archive.objects_with(self._target, stream_id, self._started - timedelta(seconds=2))
        types = {each for types in found.values() for each in types}
        _expect(len(types) >= version, f"{len(types)} of {version} kinds of events in {len(found)} objects")
        return table(["events", "object"], [[", ".join(types), key] for key, types in found.items()])

    def _query(self, stream_id: str, version: int, step: ProgressStep) -> RenderableType:
        found = athena.ask(self._target, QUERY, [f"stream={stream_id}"], step.doing)
        # Firehose keeps a Parquet object open for a quarter of an hour. That the query is answered is enough on AWS.
        if self._target.local:
            _expect(len(found.rows) >= version, f"{len(found.rows)} of {version} rows")
        shown = [position for position, column in enumerate(found.columns) if column != "data"]
        return table([found.columns[each] for each in shown], [[row[each] for each in shown] for row in found.rows])

    def _trace(self) -> RenderableType:
        trace = source.read(self._target, self.trace_id)
        _expect(not (absent := HOPS - {span.name for span in trace.spans}), f"without {', '.join(sorted(absent))}")
        _expect(all(span.end is not None for span in trace.spans), "with something still under way")
        return waterfall.render(trace)

    def _call(self, method: str, path: str, expected: int, body: dict[str, Any] | None = None) -> dict[str, Any]:
        headers = {"X-Amzn-Trace-Id": f"Root={self.trace_id};Sampled=1"}
        if body is not None:
            headers["Idempotency-Key"] = str(uuid.uuid4())
        started = time.monotonic()
        try:
            answer = self._api.request(method, path, json=body, headers=headers)
        except httpx.TransportError as error:
            raise ShopError(f"{method} {path}: no answer ({error}). Is the shop running? See ./shop status") from error
        milliseconds = (time.monotonic() - started) * 1000
        card = f"  [dim]{body['payment_method']}[/dim]" if body and "payment_method" in body else ""
        self._progress.line(
            f"  [bold]{method:<4}[/bold] {path}{card}  {answer.status_code}  [dim]{milliseconds:.0f} ms[/dim]"
        )
        if answer.status_code != expected:
            raise ShopError(f"{method} {path} should answer {expected}, not {answer.status_code}: {answer.text}")
        return dict(answer.json())

    def _heading(self, text: str) -> None:
        self._progress.line(f"\n[bold]{text}[/bold]\n")

    def _note(self, text: str) -> None:
        self._progress.line(f"       [dim]{escape(text)}[/dim]")

    def _show(self, found: RenderableType) -> None:
        self._progress.console.print(Padding(found, (0, 0, 1, 7)))


READ_MODEL = {
    "read_v1.purchases": """
        select status, total_minor, currency, payment_intent_id, purchased_at::timestamptz(0)::text, version
        from read_v1.purchases where purchase_id = %s
        """,
    "read_v1.reservations": """
        select status, jsonb_array_length(lines) as lines, placed_at::timestamptz(0)::text,
               expires_at::timestamptz(0)::text, version
        from read_v1.reservations where reservation_id = %s and status = 'purchased'
        """,
}


def _product_table(products: list[dict[str, Any]]) -> Table:
    rows = [[each["sku"], each["name"], _money(each["price"]), each["available"]] for each in products]
    caption = f"the first {min(SHOWN_PRODUCTS, len(rows))} of {len(rows)} on this page"
    return table(["sku", "name", "price", "available"], rows[:SHOWN_PRODUCTS], caption=caption)


def _money(amount: dict[str, Any]) -> str:
    return formatted(amount["amount_minor"], amount["currency"])


def _expect(holds: bool, found: str) -> None:
    if not holds:
        raise MissingError(found)
