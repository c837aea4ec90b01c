"""PostgreSQL is stopped while customers buy. `make outage` does it for a minute."""

from shop_cli.testing import Shop, run_bench


def test_while_postgresql_is_away_customers_buy_and_afterwards_nothing_is_lost_or_doubled(shop: Shop) -> None:
    printed = run_bench(shop, "outage", "--seconds", "5", seconds_max=200)
    assert "GET /products: " in printed
    assert "times 503" in printed  # it was away
    answers = [line.split()[-1] for line in printed.splitlines() if line.strip().startswith("POST")]
    assert set(answers) == {"201"}
