"""`shop top` of the running shop shows the requests that have just been made."""

import json
from typing import Any

from shop_cli.testing import Shop, eventually


def test_a_few_requests_are_in_the_snapshot(shop: Shop) -> None:
    sku = shop.new_product(stock=2)
    assert shop.purchase(shop.reserve(sku)["reservation_id"], "pm_card_visa").status == 201
    assert shop.request("GET", "/products/NONE").status == 404

    def snapshot() -> dict[str, Any]:
        shown: dict[str, Any] = json.loads(shop.command("top", "--once", "--json").stdout)
        return shown

    shown = eventually(
        snapshot, lambda shown: min(shown["events"][name]["count"] for name in ("applied", "archived")) >= 3
    )
    routes = {route["name"]: route["statuses"] for route in shown["routes"]}
    assert routes["POST /purchase"]["201"] >= 1
    assert routes["GET /products/{sku}"]["404"] >= 1
    assert shown["counts"]["PaymentsCaptured"] >= 1
    assert shown["counts"]["CommandsAccepted"] >= 3
    assert shown["events"]["published"]["count"] >= 5
    assert shown["provider_ms"]["p99"] > 0
    assert shown["visible_seconds"]["count"] >= 1
    assert shown["due"]["count"] >= 0
    assert shown["parked"]["is_all"]
    assert shown["unread"] == {}
