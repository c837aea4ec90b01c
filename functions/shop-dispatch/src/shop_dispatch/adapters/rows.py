"""The rows of the read model, as shop-query reads them, in pages by their keys."""

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, Final, LiteralString

import psycopg
from psycopg.rows import dict_row

from shop_database import Reconnecting
from shop_dispatch.adapters import statements
from shop_dispatch.domain.rebuild import RebuildError
from shop_observability.tracing import subsegment

LIVE: Final = "read_v1"
REBUILT: Final = "read_rebuild"
"""A rebuild makes these views of its tables, until they are swapped."""


@dataclass(frozen=True)
class _Table:
    key: tuple[str, ...]
    before_all: tuple[str | int, ...]
    """Each key is after this one."""
    page: LiteralString


TABLES: Final[Mapping[str, _Table]] = {
    "heads": _Table(
        ("stream_id",),
        ("",),
        "SELECT stream_id, stream_version FROM {schema}.heads WHERE stream_id > %s ORDER BY stream_id LIMIT %s",
    ),
    "log": _Table(
        ("stream_id", "stream_version"),
        ("", 0),
        """
        SELECT stream_id, stream_version, digest
        FROM {schema}.event_digests
        WHERE (stream_id, stream_version) > (%s, %s)
        ORDER BY stream_id, stream_version LIMIT %s
        """,
    ),
    "products": _Table(
        ("sku",),
        ("",),
        """
        SELECT sku, name, description, category, images, price_minor, currency, available, status, version, listed_at
        FROM {schema}.products
        WHERE sku > %s
        ORDER BY sku LIMIT %s
        """,
    ),
    "categories": _Table(
        ("category",),
        ("",),
        "SELECT category, products FROM {schema}.categories WHERE category > %s ORDER BY category LIMIT %s",
    ),
    "reservations": _Table(
        ("reservation_id",),
        ("",),
        """
        SELECT reservation_id, customer_id, status, lines, total_minor, currency, placed_at, expires_at,
               payment_intent_id, version
        FROM {schema}.reservations
        WHERE reservation_id > %s
        ORDER BY reservation_id LIMIT %s
        """,
    ),
    "purchases": _Table(
        ("purchase_id",),
        ("",),
        """
        SELECT purchase_id, reservation_id, customer_id, status, lines, total_minor, currency, payment_intent_id,
               purchased_at, version, refunded_minor
        FROM {schema}.purchases
        WHERE purchase_id > %s
        ORDER BY purchase_id LIMIT %s
        """,
    ),
    "refunds": _Table(
        ("purchase_id", "refund"),
        ("", 0),
        """
        SELECT purchase_id, refund, refund_id, amount_minor, currency, reason, origin, refunded_at
        FROM {schema}.refunds
        WHERE (purchase_id, refund) > (%s, %s)
        ORDER BY purchase_id, refund LIMIT %s
        """,
    ),
    "disputes": _Table(
        ("purchase_id", "dispute_id"),
        ("", ""),
        """
        SELECT purchase_id, dispute_id, status, amount_minor, currency, reason, opened_at, closed_at
        FROM {schema}.disputes
        WHERE (purchase_id, dispute_id) > (%s, %s)
        ORDER BY purchase_id, dispute_id LIMIT %s
        """,
    ),
    "sales_daily": _Table(
        ("day", "sku", "currency"),
        ("-infinity", "", ""),
        """
        SELECT day, sku, currency, units, revenue_minor
        FROM {schema}.sales_daily
        WHERE (day, sku, currency) > (%s, %s, %s)
        ORDER BY day, sku, currency LIMIT %s
        """,
    ),
    "sales_monthly": _Table(
        ("month", "sku", "currency"),
        ("-infinity", "", ""),
        """
        SELECT month, sku, currency, units, revenue_minor
        FROM {schema}.sales_monthly
        WHERE (month, sku, currency) > (%s, %s, %s)
        ORDER BY month, sku, currency LIMIT %s
        """,
    ),
}


@dataclass(frozen=True)
class PostgresRows:
    connection: Reconnecting

    @property
    def tables(self) -> Set[str]:
        return TABLES.keys()

    def read(self, table: str, after: Sequence[Any] | None, *, rebuilt: bool, limit: int) -> list[dict[str, Any]]:
        """Reads in the order of the keys, with moments and days as texts. Raises RebuildError without a rebuild."""
        asked = TABLES[table]
        statement = statements.of(REBUILT if rebuilt else LIVE, asked.page)
        values = [*(asked.before_all if after is None else after), limit]

        def attempt(connection: psycopg.Connection) -> list[dict[str, Any]]:
            return connection.cursor(row_factory=dict_row).execute(statement, values).fetchall()

        try:
            with subsegment("postgresql", "remote", sql={"database_type": "PostgreSQL", "user": "shop_query"}):
                rows = self.connection.run(attempt)
        except psycopg.errors.UndefinedTable as error:
            if rebuilt:
                raise RebuildError(
                    "no-rebuild", "no new tables are there: shop rebuild --no-swap makes them"
                ) from error
            raise
        return [{name: _plain(value) for name, value in row.items()} for row in rows]

    def place(self, table: str, row: Mapping[str, Any]) -> list[Any]:
        """Returns what the rows behind this one come after."""
        return [row[name] for name in TABLES[table].key]


def _plain(value: Any) -> Any:
    match value:
        case datetime():
            return value.astimezone(UTC).isoformat()
        case date():
            return value.isoformat()
        case _:
            return value
