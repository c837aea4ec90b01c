"""Writes docs/scale.md and its charts: `make scale`. It takes a minute or two, and the same code gives the same document."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.aws import limit_table, table
from bench.scale import calibration, capacity, plot
from bench.scale.dispatch import Pipeline, Run
from bench.scale.flash_sale import RAISED, REMEMBERING, TODAY, FlashSale, Setup

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"
BUCKETS: Final = (1, 2, 4, 8, 16, 32, 64)
RATES: Final = (100, 10_000, 1_000_000)
CUSTOMERS, UNITS = 1_000_000, 50_000
SALES, DAY_SALES = 20, 20
"""Sales a second in the outage, and during the day whose events are replayed."""
ZONE_LOST_AT: Final = 60.0

Sales = Mapping[Setup, Mapping[int, FlashSale]]


def flash_sales() -> Sales:
    return {
        setup: {buckets: FlashSale(setup, buckets).run() for buckets in BUCKETS}
        for setup in (TODAY, RAISED, REMEMBERING)
    }


def flash_sale_table(sales: Sales) -> str:
    rows = [
        (
            setup.name,
            buckets,
            f"{sale.sales_per_second:,.0f}",
            f"{sale.waited_seconds(50) * 1000:,.0f}, {sale.waited_seconds(99) * 1000:,.0f}",
            f"{sale.refusals_per_second:,.0f}",
            f"{sale.decided_seconds(CUSTOMERS, UNITS) / 60:,.0f}",
            ", ".join(name for name, _ in sale.refusals.most_common(2)),
        )
        for setup, by_buckets in sales.items()
        for buckets, sale in by_buckets.items()
        if buckets in (1, 4, 8, 16, 64)
    ]
    head = ("setting", "buckets", "sold/s", "ms of a sale: 50, 99 %", "told `out-of-stock`/s", "min until all know", "what refused most")
    return table(head, rows)


def conflict_table() -> str:
    rows = []
    for seconds in (0.005, 0.010, 0.020):
        held = replace(RAISED, transaction_seconds=seconds)
        rows.append((f"{seconds * 1000:.0f}", *(f"{FlashSale(held, n).run().sales_per_second:,.0f}" for n in (1, 8, 64))))
    return table(("ms that a transaction holds a bucket", "1 bucket", "8", "64"), rows)


def outages() -> dict[str, Run]:
    return {
        "with a reader: 60 s": Run(Pipeline(), SALES, 900, outage=(ZONE_LOST_AT, ZONE_LOST_AT + 60)).run(),
        "without: 600 s": Run(Pipeline(), SALES, 900, outage=(ZONE_LOST_AT, ZONE_LOST_AT + 600)).run(),
    }


def outage_table(runs: Mapping[str, Run]) -> str:
    rows = [
        (
            name,
            f"{max(waiting for _, waiting in run.behind):,.0f}",
            f"{(run.level_at or 0) - run.outage[1]:.0f}",
            f"{run.visible_seconds(0.5):.1f}, {run.visible_seconds(0.99):.0f}",
        )
        for name, run in runs.items()
    ]
    return table(("database away", "events behind at most", "s until level, after it is back", "s until visible: 50, 99 %"), rows)


def replays() -> dict[str, Run]:
    backlog = DAY_SALES * 3 * 86_400
    pipelines = {
        "4 shards, as it is": Pipeline(),
        "4 shards, factor 10": Pipeline(factor=10),
        "4 shards, a reader of its own": Pipeline(own_reads=True),
        "16 shards": Pipeline(shards=16),
        "16 shards, 40 at once": Pipeline(shards=16, concurrency=40),
    }
    return {name: Run(made, DAY_SALES, 3_600, backlog=backlog).run() for name, made in pipelines.items()}


def replay_table(runs: Mapping[str, Run]) -> str:
    rows = [
        (name, f"{(run.level_at or 0) / 60:.1f}", f"{run.backlog / (run.level_at or 1):,.0f}") for name, run in runs.items()
    ]
    return table(("pipeline", "min until level", "events/s"), rows)


def limits_table() -> str:
    rows = [(f"{each.sales:,.0f}", each.name, each.whose, each.turn) for each in capacity.limits()]
    return table(("sales/s", "limit", "whose", "what to turn"), rows)


def needs_table() -> str:
    rows = [(name, *(f"{need(rate):,.0f}" if need(rate) >= 10 else f"{need(rate):.2g}" for rate in RATES)) for name, need in capacity.needs()]
    return table(("what", *(f"{rate:,} sales/s" for rate in RATES)), rows)


def charts(sales: Sales, lost: Mapping[str, Run], day: Mapping[str, Run]) -> dict[str, str]:
    limits = [(each.name, each.sales) for each in capacity.limits()]
    buckets = plot.Axis("stock buckets", 1, 64, is_log=True)
    per_second = plot.Axis("a second", 10, 10_000, is_log=True)
    sold = {
        f"{setup.name}: {what}": [(n, getattr(sale, attribute)) for n, sale in by_buckets.items()]
        for setup, by_buckets in sales.items()
        if setup is not TODAY
        for what, attribute in (("sold", "sales_per_second"), ("told", "refusals_per_second"))
    }
    behind = max(waiting for run in lost.values() for _, waiting in run.behind)
    backlog = max(run.backlog for run in day.values()) / 1_000_000
    return {
        "limits": plot.bars("What each limit allows", limits, {"100/s": 100, "10,000/s": 10_000, "a million/s": 1_000_000}),
        "flash-sale": plot.lines("A flash sale of one product", buckets, per_second, sold),
        "lost-zone": plot.lines(
            "Events that wait while the database fails over",
            plot.Axis("seconds", 0, 900),
            plot.Axis("events behind", 0, behind * 1.1),
            {name: run.behind[::10] for name, run in lost.items()},
        ),
        "replay": plot.lines(
            "The replay of a day's backlog",
            plot.Axis("minutes", 0, 12),
            plot.Axis("million events behind", 0, backlog * 1.1),
            {
                name: [(at / 60, waiting / 1e6) for at, waiting in run.behind[:721:20]]
                for name, run in day.items()
                if "factor" not in name
            },
        ),
    }


def document(sales: Sales, lost: Mapping[str, Run], day: Mapping[str, Run]) -> str:
    best, first = sales[RAISED][64], capacity.limits()[0]
    return TEXT.format(
        first=first.name,
        first_sales=first.sales,
        limits=limits_table(),
        needs=needs_table(),
        flash_sales=flash_sale_table(sales),
        conflicts=conflict_table(),
        one=sales[RAISED][1].sales_per_second,
        eight=sales[RAISED][8].sales_per_second / sales[RAISED][1].sales_per_second,
        most=best.sales_per_second,
        told=best.refusals_per_second,
        hours=best.decided_seconds(CUSTOMERS, UNITS) / 3_600,
        remembered=sales[REMEMBERING][64].decided_seconds(CUSTOMERS, UNITS) / 60,
        outages=outage_table(lost),
        replays=replay_table(day),
        calibration=table(("what", "model", "measured", "deviation"), calibration.rows()),
        constants=limit_table(),
        assumptions=limit_table("assumed"),
    )


def main() -> None:
    sales, lost, day = flash_sales(), outages(), replays()
    for name, chart in charts(sales, lost, day).items():
        (DOCS / "images" / f"scale-{name}.svg").write_text(chart, encoding="utf-8")
    (DOCS / "scale.md").write_text(document(sales, lost, day), encoding="utf-8")


TEXT: Final = """\
# How far it scales

