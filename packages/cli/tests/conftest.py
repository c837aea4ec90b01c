"""A shop's folder for one test, with whatever was started in it stopped afterwards."""

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from shop_cli.local import processes
from shop_cli.local.home import Home


@pytest.fixture
def home(monkeypatch: pytest.MonkeyPatch) -> Iterator[Home]:
    """Not in pytest's own folder: each session that starts closes that to PostgreSQL, which does not run as root."""
    with tempfile.TemporaryDirectory(prefix="shop-") as folder:
        monkeypatch.setenv("SHOP_HOME", str(Path(folder) / "shop"))
        monkeypatch.delenv("SHOP_DATABASE_URL", raising=False)
        home = Home.current()
        home.create()
        yield home
        processes.stop(home, [])
