"""Whatever is asked of the catalogue, an index answers, and what has no index is bounded."""

import re
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import psycopg
import pytest

from shop_database import DatabaseSettings
from shop_database.testing import Database, migrated_database
from shop_query.adapters.postgres import PostgresReadModel
from shop_query.application import catalogue
from shop_query.application.catalogue import Selection, Sort
from shop_query.application.periods import Period
from shop_query.ports import Query

PRODUCTS = 2_000
FILL = """
INSERT INTO shop.product (sku, name, description, price_minor, currency, status, version, listed_at, category)
SELECT
    'P-' || lpad(n::text, 6, '0'), 'Word' || n % 700 || ' mug', 'Keeps coffee hot.', 100 + n % 5000, 'EUR',
    'listed', 1, timestamptz '2026-01-01' + n * interval '1 minute', 'c' || n % 20
FROM generate_series(1, 2000) AS n;
INSERT INTO shop.product_word SELECT DISTINCT word FROM shop.product, shop.name_words(name) AS word;
INSERT INTO shop.category SELECT category, count(*) FROM shop.product WHERE status = 'listed' GROUP BY category;
INSERT INTO shop.stock SELECT sku, 5, 0, 0 FROM shop.product;
INSERT INTO shop.reservation
SELECT
    gen_random_uuid(), 'customer-' || n % 50, 'purchased', '[]', 100, 'EUR',
    timestamptz '2026-01-01' + n * interval '1 s', now(), 'pi', timestamptz '2026-01-01' + n * interval '1 s', 3
FROM generate_series(1, 2000) AS n;
INSERT INTO shop.event_log
SELECT 'reservation-' || reservation_id, 1, gen_random_uuid(), 'shop.reservation.placed.v1', now(), '{}'
FROM shop.reservation;
INSERT INTO shop.sales_daily SELECT '2026-01-01'::date + n % 300, 'P-' || n % 100, 'EUR', 1, 100
FROM generate_series(1, 2000) AS n ON CONFLICT DO NOTHING;
INSERT INTO shop.sales_monthly SELECT '2026-01-01'::date + n % 10 * interval '1 month', 'P-' || n, 'EUR', n, 100 * n
FROM generate_series(1, 5000) AS n;
ANALYZE
"""


DAYS = {
    "first": "2026-03-01",
    "last": "2026-03-30",
    **dict.fromkeys(("after_day", "after_sku", "after_currency")),
}


TOP: dict[str, object] = {"currency": None, "sort": "units", "limit": 20}


@pytest.fixture(scope="module")
def database(migrations: Path) -> Iterator[Database]:
    with migrated_database(migrations) as database:
        with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
            superuser.execute(FILL.encode())
        yield database


@pytest.fixture
def superuser(database: Database) -> Iterator[psycopg.Connection]:
    with psycopg.connect(database.superuser_url, autocommit=True) as superuser:
        yield superuser


@pytest.fixture(scope="module")
def read_model(database: Database) -> Iterator[PostgresReadModel]:
    read_model = PostgresReadModel(DatabaseSettings(database.url("shop_query")))
    yield read_model
    read_model.close()


def plan(read_model: PostgresReadModel, query: Query, parameters: dict[str, object]) -> str:
    statement = b"EXPLAIN (COSTS OFF) " + read_model._statements[query]
    rows = read_model._connection.run(lambda connection: connection.execute(statement, parameters).fetchall())
    text = "\n".join(row[0] for row in rows)
    assert "Seq Scan" not in text, text
    return text


def plan_of(read_model: PostgresReadModel, selection: Selection, after: dict[str, str]) -> str:
    query = Query.PRODUCT_BROWSE if selection.q is None else Query.PRODUCT_SEARCH
    return plan(read_model, query, {**selection.parameters(), **after, "limit": 20, "total": False})


