"""Servers are taken away while customers buy. `make outage` stops PostgreSQL for a minute."""

from shop_cli.testing import Shop, run_bench


def test_while_postgresql_is_away_customers_buy_and_afterwards_nothing_is_lost_or_doubled(shop: Shop) -> None:
    printed = run_bench(shop, "outage", "--seconds", "5", "--kill", seconds_max=200)
    assert "GET /products: " in printed
    assert "times 503" in printed  # it was away
    answers = [line.split()[-1] for line in printed.splitlines() if line.strip().startswith("POST")]
    assert set(answers) == {"201"}


def test_the_local_aws_is_killed_while_customers_buy_and_nothing_acknowledged_is_lost(shop: Shop) -> None:
    """`make outage` ends the other servers in the same way, and takes minutes for each."""
    printed = run_bench(shop, "outage", "--seconds", "0", "--kill", "aws", seconds_max=3_600)
    assert "aws killed: the shop ran again" in printed
    assert "what customers were answered is in the read model" in printed
    assert "POST /purchase: " in printed
