import json
import time
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from shop_http.answers import NOBODY_KEEPS
from shop_query.adapters.system import SystemClock
from shop_query.application.queries import Queries
from shop_query.ports import Document, Page, Parameters, Query
from shop_query.testing import FixedClock, Shop

ADMINISTRATOR: dict[str, Any] = {"customer": "eve", "groups": "[staff admin]"}
SEPTEMBER = {"from": "2026-09-01", "to": "2026-09-30"}
DAYS_OF_THREE_MONTHS = (
    *("01-01", "01-14", "01-15", "01-31", "02-01", "02-02", "02-10", "02-14", "02-15", "02-27", "02-28"),
    *("03-01", "03-02", "03-31", "04-01", "04-02"),
)


def test_an_administrator_sees_units_and_revenue_by_day_and_product(shop: Shop) -> None:
    shop.sell(date(2026, 9, 2), "MUG", units=3)
    shop.sell(date(2026, 9, 1), "TEA", units=-1)
    answer = shop.get("/sales/daily", SEPTEMBER, **ADMINISTRATOR)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    assert answer.body == {
        "items": [
            {"day": "2026-09-01", "sku": "TEA", "units": -1, "revenue": {"amount_minor": -1250, "currency": "EUR"}},
            {"day": "2026-09-02", "sku": "MUG", "units": 3, "revenue": {"amount_minor": 3750, "currency": "EUR"}},
        ],
        "next_cursor": None,
    }


def test_today_is_a_day_of_utc_wherever_the_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """The local days of these two zones always differ, so at most one of them is UTC's."""
    try:
        for zone in ("UTC-14", "UTC+12"):
            monkeypatch.setenv("TZ", zone)
            time.tzset()
            before, today, after = datetime.now(UTC).date(), SystemClock().today(), datetime.now(UTC).date()
            assert before <= today <= after
    finally:
        monkeypatch.undo()
        time.tzset()


@pytest.mark.parametrize("groups", [None, "[customers]", "[administrators]"])
@pytest.mark.parametrize("path", ["/sales/daily", "/sales/top"])
def test_nobody_else_does(shop: Shop, path: str, groups: str | None) -> None:
    answer = shop.get(path, customer="ada", groups=groups)
    assert (answer.status, answer.body["type"]) == (403, "https://shop.example/problems/forbidden")


def test_both_days_of_the_range_are_included_and_a_product_can_be_chosen(shop: Shop) -> None:
    for day in range(1, 6):
        shop.sell(date(2026, 9, day), "MUG")
        shop.sell(date(2026, 9, day), "TEA")
    query = {"from": "2026-09-02", "to": "2026-09-04", "sku": "TEA"}
    items = shop.get("/sales/daily", query, **ADMINISTRATOR).body["items"]
    assert [(item["day"], item["sku"]) for item in items] == [(f"2026-09-0{day}", "TEA") for day in (2, 3, 4)]


def test_pages_hold_every_day_product_and_currency_once(shop: Shop) -> None:
    sales = [(date(2026, 9, day), sku, currency) for day in (1, 2) for sku in "AB" for currency in ("EUR", "USD")]
    for day, sku, currency in reversed(sales):
        shop.sell(day, sku, currency=currency)
    pages = list(shop.pages("/sales/daily", SEPTEMBER | {"limit": "3"}, **ADMINISTRATOR))
    assert [len(page) for page in pages] == [3, 3, 2]
    seen = [
        (date.fromisoformat(item["day"]), item["sku"], item["revenue"]["currency"]) for page in pages for item in page
    ]
    assert seen == sales


def test_pages_of_one_product_hold_each_of_its_days_once(shop: Shop) -> None:
    for day in range(1, 6):
        shop.sell(date(2026, 9, day), "MUG")
        shop.sell(date(2026, 9, day), "TEA")
    pages = shop.pages("/sales/daily", SEPTEMBER | {"sku": "MUG", "limit": "2"}, **ADMINISTRATOR)
    days = [[(item["day"][-2:], item["sku"]) for item in page] for page in pages]
    assert days == [[("01", "MUG"), ("02", "MUG")], [("03", "MUG"), ("04", "MUG")], [("05", "MUG")]]


