"""Sales are counted in units and revenue by day, product and currency, net of refunds on the days of the refunds."""

from collections import defaultdict
from collections.abc import Iterable
from datetime import UTC, date
from typing import NamedTuple

from shop_shared.envelope import Envelope
from shop_shared.events import PurchaseConfirmed, PurchaseRefunded


class SalesChange(NamedTuple):
    day: date
    sku: str
    currency: str
    units: int
    revenue_minor: int


def sales_changes(events: Iterable[Envelope]) -> list[SalesChange]:
    totals: defaultdict[tuple[date, str, str], list[int]] = defaultdict(lambda: [0, 0])  # units, revenue
    for event in events:
        match event.data:
            case PurchaseConfirmed() as data:
                sign = 1
            case PurchaseRefunded() as data:
                sign = -1
            case _:
                continue
        day = event.time.astimezone(UTC).date()
        for line in data.lines:
            total = totals[day, line.sku, data.total.currency]
            total[0] += sign * line.quantity
            total[1] += sign * line.total_minor()
    return [SalesChange(*key, *total) for key, total in sorted(totals.items())]
