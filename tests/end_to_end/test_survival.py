"""The local shop is stopped and started again without losing anything, and without leaving anything behind."""

import json

from shop_cli.testing import Shop, processes_of, run_shop


def test_a_second_start_says_that_the_shop_runs_already(shop: Shop) -> None:
    before = processes_of(shop.home)
    answer = shop.command("up", "--detach")
    assert "runs already" in answer.stdout
    assert shop.status["api_url"] in answer.stdout
    assert sorted(processes_of(shop.home)) == sorted(before)


def test_everything_survives_a_stop_and_a_start(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    paid = shop.purchase(reservation["reservation_id"], "pm_card_visa")
    events = shop.events(reservation["stream_id"])
    catalogue = shop.request("GET", "/products?limit=100").body["items"]

    shop.command("down")
    assert processes_of(shop.home) == []
    assert run_shop(shop.home, "status", "--json", check=False).returncode == 3
    shop.command("up", "--detach", seconds_max=540)

    status = json.loads(shop.command("status", "--json").stdout)
    again = Shop(shop.home, status, shop.http)
    assert again.events(reservation["stream_id"]) == events
    assert again.request("GET", "/products?limit=100").body["items"] == catalogue
    purchases = again.customer("GET", "/purchases").body["items"]
    assert paid.body["purchase_id"] in [item["purchase_id"] for item in purchases]
    new = again.reserve(again.new_product(stock=1))
    assert again.purchase(new["reservation_id"], "pm_card_visa").status == 201
    assert "The purchase is in every system" in again.command("demo").stdout