def test_today_in_utc_is_in_the_default_range(shop: Shop) -> None:
    shop.sell(datetime.now(UTC).date(), "MUG")
    shop.sell(datetime.now(UTC).date() - timedelta(days=40), "MUG")
    assert len(shop.get("/sales/daily", **ADMINISTRATOR).body["items"]) == 1


class RecordingReadModel:
    def __init__(self) -> None:
        self.asked: list[tuple[Query, Parameters]] = []

    def document(self, query: Query, parameters: Parameters) -> Document | None:
        raise NotImplementedError

    def cursor_key(self) -> bytes:
        raise NotImplementedError

    def page(self, query: Query, parameters: Parameters) -> Page:
        self.asked.append((query, parameters))
        return Page("[]", None)


@pytest.mark.parametrize(
    ("first", "last", "expected"),
    [
        (None, None, (date(2026, 9, 1), date(2026, 9, 30))),
        (date(2026, 9, 29), None, (date(2026, 9, 29), date(2026, 9, 30))),
        (None, date(2026, 1, 30), (date(2026, 1, 1), date(2026, 1, 30))),
        (None, date(1, 1, 5), (date(1, 1, 1), date(1, 1, 5))),
    ],
)
def test_the_range_is_the_last_30_days_unless_the_caller_says(
    first: date | None, last: date | None, expected: tuple[date, date]
) -> None:
    read_model = RecordingReadModel()
    queries = Queries(read_model, FixedClock(date(2026, 9, 30)))
    queries.daily_sales(first, last, None, 20)
    queries.top_sales(first, last, None, "units", 20)
    asked = [(parameters["first"], parameters["last"]) for _, parameters in read_model.asked]
    assert asked == [expected, expected]


@pytest.mark.parametrize(
    ("query", "parameter", "hint"),
    [
        ({"from": "2026-09-02", "to": "2026-09-01"}, "from", "not be after"),
        ({"from": "2025-09-01", "to": "2026-09-02"}, "from", "366 days"),
        ({"from": "0001-01-01"}, "from", "366 days"),
        ({"from": "2026-02-30"}, "from", "YYYY-MM-DD"),
        ({"to": "20260901"}, "to", "YYYY-MM-DD"),
        ({"to": "2026-W01-1"}, "to", "YYYY-MM-DD"),
        ({"to": "\u0662\u0660\u0662\u0666-09-01"}, "to", "YYYY-MM-DD"),
        ({"to": "infinity"}, "to", "YYYY-MM-DD"),
        ({"from": ""}, "from", "YYYY-MM-DD"),
        ({"sku": "m~g"}, "sku", "letters from A to Z"),
        ({"sku": ""}, "sku", "letters from A to Z"),
    ],
)
def test_a_range_that_makes_no_sense_is_named(shop: Shop, query: dict[str, str], parameter: str, hint: str) -> None:
    for path in ("/sales/daily", "/sales/top"):
        if path == "/sales/top" and parameter == "sku":
            continue
        answer = shop.get(path, query, **ADMINISTRATOR)
        assert (answer.status, answer.body["type"]) == (422, "https://shop.example/problems/invalid-request")
        [error] = answer.body["errors"]
        assert error["parameter"] == parameter
        assert hint in error["detail"]


def test_366_days_are_allowed(shop: Shop) -> None:
    assert shop.get("/sales/daily", {"from": "2025-09-01", "to": "2026-09-01"}, **ADMINISTRATOR).status == 200


def sell_some(shop: Shop) -> None:
    shop.sell(date(2026, 8, 31), "OLD", units=100)
    for day in (1, 30):
        shop.sell(date(2026, 9, day), "MUG", units=2)
        shop.sell(date(2026, 9, day), "TEA", units=3)
    shop.sell(date(2026, 9, 2), "TEA", units=4, currency="USD")
    shop.sell(date(2026, 9, 2), "MUG", units=1, price_minor=9_000)


