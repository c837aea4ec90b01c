"""The pure part: what events add up to, without a database."""

import json
from datetime import UTC, date, datetime
from hashlib import md5
from pathlib import Path
from typing import Any

import pytest

from shop_dispatch.application.project import Projected, contiguous_runs
from shop_dispatch.domain.disputes import DisputeChange, dispute_changes
from shop_dispatch.domain.products import NO_CATEGORY, ProductChange, product_changes
from shop_dispatch.domain.projections import PROJECTIONS
from shop_dispatch.domain.records import Event, Parked, Trace, read
from shop_dispatch.domain.refunds import refund_changes
from shop_dispatch.domain.reservations import reservation_changes
from shop_dispatch.domain.sales import SalesChange, sales_changes
from shop_dispatch.domain.stock import StockChange, stock_changes
from shop_shared.envelope import Envelope, decode, encode
from shop_shared.values import Image

NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)


def test_events_of_one_product_fold_into_one_change(product: Any) -> None:
    mug = product("MUG")
    assert product_changes([mug.listed(category="mugs"), mug.received(), mug.repriced(990)]) == [
        ProductChange("MUG", 3, "The MUG", "Holds tea.", 990, "EUR", "listed", NOON, "mugs", "[]")
    ]


def test_a_change_says_nothing_of_what_no_event_changed(product: Any) -> None:
    mug = product("MUG")
    mug.listed()
    assert product_changes([mug.retired()]) == [ProductChange("MUG", 2, status="retired")]


def test_a_new_price_has_its_currency(product: Any) -> None:
    assert product_changes([product("MUG").repriced(990)]) == [ProductChange("MUG", 1, price_minor=990, currency="EUR")]


def test_a_description_replaces_all_that_it_does_not_repeat(product: Any) -> None:
    mug = product("MUG")
    image = Image(path="/media/a.webp", width=960, height=720, alt="A mug")
    mug.listed(category="mugs")
    [described] = product_changes([mug.described("cups", image)])
    assert described == ProductChange(
        *("MUG", 2, "Cup", "Holds coffee."), category="cups", images=json.dumps([image.model_dump()])
    )
    [bare] = product_changes([mug.described()])
    assert (bare.category, bare.images) == (NO_CATEGORY, "[]")


def test_a_relisted_product_is_listed(product: Any) -> None:
    mug = product("MUG")
    mug.listed()
    assert product_changes([mug.retired(), mug.relisted()]) == [ProductChange("MUG", 3, status="listed")]


def test_adjusted_stock_is_counted_apart_from_what_was_received(product: Any) -> None:
    mug = product("MUG")
    events = [mug.listed(), mug.received(10), mug.adjusted(-4), mug.adjusted(1)]
    assert stock_changes(events) == [StockChange("MUG", 10, 0, 0, -3)]
    [change] = product_changes(events)
    assert change.version == 4


def test_lines_of_before_they_had_names_are_folded_as_they_were_then() -> None:
    golden = Path(__file__).parents[3] / "packages/shared/golden/shop.reservation.placed.v1"
    unnamed, named = (
        json.loads(reservation_changes([decode((golden / f"{version}.json").read_bytes())])[0].lines or "")
        for version in ("1.0", "1.1")
    )
    assert unnamed == [{name: line[name] for name in ("sku", "quantity", "unit_price_minor")} for line in named]
    assert [line["name"] for line in named] == ["Blue mug", "Green tea, 100 g"]


@pytest.mark.parametrize(
    ("history", "status"),
    [
        (["placed"], "active"),
        (["placed", "cancelled"], "cancelled"),
        (["placed", "expired"], "expired"),
        (["placed", "requested"], "paying"),
        (["placed", "requested", "declined"], "active"),
        (["placed", "requested", "confirmed"], "purchased"),
        (["placed", "requested", "confirmed", "refunded"], "refunded"),
    ],
)
def test_a_reservation_has_the_status_that_its_last_event_gave_it(
    reservation: Any, history: list[str], status: str
) -> None:
    order = reservation(1, {"MUG": 1})
    (change,) = reservation_changes([getattr(order, name)() for name in history])
    assert (change.status, change.version) == (status, len(history))
    assert (change.purchased_at == NOON) == ("confirmed" in history)


