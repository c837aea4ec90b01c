"""Keys, payments, passwords, logs and the emulator's state are readable by their owner only."""

import os
import stat
from collections.abc import Iterator
from pathlib import Path

from shop_cli.local.build import FUNCTIONS
from shop_cli.testing import ROOT, Shop


def everything_in(path: Path) -> Iterator[Path]:
    yield path
    for folder, folders, files in os.walk(path):
        yield from (Path(folder, name) for name in (*folders, *files))


def readable_by_others(path: Path) -> list[str]:
    """Being allowed to pass through a folder does not count: PostgreSQL's own account has to."""
    found = []
    for each in everything_in(path):
        try:
            mode = each.lstat().st_mode
        except FileNotFoundError:  # it was temporary
            continue
        if mode & 0o066 and not stat.S_ISLNK(mode):
            found.append(str(each))
    return found


def test_nobody_else_can_read_what_a_run_writes(shop: Shop) -> None:
    reservation = shop.reserve(shop.new_product(stock=1))
    assert shop.purchase(reservation["reservation_id"], "pm_card_visa").status == 201
    names = {path.name for path in shop.home.iterdir()}
    sqlite = {f"payments.sqlite{suffix}" for suffix in ("", "-wal", "-shm")}
    assert {"state.json", "aws", "logs", "postgres", "traces.jsonl", "payment-api-key", *sqlite} <= names
    assert sum(1 for _ in everything_in(shop.home)) > 1_000
    assert readable_by_others(shop.home) == []


def test_nobody_else_can_read_what_a_deployment_leaves_in_the_checkout(shop: Shop) -> None:
    for name in FUNCTIONS:
        assert readable_by_others(ROOT / "functions" / name / ".serverless") == []
