"""The contract with shop-dispatch: what the views of `read_v1` must have, whatever else they gain."""

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
    },
    "sales_daily": {
        "day": "date",
        "sku": "text",
        "currency": "text",
        "units": "bigint",
        "revenue_minor": "bigint",
    },
}


@pytest.mark.parametrize("view", VIEWS)
def test_a_view_has_the_columns_that_were_promised(database: Database, view: str) -> None:
    with psycopg.connect(database.url("shop_query")) as connection:
        columns: dict[str, str] = dict(
            connection.execute(
                "SELECT column_name, data_type FROM information_schema.columns"
                " WHERE table_schema = 'read_v1' AND table_name = %s",
                [view],
            ).fetchall()
        )
    assert VIEWS[view].items() <= columns.items()


def test_the_functions_role_reaches_nothing_behind_the_views(database: Database) -> None:
    with psycopg.connect(database.url("shop_query"), autocommit=True) as connection:
        for table in (b"shop.product", b"shop.reservation", b"shop.event_log"):
            with pytest.raises(psycopg.errors.InsufficientPrivilege):
                connection.execute(b"SELECT FROM " + table)
