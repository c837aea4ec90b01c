"""`make web-dev`, which serves the sources with hot reload and everything else from the shop that runs."""

import os
import re
import signal
import subprocess
from collections.abc import Iterator

import httpx
import pytest

from shop_cli.testing import ROOT, Shop, eventually


@pytest.fixture
def development(shop: Shop) -> Iterator[str]:
    """Starts Vite on a free port. Developers get the port that the user pool knows."""
    command = ["npm", "run", "--silent", "dev", "--", "--port", "0", "--host", "127.0.0.1"]
    with subprocess.Popen(
        command,
        cwd=ROOT / "web",
        env={**os.environ, "SHOP_HOME": str(shop.home), "NO_COLOR": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    ) as process:
        try:
            assert process.stdout
            lines = iter(process.stdout.readline, "")
            yield next(found[0] for line in lines if (found := re.search(r"http://127\.0\.0\.1:\d+", line)))
        finally:
            os.killpg(process.pid, signal.SIGTERM)


def test_sources_come_from_vite_and_the_rest_from_the_shop(shop: Shop, development: str) -> None:
    with httpx.Client(base_url=development, timeout=60) as http:
        page = eventually(lambda: http.get("/basket"), lambda answer: answer.status_code == 200)
        assert "/src/main.ts" in page.text
        assert "/@vite/client" in page.text
        assert http.get("/config.json").json()["stage"] == "local"
        products = http.get("/api/products?limit=1")
        assert products.json() == shop.request("GET", "/products?limit=1").body
        assert http.get("/media/none.webp").status_code in (403, 404)
