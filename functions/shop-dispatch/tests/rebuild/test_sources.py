"""A rebuild from each source on a real PostgreSQL: the same tables, or a refusal."""

import json
from dataclasses import dataclass, field
from itertools import chain, islice
from threading import Barrier, Lock
from typing import Any

import pytest

from shop_dispatch.adapters import sources
from shop_dispatch.adapters.sources import ArchiveSource
from shop_dispatch.domain.rebuild import EventSource, Phase, RebuildError
from shop_shared.envelope import encode

BATCH_EVENTS = 4
"""The fixture `shop` reads so many at once."""


@pytest.mark.parametrize("source", list(EventSource))
def test_the_tables_made_anew_from_any_source_are_the_same(shop: Any, source: EventSource) -> None:
    # What belongs to no event is in the store, and what was delivered twice, or packed, in the archive.
    shop.dynamodb.put_item(TableName=shop.table, Item={"pk": {"S": "product-MUG"}, "sk": {"S": "state"}})
    shop.archive(*shop.events[2:9], packed=True)
    before = shop.read_model.tables()
    shop.steps(source, Phase.SWAPPED)
    assert shop.read_model.tables() == before
    # The rows are projected and not copied: when each was received is the one thing that is new.
    assert shop.read_model.query("SELECT count(*) FROM shop.event_log NATURAL JOIN shop_before.event_log") == [(0,)]


@dataclass
class Watched:
    """A client whose scans have pages of two items, as of half a megabyte each, and whose objects are read only when
    so many are asked for at once."""

    client: Any
    scans: list[dict[str, Any]] = field(default_factory=list)
    at_once: int = 1
    reading: int = 0
    reading_max: int = 0

    def __post_init__(self) -> None:
        self._barrier, self._lock = Barrier(self.at_once), Lock()

    def __getattr__(self, name: str) -> Any:
        return getattr(self.client, name)

    def scan(self, **request: Any) -> Any:
        self.scans.append(request)
        return self.client.scan(**request, Limit=2)

    def get_object(self, **request: Any) -> Any:
        with self._lock:
            self.reading += 1
            self.reading_max = max(self.reading, self.reading_max)
        self._barrier.wait(timeout=30)
        answer = self.client.get_object(**request)
        with self._lock:
            self.reading -= 1
        return answer


