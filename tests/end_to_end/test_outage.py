"""PostgreSQL is stopped while customers buy. `make outage` does it for a minute."""

import os
import subprocess
import sys

from shop_cli.testing import ROOT, Shop


def test_while_postgresql_is_away_customers_buy_and_afterwards_nothing_is_lost_or_doubled(shop: Shop) -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "bench" / "outage.py", "--seconds", "5"],
        env={**os.environ, "SHOP_HOME": str(shop.home)},
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "GET /products: " in result.stdout
    assert "times 503" in result.stdout  # it was away
    answers = [line.split()[-1] for line in result.stdout.splitlines() if line.strip().startswith("POST")]
    assert set(answers) == {"201"}
