"""The functions and the payment provider are killed while customers buy. `make chaos` does it at length."""

import os
import subprocess
import sys

from shop_cli.testing import ROOT, Shop


def test_what_is_killed_while_customers_buy_loses_and_doubles_nothing(shop: Shop) -> None:
    result = subprocess.run(
        [sys.executable, ROOT / "bench" / "chaos.py", "--purchases", "30", "--seed", "4", "--quick"],
        env={**os.environ, "SHOP_HOME": str(shop.home)},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert result.returncode == 0, result.stdout + result.stderr
    assert "kill -9: {'" in result.stdout
