"""Expand and contract: shop-query of the release before goes on while the schema is migrated, and afterwards.

The release has shop-query's SQL, and the migration that it was released with.
"""

import re
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shop_database import DatabaseSettings, connect
from shop_database.migrations import migrate
from shop_database.testing import Database, empty_database
from shop_openapi import releases

MIGRATIONS = Path(__file__).parents[2] / "functions" / "shop-dispatch" / "migrations"
RELEASED = releases.last(Path(__file__).parents[2])
MIGRATION = RELEASED.migration
SESSION = "SET pg_trgm.word_similarity_threshold = 0.5"
ENDINGS = {
    "product_page.sql": ("product_browse.sql", "product_search.sql"),
    "top_sales_page.sql": ("top_sales.sql", "top_sales_of_day.sql", "top_sales_of_month.sql"),
}
"""Statements that end alike have their end in a file of its own."""
ROWS = """
INSERT INTO shop.product (sku, name, description, price_minor, currency, status, version, listed_at, category)
VALUES ('MUG', 'A mug', 'Holds tea.', 990, 'EUR', 'listed', 2, '2026-03-04T12:00Z', 'mugs');
INSERT INTO shop.stock (sku, received, held, sold) VALUES ('MUG', 10, 1, 2);
INSERT INTO shop.stream_head (stream_id, stream_version) VALUES ('product-MUG', 2), ('reservation-1', 2);
INSERT INTO shop.reservation
    (reservation_id, customer_id, status, lines, total_minor, currency, placed_at, expires_at, purchased_at, version)
VALUES ('1', 'customer-1', 'purchased', '[]', 990, 'EUR', '2026-03-04T12:00Z', '2026-03-04T12:15Z',
    '2026-03-04T12:05Z', 2);
INSERT INTO shop.sales_daily (day, sku, currency, units, revenue_minor) VALUES ('2026-03-04', 'MUG', 'EUR', 1, 990);
"""
EXPAND = """
LOCK TABLE read_v1.products IN ACCESS EXCLUSIVE MODE; -- as readers do: the view, then its tables
ALTER TABLE shop.product ADD COLUMN brand text;
CREATE OR REPLACE VIEW read_v1.products AS
SELECT sku, name, description, price_minor, currency,
    greatest(coalesce((SELECT received + adjusted - held - sold FROM shop.stock WHERE stock.sku = product.sku), 0), 0)
        AS available,
    status, version, listed_at, category, terms, images, name_terms, brand
FROM shop.product;
"""


class Parameters(dict[str, Any]):
    """A parameter that the test does not set is NULL."""

    def __missing__(self, name: str) -> None:
        return None


VIEW = re.compile(r"CREATE OR REPLACE VIEW (\S+)")
KNOWN = Parameters(
    sku="MUG",
    customer_id="customer-1",
    reservation_id="1",
    purchase_id="1",
    limit=5,
    sort="name",
    first="2026-03-01",
    last="2026-03-31",
    q="mug",
    total=True,
)


@pytest.fixture
def released(tmp_path: Path) -> Iterator[Database]:
    """A database as the last release has it, with some rows."""
    folder = tmp_path / "migrations"
    folder.mkdir()
    for file in sorted(MIGRATIONS.glob("*.sql")):
        if file.stem <= MIGRATION:
            shutil.copy(file, folder)
    with empty_database() as database:
        with connect(DatabaseSettings(database.url("shop_owner")), "test") as owner:
            assert migrate(owner, folder).current == MIGRATION
            owner.execute(ROWS)
        yield database


def statements() -> dict[str, bytes]:
    texts = {name: text.encode() for name, text in RELEASED.statements.items()}
    for ending in ENDINGS.keys() & texts.keys():
        page = texts.pop(ending)
        texts |= {name: texts[name] + page for name in ENDINGS[ending]}
    return texts


def answers(connection: psycopg.Connection) -> dict[str, Any]:
    return {name: connection.execute(text, KNOWN, prepare=True).fetchall() for name, text in statements().items()}


def test_shop_query_of_the_release_before_goes_on_while_and_after_the_schema_is_migrated(
    released: Database, tmp_path: Path
) -> None:
    folder = tmp_path / "next"
    shutil.copytree(MIGRATIONS, folder)
    (folder / "9999_brand.sql").write_text(EXPAND)
    over, looked = threading.Event(), 0
    differing: list[str] = []
    with connect(DatabaseSettings(released.url("shop_query")), "shop-query") as kept:
        kept.execute(SESSION)
        before = answers(kept)
        assert all(before.values())

        def look() -> None:
            nonlocal looked
            while not over.is_set() or not looked:
                try:
                    now = answers(kept)
                except psycopg.errors.DeadlockDetected:  # the function asks again
                    continue
                looked += 1
                differing.extend(name for name in now if now[name] != before[name])

        looking = threading.Thread(target=look)
        looking.start()
        with connect(DatabaseSettings(released.url("shop_owner")), "migrate") as owner:
            applied = migrate(owner, folder).applied
        over.set()
        looking.join()
        assert applied[-1] == "9999_brand"
        assert answers(kept) == before
    assert differing == []
    with connect(DatabaseSettings(released.url("shop_query")), "shop-query") as fresh:
        fresh.execute(SESSION)
        assert answers(fresh) == before


def test_a_view_of_a_released_version_only_ever_gains_columns(tmp_path: Path) -> None:
    columns: dict[str, list[tuple[str, str]]] = {}
    with empty_database() as database, connect(DatabaseSettings(database.url("shop_owner")), "test") as owner:
        for file in sorted(MIGRATIONS.glob("*.sql")):
            shutil.copy(file, tmp_path)
            migrate(owner, tmp_path)
            found: dict[str, list[tuple[str, str]]] = {}
            for view, *column in owner.execute(
                "SELECT table_schema || '.' || table_name, column_name, data_type FROM information_schema.columns"
                " WHERE table_schema LIKE 'read\\_%' ORDER BY 1, ordinal_position"
            ):
                found.setdefault(view, []).append(tuple(column))
            for view, known in columns.items():
                assert found[view][: len(known)] == known, f"{file.name} takes something from {view}"
            columns = found
    assert len(columns) >= 6


@pytest.mark.parametrize(
    "file", [file for file in sorted(MIGRATIONS.glob("*.sql")) if file.stem > MIGRATION], ids=lambda file: file.stem
)
def test_a_migration_locks_a_view_that_it_replaces_before_the_tables(file: Path) -> None:
    """Readers lock the view and then its tables. One that begins with a table may wait for a reader that waits for it:
    PostgreSQL then ends one of the two."""
    script = file.read_text()
    for view in VIEW.findall(script):
        first = re.search(r"^(LOCK TABLE|ALTER TABLE|CREATE INDEX|UPDATE).*$", script, re.MULTILINE)
        assert first is not None
        assert first[0].startswith("LOCK TABLE")
        assert view in first[0]