`make scale` writes this page. Limits are AWS's and Stripe's as they document them, calls and sizes are counted from the code,
and times are measured or assumed: each number has its source [below](#constants). None of it has run on AWS: it says which
limit to look at first, not what a load test would show.

## Which limit comes first

A sale is a reservation, its payment, the provider's webhook and 20 reads. Production as it is packaged, in an account with
AWS's default quotas:

{limits}

![The same as bars, with marks at 100, 10,000 and a million sales a second](images/scale-limits.svg)

- **The first is the {first}: {first_sales:.0f} sales a second.** It is the stage's own, and is there to bound the bill.
- **Stripe is next.** It allows a live account 100 requests a second, and 25 for one endpoint. Each sale creates one intent
  and confirms it, and its webhook makes the shop list refunds and disputes, which are half of the requests. What Stripe
  refuses is 429, which the shop answers as it does an outage: 202 or 503, and the sweep settles.
- Everything up to some 400 is a setting, and is to be raised together: `reservedConcurrency` of both functions, the API's
  rate, `MaxCapacity`. A new table needs `WarmThroughput` before a sale that is more than twice yesterday's peak.
- The first limit of the design is the index `due`, at 800. Its eight shards are eight partition keys, and each takes 1,000
  writes a second, because its sort key is a time: splitting by it moves only the past.
  [ADR 26](adr/0026-due-shards.md) has the way to more.

## What more needs

{needs}

- **100 a second** is a day's work: settings, three quotas of AWS, and Stripe's agreement.
- **10,000** is not reached with one database: 800 ACU of readers are four at the largest size, so the catalogue has to be
  served at the edge, and reservations and purchases read by their keys from DynamoDB. It needs 430,000 write units a second
  and 100 shards of `due`. Stripe would have to grant 400 times its default.
- **A million** is more than all card networks together take (Visa names 65,000 a second, from memory). The table holds
  that arithmetic, and nobody should build it: a shop of that size would be some hundred shops beside each other, each
  with its own table, stream and database, its customers assigned by their id. Streams and reservations never refer to another
  customer's; products would have their stock split over the shops as it is split over buckets today.

## A flash sale

One million customers, {units} units of one product. "today" is production as packaged on a table that was quiet; "raised"
has AWS's account defaults (10,000 requests/s, 1,000 environments, 40,000 write units) and a warmed table, each bucket on a
partition of its own; "remembering" is [ADR 25](adr/0025-flash-sales.md), which is not built: an environment
believes for a second what it has read of a product, and that it is sold out.

{flash_sales}

![Sold and told a second, by buckets](images/scale-flash-sale.svg)

- **Buckets sell as they should:** {one:.0f} a second with one, {eight:.1f} times as many with eight, which is within 10 % of
  linear. 64 give {most:,.0f}, and not {one:.0f} × 64: the table's quota and the reads of the one product come first. A bucket's
  limit is not its partition's 500 transactions a second but that two at once conflict.
- **Buckets make refusing slow.** Nobody is told `out-of-stock` before all buckets were read twice, and the product twice. With
  64 buckets {told:.0f} a second are told, and the last of the million after {hours:.1f} hours; remembered for a second,
  after {remembered:.0f} minutes. Until then, eight buckets are a better choice than 64 for a sale that will sell out.
- Everybody reads the same product, consistently, from one partition: 3,000 a second at most, refused ones included.
- `reservedConcurrency` is used up by requests that wait between their tries: up to eight, for 1.5 s together.

How long a transaction holds a bucket is assumed. It decides the first columns, and not the last:

{conflicts}

## A lost zone

{sales} sales a second. The zone of the database's writer is lost: production has a reader in the other, dev has not.
DynamoDB, Kinesis and the API are regional, and the commands' functions are in no network, so reservations and purchases go
on; those in flight in the lost zone, about a third, are repeated by their callers with the same key. Reads answer 503, or 412
where they wait for a version.

{outages}

![Events behind, over time](images/scale-lost-zone.svg)

The backlog drains in seconds, so the outage is as long as the failover. After it, one instance serves reads and writes.
Not modelled: how quickly Aurora's capacity grows, and that Lambda gives up environments in the lost zone.

## The replay of a day

project was stopped for a day of {day_sales} sales a second, and goes on while sales do:

{replays}

![Million events behind, over time](images/scale-replay.svg)

What bounds it are the shard's 2 MB/s of reads, which both consumers share, and neither the factor nor the database. More
shards come by themselves only with more writes. The stream keeps seven days; after that, `shop rebuild`.

## How good the model is

It was run as the local run is: 64 clients, and an emulator that takes one call after the other. Two numbers were fitted, a
call and an item that it reads, and the third row of seconds predicted.

{calibration}

Throughput and medians are right; the slow end is not: the emulator's clients share two cores with 64 function processes,
and are not served in order. So trust rates, and double percentiles. After its database was away for 60 s the local run was
level within 3.8 s, and the model says 1 to 3 s.

What is left out: DynamoDB's burst capacity (up to 300 s of unused units), adaptive capacity before it has moved a hot item,
retries of the SDK, cold starts of reads, Kinesis' own scaling, networks.

## Constants

{constants}

Assumed, because nobody documents or has measured them:

{assumptions}
""".replace("{units}", f"{UNITS:,}").replace("{sales}", str(SALES)).replace("{day_sales}", str(DAY_SALES))  # fmt: skip


if __name__ == "__main__":
    main()
