"""A rebuild step by step on a real PostgreSQL: whatever dies, and whatever is asked for at the wrong time."""

import json
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psycopg
import pytest

from shop_dispatch import bootstrap
from shop_dispatch.adapters.shadow import ShadowTables
from shop_dispatch.application import rebuild as application
from shop_dispatch.domain.rebuild import BusyError, EventSource, Phase, RebuildError
from shop_dispatch.handlers import rebuild as handler
from shop_dispatch.ports import Shadow


class CrashError(BaseException):
    """The process is gone: nothing that comes after it can do anything."""


@dataclass
class Doomed:
    """The shadow tables of a process that dies at the first two calls of each kind: `before` it, `after` it, or with
    its connection cut."""

    shadow: ShadowTables
    connection: psycopg.Connection
    way: str
    calls: Counter[str]
    superuser: Callable[[str], Any]

    def __getattr__(self, name: str) -> Any:
        return partial(self._call, name, getattr(self.shadow, name))

    def _call(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        self.calls[name] += 1
        way = self.way if self.calls[name] <= 2 else "lives"
        if way == "cut":
            self.superuser(f"SELECT pg_terminate_backend({self.connection.info.backend_pid}, 5000)")
        if way == "before":
            self._die()
        result = call(*arguments)
        if way == "after":
            self._die()
        return result

    def _die(self) -> None:
        self.connection.close()
        raise CrashError


@pytest.mark.parametrize(
    ("source", "way"), [(EventSource.ARCHIVE, "before"), (EventSource.STORE, "after"), (EventSource.LOG, "cut")]
)
def test_whatever_dies_the_same_steps_go_on(shop: Any, source: EventSource, way: str) -> None:
    calls: Counter[str] = Counter()
    doom = partial(Doomed, way=way, calls=calls, superuser=shop.superuser)
    shop.purchase(archived=False)
    before = shop.read_model.tables()
    deaths = 0
    while shop.phase() is not Phase.SWAPPED:
        try:
            if shop.step(source, doom) is Phase.READY and not calls["swap"]:
                shop.purchase(archived=False)
                before = shop.read_model.tables()
        except (CrashError, psycopg.OperationalError):
            deaths += 1
        except BusyError:
            pass  # the one that has died is not quite gone
    assert shop.read_model.tables() == before
    all_calls = {name for name in vars(Shadow) if not name.startswith("_")} | {"transact"}
    left_out = {"drop_old", "abandon"} | (
        {"note_what_is_not_archived_yet"} if source is not EventSource.ARCHIVE else set()
    )
    assert set(calls) == all_calls - left_out
    assert len(calls) <= deaths <= 2 * len(calls)


def test_two_at_once_do_not_work_on_it(shop: Any) -> None:
    with shop.opened() as first, shop.opened() as second:
        first.begin(EventSource.LOG)
        with first.shadow.claimed():
            for act in (partial(second.go_on, 1), second.swap, second.abandon, second.drop_old):
                with pytest.raises(BusyError, match="another invocation") as error:
                    act()
                assert error.value.code == "busy"
        assert second.status().phase is Phase.LOADING
    assert shop.step(EventSource.LOG) is not Phase.NONE


def test_another_release_or_a_migration_does_not_go_on_with_it(shop: Any) -> None:
    with shop.opened("1") as rebuild:
        rebuild.begin(EventSource.LOG)
    with shop.opened("2") as rebuild, pytest.raises(RebuildError, match=r"another release.*: abandon it$") as error:
        rebuild.go_on(1)
    assert error.value.code == "other-release"
    shop.steps(EventSource.LOG, Phase.READY)
    shop.read_model.execute("INSERT INTO migration.applied (name, digest) VALUES ('9999_later', '')")
    with shop.opened("1") as rebuild:
        with pytest.raises(RebuildError, match="the last migration"):
            rebuild.swap()
        rebuild.abandon()
    shop.read_model.execute("DELETE FROM migration.applied WHERE name = '9999_later'")


def test_a_projection_without_its_table_is_told_of_at_once(shop: Any) -> None:
    shop.read_model.execute("ALTER TABLE shop.sales_daily RENAME TO sales")
    with shop.opened() as rebuild, pytest.raises(RebuildError, match="sales_daily is not there yet") as error:
        rebuild.begin(EventSource.LOG)
    assert error.value.code == "no-table"
    shop.read_model.execute("ALTER TABLE shop.sales RENAME TO sales_daily")
    assert shop.phase() is Phase.NONE


def test_a_step_without_time_takes_one_batch(shop: Any) -> None:
    with shop.opened() as rebuild:
        rebuild.begin(EventSource.LOG)
        for batches in (1, 2):
            replace(rebuild, now=lambda: 0.0).go_on(0)
            assert rebuild.status().events == batches * application.BATCH_EVENTS


def test_an_abandoned_one_leaves_nothing(shop: Any) -> None:
    before = shop.read_model.tables()
    for until in (Phase.LOADING, Phase.READY):
        shop.steps(EventSource.LOG, until)
        with shop.opened() as rebuild:
            rebuild.abandon()
        assert shop.phase() is Phase.NONE
        assert shop.read_model.query("SELECT FROM pg_trigger WHERE NOT tgisinternal") == []
        assert shop.read_model.query("SELECT FROM pg_namespace WHERE nspname LIKE 'shop\\_%'") == []
    shop.purchase()
    assert len(shop.read_model.tables()) > len(before)


def test_an_event_that_is_parked_after_it_was_noted_hides_no_other(shop: Any) -> None:
    shop.steps(EventSource.LOG, Phase.READY)
    for _ in range(4):
        shop.purchase()
    # One in each of the batches of notes that the swap begins with.
    for confirmed in (shop.events[-10], shop.events[-7]):
        stream = f"WHERE stream_id = '{confirmed.subject}'"
        shop.read_model.execute(f"DELETE FROM shop.event_log {stream} AND stream_version = 3")  # noqa: S608 - our own
        shop.read_model.execute(f"UPDATE shop.stream_head SET stream_version = 2 {stream}")  # noqa: S608 - our own
    keys = "SELECT stream_id, stream_version FROM shop.event_log ORDER BY 1, 2"
    before = shop.read_model.query(keys)
    with shop.opened() as rebuild:
        rebuild.swap()
    assert shop.read_model.query(keys) == before


def test_between_ready_and_swap_a_stream_that_fell_behind_is_noticed(shop: Any) -> None:
    shop.steps(EventSource.LOG, Phase.READY)
    shop.read_model.execute("UPDATE shop.stream_head SET stream_version = 9 WHERE stream_id = 'product-POT'")
    with shop.opened() as rebuild, pytest.raises(RebuildError, match="product-POT at version 9"):
        rebuild.swap()
    assert shop.phase() is Phase.READY


def test_a_swap_gives_up_where_events_arrive_faster_than_they_are_applied(
    shop: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    shop.steps(EventSource.LOG, Phase.READY)
    monkeypatch.setattr(application, "DRAINS_MAX", 1)
    for _ in range(2):
        shop.purchase()
    with shop.opened() as rebuild, pytest.raises(RebuildError, match=r": continue first$") as error:
        rebuild.swap()
    assert error.value.code == "behind"
    assert shop.phase() is Phase.READY


@pytest.fixture
def invoke(shop: Any, monkeypatch: pytest.MonkeyPatch) -> Iterator[Callable[..., dict[str, Any]]]:
    """The handler, wired by the function's own bootstrap."""
    monkeypatch.setenv("DATABASE_URL", shop.read_model.database.url("shop_owner"))
    monkeypatch.setenv("TABLE_NAME", shop.table)
    monkeypatch.setenv("BUCKET_NAME", shop.bucket)
    for name in ("AWS_DEFAULT_REGION", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "us-east-1")
    bootstrap._aws.cache_clear()

    def answer(**event: Any) -> dict[str, Any]:
        found = handler.handler(event, None)
        return dict(json.loads(json.dumps(found)))

    yield answer
    bootstrap._aws.cache_clear()


@pytest.mark.parametrize("source", ["log", "store", "archive"])
def test_the_function_rebuilds_step_by_step(shop: Any, invoke: Any, source: str) -> None:
    assert invoke(action="status") == {"phase": "none"}
    begun = invoke(action="begin", source=source)
    assert begun.pop("started_at").startswith("20")
    events = len(shop.events)
    assert begun == {"phase": "loading", "source": source, "events": 0, "total": events, "unreadable": 0, "behind": 0}
    ready = invoke(action="continue", seconds=20)
    assert (ready["phase"], ready["events"], "error" in ready) == ("ready", events, False)
    assert invoke(action="swap") == {"phase": "swapped"}
    assert invoke(action="drop-old") == {"phase": "none"}


def test_whoever_rebuilds_is_named_in_the_log(shop: Any, invoke: Any, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO"):
        invoke(action="begin", source="log", actor="arn:aws:iam::123456789012:user/operator")
        invoke(action="abandon")
    lines = [(line["action"], line["actor"]) for line in map(vars, caplog.records) if line["message"] == "rebuild"]
    assert lines == [("begin", "arn:aws:iam::123456789012:user/operator"), ("abandon", "unknown")]


def test_the_function_answers_what_cannot_be_done_and_what_to_do(shop: Any, invoke: Any) -> None:
    def refused(**event: Any) -> tuple[str, str]:
        error = invoke(**event)["error"]
        return error["code"], error["message"].rpartition(": ")[2]

    assert refused(action="dance") == refused(action="begin", source="memory") == refused()
    assert refused()[0] == "unknown-action"
    for action in ("continue", "swap"):
        assert refused(action=action) == ("not-under-way", "begin one")
    assert refused(action="abandon") == ("not-under-way", "no rebuild is under way")
    assert refused(action="drop-old") == ("no-old-tables", "there are no tables from before a rebuild")
    invoke(action="begin", source="log")
    assert refused(action="begin", source="log") == ("under-way", "continue or abandon it")
    assert refused(action="swap") == ("not-ready", "continue first")
    assert refused(action="continue", replace=True) == ("log-replaced", "abandon it, and name another source")
    invoke(action="continue")
    invoke(action="swap")
    assert refused(action="begin", source="log") == ("old-tables", "drop them")
    assert refused(action="abandon")[0] == "not-under-way"
