"""Sums up stock and sales over all streams, since no single stream shows them."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from shop_cli.operations.verify.findings import Difference

COUNTERS: Final = ("available", "held", "sold")
CHECK: Final = "stock"
Bucket = tuple[str, int]


@dataclass
class Ledger:
    """The ledger is kept in memory: it grows with products, buckets and days, not with events."""

    buckets: dict[Bucket, Counter[str]] = field(default_factory=dict)
    received: Counter[str] = field(default_factory=Counter)
    """It includes what was adjusted by hand, up and down."""
    units: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    revenue_minor: Counter[tuple[str, str, str]] = field(default_factory=Counter)

    def move(self, sku: str, allocations: Iterable[Mapping[str, int]], **signs: int) -> None:
        for allocation in allocations:
            counters = self.buckets.setdefault((sku, allocation["bucket"]), Counter())
            for counter, sign in signs.items():
                counters[counter] += sign * allocation["quantity"]

    def sell(self, day: str, currency: str, sku: str, units: int, revenue_minor: int) -> None:
        self.units[day, sku, currency] += units
        self.revenue_minor[day, sku, currency] += revenue_minor

    def available(self) -> Counter[str]:
        """Returns the stock by SKU, as customers may see it."""
        available: Counter[str] = Counter()
        for (sku, _), counters in self.buckets.items():
            available[sku] += counters["available"]
        return available

    def sales(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for key, units in self.units.items():
            yield sales_key(*key), {"units": units, "revenue_minor": self.revenue_minor[key]}

    def monthly_sales(self) -> Iterator[tuple[str, dict[str, Any]]]:
        months: defaultdict[str, Counter[str]] = defaultdict(Counter)
        for (day, sku, currency), units in self.units.items():
            month = months[sales_key(f"{day[:7]}-01", sku, currency)]
            month.update(units=units, revenue_minor=self.revenue_minor[day, sku, currency])
        for key, month in months.items():
            yield key, dict(month)


def sales_key(day: str, sku: str, currency: str) -> str:
    return f"{day}/{sku}/{currency}"


def differences(ledger: Ledger, found: Mapping[Bucket, Mapping[str, int]]) -> Iterator[Difference]:
    """A bucket that is not there is an empty one."""
    totals: Counter[str] = Counter()
    for sku, number in sorted(ledger.buckets.keys() | found.keys()):
        bucket, expected = found.get((sku, number), {}), ledger.buckets.get((sku, number), Counter())
        totals[sku] += sum(bucket.get(counter, 0) for counter in COUNTERS)
        for counter in COUNTERS:
            value = bucket.get(counter, 0)
            if value != expected[counter]:
                yield Difference(CHECK, f"{sku}#{number}", counter, expected[counter], value)
            if value < 0:
                yield Difference(CHECK, f"{sku}#{number}", f"{counter}, not negative", "at least 0", value)
    for sku in sorted(totals.keys() | ledger.received.keys()):
        if totals[sku] != ledger.received[sku]:
            what = "available + held + sold of all buckets, as received"
            yield Difference(CHECK, sku, what, ledger.received[sku], totals[sku])
