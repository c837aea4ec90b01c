"""The answers are the same in databases of different locales. Aurora's default is en_US.UTF-8; Czech orders even
currencies otherwise, because it takes CH for a letter after H."""

from collections.abc import Iterator
from datetime import date
from itertools import product
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shop_database import DatabaseSettings, connect
from shop_database.migrations import migrate
from shop_database.testing import LOCALE, Database, empty_database
from shop_query import bootstrap
from shop_query.testing import Shop

LOCALES = [LOCALE, "en_US.UTF-8", "cs_CZ.UTF-8"]
NAMES = ["_x", "a-b", "aB", "AC", "A.C", "Chléb", "hrnek", "Hrnek", "Éclair", "eclair", "žito", "Zebra", "zebra"]
NAMES += ["Čaj", "Cukr", "Кофе", "Чай", "コーヒー"]
CURRENCIES = ["CHF", "CZK", "HUF", "EUR"]
SKUS = [f"{letter}{mark}{number}" for letter, mark, number in product("AaBbCH", ("", "-", "_", "."), (1, 2))]


@pytest.fixture(scope="module", params=LOCALES)
def database(request: pytest.FixtureRequest, migrations: Path) -> Iterator[Database]:
    with empty_database(request.param) as database:
        with connect(DatabaseSettings(database.url("shop_owner")), "test") as owner:
            migrate(owner, migrations)
        yield database


def pages(shop: Shop, path: str, query: dict[str, str], **caller: Any) -> list[Any]:
    """Each page has one item or three, so that a cursor stands behind every item once."""
    read = [
        [item for page in shop.pages(path, query | {"limit": limit}, **caller) for item in page] for limit in ("1", "3")
    ]
    assert read[0] == read[1]
    return read[0]


def test_every_order_is_that_of_bytes_and_no_cursor_skips_or_repeats(shop: Shop) -> None:
    listed = [
        (sku, NAMES[number % len(NAMES)], CURRENCIES[number % len(CURRENCIES)], 100 + number % 5)
        for number, sku in enumerate(SKUS)
    ]
    for sku, name, currency, price_minor in listed:
        shop.list_product(sku, name=name, currency=currency, price_minor=price_minor)
    orders: dict[str, Any] = {
        "sku": lambda it: it[0],
        "name": lambda it: (it[1].lower(), it[0]),
        "price": lambda it: (it[2], it[3], it[0]),
    }
    for sort, key in orders.items():
        assert [it["sku"] for it in pages(shop, "/products", {"sort": sort})] == [
            it[0] for it in sorted(listed, key=key)
        ]
    backwards = [it[0] for it in sorted(listed, key=orders["price"], reverse=True)]
    assert [it["sku"] for it in pages(shop, "/products", {"sort": "-price"})] == backwards


def test_sales_are_in_the_order_of_bytes(shop: Shop) -> None:
    sold = [(sku, currency) for sku in SKUS[:12] for currency in CURRENCIES]
    for sku, currency in sold:
        shop.sell(date(2026, 9, 1), sku, currency=currency)
    admin: dict[str, Any] = {"customer": "ada", "groups": "[admin]"}
    items = pages(shop, "/sales/daily", {"from": "2026-09-01", "to": "2026-09-01"}, **admin)
    assert [(it["sku"], it["revenue"]["currency"]) for it in items] == sorted(sold)
    [first] = shop.get("/sales/top", {"from": "2026-09-01", "to": "2026-09-01", "limit": "1"}, **admin).body["items"]
    assert (first["sku"], first["revenue"]["currency"]) == min(sold)


@pytest.mark.parametrize(
    ("q", "found"),
    [
        ("КОФЕ", ["COFFEE"]),  # another case
        ("кофи", ["COFFEE"]),  # misspelt
        ("ÉCLAIR", ["CAKE"]),
        ("コーヒ", ["BEANS"]),
        ("крепкий", ["COFFEE"]),  # a word of the description, beside a dash
    ],
)
def test_words_of_every_script_are_found_in_any_case_and_misspelt(shop: Shop, q: str, found: list[str]) -> None:
    shop.list_product("COFFEE", name="Кофе", description="Тёмный — крепкий.")
    shop.list_product("CAKE", name="Éclair")
    shop.list_product("BEANS", name="コーヒー")
    assert [item["sku"] for item in shop.get("/products", {"q": q}).body["items"]] == found


def test_no_index_has_an_order_of_the_locale(database: Database) -> None:
    with psycopg.connect(database.superuser_url) as connection:
        inherited = connection.execute(
            "SELECT indexrelid::regclass::text FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid"
            " JOIN pg_am ON pg_am.oid = relam, unnest(indcollation) AS collation_id"
            " WHERE relnamespace = 'shop'::regnamespace AND amname = 'btree' AND collation_id = 'default'::regcollation"
        ).fetchall()
    assert inherited == []


def test_a_database_without_letters_beyond_ascii_is_not_migrated(migrations: Path) -> None:
    with empty_database("C") as database:
        with connect(DatabaseSettings(database.url("shop_owner")), "test") as owner:
            with pytest.raises(psycopg.errors.RaiseException, match="only the letters of ASCII"):
                migrate(owner, migrations)


@pytest.fixture(autouse=True)
def other_database_next() -> Iterator[None]:
    yield
    bootstrap.queries.cache_clear()
    bootstrap.read_model.cache_clear()