@pytest.mark.parametrize("source", list(EventSource))
def test_any_checkpoint_goes_on_with_what_follows_it(shop: Any, source: EventSource) -> None:
    shop.purchase(paid=False)
    # The bucket also has what is not the archive, such as the answers of queries.
    shop.s3.put_object(Bucket=shop.bucket, Key="results/1.json", Body=encode(shop.events[0]))
    shop.dynamodb = watched = Watched(shop.dynamodb)
    with shop.opened() as rebuild:
        reader = rebuild.source(source)
        batches = list(islice(reader.batches(None), len(shop.events)))
        ids = [json.loads(record)["id"] for batch in batches for record in batch.records]
        assert sorted(ids) == sorted(event.id for event in shop.events)
        *full, last = batches
        assert [len(batch.records) for batch in full] == [BATCH_EVENTS] * (len(ids) // BATCH_EVENTS)
        assert last.checkpoint is None
        for number, batch in enumerate(full, start=1):
            following = reader.batches(json.loads(json.dumps(batch.checkpoint)))
            assert list(islice(following, len(batches))) == batches[number:]
    assert all(request["ConsistentRead"] is True for request in watched.scans)


def test_objects_are_read_together_up_to_a_number_and_a_size(shop: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    shop.empty_archive()
    monkeypatch.setattr(sources, "BYTES_AT_ONCE", 100)
    sizes = [[40, 40, 20], [60, 40], [100], [101], [1]]
    for number, size in enumerate(chain.from_iterable(sizes)):
        shop.s3.put_object(Bucket=shop.bucket, Key=f"events/{number}", Body=b"x" * size)
    source = ArchiveSource(shop.s3, shop.bucket, BATCH_EVENTS)
    assert [len(keys) for keys in source._keys("")] == [len(together) for together in sizes]

    shop.empty_archive()
    for number in range(2 * sources.OBJECTS_AT_ONCE):
        shop.s3.put_object(Bucket=shop.bucket, Key=f"events/{number:02d}", Body=b"x")
    watched: Any = Watched(shop.s3, at_once=sources.OBJECTS_AT_ONCE)
    assert next(ArchiveSource(watched, shop.bucket, 2 * BATCH_EVENTS * sources.OBJECTS_AT_ONCE).batches(None)).records
    assert watched.reading_max == sources.OBJECTS_AT_ONCE


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
        with shop.opened() as rebuild, pytest.raises(RebuildError, match="the new ones lack") as error:
            rebuild.go_on(1)
        assert error.value.code == "incomplete"
        assert f"{len(gone)} events" in str(error.value)
        assert f"{example.subject}, version {example.streamversion}" in str(error.value)
    with shop.opened() as rebuild:
        with pytest.raises(RebuildError, match="not ready"):
            rebuild.swap()
        rebuild.abandon()
    assert shop.read_model.tables() == before


@pytest.mark.parametrize("source", [EventSource.STORE, EventSource.ARCHIVE])
def test_a_source_with_another_event_of_a_version_is_refused(shop: Any, source: EventSource) -> None:
    before = shop.read_model.tables()
    other = shop.others(shop.events[3])[0]
    shop.replace_in_store(3, [other])
    for entry in shop.s3.list_objects_v2(Bucket=shop.bucket)["Contents"]:
        body = shop.s3.get_object(Bucket=shop.bucket, Key=entry["Key"])["Body"].read()
        shop.s3.put_object(
            Bucket=shop.bucket, Key=entry["Key"], Body=body.replace(encode(shop.events[3]), encode(other))
        )
    shop.steps(source, Phase.CATCHING_UP)
    with shop.opened() as rebuild:
        with pytest.raises(RebuildError, match=r"1 events whose places .* such as product-MUG, version 3") as error:
            rebuild.go_on(1)
        assert error.value.code == "incomplete"
        rebuild.abandon()
    assert shop.read_model.tables() == before


def test_after_a_restore_of_the_table_the_read_model_follows_the_store(shop: Any) -> None:
    """The runbook in docs/operations.md: the store has lost a price and a purchase, and gave their versions anew."""
    repriced, placed, confirmed = (shop.events[number] for number in (3, 5, 7))
    assert (placed.subject, 3) == (confirmed.subject, confirmed.streamversion)
    new_price, later_price = shop.others(repriced, 1_500, 1_600)
    shop.replace_in_store(3, [new_price, later_price])
    shop.replace_in_store(7, [])
    counts = shop.read_model.project(new_price, later_price)
    assert (counts.applied, counts.conflicts) == (1, 1)
    price_and_version = "SELECT price_minor, version FROM shop.product WHERE sku = 'MUG'"
    assert shop.read_model.query(price_and_version) == [(1_600, 4)]  # as if the lost price had been there in between
    (parked,) = shop.parked()
    assert (parked.stream_version, parked.logged_id) == (3, repriced.id)

    shop.steps(EventSource.STORE, Phase.CATCHING_UP)
    with shop.opened() as rebuild, pytest.raises(RebuildError) as error:
        rebuild.go_on(1)
    assert str(error.value) == (
        f"the live tables have 1 events or streams that the new ones lack, such as {placed.subject}, version 3,"
        " and 1 events whose places others have in the new ones, such as product-MUG, version 3"
    )
    with shop.opened() as rebuild:
        rebuild.go_on(1, replace=True)
        assert (rebuild.difference().count, rebuild.difference().replaced) == (1, 1)
        with pytest.raises(RebuildError, match="at version 3"):
            rebuild.swap()  # nothing is forgotten by mistake
        rebuild.swap(replace=True)

    statuses = "SELECT reservation_id, status, version FROM shop.reservation"
    assert (placed.data.reservation_id, "paying", 2) in shop.read_model.query(statuses)
    logged = "SELECT event_id::text FROM shop.event_log WHERE stream_id = 'product-MUG' ORDER BY stream_version"
    ids = [shop.events[0].id, shop.events[1].id, new_price.id, later_price.id]
    assert [event_id for (event_id,) in shop.read_model.query(logged)] == ids
    assert shop.replay() == [parked.parked_id]
    assert shop.parked() == []
    assert shop.read_model.project(confirmed_anew := shop.others(confirmed)[0]).applied == 1
    assert (placed.data.reservation_id, "purchased", 3) in shop.read_model.query(statuses)
    assert shop.read_model.project(confirmed_anew, confirmed).conflicts == 1  # the lost event comes late


def test_what_is_another_event_in_the_source_is_refused_when_it_arrives_meanwhile(shop: Any, product: Any) -> None:
    listed = product("CUP").listed()
    (other,) = shop.others(listed)
    shop.put_in_store(other)
    shop.steps(EventSource.STORE, Phase.READY)
    shop.read_model.project(listed)
    with shop.opened() as rebuild:
        with pytest.raises(RebuildError, match="1 events that have arrived meanwhile") as error:
            rebuild.swap()
        assert error.value.code == "incomplete"
        rebuild.swap(replace=True)
    assert shop.read_model.query("SELECT event_id::text FROM shop.event_log WHERE stream_id = 'product-CUP'") == [
        (other.id,)
    ]


def test_the_log_replaces_nothing(shop: Any) -> None:
    shop.step(EventSource.LOG)
    with shop.opened() as rebuild, pytest.raises(RebuildError, match="name another source"):
        rebuild.go_on(1, replace=True)


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
