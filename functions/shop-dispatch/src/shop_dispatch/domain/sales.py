"""Sales are counted in units and revenue by day, product and currency, net of refunds and lost disputes on their days.

Units whose money a dispute took stay sold.
"""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date
from typing import NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseConfirmed, PurchaseDisputeClosed, PurchaseRefunded, PurchaseRefundFailed


class SalesChange(NamedTuple):
    day: date
    sku: str
    currency: str
    units: int
    revenue_minor: int


def sales_changes(events: Iterable[Envelope]) -> list[SalesChange]:
    totals: defaultdict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])  # units, revenue
    for event in events:
        for sku, currency, units, revenue_minor in _sold(event):
            total = totals[event.time.astimezone(UTC).date(), sku, currency]
            total[0] += units
            total[1] += revenue_minor
    return [SalesChange(*key, *total) for key, total in sorted(totals.items())]


def monthly_sales_changes(events: Iterable[Envelope]) -> list[SalesChange]:
    """The day of each is the first of its calendar month."""
    totals: defaultdict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])  # units, revenue
    for day, sku, currency, units, revenue_minor in sales_changes(events):
        total = totals[day.replace(day=1), sku, currency]
        total[0] += units
        total[1] += revenue_minor
    return [SalesChange(*key, *total) for key, total in sorted(totals.items())]


def _sold(event: Envelope) -> list[tuple[str, str, int, int]]:
    match event.data:
        case PurchaseConfirmed(lines=bought, total=total):
            return [(line.sku, total.currency, line.quantity, line.total_minor()) for line in bought]
        case PurchaseRefunded(lines=lines, amount=amount):
            return [(line.sku, amount.currency, -line.quantity, -line.amount_minor) for line in lines]
        case PurchaseRefundFailed(lines=lines, amount=amount):
            return [(line.sku, amount.currency, line.quantity, line.amount_minor) for line in lines]
        case PurchaseDisputeClosed(lines=lines, amount=amount, status=status):
            sign = -1 if status == "lost" else 1
            return [(line.sku, amount.currency, 0, sign * line.amount_minor) for line in lines]
        case _:
            return []
