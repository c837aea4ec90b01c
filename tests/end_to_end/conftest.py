"""One shop for the whole suite: started by the command that users run, in a folder of its own, stopped at the end.

SHOP_TEST_HOME names the folder of a shop that runs already, to save its start while working on these tests.
"""

import json
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from shop_cli.testing import Shop, processes_of, run_shop


@pytest.fixture(scope="session")
def shop() -> Iterator[Shop]:
    running = os.environ.get("SHOP_TEST_HOME")
    # Another run of pytest closes pytest's own folder to PostgreSQL, which does not run as root.
    home = Path(running or tempfile.mkdtemp(prefix="shop-"))
    if not running:
        run_shop(home, "up", "--detach", seconds_max=540)
    try:
        status = json.loads(run_shop(home, "status", "--json").stdout)
        with httpx.Client(timeout=40) as client:
            yield Shop(home, status, client)
    finally:
        if not running:
            run_shop(home, "down")
            assert processes_of(home) == []
