"""Who may do what in the database: migrations grant it, nothing else does."""

from typing import Any

import psycopg
import pytest

VIEWS = [
    *(
        "activity",
        "categories",
        "cursor_key",
        "disputes",
        "event_digests",
        "heads",
        "product_words",
        "products",
        "purchases",
    ),
    *("refunds", "reservations", "sales_daily", "sales_monthly", "timeline"),
]


def test_shop_query_reads_the_views_and_nothing_else(read_model: Any) -> None:
    readable = read_model.query(
        """
        SELECT format('%I.%I', nspname, relname) FROM pg_class JOIN pg_namespace n ON n.oid = relnamespace
        WHERE nspname NOT LIKE 'pg\\_%' AND nspname <> 'information_schema' AND relkind IN ('r', 'v', 'm', 'S', 'p')
        AND has_schema_privilege('shop_query', n.oid, 'USAGE')
        AND has_table_privilege('shop_query', pg_class.oid, 'SELECT, INSERT, UPDATE, DELETE, TRUNCATE, TRIGGER')
        ORDER BY 1
        """
    )
    assert readable == [(f"read_v1.{view}",) for view in VIEWS]
    for view in VIEWS:
        rows = read_model.query(f"SELECT * FROM read_v1.{view}", "shop_query")  # noqa: S608 - our own names
        assert len(rows) == (1 if view == "cursor_key" else 0)


@pytest.mark.parametrize(
    ("role", "statement"),
    [
        ("shop_query", "SELECT * FROM shop.product"),
        ("shop_query", "SELECT * FROM shop.event_log"),
        ("shop_query", "UPDATE read_v1.sales_daily SET units = 0"),
        ("shop_query", "UPDATE read_v1.cursor_key SET key = 'known'"),
        ("shop_dispatch", "SELECT * FROM read_v1.cursor_key"),
        ("shop_dispatch", "SELECT * FROM shop.cursor_key"),
        ("shop_query", "CREATE TABLE public.mine ()"),
        ("shop_dispatch", "CREATE TABLE shop.mine ()"),
        ("shop_dispatch", "CREATE TABLE public.mine ()"),
        ("shop_dispatch", "CREATE SCHEMA mine"),
        ("shop_dispatch", "ALTER TABLE shop.product ADD COLUMN mine text"),
        ("shop_dispatch", "DROP VIEW read_v1.products"),
        ("shop_dispatch", "DELETE FROM shop.product"),
        ("shop_dispatch", "UPDATE shop.event_log SET event = ''"),
        ("shop_dispatch", "TRUNCATE shop.product"),
        ("shop_dispatch", "SELECT * FROM migration.applied"),
    ],
)
def test_a_role_is_refused_what_it_has_no_need_of(read_model: Any, role: str, statement: str) -> None:
    with pytest.raises(psycopg.errors.InsufficientPrivilege):
        read_model.query(statement, role)