@pytest.mark.parametrize(
    ("sort", "index", "after"),
    [
        (Sort.SKU, "product_pkey", {}),
        (Sort.NAME, "product_by_name", {"after_name": "mug"}),
        (Sort.PRICE, "product_by_price", {"after_currency": "EUR", "after_price": "200"}),
        (Sort.PRICE_DESCENDING, "product_by_price", {"after_currency": "EUR", "after_price": "200"}),
        (Sort.NEWEST, "product_by_age", {"after_listed_at": "2026-01-02T00:00:00Z"}),
    ],
)
def test_a_page_in_any_order_begins_where_the_last_one_ended(
    read_model: PostgresReadModel, sort: Sort, index: str, after: dict[str, str]
) -> None:
    for place in ({}, after | {"after_sku": "P-000100"}):
        text = plan_of(read_model, Selection(sort=sort), place)
        assert f"using {index} on product product_1" in text
        assert "Sort Key" not in text
    assert "Index Cond" in text.split("product_1", 1)[1].split("->", 1)[0]


def test_a_category_is_read_by_its_index_and_filters_do_not_change_the_order_that_is_read(
    read_model: PostgresReadModel,
) -> None:
    assert "using product_of_category" in plan_of(read_model, Selection(category="none"), {})
    selection = Selection(sort=Sort.PRICE, in_stock=True, price_min=200, price_max=4_000, currency="EUR")
    text = plan_of(read_model, selection, {})
    assert "using product_by_price" in text
    assert "Sort Key" not in text


def test_products_by_their_skus_are_looked_up_one_by_one(read_model: PostgresReadModel) -> None:
    text = plan_of(read_model, Selection(skus=("P-000001", "P-000002")), {})
    assert "(sku = ANY ('{P-000001,P-000002}'::text[]))" in text


def test_a_search_reads_the_words_by_their_index(read_model: PostgresReadModel) -> None:
    text = plan_of(read_model, Selection(q="word42 mug"), {})
    for index in ("product_pkey", "product_by_name", "product_by_name_term", "product_by_term"):
        assert re.search(rf"(using|on) {index}\b", text), index


def test_a_word_that_is_spelt_like_others_is_compared_with_those_that_share_three_letters(
    read_model: PostgresReadModel,
) -> None:
    statement = b"EXPLAIN (COSTS OFF) SELECT word FROM read_v1.product_words WHERE 'mugg' %% word"
    rows = read_model._connection.run(lambda connection: connection.execute(statement, {}).fetchall())
    assert "product_word_by_trigram" in str(rows)


@pytest.mark.parametrize(
    ("query", "parameters", "index"),
    [
        (Query.PRODUCTS, {"after_sku": "P-1", "limit": 20}, "product_pkey"),
        (Query.PRODUCT, {"sku": "P-1"}, "product_pkey"),
        (Query.CATEGORIES, {"after_category": "c1", "limit": 20}, "category_pkey"),
        (
            Query.RESERVATIONS,
            {"customer_id": "c", "after_placed_at": None, "after_reservation_id": None, "limit": 20},
            "reservation_of_customer",
        ),
        (Query.RESERVATION, {"reservation_id": "r", "customer_id": "c"}, "event_log_pkey"),
        (Query.ANOTHERS, {"reservation_id": "r", "customer_id": "c"}, "reservation_pkey"),
        (
            Query.ACTIVITY,
            {"stream_id": "product-P-1", "after_stream_version": None, "limit": 20},
            "Index Scan Backward using event_log_pkey",
        ),
        (
            Query.PURCHASES,
            {"customer_id": "c", "after_purchased_at": None, "after_purchase_id": None, "limit": 20},
            "purchase_of_customer",
        ),
        (Query.PURCHASE, {"purchase_id": "r", "customer_id": "c"}, "event_log_pkey"),
        (Query.DAILY_SALES, DAYS | {"limit": 20}, "sales_daily_pkey"),
        (Query.DAILY_SALES_OF_PRODUCT, DAYS | {"sku": "P-1", "limit": 20}, "sales_daily_pkey"),
        (
            Query.TOP_SALES,
            TOP | dict(Period(date(2026, 1, 2), date(2026, 3, 30)).parameters()),
            "sales_daily_pkey",
        ),
        (Query.TOP_SALES, TOP | dict(Period(date(2026, 1, 1), date(2026, 3, 31)).parameters()), "sales_monthly_pkey"),
    ],
)
def test_every_other_read_has_its_index_too(
    read_model: PostgresReadModel, query: Query, parameters: dict[str, object], index: str
) -> None:
    assert f" {index}" in plan(read_model, query, parameters)


