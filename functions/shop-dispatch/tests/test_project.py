"""The projection on a real PostgreSQL: exactly once, in order within a stream, whatever the delivery."""

import json
import re
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, date, datetime
from itertools import pairwise, permutations
from pathlib import Path
from random import Random
from threading import Barrier
from typing import Any, TypeVar
from uuid import UUID, uuid5

import psycopg
import pytest

from shop_database import Reconnecting
from shop_dispatch.adapters import statements
from shop_dispatch.adapters.postgres import SCHEMA, PostgresReadModel, PostgresTransaction
from shop_dispatch.application.project import Project
from shop_dispatch.domain.records import read
from shop_shared.envelope import encode
from shop_shared.registry import EVENT_TYPES
from shop_shared.values import Image

Item = TypeVar("Item")
MIGRATION = Path(__file__).parents[1] / "migrations" / "0008_refunds.sql"
CATEGORIES = MIGRATION.with_name("0021_categories.sql")
SALES_MONTHLY = MIGRATION.with_name("0016_sales_monthly.sql")


def test_a_purchase_appears_in_every_view(read_model: Any, product: Any, reservation: Any) -> None:
    mug, order = product("MUG"), reservation(1, {"MUG": 2})
    counts = read_model.project(
        mug.listed(category="mugs"), mug.received(10), order.placed(), order.requested(), order.confirmed(NOON)
    )
    assert (counts.applied, counts.waiting, counts.duplicates, counts.parked) == (5, 0, 0, 0)
    assert read_model.query("SELECT * FROM read_v1.products", "shop_query") == [
        (
            "MUG",
            "The MUG",
            "Holds tea.",
            1_250,
            "EUR",
            8,
            "listed",
            2,
            NOON,
            "mugs",
            "'hold':9C 'mug':1A,3A,4A,6A,7B 'mugs':8B 'tea':10C 'the':5A",
            [],
            "'mug':1,3,4,6 'the':5",
        )
    ]
    lines = [{"sku": "MUG", "quantity": 2, "unit_price_minor": 1_250, "name": "The MUG"}]
    assert read_model.query("SELECT * FROM read_v1.reservations", "shop_query") == [
        (order.id, CUSTOMER, "purchased", lines, 2_500, "EUR", NOON, NOON.replace(minute=15), "pi_1", 3)
    ]
    assert read_model.query("SELECT * FROM read_v1.purchases", "shop_query") == [
        (order.id, order.id, CUSTOMER, "purchased", lines, 2_500, "EUR", "pi_1", NOON, 3, 0)
    ]
    assert read_model.query("SELECT * FROM read_v1.sales_daily", "shop_query") == [
        (date(2026, 3, 4), "MUG", "EUR", 2, 2_500)
    ]
    assert read_model.query("SELECT * FROM read_v1.sales_monthly", "shop_query") == [
        (date(2026, 3, 1), "MUG", "EUR", 2, 2_500)
    ]


def test_refunds_of_before_the_table_are_the_same_rows_as_when_they_are_projected(
    read_model: Any, reservation: Any
) -> None:
    order = reservation(1, {"MUG": 2, "POT": 1})
    read_model.project(order.placed(), order.requested(), order.confirmed(), order.refunded_v1(NOON))
    projected = read_model.query("SELECT * FROM shop.refund")
    read_model.execute("DELETE FROM shop.refund")
    (backfill,) = re.findall(r"INSERT INTO shop.refund.*?;", MIGRATION.read_text(), re.DOTALL)
    read_model.execute(backfill)
    assert read_model.query("SELECT * FROM shop.refund") == projected