@pytest.mark.parametrize(
    ("history", "held", "sold"),
    [
        (["placed"], 2, 0),
        (["placed", "cancelled"], 0, 0),
        (["placed", "expired"], 0, 0),
        (["placed", "requested", "declined"], 2, 0),
        (["placed", "confirmed"], 0, 2),
        (["placed", "confirmed", "refunded"], 0, 0),
    ],
)
def test_stock_is_held_then_sold_or_given_back(reservation: Any, history: list[str], held: int, sold: int) -> None:
    order = reservation(1, {"MUG": 2, "POT": 2})
    assert stock_changes([getattr(order, name)() for name in history]) == [
        StockChange("MUG", 0, held, sold, 0),
        StockChange("POT", 0, held, sold, 0),
    ]


@pytest.mark.usefixtures("far_east")
def test_a_refund_counts_on_its_own_day_in_utc(reservation: Any) -> None:
    order, other = reservation(1, {"MUG": 2}), reservation(2, {"MUG": 1})
    late = datetime.fromisoformat("2026-03-05T01:30:00+02:00")
    history = [order.confirmed(late), other.confirmed(NOON), order.refunded(NOON.replace(day=6))]
    assert sales_changes(history) == [
        SalesChange(date(2026, 3, 4), "MUG", "EUR", 3, 3_750),
        SalesChange(date(2026, 3, 6), "MUG", "EUR", -2, -2_500),
    ]


def test_a_refund_of_the_first_version_counts_like_one_of_the_second(reservation: Any) -> None:
    both = []
    for name in ("refunded_v1", "refunded"):
        order = reservation(1, {"MUG": 2, "POT": 1})
        history = [order.placed(), order.requested(), order.confirmed(), getattr(order, name)()]
        read_back = [decode(encode(event)) for event in history]
        both.append([projection.fold(read_back) for projection in PROJECTIONS])
    assert both[0] == both[1]


def nothing_left(event: Envelope) -> Envelope:
    return event.model_copy(update={"data": event.data.model_copy(update={"left_minor": 0})})


def test_parts_of_a_purchase_are_refunded_one_by_one(reservation: Any) -> None:
    order = reservation(1, {"MUG": 3})
    bought = [order.placed(), order.requested(), order.confirmed()]
    first = order.refunded(NOON.replace(day=5), "duplicate", units=1)
    assert reservation_changes([*bought, first])[0].status == "purchased"
    second = nothing_left(order.refunded(NOON.replace(day=6), refund=2, units=1))
    assert reservation_changes([first, second])[0].status == "refunded"
    assert stock_changes([*bought, first]) == [StockChange("MUG", 0, 0, 2, 0)]
    assert sales_changes([first]) == [SalesChange(date(2026, 3, 5), "MUG", "EUR", -1, -1_250)]
    assert [change[:6] for change in refund_changes([first, second])] == [
        (order.id, 1, "re_1", 1_250, "EUR", "duplicate"),
        (order.id, 2, "re_2", 1_250, "EUR", "requested_by_customer"),
    ]


def test_money_that_did_not_arrive_is_revenue_again_and_the_units_stay_back(reservation: Any) -> None:
    order = reservation(1, {"MUG": 2})
    bought = [order.placed(), order.requested(), order.confirmed()]
    refunded, failed = order.refunded(), order.refund_failed(NOON.replace(day=7), minor=2_500)
    history = [*bought, refunded, failed]
    assert reservation_changes(history)[0].status == "purchased"
    assert stock_changes(history) == [StockChange("MUG", 0, 0, 0, 0)]
    assert sales_changes(history)[-1] == SalesChange(date(2026, 3, 7), "MUG", "EUR", 0, 2_500)
    assert refund_changes(history)[0].failed_at == NOON.replace(day=7)


def test_a_lost_dispute_takes_revenue_and_no_unit_and_gives_it_back_when_it_is_won(reservation: Any) -> None:
    order = reservation(1, {"MUG": 2})
    bought = [order.placed(), order.confirmed(NOON)]
    day = NOON.replace(day=9)
    opened, lost = order.dispute_opened(), order.dispute_closed("lost", day, minor=2_500)
    won = order.dispute_closed("won", day, minor=2_500)
    assert sales_changes([opened, order.dispute_closed("won"), order.dispute_closed("withdrawn")]) == []
    assert sales_changes([lost]) == [SalesChange(day.date(), "MUG", "EUR", 0, -2_500)]
    assert sales_changes([lost, won]) == [SalesChange(day.date(), "MUG", "EUR", 0, 0)]
    assert stock_changes([*bought, opened, lost]) == stock_changes(bought)
    [change] = reservation_changes([*bought, opened, lost])
    assert (change.status, change.version) == ("purchased", lost.streamversion)


