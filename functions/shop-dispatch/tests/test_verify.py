"""What `shop verify` reads through the function, on a real PostgreSQL."""

import json
from typing import Any

import psycopg
import pytest

from shop_dispatch import bootstrap
from shop_dispatch.adapters.rows import TABLES, PostgresRows
from shop_dispatch.domain.rebuild import EventSource, Phase, RebuildError
from shop_dispatch.handlers import verify
from shop_observability.testing import ROOT, Daemon

OPERATOR = "arn:aws:iam::123456789012:user/operator"


def pages(table: str, *, rebuilt: bool = False) -> list[list[dict[str, Any]]]:
    found, after = [], None
    while True:
        request = {"table": table, "after": after, "rebuilt": rebuilt, "actor": OPERATOR}
        answer = json.loads(json.dumps(verify.handler(request, None)))
        found.append(answer["rows"])
        after = answer.get("next")
        if after is None:
            return found


def rows(table: str, *, rebuilt: bool = False) -> list[dict[str, Any]]:
    return [row for page in pages(table, rebuilt=rebuilt) for row in page]


def reads(read_model: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bootstrap, "rows", lambda: PostgresRows(read_model.kept["shop_query"]))


@pytest.fixture
def audited(read_model: Any, product: Any, reservation: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Two products and two reservations, of which one was bought, refunded in parts, and disputed."""
    reads(read_model, monkeypatch)
    mug, bought, held = product("MUG"), reservation(1, {"MUG": 2}), reservation(2, {"MUG": 1})
    read_model.project(mug.listed(category="cups"), mug.received(9), product("POT").listed(), held.placed())
    read_model.project(bought.placed(), bought.requested(), bought.confirmed())
    read_model.project(bought.refunded(units=1), bought.refunded(refund=2, units=1), bought.dispute_opened())
    return read_model


def test_every_row_is_read_once_and_in_order_however_small_the_pages(
    audited: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = {table: rows(table) for table in TABLES}
    assert all(whole.values())
    assert [len(whole[table]) for table in ("heads", "log", "refunds", "disputes")] == [4, 10, 2, 1]
    for table, read in whole.items():
        keys = [tuple(row[name] for name in TABLES[table].key) for row in read]
        assert keys == sorted(set(keys))
    monkeypatch.setattr(verify, "ROWS_MAX", 1)
    for table, read in whole.items():
        assert pages(table) == [[row] for row in read] + [[]]


def test_an_answer_has_no_more_than_lambda_lets_through(audited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = rows("log")
    room = 3 * len(json.dumps(whole[0])) + 10
    monkeypatch.setattr(verify, "BYTES_MAX", room)
    found = pages("log")
    assert [row for page in found for row in page] == whole
    assert all(len(json.dumps(page)) <= room + 20 for page in found)
    assert len(found) > 2
    monkeypatch.setattr(verify, "BYTES_MAX", 1)
    assert [len(page) for page in pages("log")] == [1] * len(whole)


def test_a_row_says_what_is_in_the_read_model_and_nothing_of_an_event(audited: Any) -> None:
    first, *_ = rows("log")
    assert set(first) == {"stream_id", "stream_version", "digest"}
    (product, _) = rows("products")
    assert (product["sku"], product["available"], product["listed_at"]) == ("MUG", 8, "2026-03-04T12:00:00+00:00")
    (sold,) = [row for row in rows("sales_daily") if row["day"] == "2026-03-04"]
    assert sold["sku"] == "MUG"


@pytest.mark.usefixtures("far_east")
def test_a_moment_is_told_in_utc_whatever_the_zone_of_the_session_or_the_machine(audited: Any) -> None:
    reader = audited.kept["shop_query"]
    reader.run(lambda connection: connection.execute("SET timezone TO 'Asia/Tokyo'"))
    try:
        assert {row["listed_at"] for row in rows("products")} == {"2026-03-04T12:00:00+00:00"}
    finally:
        reader.run(lambda connection: connection.execute("SET timezone TO DEFAULT"))


def test_whoever_reads_is_in_the_log_and_no_row_is(audited: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        customer = rows("reservations")[0]["customer_id"]
    (line,) = caplog.records
    assert (vars(line)["message"], vars(line)["table"], vars(line)["rows"]) == ("read", "reservations", 2)
    assert customer not in str(vars(line))


def test_a_read_is_in_the_trace_of_its_invocation(
    audited: Any, daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", f"Root={ROOT};Sampled=1")
    rows("heads")
    (document,) = daemon.documents()
    (call,) = document["subsegments"]
    assert (call["name"], call["namespace"]) == ("postgresql", "remote")
    assert call["sql"] == {"database_type": "PostgreSQL", "user": "shop_query"}


@pytest.mark.parametrize("request_", [{}, {"table": "parked"}, {"table": 1}, {"table": "products", "rebuilt": True}])
def test_a_request_that_makes_no_sense_is_answered(audited: Any, request_: dict[str, Any]) -> None:
    assert set(verify.handler(request_, None)) == {"error"}


def test_the_functions_own_connection_cannot_write(audited: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.undo()
    monkeypatch.setenv("DATABASE_URL", audited.database.url("shop_query"))
    bootstrap.rows.cache_clear()
    connection = bootstrap.rows().connection
    try:
        with pytest.raises(psycopg.errors.ReadOnlySqlTransaction):
            connection.run(lambda opened: opened.execute("CREATE TEMPORARY TABLE mine ()"))
    finally:
        connection.close()
        bootstrap.rows.cache_clear()


def test_the_tables_of_a_rebuild_can_be_read_until_they_are_swapped_in(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    reads(shop.read_model, monkeypatch)
    live = {table: rows(table) for table in TABLES}
    shop.steps(EventSource.STORE, until=Phase.READY)
    shop.superuser("UPDATE shop_rebuild.product SET price_minor = 1 WHERE sku = 'POT'")
    made = {table: rows(table, rebuilt=True) for table in TABLES}
    assert [row["price_minor"] for row in made["products"] if row["sku"] == "POT"] == [1]
    assert {table for table in TABLES if made[table] != live[table]} == {"products"}
    timeline = "SELECT type FROM {}.timeline ORDER BY reservation_id, stream_version"
    both = (shop.read_model.query(timeline.format(schema), "shop_query") for schema in ("read_v1", "read_rebuild"))
    assert next(both) == next(both) != []  # its names of event types are not taken for tables
    shop.steps(EventSource.STORE, until=Phase.SWAPPED)
    assert rows("products") == made["products"]
    with pytest.raises(RebuildError) as error:
        bootstrap.rows().read("products", None, rebuilt=True, limit=1)
    assert error.value.code == "no-rebuild"
    assert verify.handler({"table": "products", "rebuilt": True}, None) == {
        "error": "no new tables are there: shop rebuild --no-swap makes them"
    }
