"""The sample events, which `serverless invoke local` sends too."""

import json
from pathlib import Path
from typing import Any

import pytest

from shop_query.testing import PLACED, Shop

EVENTS = Path(__file__).parents[1] / "events"
CUSTOMER = "c0ffee00-0000-4000-8000-000000000001"
RESERVATION = "0198c6f2-7a10-7c3e-9b0d-4f5a6b7c8d9e"


def event(name: str) -> dict[str, Any]:
    content: dict[str, Any] = json.loads((EVENTS / f"{name}.json").read_text())
    return content


@pytest.mark.parametrize("path", sorted(EVENTS.glob("*.json")), ids=lambda path: path.stem)
def test_every_sample_event_is_answered(shop: Shop, path: Path) -> None:
    shop.list_product("ESPRESSO-KIT")
    shop.reserve(RESERVATION, CUSTOMER, status="purchased", purchased_at=PLACED)
    assert shop.send(event(path.stem)).status == 200


def test_the_answer_carries_the_correlation_id(shop: Shop) -> None:
    request = event("list-products")
    request["headers"]["x-correlation-id"] = "c-1"
    assert shop.send(request).headers["X-Correlation-Id"] == "c-1"
