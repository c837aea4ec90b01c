"""Who asks for what is another customer's, or only administrators', is named in log and metric."""

from collections.abc import Callable
from typing import Any

import pytest

from shop_observability.testing import Log, measured
from shop_query.testing import PLACED, Shop

HERS = "0198c6f2-7a10-7c3e-9b0d-000000000001"
NONE = "0198c6f2-7a10-7c3e-9b0d-000000000002"
PATHS = ("/reservations", "/purchases")
MALLORY: dict[str, Any] = {"customer": "mallory"}

Counted = Callable[[], set[str]]


@pytest.fixture
def refusals(capsys: pytest.CaptureFixture[str]) -> Counted:
    """Returns the refusals that the last request has counted."""
    return lambda: {name for name in measured(capsys.readouterr().out) if name.startswith("Refusals")}


def test_what_is_another_customers_is_answered_as_none_and_counted(shop: Shop, log: Log, refusals: Counted) -> None:
    shop.reserve(HERS, "ada", status="purchased", purchased_at=PLACED)
    for path in PATHS:
        for query, status in (({}, 404), ({"min_version": "1"}, 412)):
            answer = shop.get(f"{path}/{HERS}", query, **MALLORY)
            assert refusals() == {"RefusalsNotOwner"}
            none = shop.get(f"{path}/{NONE}", query, **MALLORY)
            assert refusals() == set()
            assert (answer.status, answer.body | {"instance": ""}) == (status, none.body | {"instance": ""})
            refused, missed = log.lines()[-2:]
            assert (refused["refusal"], refused["actor"], refused["status"]) == ("not-owner", "mallory", status)
            assert not {"refusal", "actor"} & missed.keys()


def test_what_is_ones_own_or_nobodys_is_no_refusal(shop: Shop, log: Log, refusals: Counted) -> None:
    shop.reserve(HERS, "ada")
    for path, status in (
        (f"/reservations/{HERS}", 200),
        (f"/purchases/{HERS}", 404),
        ("/purchases/no-id", 404),
        ("/products/NONE", 404),
        ("/nowhere", 404),
    ):
        assert shop.get(path, customer="ada").status == status
        assert refusals() == set()
    assert shop.get(f"/reservations/{HERS}", {"min_version": "9"}, customer="ada").status == 412
    assert refusals() == set()
    assert "ada" not in log.text


def test_an_administrators_read_names_who_asked(shop: Shop, log: Log) -> None:
    shop.get("/sales/daily", customer="somebody", groups="[admin]")
    shop.get("/sales/daily", customer="mallory")
    shop.get("/sales/daily")
    read, forbidden, nobodys = log.lines()
    assert (read["actor"], read["status"]) == ("somebody", 200)
    assert "refusal" not in read
    assert (forbidden["actor"], forbidden["refusal"]) == ("mallory", "forbidden")
    assert (nobodys["refusal"], nobodys.get("actor")) == ("unauthenticated", None)
