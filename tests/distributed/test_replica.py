"""shop-query reads a replica that is behind, and shop-dispatch goes on after the loss of the writer."""

import base64
import json
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from threading import Event
from typing import Any, Final
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
import pytest

from shop_database.testing import migrated_database
from shop_dispatch import bootstrap as dispatch
from shop_dispatch.handlers import project, rebuild, verify
from shop_dispatch.ports import SourceBatch
from shop_http.testing import Answer
from shop_observability.invocation import InvocationFailedError
from shop_observability.testing import invoked_before
from shop_query import bootstrap as query
from shop_query.adapters.system import SystemClock
from shop_query.testing import Shop

Records = Sequence[dict[str, Any]]
EVENTS = Path(__file__).parents[2] / "functions" / "shop-dispatch" / "events"
LISTED, BOUGHT = (
    json.loads((EVENTS / f"project-{name}.json").read_text())["Records"] for name in ("product-listed", "purchase")
)
PLACED = json.loads(base64.b64decode(BOUGHT[0]["kinesis"]["data"]))["data"]
SECONDS_MAX: Final = 120
NOT_YET = (412, "https://shop.example/problems/not-yet-visible")


@contextmanager
def wired(of_dispatch: str, of_query: str) -> Iterator[None]:
    """Inside, the functions have just been started."""
    with pytest.MonkeyPatch.context() as patch, invoked_before("shop-dispatch"):
        patch.setenv("DATABASE_URL", of_dispatch)
        kept = [dispatch._kept_connection()]
        patch.setenv("DATABASE_URL", of_query)
        kept += [dispatch.rows().connection, query.read_model()._connection]
        try:
            yield
        finally:
            for connection in kept:
                connection.close()
            for part in (dispatch.project, dispatch._kept_connection, dispatch.rows, query.queries, query.read_model):
                part.cache_clear()


@pytest.fixture
def shop(servers: Any) -> Iterator[Shop]:
    """shop-dispatch follows the writer, and shop-query reads the replica."""
    with (
        wired(servers.url("shop_dispatch"), servers.replica.url("shop_query")),
        psycopg.connect(servers.replica.url(), autocommit=True) as superuser,
    ):
        yield Shop(superuser)


def projected(records: Records) -> dict[str, int]:
    return project.handler({"Records": records}, None)


def reservation(shop: Shop, min_version: int | None = None) -> Answer:
    asked = {"min_version": str(min_version)} if min_version else None
    return shop.get(f"/reservations/{PLACED['reservation_id']}", asked, customer=PLACED["customer_id"])


def tables() -> dict[str, Any]:
    return {table: verify.handler({"table": table}, None)["rows"] for table in dispatch.rows().tables}


def in_one_sequence(records: Records) -> dict[str, Any]:
    """Returns the rows of a read model that has lost nothing."""
    with (
        migrated_database(dispatch.migrations_folder()) as database,
        wired(database.url("shop_dispatch"), database.url("shop_query")),
    ):
        assert projected(records)["applied"] == len(records)
        return tables()


@pytest.fixture(scope="module")
def whole() -> dict[str, Any]:
    return in_one_sequence([*LISTED, *BOUGHT])


def test_a_replica_that_is_held_back_answers_no_less_than_min_version(
    servers: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    projected([*LISTED, BOUGHT[0]])
    servers.catch_up()
    servers.hold_back()
    assert projected(BOUGHT)["applied"] == 2
    for asked in (None, 1):
        assert reservation(shop, asked).body["stream_version"] == 1
    answer = reservation(shop, 3)
    assert (answer.status, answer.body["type"]) == NOT_YET
    query.queries.cache_clear()  # the next environment has not waited for anything yet
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: servers.let_go())
    assert reservation(shop, 3).body["stream_version"] == 3


def test_a_replica_that_is_always_behind_shows_each_write_in_turn(servers: Any, shop: Shop) -> None:
    servers.replica.set("recovery_min_apply_delay", "300ms")
    for version, record in enumerate(BOUGHT, 1):
        projected([record])
        answer = reservation(shop, version)
        if answer.status != 200:
            assert (answer.status, answer.body["type"]) == NOT_YET
            servers.catch_up()
            answer = reservation(shop, version)
        assert answer.body["stream_version"] == version


