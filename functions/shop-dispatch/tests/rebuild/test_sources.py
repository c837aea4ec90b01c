"""A rebuild from each source on a real PostgreSQL: the same tables, or a refusal."""

import json
from typing import Any

import pytest

from shop_dispatch.domain.rebuild import EventSource, Phase, RebuildError


@pytest.mark.parametrize("source", list(EventSource))
def test_the_tables_made_anew_from_any_source_are_the_same(shop: Any, source: EventSource) -> None:
    # What belongs to no event is in the store, and what was delivered twice, or packed, in the archive.
    shop.dynamodb.put_item(TableName=shop.table, Item={"pk": {"S": "product-MUG"}, "sk": {"S": "state"}})
    shop.archive(*shop.events[2:9], packed=True)
    before = shop.read_model.tables()
    shop.steps(source, Phase.SWAPPED)
    assert shop.read_model.tables() == before
    # By projecting, not by copying: when a row was received is the one thing that is new.
    assert shop.read_model.query("SELECT count(*) FROM shop.event_log NATURAL JOIN shop_before.event_log") == [(0,)]


@pytest.mark.parametrize("source", list(EventSource))
def test_what_arrives_meanwhile_is_in_the_new_tables_too(shop: Any, source: EventSource) -> None:
    with shop.opened() as rebuild:
        rebuild.begin(source)
    for phase in (Phase.INDEXING, Phase.CATCHING_UP, Phase.READY, Phase.SWAPPED):
        for _ in range(4):
            shop.purchase(archived=False)
        before = shop.read_model.tables()
        shop.steps(source, phase)
    assert shop.read_model.tables() == before
    shop.purchase()
    assert shop.read_model.query("SELECT sold, held FROM read_v1.products, shop.stock WHERE stock.sku = 'MUG' LIMIT 1")


def test_a_table_that_was_damaged_is_whole_again(shop: Any) -> None:
    before = shop.read_model.tables()
    shop.read_model.execute(
        "UPDATE shop.stock SET sold = sold + 7; DELETE FROM shop.sales_daily;"
        "UPDATE shop.reservation SET status = 'expired', total_minor = 1 WHERE status = 'purchased';"
        "UPDATE shop.product SET price_minor = 1; DELETE FROM shop.stream_head WHERE stream_id = 'product-POT'"
    )
    assert shop.read_model.tables() != before
    shop.steps(EventSource.LOG, Phase.SWAPPED)
    assert shop.read_model.tables() == before


def test_a_log_that_was_damaged_is_whole_again_from_the_store(shop: Any) -> None:
    before = shop.read_model.tables()
    shop.read_model.execute("UPDATE shop.event_log SET event = replace(event, '990', '1')")
    shop.read_model.execute("DELETE FROM shop.event_log WHERE stream_id LIKE 'reservation-%'")
    assert shop.read_model.tables() != before
    shop.steps(EventSource.STORE, Phase.SWAPPED)
    assert shop.read_model.tables() == before


@pytest.mark.parametrize("lost", ["the event", "the stream", "what is held back"])
@pytest.mark.parametrize("source", [EventSource.STORE, EventSource.ARCHIVE])
def test_a_source_that_lacks_an_event_is_refused(shop: Any, source: EventSource, lost: str) -> None:
    shop.read_model.execute("UPDATE shop.event_log SET received_at = received_at - interval '2 hours'")
    before = shop.read_model.tables()
    gone = {"the event": [3], "the stream": [2, 4], "what is held back": [len(shop.events) - 1]}[lost]
    for event in (shop.events[number] for number in gone):
        shop.dynamodb.delete_item(
            TableName=shop.table, Key={"pk": {"S": event.subject}, "sk": {"S": f"event#{event.streamversion:010d}"}}
        )
    for entry in shop.s3.list_objects_v2(Bucket=shop.bucket)["Contents"]:
        lines = shop.s3.get_object(Bucket=shop.bucket, Key=entry["Key"])["Body"].read().splitlines(keepends=True)
        kept = [line for line in lines if json.loads(line)["id"] not in {shop.events[n].id for n in gone}]
        shop.s3.put_object(Bucket=shop.bucket, Key=entry["Key"], Body=b"".join(kept))
    shop.steps(source, Phase.CATCHING_UP)
    example = shop.events[gone[0]]
    for _ in range(2):
        with shop.opened() as rebuild, pytest.raises(RebuildError, match="rebuild from a source that has") as error:
            rebuild.go_on(1)
        assert error.value.code == "incomplete"
        assert f"{len(gone)} events" in str(error.value)
        assert f"{example.subject}, version {example.streamversion}" in str(error.value)
    with shop.opened() as rebuild:
        with pytest.raises(RebuildError, match="not ready"):
            rebuild.swap()
        rebuild.abandon()
    assert shop.read_model.tables() == before


def test_a_log_whose_beginning_was_dropped_is_refused_for_its_heads(shop: Any) -> None:
    shop.read_model.execute("DELETE FROM shop.event_log WHERE stream_version = 1")
    shop.steps(EventSource.LOG, Phase.CATCHING_UP)
    with shop.opened() as rebuild, pytest.raises(RebuildError, match="such as product-MUG at version 3") as error:
        rebuild.go_on(1)
    assert error.value.code == "incomplete"


def test_what_the_archive_has_not_got_yet_comes_from_the_log(shop: Any) -> None:
    shop.purchase(archived=False)
    before = shop.read_model.tables()
    shop.steps(EventSource.ARCHIVE, Phase.SWAPPED)
    assert shop.read_model.tables() == before


def test_what_cannot_be_read_is_counted_and_parked_only_once(shop: Any, product: Any) -> None:
    shop.read_model.project_records([b"no event"])
    before = shop.read_model.tables()
    shop.s3.put_object(Bucket=shop.bucket, Key="events/date=2026-03-05/1.json", Body=b'no event\n\n{"type": "other"}\n')
    shop.steps(EventSource.ARCHIVE, Phase.READY)
    with shop.opened() as rebuild:
        progress = rebuild.status()
        assert (progress.unreadable, progress.events) == (2, len(shop.events) + 2)
        rebuild.swap()
    assert shop.read_model.tables() == before


def test_what_the_tables_refuse_is_counted_and_stops_no_other(shop: Any) -> None:
    """A migration may add a rule that earlier events break."""
    with shop.opened() as rebuild:
        rebuild.begin(EventSource.LOG)
        shop.read_model.execute("ALTER TABLE shop_rebuild.product ADD CHECK (price_minor <> 990)")
        rebuild.go_on(0)
        with pytest.raises(RebuildError, match="product-MUG, version 3"):
            rebuild.go_on(20)
        progress = rebuild.status()
        assert (progress.unreadable, progress.events) == (1, len(shop.events))
    assert shop.read_model.query("SELECT count(*) FROM shop.parked") == [(0,)]
    made = shop.read_model.query("SELECT sku, version FROM shop_rebuild.product ORDER BY sku")
    assert made == [("MUG", 2), ("POT", 2)]
