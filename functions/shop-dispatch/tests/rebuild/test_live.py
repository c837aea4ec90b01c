"""A rebuild under load: nobody who reads or projects meanwhile fails, and nothing that they do is lost."""

import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path
from typing import Any

import psycopg
import pytest

from shop_database import DatabaseSettings, connect
from shop_dispatch.adapters import shadow, statements
from shop_dispatch.adapters.shadow import ShadowTables
from shop_dispatch.adapters.sources import LogSource
from shop_dispatch.application import project, rebuild
from shop_dispatch.application.rebuild import Rebuild
from shop_dispatch.domain.projections import PROJECTIONS, Projection
from shop_dispatch.domain.rebuild import BusyError, EventSource, Phase
from shop_shared.envelope import encode

BATCH = 50
TABLES = ["stream_head", "event_log", *(projection.table for projection in PROJECTIONS)]

# What a later migration has to find as it was made: names, types, constraints, indexes, rights, settings.
CATALOGUE = {
    "columns": """
        SELECT relname, attname, row_number() OVER (PARTITION BY relname ORDER BY attnum),
            format_type(atttypid, atttypmod), attnotnull, attidentity, attgenerated,
            attstorage, attcompression, sorting.collname, attacl::text, pg_get_expr(adbin, adrelid),
            col_description(c.oid, attnum)
        FROM pg_attribute JOIN pg_class AS c ON c.oid = attrelid
        LEFT JOIN pg_attrdef ON adrelid = attrelid AND adnum = attnum
        LEFT JOIN pg_collation AS sorting ON sorting.oid = attcollation
        WHERE relnamespace = 'shop'::regnamespace AND relkind = 'r' AND attnum > 0 AND NOT attisdropped
        """,
    "tables": """
        SELECT relname, relkind, relpersistence, reloptions::text, pg_get_userbyid(relowner),
            (SELECT array_agg(acl::text ORDER BY acl::text) FROM unnest(relacl) AS acl)::text,
            obj_description(oid, 'pg_class')
        FROM pg_class WHERE relnamespace IN ('shop'::regnamespace, 'read_v1'::regnamespace)
        """,
    "constraints": """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid) FROM pg_constraint
        WHERE connamespace = 'shop'::regnamespace
        """,
    "indexes": "SELECT tablename, indexname, indexdef FROM pg_indexes WHERE schemaname = 'shop'",
    "views": "SELECT viewname, definition FROM pg_views WHERE schemaname = 'read_v1'",
    "triggers": "SELECT tgrelid::regclass::text, tgname FROM pg_trigger WHERE NOT tgisinternal",
    "schemas": "SELECT nspname, nspacl::text FROM pg_namespace WHERE nspname !~ '^pg_' AND nspname <> 'shop_before'",
    "depended on": """
        SELECT DISTINCT ev_class::regclass::text, relnamespace::regnamespace || '.' || relname
        FROM pg_depend JOIN pg_rewrite ON pg_rewrite.oid = objid JOIN pg_class ON pg_class.oid = refobjid
        WHERE relnamespace::regnamespace::text LIKE 'shop%' AND refclassid = 'pg_class'::regclass
        """,
}


def catalogue(read_model: Any) -> dict[str, list[tuple[Any, ...]]]:
    return {name: sorted(read_model.query(query), key=str) for name, query in CATALOGUE.items()}


@contextmanager
def opened(read_model: Any, tables: list[str] = TABLES) -> Iterator[Rebuild]:
    settings = DatabaseSettings(read_model.database.url("shop_owner"))
    with connect(settings, "test-rebuild") as connection:
        yield Rebuild(ShadowTables(connection, tables, "1"), lambda _: LogSource(connection, BATCH))