def test_a_dispute_is_what_its_events_say_last(reservation: Any) -> None:
    order = reservation(1, {"MUG": 2})
    later, end = NOON.replace(hour=13), NOON.replace(hour=14)
    history = [
        order.dispute_opened("inquiry"),
        order.dispute_opened("chargeback", later),
        order.dispute_closed("lost", end),
    ]
    total = order.total.amount_minor
    row = DisputeChange(order.id, "du_pi_1", "lost", total, "EUR", "fraudulent", later, end)
    assert dispute_changes(history) == [row]
    assert dispute_changes(history[2:]) == [row._replace(reason=None, opened_at=None)]
    assert dispute_changes(history[:2]) == [row._replace(status="chargeback", closed_at=None)]
    again = order.dispute_opened("chargeback", end)
    assert dispute_changes([*history, again]) == [row._replace(status="chargeback", opened_at=end)]


def test_a_refund_that_was_only_asked_for_changes_nothing_when_it_fails(reservation: Any) -> None:
    order = reservation(1, {"MUG": 2})
    failed = [order.refund_failed()]
    assert reservation_changes(failed)[0].status is None
    assert [*stock_changes(failed), *sales_changes(failed), *refund_changes(failed)] == []


def test_every_projection_yields_its_rows_in_the_order_of_their_keys(product: Any, reservation: Any) -> None:
    """Two batches that lock shared rows in different orders wait for each other for ever."""
    history = []
    for number, sku in ((3, "TEA"), (1, "POT"), (2, "MUG")):
        stream, order = product(sku), reservation(number, {sku: 1, "CUP": 1})
        history += [stream.listed(), stream.received(), order.placed(), order.confirmed(NOON.replace(day=number))]
    for projection in PROJECTIONS:
        keys = [
            change[:3]
            if projection.table.startswith("sales_")
            else change[: 2 if projection.table in ("refund", "dispute") else 1]
            for change in projection.fold(history)
        ]
        assert keys == sorted(set(keys))


def test_a_run_ends_at_the_first_gap(product: Any) -> None:
    mug, pot = product("MUG"), product("POT")
    first, second, _third, fourth = mug.listed(), mug.received(), mug.received(), mug.received()
    events = [Event(envelope, b"") for envelope in (fourth, second, first, pot.listed())]
    runs = contiguous_runs({"product-MUG": 0, "product-POT": 1}, events)
    assert [event.envelope for event in runs] == [first, second]
    assert contiguous_runs({"product-MUG": 2}, events) == []


def test_outcomes_of_parts_of_a_batch_add_up() -> None:
    traces = Trace("", "product-MUG", "", ""), Trace("", "product-POT", "", "")
    one = Projected(1, 2, 3, 4, 5, 6, traces[:1], NOON)
    other = Projected(10, 20, 30, 40, 50, 60, traces[1:], NOON.replace(day=1))
    assert one + other == Projected(11, 22, 33, 44, 55, 66, traces, NOON.replace(day=1))
    assert one + Projected() == Projected() + one == one


