"""The functions and the payment provider are killed while customers buy. `make chaos` does it at length."""

from shop_cli.testing import Shop, run_bench


def test_what_is_killed_while_customers_buy_loses_and_doubles_nothing(shop: Shop) -> None:
    printed = run_bench(shop, "chaos", "--purchases", "30", "--seed", "4", "--quick", seconds_max=240)
    assert "kill -9: {'" in printed
