"""Every version of every event ever shipped can be applied: none is parked."""

from pathlib import Path

import pytest

from shop_dispatch.domain.records import Event, read

GOLDEN = Path(__file__).parents[3] / "packages/shared/golden"


@pytest.mark.parametrize("path", sorted(GOLDEN.rglob("*.json")), ids=lambda path: path.parent.name)
def test_a_shipped_event_is_not_parked(path: Path) -> None:
    assert isinstance(read(path.read_bytes()), Event)