def test_a_dispute_is_shown_with_the_purchase_whatever_becomes_of_it(read_model: Any, reservation: Any) -> None:
    order = reservation(1, {"MUG": 2})
    later, end = NOON.replace(hour=13), NOON.replace(hour=14)
    read_model.project(order.placed(), order.confirmed())
    shown = "SELECT purchase_id, dispute_id, status, amount_minor, reason, opened_at, closed_at FROM read_v1.disputes"
    named = order.id, "du_pi_1"
    history = (
        (order.dispute_opened("inquiry"), "inquiry", NOON, None),
        (order.dispute_opened("chargeback", later), "chargeback", later, None),
        (order.dispute_closed("lost", end, minor=2_500), "lost", later, end),
        (order.dispute_closed("won", end, minor=2_500), "won", later, end),
        (order.dispute_opened("chargeback", end), "chargeback", end, None),
    )
    for event, status, opened_at, closed_at in history:
        read_model.project(event)
        row = *named, status, order.total.amount_minor, "fraudulent", opened_at, closed_at
        assert read_model.query(shown, "shop_query") == [row]
    types = "SELECT type FROM read_v1.timeline ORDER BY stream_version DESC LIMIT 2"
    assert read_model.query(types, "shop_query") == [("dispute-opened",), ("dispute-closed",)]


def test_a_refund_is_seen_until_its_money_does_not_arrive(read_model: Any, reservation: Any) -> None:
    order = reservation(1, {"MUG": 3})
    read_model.project(order.placed(), order.requested(), order.confirmed())
    read_model.project(order.refunded(units=1), order.refunded(refund=2, units=1))
    refunds = "SELECT purchase_id, refund, refund_id, amount_minor, currency, reason, origin FROM read_v1.refunds"
    first = (order.id, 1, "re_1", 1_250, "EUR", "requested_by_customer", "shop")
    assert read_model.query(refunds, "shop_query") == [first, (order.id, 2, "re_2", *first[3:])]
    assert read_model.query("SELECT refunded_minor FROM read_v1.purchases", "shop_query") == [(2_500,)]
    read_model.project(order.refund_failed(refund=2, minor=1_250))
    assert read_model.query(refunds, "shop_query") == [first]
    assert read_model.query("SELECT refunded_minor FROM read_v1.purchases", "shop_query") == [(1_250,)]


def test_a_timeline_has_what_is_applied_and_not_what_is_held_back(read_model: Any, reservation: Any) -> None:
    order = reservation(1, {"MUG": 2})
    placed, requested, confirmed = order.placed(), order.requested(), order.confirmed(NOON.replace(minute=1))
    read_model.project(placed, confirmed)
    timeline = "SELECT customer_id, stream_version, type, time FROM read_v1.timeline ORDER BY stream_version"
    assert read_model.query(timeline, "shop_query") == [(CUSTOMER, 1, "placed", NOON)]
    read_model.project(requested)
    assert read_model.query(timeline, "shop_query") == [
        (CUSTOMER, 1, "placed", NOON),
        (CUSTOMER, 2, "payment-requested", NOON),
        (CUSTOMER, 3, "purchased", NOON.replace(minute=1)),
    ]


def test_the_timeline_has_a_word_for_every_event_of_a_reservation(read_model: Any) -> None:
    [(definition,)] = read_model.query("SELECT pg_get_viewdef('read_v1.timeline'::regclass)")
    types = {event_type for event_type in EVENT_TYPES if not event_type.startswith("shop.product.")}
    assert types == {event_type for event_type in EVENT_TYPES if f"'{event_type}'" in definition}


def test_rows_of_earlier_batches_change_only_where_an_event_says_so(
    read_model: Any, product: Any, reservation: Any
) -> None:
    mug, order = product("MUG"), reservation(1, {"MUG": 2})
    read_model.project(mug.listed(category="mugs"), order.placed())
    read_model.project(mug.repriced(990), mug.received(5), order.requested())
    read_model.project(mug.retired(), order.declined())
    assert read_model.query(
        "SELECT name, price_minor, available, status, version, listed_at, category FROM read_v1.products"
    ) == [("The MUG", 990, 3, "retired", 4, NOON, "mugs")]
    assert read_model.query("SELECT status, total_minor, payment_intent_id, version FROM read_v1.reservations") == [
        ("active", 2_500, "pi_1", 3)
    ]


