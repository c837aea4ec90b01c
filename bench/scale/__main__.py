"""Writes docs/scale.md and its charts, in a minute or two. The same code gives the same document: `make scale`.

The prose is in document.md, with places for what is computed.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Final

from bench.aws import limit, limit_table, table
from bench.scale import calibration, capacity, plot
from bench.scale.dispatch import Pipeline, Run
from bench.scale.flash_sale import RAISED, REMEMBERING, TODAY, FlashSale, Setup

from shop_command.bootstrap import RESERVATION_SECONDS_DEFAULT

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
    head = (
        "setting",
        "buckets",
        "sold/s",
        "ms of a sale: 50, 99 %",
        "told `out-of-stock`/s",
        "min until all know",
        "what refused most",
    )
    return table(head, rows)


def conflict_table() -> str:
    rows = []
    for seconds in (0.005, 0.010, 0.020):
        held = replace(RAISED, transaction_seconds=seconds)
        rows.append(
            (f"{seconds * 1000:.0f}", *(f"{FlashSale(held, n).run().sales_per_second:,.0f}" for n in (1, 8, 64)))
        )
    return table(("ms that a transaction holds a bucket", "1 bucket", "8", "64"), rows)


def outages() -> dict[str, Run]:
    away = {"with a reader": limit("aurora_failover_seconds"), "without": limit("aurora_recreate_seconds")}
    return {
        f"{name}: {seconds:.0f} s": Run(Pipeline(), SALES, 900, outage=(ZONE_LOST_AT, ZONE_LOST_AT + seconds)).run()
        for name, seconds in away.items()
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
    return table(
        ("database away", "events behind at most", "s until level, after it is back", "s until visible: 50, 99 %"), rows
    )


def replays() -> dict[str, Run]:
    backlog = DAY_SALES * 3 * 86_400
    pipelines = {
        "4 shards, as it is": Pipeline(),
        "4 shards, factor 10": Pipeline(factor=int(limit("mapping_factor"))),
        "4 shards, a reader of its own": Pipeline(own_reads=True),
        "16 shards": Pipeline(shards=16),
        "16 shards, 40 at once": Pipeline(shards=16, concurrency=40),
    }
    return {name: Run(made, DAY_SALES, 3_600, backlog=backlog).run() for name, made in pipelines.items()}


def replay_table(runs: Mapping[str, Run]) -> str:
    rows = [
        (name, f"{(run.level_at or 0) / 60:.1f}", f"{run.backlog / (run.level_at or 1):,.0f}")
        for name, run in runs.items()
    ]
    return table(("pipeline", "min until level", "events/s"), rows)


def limits_table() -> str:
    rows = [(f"{each.sales:,.0f}", each.name, each.whose, each.turn) for each in capacity.limits()]
    return table(("sales/s", "limit", "whose", "what to turn"), rows)


def needs_table() -> str:
    rows = [
        (name, *(f"{need(rate):,.0f}" if need(rate) >= 10 else f"{need(rate):.2g}" for rate in RATES))
        for name, need in capacity.needs()
    ]
    return table(("what", *(f"{rate:,} sales/s" for rate in RATES)), rows)


def charts(sales: Sales, lost: Mapping[str, Run], day: Mapping[str, Run]) -> dict[str, str]:
    limits = [(each.name, each.sales) for each in capacity.limits()]
    buckets = plot.ChartAxis("stock buckets", 1, 64, base=2)
    per_second = plot.ChartAxis("a second", 10, 10_000, base=10)
    sold = {
        "sold": [(n, sale.sales_per_second) for n, sale in sales[RAISED].items()],
        "told it is sold out": [(n, sale.refusals_per_second) for n, sale in sales[RAISED].items()],
        "told, remembering": [(n, sale.refusals_per_second) for n, sale in sales[REMEMBERING].items()],
    }
    behind = max(waiting for run in lost.values() for _, waiting in run.behind)
    backlog = max(run.backlog for run in day.values()) / 1_000_000
    return {
        "limits": plot.bars(
            "What each limit allows", limits, {"100/s": 100, "10,000/s": 10_000, "a million/s": 1_000_000}
        ),
        "flash-sale": plot.lines("A flash sale of one product", buckets, per_second, sold),
        "lost-zone": plot.lines(
            "Events that wait while the database fails over",
            plot.ChartAxis("seconds", 0, 900),
            plot.ChartAxis("events behind", 0, behind * 1.1),
            {name: run.behind[::10] for name, run in lost.items()},
        ),
        "replay": plot.lines(
            "The replay of a day's backlog",
            plot.ChartAxis("minutes", 0, 12),
            plot.ChartAxis("million events behind", 0, backlog * 1.1),
            {
                name: [(at / 60, waiting / 1e6) for at, waiting in run.behind[:721:20]]
                for name, run in day.items()
                if name in ("4 shards, as it is", "16 shards")
            },
        ),
    }


def document(sales: Sales, lost: Mapping[str, Run], day: Mapping[str, Run]) -> str:
    best, first = sales[RAISED][64], capacity.limits()[0]
    return (
        Path(__file__)
        .with_name("document.md")
        .read_text(encoding="utf-8")
        .format(
            units=f"{UNITS:,}",
            sales=SALES,
            day_sales=DAY_SALES,
            first=first.name,
            first_sales=first.sales,
            limits=limits_table(),
            needs=needs_table(),
            flash_sales=flash_sale_table(sales),
            conflicts=conflict_table(),
            one=sales[RAISED][1].sales_per_second,
            eight=sales[RAISED][8].sales_per_second / sales[RAISED][1].sales_per_second,
            sixteen=sales[RAISED][16].sales_per_second / sales[RAISED][1].sales_per_second,
            hold=RESERVATION_SECONDS_DEFAULT / 60,
            payable=limit("stripe_endpoint_requests") / capacity.ENDPOINT_CALLS * RESERVATION_SECONDS_DEFAULT,
            told_eight=sales[RAISED][8].refusals_per_second,
            most=best.sales_per_second,
            told=best.refusals_per_second,
            hours=best.decided_seconds(CUSTOMERS, UNITS) / 3_600,
            remembered=sales[REMEMBERING][8].decided_seconds(CUSTOMERS, UNITS) / 60,
            outages=outage_table(lost),
            replays=replay_table(day),
            calibration=table(("what", "model", "measured", "deviation"), calibration.rows()),
            constants=limit_table(),
            assumptions=limit_table("assumed"),
        )
    )


def main() -> None:
    sales, lost, day = flash_sales(), outages(), replays()
    for name, chart in charts(sales, lost, day).items():
        (DOCS / "images" / f"scale-{name}.svg").write_text(chart, encoding="utf-8")
    (DOCS / "scale.md").write_text(document(sales, lost, day), encoding="utf-8")


if __name__ == "__main__":
    main()
