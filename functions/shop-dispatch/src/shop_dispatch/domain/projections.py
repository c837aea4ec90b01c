"""Each projection folds newly applied events into the changes of one table.

Events of one stream come in order and each exactly once; streams come in any order. So a row that belongs to a stream
may be replaced field by field (None keeps the old value), and a row that many streams feed may only be added to.

An event is a model or, as nearly all are, a struct with the fields of the model: a fold looks at its TYPE, and never at
its class.

A new projection needs a table (migrations), a fold in this folder, a line in PROJECTIONS, and a statement of the same
name in the adapter.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final

from shop_dispatch.domain.disputes import dispute_changes
from shop_dispatch.domain.product_words import product_names
from shop_dispatch.domain.products import moved_products, product_changes
from shop_dispatch.domain.refunds import refund_changes
from shop_dispatch.domain.reservations import reservation_changes
from shop_dispatch.domain.sales import sales_changes
from shop_dispatch.domain.stock import stock_changes
from shop_shared.envelope import Envelope


@dataclass(frozen=True)
class Projection:
    table: str
    fold: Callable[[Iterable[Envelope]], Sequence[tuple[Any, ...]]]
    """It returns rows in the order of their keys, each key once."""


# Batches lock rows in this order, and by key within a table, so that no two wait for each other in a circle. The tables
# that many streams feed come last, right before the commit: others wait for their rows.
PROJECTIONS: Final = (
    Projection("product", product_changes),
    Projection("reservation", reservation_changes),
    Projection("refund", refund_changes),
    Projection("dispute", dispute_changes),
    Projection("product_word", product_names),
    Projection("stock", stock_changes),
    Projection("sales_daily", sales_changes),
    Projection("sales_monthly", sales_changes),  # its statement sums the days up
    Projection("category", moved_products),
)