def test_every_order_split_repetition_and_failure_ends_in_the_same_tables(
    read_model: Any, product: Any, reservation: Any, crashing: Any
) -> None:
    """Six events of two streams in each of their 720 orders. The 32 ways to cut them into batches, the repetitions and
    the calls to fail at take turns; each batch that failed comes again."""
    mug, order = product("MUG"), reservation(1, {"MUG": 2})
    history = [mug.listed(), mug.received(10), mug.repriced(990), order.placed(), order.requested(), order.confirmed()]
    calls = len(crashing(read_model, None).run([encode(event) for event in history]))
    expected = read_model.tables()
    for number, arrival in enumerate(permutations(map(encode, history))):
        read_model.clear()
        for batch in splits(arrival, number % 32):
            delivered = [*batch, *batch[: number % 3]]
            crashing(read_model, number % calls).run(delivered)
            crashing(read_model, None).run(delivered)
        assert read_model.tables() == expected
    assert number == 719


def test_another_event_of_a_known_version_is_a_conflict_however_deliveries_are_cut(
    read_model: Any, product: Any, reservation: Any, crashing: Any
) -> None:
    """A price has two events: every order of five events, with the ways to cut it, repetitions and failures in turns.
    The event that comes first stays, and the other one is parked with both ids."""
    mug, order = product("MUG"), reservation(1, {"MUG": 2})
    listed, received, repriced, placed = mug.listed(), mug.received(10), mug.repriced(990), order.placed()
    other = other_event(repriced, 1_500)
    history = [encode(event) for event in (listed, received, repriced, other, placed)]
    calls = len(crashing(read_model, None).run(history))
    expected: dict[bytes, Any] = {}
    for number, arrival in enumerate(permutations(history)):
        read_model.clear()
        for batch in splits(arrival, number % 16):
            delivered = [*batch, *batch[: number % 3]]
            crashing(read_model, number % calls).run(delivered)
            crashing(read_model, None).run(delivered)
        first, second = sorted((repriced, other), key=lambda event: arrival.index(encode(event)))
        assert read_model.query("SELECT payload, cause, stream_id, stream_version FROM shop.parked") == [
            (
                encode(second),
                f"ConflictingEventError: its version is event {first.id} already, and this is event {second.id}",
                mug.stream_id,
                3,
            )
        ]
        assert read_model.query("SELECT price_minor, version FROM shop.product") == [(first.data.price.amount_minor, 3)]
        assert read_model.tables() == expected.setdefault(encode(first), read_model.tables())
    assert number == 119


@pytest.mark.parametrize("of", ["an applied event", "a held-back event", "an event of the same batch"])
def test_a_conflict_is_counted_apart_and_holds_up_nothing(read_model: Any, product: Any, of: str) -> None:
    mug, pot = product("MUG"), product("POT")
    listed, received, repriced = mug.listed(), mug.received(10), mug.repriced(990)
    other = other_event(repriced, 1_500)
    before = {"an applied event": [listed, received, repriced], "a held-back event": [listed, repriced]}.get(of, [])
    read_model.project(*before)
    counts = read_model.project(*([listed, received, repriced] if not before else [received]), other, pot.listed())
    assert (counts.conflicts, counts.parked) == (1, 0)
    assert counts.records == counts.applied + counts.duplicates + 1 - (of == "a held-back event")
    assert products(read_model) == [("MUG", 990, 3), ("POT", 1_250, 1)]
    counts = read_model.project(other, repriced, mug.retired())
    assert (counts.applied, counts.duplicates, counts.conflicts) == (1, 1, 1)
    assert read_model.query("SELECT count(*) FROM shop.parked") == [(1,)]


def test_an_id_is_the_same_in_capital_letters_of_no_version(read_model: Any, product: Any) -> None:
    """An id that is written another way is refused before it is compared."""
    listed = product("MUG").listed()
    read_model.project(listed)
    counts = read_model.project_records([encode(listed).replace(listed.id.encode(), listed.id.upper().encode())])
    assert (counts.duplicates, counts.conflicts, counts.parked) == (0, 0, 1)


