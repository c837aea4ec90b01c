"""Sales are counted in units and revenue by day, product and currency, net of refunds and lost disputes on their days.

Units whose money a dispute took stay sold.
"""

from collections import defaultdict
from collections.abc import Callable, Iterable
from datetime import UTC, date
from typing import Any, Final, NamedTuple

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
        if sold := _SOLD.get(event.data.TYPE):
            day = event.time.astimezone(UTC).date()
            for sku, currency, units, revenue_minor in sold(event.data):
                total = totals[day, sku, currency]
                total[0] += units
                total[1] += revenue_minor
    return [SalesChange(*key, *total) for key, total in sorted(totals.items())]


Sold = list[tuple[str, str, int, int]]
"""Each line has its product, currency, units and revenue."""


def _confirmed(data: PurchaseConfirmed) -> Sold:
    return [
        (line.sku, data.total.currency, line.quantity, line.quantity * line.unit_price_minor) for line in data.lines
    ]


def _refunded(data: PurchaseRefunded) -> Sold:
    return [(line.sku, data.amount.currency, -line.quantity, -line.amount_minor) for line in data.lines]


def _refund_failed(data: PurchaseRefundFailed) -> Sold:
    return [(line.sku, data.amount.currency, line.quantity, line.amount_minor) for line in data.lines]


def _dispute_closed(data: PurchaseDisputeClosed) -> Sold:
    sign = -1 if data.status == "lost" else 1
    return [(line.sku, data.amount.currency, 0, sign * line.amount_minor) for line in data.lines]


_SOLD: Final[dict[str, Callable[[Any], Sold]]] = {
    PurchaseConfirmed.TYPE: _confirmed,
    PurchaseRefunded.TYPE: _refunded,
    PurchaseRefundFailed.TYPE: _refund_failed,
    PurchaseDisputeClosed.TYPE: _dispute_closed,
}
