"""`shop rebuild` against the running shop, its roles enforced.

It has to run before test_release, by its name: that hands sample events to the functions, around the store, which then
lacks what the read model has.
"""

import json
import threading
from typing import Any

import psycopg
import pytest

from shop_cli.testing import Shop

ROWS = """
SELECT to_jsonb(stock), to_jsonb(product), to_jsonb(reservation), head.stream_version,
    (SELECT jsonb_agg(to_jsonb(log) - 'received_at' ORDER BY log.stream_version)
     FROM shop.event_log AS log WHERE log.stream_id = head.stream_id)
FROM shop.stock
JOIN shop.product USING (sku)
JOIN shop.reservation ON reservation.lines -> 0 ->> 'sku' = sku
JOIN shop.stream_head AS head ON head.stream_id = 'reservation-' || reservation_id
WHERE sku = %s
"""


def rows(shop: Shop, sku: str) -> list[tuple[Any, ...]]:
    with psycopg.connect(shop.status["database_url"]) as connection:
        found = connection.execute(ROWS, [sku]).fetchall()
        assert len(found) == 1
        return found


@pytest.mark.parametrize("source", ["archive", "store", "log"])
def test_the_read_model_is_the_same_from_any_source_and_the_shop_goes_on(shop: Shop, source: str) -> None:
    sku = shop.new_product(stock=3)
    paid = shop.purchase(shop.reserve(sku)["reservation_id"], "pm_card_visa")
    path = f"/purchases/{paid.body['purchase_id']}?min_version={paid.body['stream_version']}"
    assert shop.customer("GET", path).status == 200
    before = rows(shop, sku)
    over = threading.Event()
    answers: list[int] = []

    def look() -> None:
        while not over.wait(0.05):
            answers.append(shop.request("GET", f"/products/{sku}").status)

    looking = threading.Thread(target=look)
    looking.start()
    try:
        result = json.loads(shop.command("rebuild", "--from", source, "--json").stdout)
    finally:
        over.set()
        looking.join()
    assert (result["phase"], result["source"], result["unreadable"]) == ("swapped", source, 0)
    assert set(answers) == {200}
    assert rows(shop, sku) == before
    shop.command("rebuild", "--drop-old")
    # And what comes afterwards arrives.
    reserved = shop.reserve(sku)
    assert shop.customer("GET", f"/reservations/{reserved['reservation_id']}?min_version=1").status == 200


def test_afterwards_the_shop_is_clean(shop: Shop) -> None:
    assert shop.command("verify", "--json", check=False).returncode == 0


def test_one_that_is_ready_can_be_audited_and_abandoned(shop: Shop) -> None:
    ready = json.loads(shop.command("rebuild", "--no-swap", "--json").stdout)
    assert (ready["phase"], ready["source"]) == ("ready", "log")
    assert shop.command("rebuild", "--from", "store", check=False).returncode == 1
    assert shop.command("verify", "--rebuilt", "--json", check=False).returncode == 0
    assert json.loads(shop.command("rebuild", "--abandon", "--json").stdout) == {"phase": "none"}