def test_a_batch_in_which_nothing_is_delivered_again_asks_for_no_ids(
    read_model: Any, product: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(PostgresTransaction, "logged_ids")
    mug = product("MUG")
    assert read_model.project(mug.listed(), mug.received(1)).applied == 2
    assert read_model.project(mug.repriced(990)).applied == 1


def test_what_was_dropped_from_the_log_is_a_duplicate(read_model: Any, product: Any) -> None:
    listed = product("MUG").listed()
    read_model.project(listed)
    read_model.execute("DELETE FROM shop.event_log")
    counts = read_model.project(listed, other_event(listed, 1))
    assert (counts.duplicates, counts.conflicts) == (2, 0)


def test_a_gap_holds_back_its_own_stream_and_no_other(read_model: Any, product: Any, reservation: Any) -> None:
    mug, pot = product("MUG"), product("POT")
    listed, received, repriced = mug.listed(), mug.received(10), mug.repriced(990)
    counts = read_model.project(listed, repriced, pot.listed())
    assert (counts.applied, counts.waiting) == (2, 1)
    assert products(read_model) == [("MUG", 1_250, 1), ("POT", 1_250, 1)]
    counts = read_model.project(received)
    assert (counts.applied, counts.waiting, counts.duplicates) == (2, 0, 0)
    assert products(read_model) == [("MUG", 990, 3), ("POT", 1_250, 1)]


def test_a_repeated_event_that_still_waits_is_a_duplicate(read_model: Any, product: Any) -> None:
    mug = product("MUG")
    mug.version = 1
    received = mug.received(10)
    assert read_model.project(received, received).duplicates == 1
    counts = read_model.project(received)
    assert (counts.applied, counts.waiting, counts.duplicates) == (0, 1, 1)


def test_stock_counts_before_its_product_is_known(read_model: Any, product: Any, reservation: Any) -> None:
    read_model.project(reservation(1, {"MUG": 2}).placed())
    assert read_model.query("SELECT * FROM read_v1.products") == []
    mug = product("MUG")
    read_model.project(mug.listed())
    assert read_model.query("SELECT available FROM read_v1.products") == [(0,)]
    read_model.project(mug.received(10))
    assert read_model.query("SELECT available FROM read_v1.products") == [(8,)]


def test_what_cannot_be_read_is_parked_and_holds_up_only_its_own_stream(
    read_model: Any, product: Any, reservation: Any
) -> None:
    mug, pot = product("MUG"), product("POT")
    listed, broken, received = mug.listed(), mug.repriced(990), mug.received(10)
    poison = encode(broken).replace(b'"amount_minor":990', b'"amount_minor":"jane@example.com"')
    newer = encode(pot.listed()).replace(b"listed.v1", b"listed.v9")
    records = [
        encode(listed),
        poison,
        encode(received),
        newer,
        b"\xff\xfe",
        encode(reservation(1, {"POT": 1}).placed()),
    ]

    counts = read_model.project_records(records)

    assert (counts.records, counts.applied, counts.waiting, counts.parked) == (6, 2, 1, 3)
    assert products(read_model) == [("MUG", 1_250, 1)]
    rows = read_model.query("SELECT stream_id, stream_version, payload, cause FROM shop.parked ORDER BY stream_id")
    assert [row[:3] for row in rows] == [
        ("product-MUG", 2, poison),
        ("product-POT", 1, newer),
        (None, None, b"\xff\xfe"),
    ]
    assert "amount_minor" in rows[0][3]
    assert "jane" not in rows[0][3]
    assert "UnknownEventTypeError" in rows[1][3]

    read_model.project_records(records)
    assert read_model.query("SELECT count(*) FROM shop.parked") == [(3,)]
    # Once it can be read, all that waited flows.
    assert read_model.project(broken).applied == 2
    assert products(read_model) == [("MUG", 990, 3)]


def test_an_event_that_can_no_longer_be_read_waits_like_a_gap(read_model: Any, product: Any) -> None:
    mug = product("MUG")
    listed, received, repriced = mug.listed(), mug.received(10), mug.repriced(990)
    read_model.project(received, repriced)
    # As if it had been logged by a newer release, which was then rolled back.
    read_model.execute("UPDATE shop.event_log SET event = replace(event, 'received.v1', 'received.v2')")
    counts = read_model.project(listed)
    assert (counts.applied, counts.waiting) == (1, 2)


def test_the_same_batch_twice_at_once_applies_once(read_model: Any, product: Any, reservation: Any) -> None:
    mug = product("MUG")
    orders = [reservation(number, {"MUG": 1}) for number in range(50)]
    batch = [mug.listed(), mug.received(100), *(order.placed() for order in orders), *(o.confirmed() for o in orders)]
    concurrently(read_model, [batch] * 4)
    assert read_model.query("SELECT * FROM shop.stock") == [("MUG", 100, 0, 50, 0)]
    assert read_model.query("SELECT units, revenue_minor FROM shop.sales_daily") == [(50, 50 * 1_250)]
    assert read_model.query("SELECT count(*) FROM shop.event_log") == [(102,)]


@pytest.mark.parametrize("are_known", [True, False])
def test_locks_are_taken_in_the_order_of_the_streams(read_model: Any, product: Any, are_known: bool) -> None:
    """Otherwise two batches could wait for each other. The events, and rows that are there, have the other order."""
    zebra, ant = product("ZEBRA"), product("ANT")
    batch = [zebra.listed(), ant.listed()]
    claim = "INSERT INTO shop.stream_head VALUES (%s, 0)"
    if are_known:
        for event in batch:
            read_model.project(event)
        batch = [zebra.received(1), ant.received(1)]
        claim = "SELECT FROM shop.stream_head WHERE stream_id = %s FOR UPDATE NOWAIT"
    with ThreadPoolExecutor(1) as pool, psycopg.connect(read_model.database.superuser_url) as other:
        other.execute(claim, [ant.stream_id])
        projected = pool.submit(read_model.project, *batch)
        with psycopg.connect(read_model.database.superuser_url, autocommit=True) as superuser:
            waits = "SELECT FROM pg_stat_activity WHERE wait_event_type = 'Lock' AND datname = current_database()"
            while not superuser.execute(waits.encode()).fetchall():
                time.sleep(0.01)
        other.execute(claim, [zebra.stream_id])  # a deadlock, if the batch had this one already
        other.commit()
    assert projected.result().applied == 2


def test_a_correction_shows_in_the_catalogue(read_model: Any, product: Any) -> None:
    mug, image = product("MUG"), Image(path="/media/a.webp", width=960, height=720, alt="A mug")
    read_model.project(mug.listed(category="mugs"), mug.received(10), mug.adjusted(-4))
    row = "SELECT name, category, images, available, status FROM read_v1.products"
    assert read_model.query(row) == [("The MUG", "mugs", [], 6, "listed")]
    read_model.project(mug.described("cups", image), mug.retired())
    assert read_model.query(row) == [("Cup", "cups", [image.model_dump()], 6, "retired")]
    assert read_model.query("SELECT sku FROM read_v1.products WHERE terms @@ to_tsquery('english', 'coffee')")
    read_model.project(mug.described(), mug.relisted(), mug.adjusted(1))
    assert read_model.query(row) == [("Cup", None, [], 7, "listed")]


def categories(read_model: Any) -> dict[str, int]:
    """Returns the kept counts, which must be what a migration of these products would count."""
    kept = dict(read_model.query("SELECT category, products FROM read_v1.categories", "shop_query"))
    (filled,) = re.findall(r"INSERT INTO shop.category\n(SELECT.*?);", CATEGORIES.read_text(), re.DOTALL)
    assert kept == dict(read_model.query(filled))
    return kept


def test_a_product_is_counted_in_its_category_for_as_long_as_it_is_for_sale(read_model: Any, product: Any) -> None:
    mug, pot = product("MUG"), product("POT")
    for batch, expected in (
        ([mug.listed(category="cups"), pot.listed(category="cups")], {"cups": 2}),
        ([mug.described("mugs"), mug.received(1)], {"cups": 1, "mugs": 1}),
        ([mug.repriced(990)], {"cups": 1, "mugs": 1}),
        ([mug.retired(), pot.described()], {}),
        ([mug.described("cups"), pot.retired()], {}),
        ([mug.relisted(), pot.relisted()], {"cups": 1}),
        ([mug.retired(), mug.described("mugs"), mug.relisted(), mug.described("cups")], {"cups": 1}),
    ):
        for _ in range(2):  # a repetition changes nothing
            read_model.project(*batch)
            assert categories(read_model) == expected


def test_products_that_change_categories_at_once_are_each_counted_once(read_model: Any, product: Any) -> None:
    """Each batch touches all categories, in its own order: none waits for another in a circle."""
    names, batches = ("cups", "mugs", "pots"), []
    for number in range(24):
        streams = [product(f"{name}-{number}") for name in names[number % 3 :] + names[: number % 3]]
        listed = [stream.listed(category=names[place]) for place, stream in enumerate(streams)]
        moved = [stream.described(names[place - 1]) for place, stream in enumerate(streams)]
        batches += [listed, [*moved, streams[0].retired()], listed]
    concurrently(read_model, batches)
    assert sum(categories(read_model).values()) == 24 * 2


@pytest.mark.parametrize("seed", range(3))
def test_totals_agree_with_a_model_that_never_sees_an_event(
    read_model: Any, product: Any, reservation: Any, seed: int
) -> None:
    """Batches overlap, repeat, come in no order, and run four at once: neither a deadlock nor a double."""
    random = Random(seed)  # noqa: S311 - a repeatable history, no secret
    history, model = random_history(random, product, reservation)
    # Each twice, in batches of all sizes; the last delivery of an event is as good as the first.
    deliveries = random.sample(history * 2, len(history) * 2)
    batches = []
    while deliveries:
        size = random.randint(1, 40)
        batches.append(deliveries[:size])
        deliveries = deliveries[size:]

    concurrently(read_model, batches)

    assert read_model.query("SELECT count(*) FROM shop.event_log") == [(len(history),)]
    stock = {row[0]: row[1:] for row in read_model.query("SELECT sku, received, held, sold FROM shop.stock")}
    assert stock == {sku: (model["received"][sku], model["held"][sku], model["sold"][sku]) for sku in SKUS}
    sales = {row[:2]: row[2] for row in read_model.query("SELECT sku, day, units FROM read_v1.sales_daily")}
    assert sales == model["units"]
    (filled,) = re.findall(r"INSERT INTO shop.sales_monthly\n(SELECT.*?);", SALES_MONTHLY.read_text(), re.DOTALL)
    assert sorted(read_model.query("SELECT * FROM read_v1.sales_monthly")) == sorted(read_model.query(filled))
    statuses = Counter(row[0] for row in read_model.query("SELECT status FROM read_v1.reservations"))
    assert statuses == model["statuses"]


def test_a_failure_before_the_commit_leaves_nothing_and_a_redelivery_all(
    read_model: Any, product: Any, reservation: Any, crashing: Any
) -> None:
    mug, order = product("MUG"), reservation(1, {"MUG": 2})
    batch = [encode(event) for event in (mug.listed(), mug.received(5), order.placed(), order.confirmed())]
    poisoned = [*batch, b"not an event"]
    calls = crashing(read_model, None).run(poisoned)
    assert calls[-1] == "commit"
    read_model.clear()
    for step in range(len(calls)):
        crashing(read_model, step).run(poisoned)
        assert read_model.tables() == []
    assert read_model.project_records(poisoned).applied == 4


def test_a_batch_is_redone_on_a_new_connection_when_the_server_cut_the_kept_one(read_model: Any, product: Any) -> None:
    mug = product("MUG")
    read_model.project(mug.listed())
    with psycopg.connect(read_model.database.superuser_url, autocommit=True) as superuser:
        superuser.execute("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'shop_dispatch'")
    assert read_model.project(mug.received(10)).applied == 1


def test_the_log_keeps_fields_that_this_version_does_not_know(read_model: Any, product: Any) -> None:
    record = encode(product("MUG").listed()).replace(b'"stock_buckets"', b'"colour":"blue","stock_buckets"')
    assert read_model.project_records([record]).applied == 1
    ((text,),) = read_model.query("SELECT event FROM shop.event_log")
    assert text.encode() == record
    assert json.loads(text)["data"]["colour"] == "blue"


@pytest.mark.parametrize("space", ["\n", "\r", "\r\n", "\t", " "])
def test_the_log_keeps_the_white_space_between_tokens(read_model: Any, product: Any, space: str) -> None:
    record = json.dumps(json.loads(encode(product("MUG").listed())), indent=1).replace("\n", space)
    assert read_model.project_records([record.encode()]).applied == 1
    assert read_model.query("SELECT event FROM shop.event_log") == [(record,)]


def test_a_row_of_the_log_says_what_its_event_says(read_model: Any, product: Any, reservation: Any) -> None:
    mug, order = product("MUG"), reservation(1, {"MUG": 2})
    times = datetime(1969, 12, 31, 23, 59, 59, 999_999, UTC), datetime(2999, 1, 1, tzinfo=UTC)
    history = [mug.listed(), mug.add(mug.received().data, times[0]), order.placed(), order.confirmed(times[1])]
    for version, event in zip((1, 2, 1, 2), history, strict=True):
        read_model.project(event.model_copy(update={"streamversion": version}))
    rows = read_model.query("SELECT stream_id, stream_version, event_id::text, type, time FROM shop.event_log")
    assert sorted(rows) == sorted(
        (event.subject, version, event.id, event.type, event.time)
        for version, event in zip((1, 2, 1, 2), history, strict=True)
    )


def test_any_text_arrives_in_the_tables_as_it_is(read_model: Any, product: Any) -> None:
    mug = product("MUG")
    characters = "".join(map(chr, range(1, 0x300))) + '\\n \\u0041 {NULL,"a"} 🫖 null'
    described = mug.described("cups", Image(path="/media/a.webp", width=1, height=1, alt=characters[:200]))
    data = described.data.model_copy(update={"name": characters[-200:], "description": characters})
    read_model.project(mug.listed().model_copy(update={"streamversion": 1}))
    read_model.project(described.model_copy(update={"streamversion": 2, "data": data}))
    assert read_model.query("SELECT name, description, images->0->>'alt' FROM shop.product") == [
        (characters[-200:], characters, characters[:200])
    ]


STATEMENTS = {
    **{name: getattr(statements, name) for name in ("LOCK_HEADS", "KNOWN", "LOGGED_IDS", "ADVANCE_HEADS")},
    **statements.CHANGE,
}


@pytest.mark.parametrize("name", STATEMENTS)
def test_no_statement_reads_a_table_from_end_to_end_however_small_it_was_when_it_was_planned(
    read_model: Any, product: Any, reservation: Any, name: str
) -> None:
    """A table of one page is read fastest as a whole, and such a plan may be kept until it has a million."""
    mug, order = product("MUG"), reservation(1, {"MUG": 1})
    read_model.project(mug.listed(), mug.received(), order.placed(), order.requested(), order.confirmed())
    read_model.execute("ANALYZE")
    parameters = ["{}"] * STATEMENTS[name].count("%s")
    statement = b"EXPLAIN " + statements.of(SCHEMA, STATEMENTS[name])
    plan = read_model.kept["shop_dispatch"].run(lambda connection: connection.execute(statement, parameters).fetchall())
    text = "\n".join(line for (line,) in plan)
    assert not re.search(r"Seq Scan|Hash .*Join|Merge .*Join", text), text


def test_the_number_of_statements_does_not_grow_with_the_batch(
    read_model: Any, product: Any, reservation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    def statements_of(batch: Sequence[Any]) -> int:
        calls = 0
        original = psycopg.Cursor.execute

        def execute(cursor: Any, *arguments: Any, **options: Any) -> Any:
            nonlocal calls
            calls += 1
            return original(cursor, *arguments, **options)

        with monkeypatch.context() as patch:
            patch.setattr(psycopg.Cursor, "execute", execute)
            read_model.project(*batch)
        return calls

    def purchases(first: int, count: int) -> list[Any]:
        mug, orders = product(f"MUG-{first}"), [reservation(first + n, {f"MUG-{first}": 1}) for n in range(count)]
        return [mug.listed(), mug.received(5), *(order.placed() for order in orders), *(o.confirmed() for o in orders)]

    assert statements_of(purchases(0, 1)) == statements_of(purchases(100, 300))


def test_the_changes_of_all_tables_are_sent_without_waiting_for_one_another(
    read_model: Any, product: Any, reservation: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    pipelines = []
    original = psycopg.Connection.pipeline

    def pipeline(connection: Any) -> Any:
        pipelines.append(connection)
        return original(connection)

    monkeypatch.setattr(psycopg.Connection, "pipeline", pipeline)
    mug, order = product("MUG"), reservation(1, {"MUG": 1})
    read_model.project(mug.listed(), mug.received(), order.placed(), order.confirmed())
    assert len(pipelines) == 1


NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CUSTOMER = "0f9a6c1e-customer"
SKUS = ("MUG", "POT", "TEA")


def products(read_model: Any) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = read_model.query(
        "SELECT sku, price_minor, version FROM read_v1.products ORDER BY sku"
    )
    return rows


def other_event(event: Any, price_minor: int) -> Any:
    """Makes another event of the same stream version, as a store does that was restored to an earlier moment."""
    price = event.data.price.model_copy(update={"amount_minor": price_minor})
    return event.model_copy(
        update={"id": str(uuid5(UUID(event.id), "other")), "data": event.data.model_copy(update={"price": price})}
    )


def splits(items: Sequence[Item], cuts: int) -> list[Sequence[Item]]:
    """Cut into batches: before the second one where the first bit of `cuts` is set, and so on."""
    edges = [0, *(place for place in range(1, len(items)) if cuts >> (place - 1) & 1), len(items)]
    return [items[start:end] for start, end in pairwise(edges)]


def concurrently(read_model: Any, batches: Sequence[Sequence[Any]], workers: int = 4) -> None:
    """Each worker has a connection of its own, and all begin at once."""
    barrier = Barrier(workers)

    def work(number: int) -> None:
        connection = Reconnecting(lambda: read_model.open("shop_dispatch"))
        project = Project(PostgresReadModel(connection))
        barrier.wait()
        for batch in batches[number::workers]:
            project([encode(event) for event in batch])
        connection.close()

    with ThreadPoolExecutor(workers) as pool:
        list(pool.map(work, range(workers)))


def random_history(random: Random, product: Any, reservation: Any) -> tuple[list[Any], dict[str, Any]]:
    """A shop's life as events, and its totals, kept beside them by hand."""
    model: dict[str, Any] = {name: Counter() for name in ("received", "held", "sold", "units", "statuses")}
    history = []
    for sku in SKUS:
        stream = product(sku)
        history.append(stream.listed())
        for _ in range(random.randint(1, 5)):
            quantity = random.randint(1, 500)
            history.append(stream.received(quantity))
            model["received"][sku] += quantity
    for number in range(60):
        quantities = {sku: random.randint(1, 3) for sku in random.sample(SKUS, random.randint(1, 3))}
        order = reservation(number, quantities)
        day, refund_day = NOON.replace(day=random.randint(1, 3)), NOON.replace(day=random.randint(4, 5))
        end = random.choice(["active", "cancelled", "expired", "paying", "purchased", "refunded"])
        history.append(order.placed())
        if end in {"cancelled", "expired"}:
            history.append(getattr(order, end)())
        if end in {"paying", "purchased", "refunded"}:
            history.append(order.requested())
        if end in {"purchased", "refunded"}:
            history.append(order.confirmed(day))
        if end == "refunded":
            history.append(random.choice([order.refunded, order.refunded_v1])(refund_day))
        model["statuses"][end] += 1
        for sku, quantity in quantities.items():
            model["held"][sku] += quantity if end in {"active", "paying"} else 0
            model["sold"][sku] += quantity if end == "purchased" else 0
            if end in {"purchased", "refunded"}:
                model["units"][sku, day.date()] += quantity
            if end == "refunded":
                model["units"][sku, refund_day.date()] -= quantity
    assert all(not hasattr(read(encode(event)), "cause") for event in history)
    return history, model
