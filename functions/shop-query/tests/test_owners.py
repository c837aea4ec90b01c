"""Reservations and purchases belong to a customer, and nobody else sees them."""

from datetime import UTC, datetime, timedelta

from shop_http.answers import NOBODY_KEEPS
from shop_query.testing import LINE, Shop
from shop_shared.registry import EVENT_TYPES

ONE, TWO, THREE = (f"0198c6f2-7a10-7c3e-9b0d-00000000000{number}" for number in (1, 2, 3))
NOON = datetime(2026, 9, 1, 12, 0, tzinfo=UTC)


def test_the_owner_sees_a_reservation_and_nobody_keeps_a_copy(shop: Shop) -> None:
    shop.reserve(ONE, "ada")
    answer = shop.get(f"/reservations/{ONE}", customer="ada")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    assert answer.body == {
        "reservation_id": ONE,
        "status": "active",
        "lines": [LINE | {"image": None}],
        "total": {"amount_minor": 2500, "currency": "EUR"},
        "placed_at": "2026-09-01T12:00:00.000000Z",
        "expires_at": "2026-09-01T12:15:00.000000Z",
        "stream_id": f"reservation-{ONE}",
        "stream_version": 3,
        "timeline": [],
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
    assert (answer.status, answer.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    assert [item["status"] for item in answer.body["items"]] == ["refunded", "purchased"]
    assert answer.body["items"][1] == {
        "purchase_id": ONE,
        "reservation_id": ONE,
        "status": "purchased",
        "lines": [LINE | {"image": None}],
        "total": {"amount_minor": 2500, "currency": "EUR"},
        "refunded": {"amount_minor": 0, "currency": "EUR"},
        "payment_intent_id": "pi_1",
        "purchased_at": "2026-09-01T12:00:00.000000Z",
        "dispute": None,
        "stream_id": f"reservation-{ONE}",
        "stream_version": 3,
    }


def test_a_line_keeps_the_name_that_the_product_had_and_shows_its_present_picture(shop: Shop) -> None:
    pictures = [{"path": f"/media/{name}.webp", "width": 960, "height": 720, "alt": name} for name in ("front", "back")]
    shop.list_product("MUG", name="Mug, second edition", images=pictures)
    shop.list_product("TEA", name="Tea")
    unnamed = {"sku": "TEA", "quantity": 1, "unit_price_minor": 500}
    unknown = {"sku": "CUP", "quantity": 1, "unit_price_minor": 500}
    shop.reserve(ONE, "ada", status="purchased", purchased_at=NOON, lines=[unnamed, LINE, unknown])
    shown = [
        unnamed | {"name": "Tea", "image": None},
        LINE | {"image": pictures[0]},
        unknown | {"name": None, "image": None},
    ]
    for path in ("reservations", "purchases"):
        [listed] = shop.get(f"/{path}", customer="ada").body["items"]
        assert listed["lines"] == shop.get(f"/{path}/{ONE}", customer="ada").body["lines"] == shown


def test_a_purchase_says_what_was_given_back_and_why(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="purchased", purchased_at=NOON)
    shop.refund(ONE, 1, 500, reason="duplicate")
    shop.refund(ONE, 2, 700, failed_at=NOON)
    shop.refund(ONE, 3, 300, origin="provider")
    for item in (
        shop.get(f"/purchases/{ONE}", customer="ada").body,
        shop.get("/purchases", customer="ada").body["items"][0],
    ):
        assert item["refunded"] == {"amount_minor": 800, "currency": "EUR"}
    assert shop.get(f"/purchases/{ONE}", customer="ada").body["refunds"] == [
        {
            "refund_id": "re_1",
            "amount": {"amount_minor": 500, "currency": "EUR"},
            "reason": "duplicate",
            "origin": "shop",
            "refunded_at": "2026-09-01T12:00:00.000000Z",
        },
        {
            "refund_id": "re_3",
            "amount": {"amount_minor": 300, "currency": "EUR"},
            "reason": None,
            "origin": "provider",
            "refunded_at": "2026-09-01T12:00:00.000000Z",
        },
    ]


def test_a_purchase_shows_its_last_dispute(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="purchased", purchased_at=NOON)
    shop.dispute(ONE, 1, "withdrawn", closed_at=NOON)
    shop.dispute(ONE, 2, "chargeback")
    shop.dispute(TWO, 3, "lost", closed_at=NOON)
    dispute = {
        "dispute_id": "du_2",
        "status": "chargeback",
        "amount": {"amount_minor": 2500, "currency": "EUR"},
        "reason": "fraudulent",
        "opened_at": "2026-09-03T12:00:00.000000Z",
        "closed_at": None,
    }
    for item in (
        shop.get(f"/purchases/{ONE}", customer="ada").body,
        shop.get("/purchases", customer="ada").body["items"][0],
    ):
        assert item["dispute"] == dispute
    shop.execute("UPDATE shop.dispute SET status = 'won', closed_at = opened_at")
    item = shop.get(f"/purchases/{ONE}", customer="ada").body
    assert item["dispute"] == dispute | {"status": "won", "closed_at": dispute["opened_at"]}


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


def test_another_customers_cursor_is_refused(shop: Shop) -> None:
    for number, reservation_id in enumerate((ONE, TWO)):
        moment = NOON + timedelta(hours=number)
        shop.reserve(reservation_id, "ada", status="purchased", placed_at=moment, purchased_at=moment)
    for path in ("/purchases", "/reservations"):
        cursor = shop.get(path, {"limit": "1"}, customer="ada").body["next_cursor"]
        assert shop.get(path, {"cursor": cursor}, customer="ada").status == 200
        answer = shop.get(path, {"cursor": cursor}, customer="bob")
        assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "cursor")


def test_the_timeline_names_every_event_that_a_reservation_can_have(shop: Shop) -> None:
    types = [name for name in EVENT_TYPES if not name.startswith("shop.product.")]
    shop.reserve(ONE, "ada")
    shop.execute("UPDATE shop.reservation SET version = %s", len(types))
    shop.log(ONE, *types)
    timeline = shop.get(f"/reservations/{ONE}", customer="ada").body["timeline"]
    assert len(timeline) == len(types) > 10
    assert [types[at] for at, moment in enumerate(timeline) if moment["type"] == "other"] == []


def test_reservations_are_the_callers_own_newest_first_whatever_became_of_them(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="expired")
    shop.reserve(TWO, "ada", status="purchased", placed_at=NOON + timedelta(microseconds=1), purchased_at=NOON)
    shop.reserve(THREE, "bob")
    answer = shop.get("/reservations", customer="ada")
    assert (answer.status, answer.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    assert [item["status"] for item in answer.body["items"]] == ["purchased", "expired"]
    details = shop.get(f"/reservations/{ONE}", customer="ada").body
    assert details == answer.body["items"][1] | {"timeline": []}


def test_reservations_of_one_moment_fall_on_pages_once_each(shop: Shop) -> None:
    ids = [f"0198c6f2-7a10-7c3e-9b0d-{number:012}" for number in range(7)]
    for number, reservation_id in enumerate(ids):
        shop.reserve(reservation_id, "ada", placed_at=NOON + timedelta(microseconds=number // 3))
    pages = [
        [item["reservation_id"] for item in page]
        for page in shop.pages("/reservations", {"limit": "2"}, customer="ada")
    ]
    newest_first = ids[::-1]
    assert pages == [newest_first[:2], newest_first[2:4], newest_first[4:6], newest_first[6:]]


def test_the_details_tell_what_happened_and_when_and_nothing_of_the_inside(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="purchased", purchased_at=NOON)
    shop.log(ONE, "shop.reservation.placed.v1", "shop.payment.requested.v1", "shop.purchase.confirmed.v1")
    shop.log(TWO, "shop.reservation.placed.v1")
    reservation = shop.get(f"/reservations/{ONE}", customer="ada").body
    assert reservation["timeline"] == [
        {"type": "placed", "time": "2026-09-01T12:00:00.000000Z", "stream_version": 1},
        {"type": "payment-requested", "time": "2026-09-01T12:01:00.000000Z", "stream_version": 2},
        {"type": "purchased", "time": "2026-09-01T12:02:00.000000Z", "stream_version": 3},
    ]
    purchase = shop.get(f"/purchases/{ONE}", customer="ada")
    assert (purchase.status, purchase.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    [item] = shop.get("/purchases", customer="ada").body["items"]
    assert purchase.body == item | {"refunds": [], "timeline": reservation["timeline"]}


def test_another_customers_purchase_looks_like_none_even_to_an_administrator(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="purchased", purchased_at=NOON)
    missing = shop.get(f"/purchases/{TWO}", customer="bob")
    for groups in (None, "[admin]"):
        answer = shop.get(f"/purchases/{ONE}", customer="bob", groups=groups)
        assert (answer.status, answer.body | {"instance": ""}) == (404, missing.body | {"instance": ""})


def test_a_reservation_that_is_not_paid_is_no_purchase_by_its_id_either(shop: Shop) -> None:
    shop.reserve(ONE, "ada", status="paying")
    assert shop.get(f"/purchases/{ONE}", customer="ada").status == 404


def test_no_token_is_401_where_the_stack_forgot_the_authorizer(shop: Shop) -> None:
    for path in (
        *("/reservations", f"/reservations/{ONE}", "/purchases", f"/purchases/{ONE}"),
        *("/sales/daily", "/sales/top"),
    ):
        answer = shop.get(path)
        assert (answer.status, answer.body["type"]) == (401, "https://shop.example/problems/unauthenticated")
