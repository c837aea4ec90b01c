"""An administrator sees who has brought about each event of a stream, and nobody else does."""

import json
from typing import Any

import pytest

from shop_http.answers import NOBODY_KEEPS
from shop_query.testing import PLACED, Shop

ADMINISTRATOR = "a0e5a6e2-1f0f-4c58-8a7e-6a9d3f2b4c77"
PURCHASE = "0198c6f2-7a10-7c3e-9b0d-000000000001"
ACTS: tuple[dict[str, Any], ...] = (
    {},
    {"authtype": "app_user"},
    {"authtype": "system"},
    {"authtype": "app_user", "authid": ADMINISTRATOR},
)


@pytest.fixture
def refunded(shop: Shop) -> Shop:
    """The first event is of before actors were recorded, and the last one is held back."""
    shop.reserve(PURCHASE, "ada", status="purchased", purchased_at=PLACED)
    shop.log(PURCHASE, *(f"shop.purchase.act-{number}.v1" for number in range(5)))
    for version, act in enumerate(ACTS, start=1):
        shop.execute("UPDATE shop.event_log SET event = %s WHERE stream_version = %s", json.dumps(act), version)
    shop.execute("INSERT INTO shop.stream_head VALUES (%s, %s)", f"reservation-{PURCHASE}", len(ACTS))
    return shop


def test_an_administrator_sees_who_did_what_newest_first(refunded: Shop) -> None:
    answer = refunded.get(f"/streams/reservation-{PURCHASE}/activity", customer="somebody", groups="[admin]")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    assert answer.body["next_cursor"] is None
    assert answer.body["items"][0] == {
        "stream_version": 4,
        "type": "shop.purchase.act-3.v1",
        "time": "2026-09-01T12:03:00.000000Z",
        "authtype": "app_user",
        "authid": ADMINISTRATOR,
    }
    found = [(it["authtype"], it["authid"]) for it in answer.body["items"]]
    assert found == [(act.get("authtype"), act.get("authid")) for act in reversed(ACTS)]


def test_it_comes_in_pages(refunded: Shop) -> None:
    path = f"/streams/reservation-{PURCHASE}/activity"
    pages = refunded.pages(path, {"limit": "3"}, customer="somebody", groups="[admin]")
    assert [[it["stream_version"] for it in page] for page in pages] == [[4, 3, 2], [1]]


@pytest.mark.parametrize("stream_id", ["product-NONE", f"reservation-{PURCHASE[:-1]}2", "order-1", "product-"])
def test_a_stream_that_does_not_exist_is_not_found(refunded: Shop, stream_id: str) -> None:
    answer = refunded.get(f"/streams/{stream_id}/activity", customer="somebody", groups="[admin]")
    assert (answer.status, answer.body["detail"]) == (404, "There is no such stream.")


def test_no_customer_sees_it_nor_finds_the_administrator_in_a_purchase(refunded: Shop) -> None:
    assert refunded.get(f"/streams/reservation-{PURCHASE}/activity", customer="ada").status == 403
    assert refunded.get(f"/streams/reservation-{PURCHASE}/activity").status == 401
    for path in (f"/purchases/{PURCHASE}", "/purchases", f"/reservations/{PURCHASE}", "/reservations"):
        answer = refunded.get(path, customer="ada")
        assert answer.status == 200
        assert ADMINISTRATOR not in json.dumps(answer.body)
        assert "auth" not in json.dumps(answer.body)