@pytest.fixture
def read_model(modules_read_model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(rebuild, "BATCH_EVENTS", BATCH)
    modules_read_model.execute("DROP SCHEMA IF EXISTS shop_rebuild, read_rebuild, shop_before CASCADE")
    modules_read_model.clear()
    return modules_read_model


def swapped(read_model: Any) -> None:
    """Swaps as the command line does, which tries again when the tables are busy."""
    for _ in range(50):
        try:
            with opened(read_model) as rebuilding:
                return rebuilding.swap()
        except BusyError:
            pass
    raise AssertionError("always busy")


def test_tables_indexes_constraints_rights_and_views_are_as_the_migrations_made_them(
    read_model: Any, product: Any
) -> None:
    read_model.execute("COMMENT ON COLUMN shop.product.sku IS 'Its number'; GRANT SELECT (sku) ON shop.stock TO PUBLIC")
    read_model.execute("ALTER VIEW read_v1.purchases SET (security_barrier = true)")
    read_model.execute("ALTER TABLE shop.product ADD CONSTRAINT once UNIQUE (sku, version)")
    read_model.execute("ALTER TABLE shop.product ADD CONSTRAINT no_other EXCLUDE USING btree (sku WITH =)")
    read_model.project(product("MUG").listed())
    before = catalogue(read_model)
    for _ in range(2):
        with opened(read_model) as rebuilding:
            rebuilding.begin(EventSource.LOG)
            rebuilding.go_on(20)
            rebuilding.swap()
            rebuilding.drop_old()
        for name, rows in catalogue(read_model).items():
            assert rows == before[name], name
    assert {"shop.event_log", "shop.product"} <= {table for _, table in before["depended on"]}
    assert all(table.startswith("shop.") for _, table in before["depended on"])


class Customers(threading.Thread):
    """Does one thing again and again on a connection that it keeps, until it is told to stop, or fails."""

    def __init__(self, act: Callable[[], None]) -> None:
        super().__init__()
        self._act = act
        self._over = threading.Event()
        self.done = 0
        self.error: BaseException | None = None

    def run(self) -> None:
        try:
            while not self._over.is_set():
                self._act()
                self.done += 1
                time.sleep(0.005)
        except BaseException as error:  # noqa: BLE001 - the test tells of it
            self.error = error

    def stop(self) -> None:
        self._over.set()
        self.join(30)
        assert self.error is None


def test_readers_and_projections_go_on_through_all_of_it(read_model: Any, product: Any, reservation: Any) -> None:
    mug = product("MUG")
    read_model.project(mug.listed(), mug.received(1_000_000))
    numbers = count(1)
    seen = {"purchases": 0, "timeline": 0}
    reader = connect(DatabaseSettings(read_model.database.url("shop_query")), "test-query", statement_timeout_ms=3_000)

    def buy() -> None:
        orders = [reservation(next(numbers), {"MUG": 1}) for _ in range(5)]
        events = [event for order in orders for event in (order.placed(), order.requested(), order.confirmed())]
        read_model.project_records([encode(event) for event in events])

    def read() -> None:
        [(stock,)] = reader.execute("SELECT available FROM read_v1.products", prepare=True).fetchall()
        assert stock <= 1_000_000 - seen["purchases"]
        for view, before in seen.items():
            counted = f"SELECT count(*) FROM read_v1.{view}"  # noqa: S608 - our own names
            [(rows,)] = reader.execute(counted.encode(), prepare=True).fetchall()
            assert rows >= before, f"{view} has lost something"
            seen[view] = rows

    customers = [Customers(buy), Customers(read)]
    for each in customers:
        each.start()
    try:
        for _ in range(2):
            with opened(read_model) as rebuilding:
                rebuilding.begin(EventSource.LOG)
                while rebuilding.status().phase is not Phase.READY:
                    rebuilding.go_on(0.1)
            at_swap = [each.done for each in customers]
            swapped(read_model)
            while any(each.is_alive() and each.done < done + 5 for each, done in zip(customers, at_swap, strict=True)):
                time.sleep(0.01)
            with opened(read_model) as rebuilding:
                rebuilding.drop_old()
    finally:
        for each in customers:
            each.stop()
        reader.close()
    orders = 5 * customers[0].done
    assert read_model.query("SELECT received, held, sold FROM shop.stock") == [(1_000_000, 0, orders)]
    assert read_model.query("SELECT count(*) FROM read_v1.timeline") == [(3 * orders,)]
    assert read_model.query("SELECT sum(units) FROM read_v1.sales_daily") == [(orders,)]


def test_a_projection_that_waits_for_the_swap_writes_into_the_new_tables(read_model: Any, product: Any) -> None:
    mug = product("MUG")
    for _ in range(8):  # so often that its statements are prepared
        read_model.project(mug.listed() if mug.version == 0 else mug.received(1))
    with opened(read_model) as rebuilding:
        rebuilding.begin(EventSource.LOG)
        rebuilding.go_on(20)
        waiting = threading.Thread(target=read_model.project, args=[mug.received(1)])
        with rebuilding.shadow.whole():
            rebuilding.shadow.hold_projections()
            waiting.start()
            with psycopg.connect(read_model.database.superuser_url, autocommit=True) as superuser:
                blocked = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
                while not superuser.execute(blocked.encode()).fetchall():
                    time.sleep(0.01)
            rebuilding.shadow.swap()
        waiting.join(10)
    assert read_model.query("SELECT received FROM shop.stock") == [(8,)]
    assert read_model.query("SELECT received FROM shop_before.stock") == [(7,)]


@pytest.mark.parametrize("statement", ["SELECT * FROM read_v1.timeline", "SELECT * FROM read_v1.products"])
def test_a_swap_gives_way_to_a_reader_that_takes_long(read_model: Any, product: Any, statement: str) -> None:
    read_model.project(product("MUG").listed())
    before = catalogue(read_model)
    with opened(read_model) as rebuilding:
        rebuilding.begin(EventSource.LOG)
        rebuilding.go_on(20)
        with psycopg.connect(read_model.database.url("shop_query")) as reader:
            reader.execute(statement.encode())
            with pytest.raises(BusyError, match="try again in a moment"):
                rebuilding.swap()
            reader.rollback()
        rebuilding.swap()
        rebuilding.drop_old()
    assert catalogue(read_model) == before


def test_a_beginning_gives_way_to_who_is_adding_to_the_log(read_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shadow, "LOCK_MS_MAX", 100)
    with read_model.open("shop_dispatch") as projecting, opened(read_model) as rebuilding:
        with projecting.transaction():
            projecting.execute("LOCK TABLE shop.event_log IN ROW EXCLUSIVE MODE")
            with pytest.raises(BusyError):
                rebuilding.begin(EventSource.LOG)
        assert rebuilding.status().phase is Phase.NONE
        rebuilding.begin(EventSource.LOG)


def documented_projection() -> tuple[str, str, str, str]:
    """Migration, fold, statement and line, as docs/operations.md has them."""
    text = (Path(__file__).parents[4] / "docs" / "operations.md").read_text()
    section = text.partition("### Adding a projection")[2]
    migration, fold, statement, line = re.findall(r"```(?:sql|python)\n(.*?)```", section, re.DOTALL)
    return migration, fold, statement, line


def test_the_documented_projection_has_what_happened_before_it(
    read_model: Any, reservation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    migration, fold, statement, line = documented_projection()
    for number, skus in enumerate([("MUG", "POT"), ("MUG", "POT", "TEA"), ("MUG",)], start=1):
        order = reservation(number, dict.fromkeys(skus, 1))
        read_model.project(order.placed(), order.requested(), order.confirmed())
    read_model.execute(migration)
    names: dict[str, Any] = {"Projection": Projection}
    exec(fold, names)  # noqa: S102 - our own document
    projection = eval(line, names)  # noqa: S307 - our own document
    monkeypatch.setitem(statements.CHANGE, projection.table, statement)
    monkeypatch.setattr(project, "PROJECTIONS", (*PROJECTIONS, projection))
    with opened(read_model, [*TABLES, projection.table]) as rebuilding:
        rebuilding.begin(EventSource.LOG)
        rebuilding.go_on(20)
        late = reservation(4, {"POT": 1, "TEA": 1})
        read_model.project(late.placed(), late.requested(), late.confirmed())
        rebuilding.swap()
    rows = read_model.query("SELECT * FROM read_v1.bought_together WHERE sku < other_sku ORDER BY 1, 2", "shop_query")
    assert rows == [("MUG", "POT", 2), ("MUG", "TEA", 1), ("POT", "TEA", 2)]
    assert read_model.query("SELECT sum(purchases) FROM shop_before.bought_together") == [(2,)]
    read_model.execute("DROP SCHEMA shop_before CASCADE; DROP TABLE shop.bought_together CASCADE")