@pytest.mark.parametrize(
    ("sort", "currency", "index"),
    [
        ("units", None, "sales_of_month_by_units"),
        ("units", "EUR", "sales_of_month_by_units"),
        ("revenue", "EUR", "sales_of_month_by_revenue"),
    ],
)
def test_the_best_sellers_of_a_month_are_read_in_their_order(
    read_model: PostgresReadModel, sort: str, currency: str | None, index: str
) -> None:
    asked: dict[str, object] = {"first": "2026-03-01", "currency": currency, "sort": sort, "limit": 20}
    text = plan(read_model, Query.TOP_SALES_OF_MONTH, asked)
    assert f"using {index}" in text
    assert re.findall("Sort Key: (.*)", text) == ["ranked.place"]


@pytest.mark.parametrize("currency", [None, "EUR"])
@pytest.mark.parametrize("sort", ["units", "revenue"])
def test_the_best_sellers_of_a_day_are_read_page_by_page(
    read_model: PostgresReadModel, superuser: psycopg.Connection, sort: str, currency: str | None
) -> None:
    """The function's own statement is seen by what PostgreSQL logs alone."""
    logged: list[str] = []
    superuser.add_notice_handler(lambda notice: logged.append(notice.message_primary or ""))
    for statement in (
        b"LOAD 'auto_explain'",
        b"SET auto_explain.log_min_duration = 0",
        b"SET auto_explain.log_nested_statements = on",
        b"SET auto_explain.log_level = notice",
        b"SET enable_seqscan = off",  # as shop-query's own connections have it
    ):
        superuser.execute(statement)
    statement = read_model._statements[Query.TOP_SALES_OF_DAY]
    superuser.execute(statement, TOP | {"first": "2026-01-01", "sort": sort, "currency": currency})
    (text,) = (text for text in logged if "LIMIT rows_max" in text)
    assert "Bitmap Index Scan on sales_daily_pkey" in text
    assert "Index Scan using" not in text


def test_a_list_of_days_begins_at_its_first_day_and_not_at_the_first_of_all(read_model: PostgresReadModel) -> None:
    """Of two lower bounds PostgreSQL enters an index by the one on more columns, be it lower."""
    bounds = "ROW('2026-03-01'::date, ''::text, ''::text)"
    assert bounds in plan(read_model, Query.DAILY_SALES, DAYS | {"limit": 20})
    of_product = plan(read_model, Query.DAILY_SALES_OF_PRODUCT, DAYS | {"sku": "P-1", "limit": 20})
    assert "Index Cond: ((day = " in of_product


def total(read_model: PostgresReadModel, selection: Selection) -> int | None:
    query, parameters = Query.PRODUCT_SEARCH, {**selection.parameters(), "limit": 1, "total": True}
    return read_model.page(query, parameters).total


def test_a_word_that_everything_has_is_ranked_within_bounds(
    read_model: PostgresReadModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(catalogue, "RANKED_MAX", 100)
    monkeypatch.setattr(catalogue, "ALIKE_MAX", 50)
    assert total(read_model, Selection(q="coffee")) == 100
    assert total(read_model, Selection(q="coffee", sort=Sort.NAME)) == PRODUCTS
    assert total(read_model, Selection(q="mugg")) == 50