def test_the_top_sellers_of_a_range_are_by_units(shop: Shop) -> None:
    sell_some(shop)
    answer = shop.get("/sales/top", SEPTEMBER, **ADMINISTRATOR)
    assert (answer.status, answer.headers["Cache-Control"]) == (200, NOBODY_KEEPS)
    assert answer.body == {
        "items": [
            {"sku": "TEA", "units": 6, "revenue": {"amount_minor": 7_500, "currency": "EUR"}},
            {"sku": "MUG", "units": 5, "revenue": {"amount_minor": 14_000, "currency": "EUR"}},
            {"sku": "TEA", "units": 4, "revenue": {"amount_minor": 5_000, "currency": "USD"}},
        ]
    }
    top = shop.get("/sales/top", SEPTEMBER | {"limit": "1"}, **ADMINISTRATOR).body["items"]
    assert [item["sku"] for item in top] == ["TEA"]


@pytest.mark.parametrize(
    ("first", "last"),
    [
        ("2026-02-01", "2026-02-28"),
        ("2026-02-10", "2026-02-10"),
        ("2026-02-10", "2026-02-15"),
        ("2026-02-01", "2026-02-27"),
        ("2026-02-02", "2026-02-28"),
        ("2026-01-31", "2026-02-28"),
        ("2026-02-01", "2026-03-01"),
        ("2026-01-15", "2026-02-14"),
        ("2025-12-31", "2026-04-01"),
        ("2026-01-01", "2026-03-31"),
        ("2025-12-15", "2026-03-31"),
    ],
)
def test_the_top_sellers_of_any_range_are_those_of_its_days_and_of_no_other(shop: Shop, first: str, last: str) -> None:
    """Whole months come from sums of their own. Powers of two tell which days were added up."""
    days = ["2025-12-30", "2025-12-31", *(f"2026-{day}" for day in DAYS_OF_THREE_MONTHS)]
    for number, day in enumerate(days):
        shop.sell(date.fromisoformat(day), "MUG", units=2**number, price_minor=1)
    expected = sum(2**number for number, day in enumerate(days) if first <= day <= last)
    for query in ({}, {"currency": "EUR", "sort": "revenue"}):
        [item] = shop.get("/sales/top", {"from": first, "to": last} | query, **ADMINISTRATOR).body["items"]
        assert item == {"sku": "MUG", "units": expected, "revenue": {"amount_minor": expected, "currency": "EUR"}}


def test_a_range_may_end_with_the_calendar(shop: Shop) -> None:
    for query in ({"from": "9999-12-01", "to": "9999-12-31"}, {"from": "9999-12-02", "to": "9999-12-31"}):
        assert shop.get("/sales/top", query, **ADMINISTRATOR).body == {"items": []}
    assert shop.get("/sales/top", {"from": "0001-01-01", "to": "0001-02-02"}, **ADMINISTRATOR).status == 200


def test_revenue_is_an_order_within_one_currency(shop: Shop) -> None:
    sell_some(shop)
    items = shop.get("/sales/top", SEPTEMBER | {"sort": "revenue", "currency": "EUR"}, **ADMINISTRATOR).body["items"]
    assert [(item["sku"], item["revenue"]["currency"]) for item in items] == [("MUG", "EUR"), ("TEA", "EUR")]
    answer = shop.get("/sales/top", SEPTEMBER | {"sort": "revenue"}, **ADMINISTRATOR)
    assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "sort")


def test_a_shop_that_sold_nothing_has_no_top_sellers(shop: Shop) -> None:
    assert shop.get("/sales/top", **ADMINISTRATOR).body == {"items": []}


def test_a_list_of_the_last_30_days_goes_on_after_midnight() -> None:
    """The cursor is bound to what was asked, not to the days that it came to."""

    class Sales(RecordingReadModel):
        def page(self, query: Query, parameters: Parameters) -> Page:
            super().page(query, parameters)
            return Page("[]", ("2026-09-29", "MUG", "EUR"))

        def cursor_key(self) -> bytes:
            return b"key"

    read_model, clock = Sales(), FixedClock(date(2026, 9, 30))
    queries = Queries(read_model, clock)
    cursor = json.loads(queries.daily_sales(None, None, None, 20))["next_cursor"]
    clock.day = date(2026, 10, 1)
    queries.daily_sales(None, None, None, 20, cursor)
    assert read_model.asked[1][1]["after_day"] == "2026-09-29"
