"""The contract with shop-dispatch: what the views of `read_v1` must have, whatever else they gain."""

import re
from importlib.resources import files

import psycopg
import pytest

from shop_database.testing import Database

VIEWS = {
    "products": {
        "sku": "text",
        "name": "text",
        "description": "text",
        "price_minor": "bigint",
        "currency": "text",
        "available": "bigint",
        "status": "text",
        "version": "integer",
        "listed_at": "timestamp with time zone",
        "category": "text",
        "terms": "tsvector",
        "images": "jsonb",
        "name_terms": "tsvector",
    },
    "reservations": {
        "reservation_id": "text",
        "customer_id": "text",
        "status": "text",
        "lines": "jsonb",
        "total_minor": "bigint",
        "currency": "text",
        "placed_at": "timestamp with time zone",
        "expires_at": "timestamp with time zone",
        "payment_intent_id": "text",
        "version": "integer",
    },
    "purchases": {
        "purchase_id": "text",
        "reservation_id": "text",
        "customer_id": "text",
        "status": "text",
        "lines": "jsonb",
        "total_minor": "bigint",
        "currency": "text",
        "payment_intent_id": "text",
        "purchased_at": "timestamp with time zone",
        "version": "integer",
        "refunded_minor": "bigint",
    },
    "refunds": {
        "purchase_id": "text",
        "refund": "integer",
        "refund_id": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "reason": "text",
        "origin": "text",
        "refunded_at": "timestamp with time zone",
    },
    "disputes": {
        "purchase_id": "text",
        "dispute_id": "text",
        "status": "text",
        "amount_minor": "bigint",
        "currency": "text",
        "reason": "text",
        "opened_at": "timestamp with time zone",
        "closed_at": "timestamp with time zone",
    },
    "product_words": {"word": "text"},
    "sales_daily": {
        "day": "date",
        "sku": "text",
        "currency": "text",
        "units": "bigint",
        "revenue_minor": "bigint",
    },
    "sales_monthly": {
        "month": "date",
        "sku": "text",
        "currency": "text",
        "units": "bigint",
        "revenue_minor": "bigint",
    },
    "timeline": {
        "reservation_id": "text",
        "customer_id": "text",
        "stream_version": "integer",
        "type": "text",
        "time": "timestamp with time zone",
    },
    "activity": {
        "stream_id": "text",
        "stream_version": "integer",
        "type": "text",
        "time": "timestamp with time zone",
        "authtype": "text",
        "authid": "text",
    },
    "categories": {"category": "text", "products": "bigint"},
    "cursor_key": {"key": "text"},
    # These are for the audit, which signs in as shop-query does.
    "event_digests": {"stream_id": "text", "stream_version": "integer", "digest": "text"},
    "heads": {"stream_id": "text", "stream_version": "integer"},
}
FUNCTIONS = {
    "search_query": "(asked text, is_unfinished boolean) -> tsquery",
    "shown_dispute": "(disputed text) -> json",
    "similar_query": "(asked text) -> tsquery",
    "shown_lines": "(lines jsonb) -> json",
    "top_sales_of_day": "(of_day date, in_currency text, sort text, rows_max integer) -> SETOF read_v1.sales_daily",
    "total": "(bigint) -> bigint",
}


def test_every_view_has_the_columns_that_were_promised_in_their_order_and_no_other(database: Database) -> None:
    """Columns are only ever added, at the end; whoever adds one adds it here."""
    found: dict[str, list[tuple[str, str]]] = {}
    with psycopg.connect(database.url("shop_query")) as connection:
        for view, column, data_type in connection.execute(
            "SELECT table_name, column_name, data_type FROM information_schema.columns"
            " WHERE table_schema = 'read_v1' ORDER BY table_name, ordinal_position"
        ):
            found.setdefault(view, []).append((column, data_type))
    assert found == {view: list(columns.items()) for view, columns in VIEWS.items()}


def test_every_function_takes_and_returns_what_was_promised(database: Database) -> None:
    with psycopg.connect(database.url("shop_query")) as connection:
        found = connection.execute(
            "SELECT proname, format('(%s) -> %s', pg_get_function_arguments(oid), pg_get_function_result(oid))"
            " FROM pg_proc WHERE pronamespace = 'read_v1'::regnamespace"
        ).fetchall()
    assert dict(found) == FUNCTIONS


def test_every_statement_reads_the_views_and_nothing_else() -> None:
    """What the views promise is all that a release may rely on, whatever its role could reach."""
    statements = {path.name: path.read_text() for path in (files("shop_query.adapters") / "sql").iterdir()}
    for name, statement in statements.items():
        read = set(re.findall(r"\b(?:FROM|JOIN)\s+([a-z_0-9]+\.[a-z_]+)", statement))
        assert read <= {f"read_v1.{name}" for name in (*VIEWS, *FUNCTIONS)}, name
        assert read or name == "top_sales_page.sql", name
        assert "shop." not in statement, name


def test_the_functions_role_reaches_nothing_behind_the_views(database: Database) -> None:
    with psycopg.connect(database.url("shop_query"), autocommit=True) as connection:
        for table in (b"shop.product", b"shop.reservation", b"shop.event_log", b"shop.cursor_key"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(b"SELECT FROM " + table)
