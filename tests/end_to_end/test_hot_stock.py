"""Stock under many customers at once, and an administrator's changes to a product, in what customers are shown.

It audits the shop, so it has to run before test_release, by its name: that hands sample events to the functions, around
the store, and an audit rightly names them.
"""

import uuid
from typing import Any
from urllib.parse import quote

import pytest

from shop_cli.testing import Answer, Shop, eventually, run_bench


def test_a_hot_product_is_sold_out_exactly_and_nobody_is_told_so_too_early(shop: Shop) -> None:
    scale = ("--attempts", "300", "--clients", "16", "--units", "20", "--buckets", "8")
    printed = run_bench(shop, "hot_stock", *scale, seconds_max=400)
    cells = [cell.strip() for cell in printed.splitlines()[2].split("|")]
    assert (cells[1:3], cells[5:7]) == (["8", "300"], ["20", "280"])


def change(shop: Shop, method: str, path: str, body: object = None) -> Answer:
    return shop.administrator(method, path, key=str(uuid.uuid4()), body=body)


def listed(shop: Shop, sku: str) -> dict[str, Any] | None:
    """As GET /products lists it, on whichever page."""
    cursor = ""
    while True:
        page = shop.request("GET", f"/products?limit=100{cursor}").body
        for item in page["items"]:
            if item["sku"] == sku:
                found: dict[str, Any] = item
                return found
        if page["next_cursor"] is None:
            return None
        cursor = f"&cursor={quote(page['next_cursor'])}"


def test_a_new_price_arrives_where_customers_look_and_in_what_they_reserve(shop: Shop) -> None:
    sku = shop.new_product(stock=5, price_minor=1_000)
    old = shop.reserve(sku)["total"]
    repriced = change(shop, "POST", f"/products/{sku}/price", {"price": {"amount_minor": 750, "currency": "EUR"}})
    assert (repriced.status, repriced.body["price"]) == (201, {"amount_minor": 750, "currency": "EUR"})
    shown = eventually(lambda: listed(shop, sku), lambda item: item is not None and item["price"] != old)
    assert shown is not None
    assert (shown["price"]["amount_minor"], shown["available"]) == (750, 4)
    assert (old["amount_minor"], shop.reserve(sku)["total"]["amount_minor"]) == (1_000, 750)


@pytest.mark.parametrize("buckets", [1, 64])
def test_stock_is_redistributed_while_it_sells_and_customers_see_as_much_as_before(shop: Shop, buckets: int) -> None:
    sku = shop.new_product(stock=12, buckets=4)
    shop.reserve(sku, 2)
    redistributed = change(shop, "POST", f"/products/{sku}/buckets", {"stock_buckets": buckets})
    assert (redistributed.status, redistributed.body["stock_buckets"]) == (201, buckets)
    shop.reserve(sku, 9)
    eventually(lambda: listed(shop, sku), lambda item: item is not None and item["available"] == 1)
    too_much = {"lines": [{"sku": sku, "quantity": 2}]}
    refused = shop.customer("POST", "/reservations", key=str(uuid.uuid4()), body=too_much)
    assert (refused.status, refused.body["lines"]) == (409, [{"sku": sku, "requested": 2, "available": 1}])


def test_a_retired_product_is_not_listed_nor_sold_any_more(shop: Shop) -> None:
    sku = shop.new_product(stock=5)
    held = shop.reserve(sku)
    eventually(lambda: listed(shop, sku), lambda item: item is not None)
    retired = change(shop, "DELETE", f"/products/{sku}")
    assert (retired.status, retired.body["status"]) == (200, "retired")
    eventually(lambda: listed(shop, sku), lambda item: item is None)
    assert shop.request("GET", f"/products/{sku}").body["status"] == "retired"
    lines = [{"sku": sku, "quantity": 1}]
    refused = shop.customer("POST", "/reservations", key=str(uuid.uuid4()), body={"lines": lines})
    assert (refused.status, refused.body["skus"]) == (422, [sku])
    assert shop.purchase(held["reservation_id"], "pm_card_visa").status == 201
