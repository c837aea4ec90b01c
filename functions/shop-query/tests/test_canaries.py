"""Nothing that is searched for, and nobody's name, is in a log line, a metric or a trace. What a read is about is."""

from collections.abc import Callable
from typing import Any

import psycopg
import pytest

from shop_database import Reconnecting
from shop_observability import metrics
from shop_observability.testing import HEADER, ROOT, Log, measured
from shop_query.testing import Shop

CANARY = "canary8c41d2"
CUSTOMER = f"customer-{CANARY}"
HEADERS = {"authorization": f"Bearer {CANARY}", "cookie": f"session={CANARY}", "x-amzn-trace-id": HEADER}
ID = "0198c6f2-7a10-7c3e-9b0d-000000000001"


def test_nothing_that_a_reader_sends_or_gets_is_told(shop: Shop, recorded: Callable[[], str]) -> None:
    shop.list_product("MUG", stock=1, name=CANARY, description=CANARY)
    shop.reserve(ID, CUSTOMER)
    asked: list[tuple[str, dict[str, str], int]] = [
        ("/products", {"q": CANARY}, 200),
        ("/products", {"category": CANARY}, 200),
        ("/products", {"cursor": CANARY}, 422),
        ("/products", {CANARY: CANARY}, 422),
        ("/products/MUG", {"min_version": CANARY}, 422),
        ("/reservations", {}, 200),
        (f"/reservations/{ID}", {}, 200),
        ("/sales/daily", {"from": CANARY}, 422),
    ]
    for path, query, status in asked:
        assert shop.get(path, query, customer=CUSTOMER, groups="[admin]", headers=HEADERS).status == status
    everything = recorded()
    assert CANARY not in everything
    assert everything.count('"message":"request"') == len(asked)
    assert everything.count(f'"trace_id": "{ROOT}"') >= len(asked)


def test_no_exception_of_the_database_tells_what_it_says(
    shop: Shop, recorded: Callable[[], str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for error, status in ((psycopg.errors.UniqueViolation(CANARY), 500), (psycopg.OperationalError(CANARY), 503)):

        def fail(*_: Any, error: Exception = error) -> None:
            raise error

        with monkeypatch.context() as patch:
            patch.setattr(Reconnecting, "run", fail)
            assert shop.get("/products/MUG", headers=HEADERS).status == status
    everything = recorded()
    assert CANARY not in everything
    assert "psycopg.errors.UniqueViolation (23505)" in everything
    assert "OperationalError" in everything


def test_a_line_says_which_stream_a_read_was_about_also_where_there_is_no_answer(shop: Shop, log: Log) -> None:
    shop.list_product("MUG")
    for path in ("/products/MUG", "/products/POT", f"/reservations/{ID}", f"/purchases/{ID}", "/products/no+sku"):
        shop.get(path, customer=CUSTOMER)
    streams = [line.get("stream_id") for line in log.lines()]
    assert streams == ["product-MUG", "product-POT", f"reservation-{ID}", f"reservation-{ID}", None]


def test_reads_say_nothing_but_cold_starts(
    shop: Shop, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(metrics, "_is_cold", True)
    shop.get("/products")
    assert measured(capsys.readouterr().out) == {"ColdStarts": [1.0]}
    shop.get("/products")
    shop.get("/products/NONE")
    assert measured(capsys.readouterr().out) == {}