def broken(record: bytes, old: bytes, new: bytes) -> bytes:
    assert old in record
    return record.replace(old, new)


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        (b'"subject":"product-MUG"', b'"subject":"product-POT"', "Error: the subject is not the stream"),
        (b'"subject":"product-MUG"', b'"subject":"customer-MUG"', "subject"),
        (b"The MUG", b"The \\u0000", "Error: a text holds NUL"),
        (b"2026-03-04T12:00:00Z", b"0001-01-01T00:00:00+14:00", "Error: a time at the end of the calendar"),
        (b"2026-03-04T12:00:00Z", b"2026-03-04T12:00:00", "RFC 3339"),
        (b"2026-03-04T12:00:00Z", b"2026-03-04t12:00:00z", "RFC 3339"),
        (b'"2026-03-04T12:00:00Z"', b"1772625600", "RFC 3339"),
        (b'"sku"', b'"sku":"POT","sku"', "Error: a name comes twice"),
        (b"product.listed.v1", b"product.listed.v2", "UnknownEventTypeError"),
        (b"product.listed.v1", b"product.retired.v1", "Error: a stream can't begin with"),
        (b"The MUG", b"The \\ud800", "MalformedEventError"),
        (b"The MUG", b"\xff", "UnicodeDecodeError"),
        (b'"streamversion":1', b'"streamversion":0', "streamversion"),
        (b'"data":{', b'"data":[' + b"[" * 100_000, "Recursion"),
        (b'"amount_minor":1250', b'"amount_minor":' + b"9" * 5_000, "MalformedEventError"),
    ],
)
def test_what_the_tables_could_not_bear_is_parked(product: Any, old: bytes, new: bytes, cause: str) -> None:
    record = broken(encode(product("MUG").listed()), old, new)
    parked = read(record)
    assert isinstance(parked, Parked)
    assert parked.payload == record
    assert cause in parked.cause


@pytest.mark.parametrize("name", ["time", "expires_at"])
@pytest.mark.parametrize(("year", "is_fit"), [("0001", False), ("0002", True), ("9998", True), ("9999", False)])
def test_a_time_must_exist_in_every_time_zone(reservation: Any, name: str, year: str, is_fit: bool) -> None:
    placed = encode(reservation(1, {"MUG": 1}).placed())
    record = broken(placed, f'"{name}":"2026'.encode(), f'"{name}":"{year}'.encode())
    assert isinstance(read(record), Event) == is_fit


def test_a_cause_has_at_most_a_thousand_characters(reservation: Any) -> None:
    placed = encode(reservation(1, {f"MUG-{number}": 1 for number in range(20)}).placed())
    parked = read(broken(broken(placed, b'"sku"', b'"article"'), b'"quantity"', b'"pieces"'))
    assert isinstance(parked, Parked)
    assert len(parked.cause) == 1_000


def test_an_escaped_backslash_before_u0000_is_no_nul(product: Any) -> None:
    record = broken(encode(product("MUG").listed()), b"The MUG", b"The \\\\u0000")
    assert isinstance(read(record), Event)


def test_a_reservations_event_with_a_field_called_sku_is_still_a_reservations(reservation: Any) -> None:
    record = broken(encode(reservation(1, {"MUG": 1}).placed()), b'"customer_id"', b'"sku":"MUG","customer_id"')
    assert isinstance(read(record), Event)


@pytest.mark.parametrize(
    "record", [b"", b"null", b"[]", b"{}", b"42", b'"text"', b'{"subject":["x"],"streamversion":1}']
)
def test_what_is_no_event_is_parked_without_a_stream(record: bytes) -> None:
    parked = read(record)
    assert isinstance(parked, Parked)
    assert parked.stream_id is None


def test_an_aggregated_record_is_parked_as_what_it_is(product: Any) -> None:
    """The Kinesis Producer Library writes a number, a message of Protocol Buffers with the records, and a checksum."""
    record = encode(product("MUG").listed())
    message = b"\x0a\x01k\x1a" + bytes([len(record) % 128 + 128, len(record) // 128]) + b"\x08\x00\x1a" + record
    aggregated = b"\xf3\x89\x9a\xc2" + message + md5(message, usedforsecurity=False).digest()
    parked = read(aggregated)
    assert isinstance(parked, Parked)
    assert parked.cause.startswith("AggregatedRecordError: the Kinesis Producer Library ")
    assert parked.payload == aggregated


@pytest.mark.parametrize(
    ("version", "claimed"),
    [
        (b"1", 1),
        (b"2147483647", 2_147_483_647),
        *((version, None) for version in (b"0", b"2147483648", b"1.0", b"true", b'"1"')),
    ],
)
def test_what_is_parked_says_which_version_its_stream_waits_for(
    product: Any, version: bytes, claimed: int | None
) -> None:
    record = broken(encode(product("MUG").listed()), b'"streamversion":1', b'"streamversion":' + version)
    parked = read(broken(record, b'"sku"', b'"article"'))
    assert isinstance(parked, Parked)
    assert (parked.stream_id, parked.stream_version) == ("product-MUG", claimed)
