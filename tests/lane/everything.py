"""test_interrupted_run.py runs and interrupts it. Its name lacks the `test_` by which other runs would find it."""

import os
import tempfile
import time
from pathlib import Path

from shop_cli.emulator_testing import running_emulator, running_wire
from shop_cli.local.testing import collector
from shop_cli.testing import run_shop
from shop_database.testing import server
from shop_payment_provider.testing import running_provider


def test_that_starts_everything() -> None:
    folder = Path(tempfile.gettempdir())
    server()
    run_shop(folder / "home", "up", "--no-aws", "--detach")
    with (
        running_emulator() as aws,
        running_wire(aws.url, aws.credentials),
        running_provider(),
        collector(folder / "traces"),
    ):
        Path(os.environ["READY"]).write_text(str(folder))
        time.sleep(600)