@dataclass(frozen=True)
class Store:
    """The event store, which the loss of a database does not touch."""

    records: Records

    def batches(self, _checkpoint: Any) -> Iterator[SourceBatch]:
        yield SourceBatch([base64.b64decode(record["kinesis"]["data"]) for record in self.records], None)


def lose_the_writer(servers: Any) -> dict[str, int]:
    """The stream's checkpoint is past two events that the promoted replica never got. Returns what becomes of the
    third."""
    projected(LISTED)
    servers.catch_up()
    servers.cut_off()
    assert projected(BOUGHT[:2])["applied"] == 2
    servers.writer.crash()
    servers.replica.promote()
    return projected(BOUGHT[2:])


def rebuild_from(source: str) -> None:
    for action in ("begin", "continue", "swap", "drop-old"):
        assert "error" not in rebuild.handler({"action": action, "source": source, "actor": "an operator"}, None)


def test_what_a_failover_loses_holds_its_stream_back_until_it_is_delivered_again(
    servers: Any, shop: Shop, whole: dict[str, Any]
) -> None:
    counts = lose_the_writer(servers)
    assert (counts["applied"], counts["waiting"]) == (0, 1)
    assert reservation(shop).status == 404
    counts = projected([*LISTED, *BOUGHT])
    assert (counts["applied"], counts["duplicates"]) == (3, 3)
    assert reservation(shop).body["stream_version"] == 3
    assert tables() == whole


def test_a_rebuild_from_the_store_brings_back_what_a_failover_loses(
    servers: Any, shop: Shop, whole: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    lose_the_writer(servers)
    monkeypatch.setenv("DATABASE_URL", servers.url("shop_owner"))
    monkeypatch.setattr(dispatch, "_source", lambda *_: Store([*LISTED, *BOUGHT]))
    rebuild_from("store")
    assert tables() == whole
    assert projected([*LISTED, *BOUGHT])["duplicates"] == 5


def test_a_rebuild_reaches_a_replica_whose_statements_are_prepared(
    servers: Any, shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    projected([*LISTED, *BOUGHT[:2]])
    servers.catch_up()
    assert reservation(shop).body["stream_version"] == 2
    monkeypatch.setenv("DATABASE_URL", servers.url("shop_owner"))
    rebuild_from("log")
    projected(BOUGHT)
    servers.catch_up()
    assert reservation(shop, 3).body["stream_version"] == 3


def purchases(count: int) -> list[dict[str, Any]]:
    """Repeats the sample's purchase with other ids."""
    records = []
    for number in range(count):
        for record in BOUGHT:
            event = base64.b64decode(record["kinesis"]["data"]).decode()
            named = event.replace(json.loads(event)["id"], str(uuid5(NAMESPACE_URL, f"{event} {number}")))
            named = named.replace(PLACED["reservation_id"], str(UUID(int=number)))
            data = base64.b64encode(named.encode()).decode()
            records.append({**record, "kinesis": {**record["kinesis"], "data": data}})
    return records


def deliver(records: Records, answered: SimpleQueue[int], crashed: Event) -> None:
    """Delivers each record until it is answered, as Lambda does, and never again; the last one after the crash."""
    deadline = time.monotonic() + SECONDS_MAX
    for record in records:
        if record is records[-1]:
            assert crashed.wait(SECONDS_MAX)
        while True:
            try:
                answered.put(projected([record])["records"])
                break
            except InvocationFailedError:
                assert time.monotonic() < deadline
                time.sleep(0.02)


def test_a_writer_that_is_lost_at_work_takes_nothing_with_it_where_the_replica_has_each_commit(servers: Any) -> None:
    """A commit is answered once the replica has it, which Aurora's storage sees to."""
    records = [*LISTED, *purchases(60)]
    expected = in_one_sequence(records)
    servers.commit_on_both()
    answered: SimpleQueue[int] = SimpleQueue()
    crashed = Event()
    with wired(servers.url("shop_dispatch"), servers.url("shop_query")), ThreadPoolExecutor(1) as pool:
        delivered = pool.submit(deliver, records, answered, crashed)
        for _ in range(len(records) // 3):
            answered.get(timeout=SECONDS_MAX)
        servers.writer.crash()
        crashed.set()
        servers.replica.promote()
        delivered.result()
        assert tables() == expected
