"""An event that the read model refuses, from the stream to the list of parked records and back, in the running shop."""

import json
import uuid
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from shop_cli.testing import Shop, eventually


@pytest.fixture
def owner(shop: Shop) -> Iterator[psycopg.Connection]:
    with psycopg.connect(shop.status["database_url"], autocommit=True) as connection:
        yield connection


def parked(shop: Shop) -> list[dict[str, Any]]:
    listed: list[dict[str, Any]] = json.loads(shop.command("parked", "list", "--json").stdout)
    return listed


def test_a_refused_event_is_parked_replayed_and_then_visible_with_what_waited_behind_it(
    shop: Shop, owner: psycopg.Connection
) -> None:
    sku, other = shop.new_product(stock=1), shop.new_product(stock=1)
    owner.execute("ALTER TABLE shop.product ADD CONSTRAINT cheap_only CHECK (price_minor < 90000) NOT VALID")
    try:
        price = {"price": {"amount_minor": 95_000, "currency": "EUR"}}
        repriced = shop.administrator("POST", f"/products/{sku}/price", key=f"price-{sku}", body=price)
        received = shop.administrator("POST", f"/products/{sku}/stock", key=f"more-{sku}", body={"quantity": 4})
        assert (repriced.status // 100, received.status // 100) == (2, 2)
        mine = eventually(
            lambda: [record for record in parked(shop) if record["stream_id"] == f"product-{sku}"],
            lambda records: bool(records) and records[0]["waiting"] == 1,
        )
        assert [(record["cause"], record["stream_version"]) for record in mine] == [
            ("23514 CheckViolation: product cheap_only", 3)
        ]
        (parked_id,) = (record["id"] for record in mine)
        shown = shop.command("parked", "show", parked_id).stdout
        assert '"amount_minor":95000' in shown
        # Every other event is projected as usual.
        assert shop.reserve(other)["status"] == "active"
        still = shop.command("parked", "replay", parked_id, check=False)
        assert still.returncode == 1
    finally:
        owner.execute("ALTER TABLE shop.product DROP CONSTRAINT cheap_only")

    replayed = json.loads(shop.command("parked", "replay", parked_id, "--json").stdout)
    assert replayed == {"resolved": [parked_id], "still_parked": [], "applied": 2}
    product = shop.request("GET", f"/products/{sku}").body
    assert (product["price"]["amount_minor"], product["available"], product["version"]) == (95_000, 5, 4)
    assert [record for record in parked(shop) if record["id"] == parked_id] == []


def test_what_is_no_event_is_parked_and_can_be_dropped(shop: Shop) -> None:
    garbage = f"garbage {uuid.uuid4()}".encode()  # what was dropped stays dropped, if it comes again
    shop.client("kinesis").put_record(StreamName=shop.status["stream_name"], Data=garbage, PartitionKey="x")
    (record,) = eventually(
        lambda: [record for record in parked(shop) if record["bytes"] == len(garbage)],
        lambda records: len(records) == 1,
    )
    assert "MalformedEventError" in record["cause"]
    dropped = shop.command("parked", "drop", record["id"], "--reason", "a test's garbage").stdout
    assert dropped.strip() == f"Dropped {record['id']}."
    assert [each for each in parked(shop) if each["id"] == record["id"]] == []
