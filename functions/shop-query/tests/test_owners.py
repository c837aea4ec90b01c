"""What belongs to a customer: reservations and purchases."""

from datetime import UTC, datetime, timedelta

from shop_query.testing import Shop

ONE, TWO, THREE = (f"0198c6f2-7a10-7c3e-9b0d-00000000000{number}" for number in (1, 2, 3))
NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def test_the_owner_sees_a_reservation_and_nobody_keeps_a_copy(shop: Shop) -> None:
    shop.reserve(ONE, "ada")
    answer = shop.get(f"/reservations/{ONE}", customer="ada")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert answer.body == {
        "reservation_id": ONE,
        "status": "active",
        "lines": [{"sku": "MUG", "quantity": 2, "unit_price_minor": 1250}],
        "total": {"amount_minor": 2500, "currency": "EUR"},
        "expires_at": "2026-09-01T12:15:00.000000Z",
        "stream_id": f"reservation-{ONE}",
        "stream_version": 3,
    }


def test_another_customers_reservation_looks_like_none_even_to_an_administrator(shop: Shop) -> None:
    shop.reserve(ONE, "ada")
    missing = shop.get(f"/reservations/{TWO}", customer="bob")
    for groups in (None, "[admin]"):
        answer = shop.get(f"/reservations/{ONE}", customer="bob", groups=groups)
        assert (answer.status, answer.body | {"instance": ""}) == (404, missing.body | {"instance": ""})


def test_purchases_are_the_callers_own_newest_first(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="purchased", purchased_at=NOON)
    shop.reserve(TWO, "ada", status="refunded", purchased_at=NOON + timedelta(microseconds=1))
    shop.reserve(THREE, "bob", status="purchased", purchased_at=NOON)
    answer = shop.get("/purchases", customer="ada")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, "no-store")
    assert [item["status"] for item in answer.body["items"]] == ["refunded", "purchased"]
    assert answer.body["items"][1] == {
        "purchase_id": ONE,
        "reservation_id": ONE,
        "status": "purchased",
        "lines": [{"sku": "MUG", "quantity": 2, "unit_price_minor": 1250}],
        "total": {"amount_minor": 2500, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "purchased_at": "2026-09-01T12:00:00.000000Z",
        "stream_id": f"reservation-{ONE}",
        "stream_version": 3,
    }


def test_a_reservation_is_no_purchase_before_it_is_paid(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="paying")
    assert shop.get("/purchases", customer="ada").body == {"items": [], "next_cursor": None}


def test_purchases_of_one_moment_fall_on_pages_once_each(shop: Shop) -> None:
    ids = [f"0198c6f2-7a10-7c3e-9b0d-{number:012}" for number in range(7)]
    for number, purchase_id in enumerate(ids):
        shop.reserve(purchase_id, "ada", status="purchased", purchased_at=NOON + timedelta(microseconds=number // 3))
    pages = [
        [item["purchase_id"] for item in page] for page in shop.pages("/purchases", {"limit": "2"}, customer="ada")
    ]
    newest_first = ids[::-1]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:6], newest_first[6:]]


def test_a_purchase_made_between_two_pages_repeats_none(shop: Shop) -> None:
    for number, purchase_id in enumerate((ONE, TWO)):
        shop.reserve(purchase_id, "ada", status="purchased", purchased_at=NOON + timedelta(hours=number))
    pages = shop.pages("/purchases", {"limit": "1"}, customer="ada")
    assert [item["purchase_id"] for item in next(pages)] == [TWO]
    shop.reserve(THREE, "ada", status="purchased", purchased_at=NOON + timedelta(hours=2))
    assert [item["purchase_id"] for page in pages for item in page] == [ONE]


def test_another_customers_cursor_shows_nothing_of_theirs(shop: Shop) -> None:
    for number, purchase_id in enumerate((ONE, TWO)):
        shop.reserve(purchase_id, "ada", status="purchased", purchased_at=NOON + timedelta(hours=number))
    cursor = shop.get("/purchases", {"limit": "1"}, customer="ada").body["next_cursor"]
    assert shop.get("/purchases", {"cursor": cursor}, customer="bob").body == {"items": [], "next_cursor": None}


def test_no_token_is_401_where_the_stack_forgot_the_authorizer(shop: Shop) -> None:
    for path in (f"/reservations/{ONE}", "/purchases", "/sales/daily"):
        answer = shop.get(path)
        assert (answer.status, answer.body["type"]) == (401, "https://shop.example/problems/unauthenticated")
