"""A read that names the version of a write waits for the projection, and says so when that takes too long."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import date

import psycopg
import pytest

from shop_database.testing import Database
from shop_query.adapters.system import SystemClock
from shop_query.application.errors import NotFoundError, NotYetVisibleError
from shop_query.application.queries import Queries
from shop_query.application.waiting import AHEAD_MAX, FOR_ANYONE, FOR_CUSTOMERS, PAUSE_SECONDS_MAX
from shop_query.ports import Document, Page, Parameters, Query
from shop_query.testing import PLACED, FixedClock, Shop

ID = "0198c6f2-7a10-7c3e-9b0d-000000000001"
UNKNOWN = "0198c6f2-7a10-7c3e-9b0d-000000000002"
WAIT_SECONDS_MAX = FOR_CUSTOMERS.seconds_max
OF_CUSTOMERS = {
    f"/reservations/{ID}": "UPDATE shop.reservation SET version = 4",
    f"/purchases/{ID}": "UPDATE shop.reservation SET version = 4",
}
MOVED_ON = {"/products/MUG": "UPDATE shop.product SET version = 4", **OF_CUSTOMERS}


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    shop.list_product("MUG")
    shop.execute("UPDATE shop.product SET version = 3")
    shop.reserve(ID, "ada", status="purchased", purchased_at=PLACED)
    return shop


@contextmanager
def held_back(database: Database, statement: str) -> Iterator[psycopg.Connection]:
    """The projection's transaction has done its work, and commits later, at the latest in the end."""
    with psycopg.connect(database.superuser_url) as projection:
        projection.execute(statement.encode())
        yield projection


def commit_when_a_read_waits(monkeypatch: pytest.MonkeyPatch, projection: psycopg.Connection) -> None:
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: projection.commit())


@pytest.mark.parametrize("path", MOVED_ON)
def test_a_version_that_is_there_is_answered_at_once(stocked: Shop, path: str) -> None:
    for version in ("1", "3"):
        started = time.monotonic()
        assert stocked.get(path, {"min_version": version}, customer="ada").status == 200
        assert time.monotonic() - started < WAIT_SECONDS_MAX


@pytest.mark.parametrize("path", OF_CUSTOMERS)
def test_a_read_waits_until_the_projection_has_the_version(
    stocked: Shop, database: Database, monkeypatch: pytest.MonkeyPatch, path: str
) -> None:
    with held_back(database, MOVED_ON[path]) as projection:
        assert stocked.get(path, customer="ada").status == 200
        commit_when_a_read_waits(monkeypatch, projection)
        answer = stocked.get(path, {"min_version": "4"}, customer="ada")
    assert (answer.status, answer.body["stream_version"]) == (200, 4)


@pytest.mark.parametrize("path", MOVED_ON)
def test_a_projection_that_is_held_back_for_longer_is_412_with_when_to_come_back(
    stocked: Shop, database: Database, path: str
) -> None:
    with held_back(database, MOVED_ON[path]):
        started = time.monotonic()
        answer = stocked.get(path, {"min_version": "4"}, customer="ada")
        waited = time.monotonic() - started
    assert (answer.status, answer.body["type"]) == (412, "https://shop.example/problems/not-yet-visible")
    assert (answer.headers["Retry-After"], answer.headers["Cache-Control"]) == ("1", "no-store")
    assert waited >= (WAIT_SECONDS_MAX if path in OF_CUSTOMERS else FOR_ANYONE.seconds_max)
    assert stocked.get(path, {"min_version": "4"}, customer="ada").status == 200


def test_what_is_not_there_at_all_may_be_about_to_arrive_for_who_has_a_token(
    stocked: Shop, database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = f"jsonb_build_object('reservation_id', '{UNKNOWN}')"
    insert = f"INSERT INTO shop.reservation SELECT (jsonb_populate_record(it, {other})).* FROM shop.reservation AS it"  # noqa: S608
    with held_back(database, insert) as projection:
        assert stocked.get(f"/reservations/{UNKNOWN}", customer="ada").status == 404
        commit_when_a_read_waits(monkeypatch, projection)
        assert stocked.get(f"/reservations/{UNKNOWN}", {"min_version": "3"}, customer="ada").status == 200


@pytest.mark.parametrize(
    ("path", "min_version"),
    [
        ("/products/NEW", 1),
        ("/products/MUG", 3 + AHEAD_MAX + 1),
        (f"/reservations/{ID}", 3 + AHEAD_MAX + 1),
        (f"/reservations/{UNKNOWN}", AHEAD_MAX + 1),
        (f"/purchases/{UNKNOWN}", 2**31 - 1),
    ],
)
def test_a_version_that_no_command_has_answered_is_412_at_once(
    stocked: Shop, monkeypatch: pytest.MonkeyPatch, path: str, min_version: int
) -> None:
    monkeypatch.setattr(SystemClock, "sleep", lambda *_: pytest.fail("it waits"))
    answer = stocked.get(path, {"min_version": str(min_version)}, customer="ada")
    assert (answer.status, answer.headers["Retry-After"]) == (412, "1")
    assert answer.body["type"] == "https://shop.example/problems/not-yet-visible"


def test_another_customers_and_what_never_comes_are_412_alike(stocked: Shop) -> None:
    answers = [
        stocked.get(path, {"min_version": "1"}, customer="bob")
        for path in (f"/reservations/{ID}", f"/reservations/{UNKNOWN}")
    ]
    assert [answer.status for answer in answers] == [412, 412]
    assert answers[0].body | {"instance": ""} == answers[1].body | {"instance": ""}


def test_a_key_that_cannot_be_is_not_waited_for(stocked: Shop) -> None:
    for path in ("/products/m~g", "/reservations/1", "/purchases/1"):
        assert stocked.get(path, {"min_version": "1"}, customer="ada").status == 404


@pytest.mark.parametrize("version", ["0", "2147483648", "9" * 100, "-1", "1.0", "", "x", "1,2"])
def test_a_version_that_cannot_be_is_refused(stocked: Shop, version: str) -> None:
    for path in MOVED_ON:
        answer = stocked.get(path, {"min_version": version}, customer="ada")
        assert (answer.status, answer.body["errors"][0]["parameter"]) == (422, "min_version")
    assert stocked.get("/products/m~g", {"min_version": "2147483647"}).status == 404


class SlowReadModel:
    """Its reads take their time, and its projection reaches `version` never or at a moment."""

    def __init__(self, clock: FixedClock, read_seconds: float, version: Callable[[float], int | None]) -> None:
        self.clock = clock
        self.read_seconds = read_seconds
        self.version = version
        self.reads: list[float] = []

    def document(self, _query: Query, _parameters: Parameters) -> Document | None:
        self.reads.append(self.clock.passed_seconds)
        self.clock.sleep(self.read_seconds)
        version = self.version(self.reads[-1])
        return Document("{}", version) if version else None

    def page(self, _query: Query, _parameters: Parameters) -> Page:
        raise NotImplementedError

    def cursor_key(self) -> bytes:
        raise NotImplementedError


@pytest.mark.parametrize("read_seconds", [0.0, 0.001, 0.3, 1.9, 3.0])
def test_it_waits_for_two_seconds_and_no_read_begins_after_them(read_seconds: float) -> None:
    clock = FixedClock(date(2026, 9, 1))
    read_model = SlowReadModel(clock, read_seconds, lambda _: 1)
    with pytest.raises(NotYetVisibleError):
        Queries(read_model, clock).reservation(ID, "ada", 2)
    assert read_model.reads[0] == 0.0
    waited = clock.passed_seconds - read_seconds
    assert max(read_model.reads) <= read_seconds + WAIT_SECONDS_MAX + 1e-9
    assert WAIT_SECONDS_MAX - 1e-9 <= waited <= WAIT_SECONDS_MAX + read_seconds + 1e-9
    assert len(read_model.reads) < 20


def test_a_version_is_noticed_soon_after_it_arrives() -> None:
    for arrives in (0.01, 0.1, 0.5, 1.0, 1.99):
        clock = FixedClock(date(2026, 9, 1))
        read_model = SlowReadModel(clock, 0.0, lambda now, arrives=arrives: 2 if now >= arrives else None)  # type: ignore[misc]
        Queries(read_model, clock).reservation(ID, "ada", 2)
        assert clock.passed_seconds - arrives <= PAUSE_SECONDS_MAX


def test_without_a_version_nothing_is_waited_for() -> None:
    clock = FixedClock(date(2026, 9, 1))
    read_model = SlowReadModel(clock, 0.0, lambda _: None)
    with pytest.raises(NotFoundError):
        Queries(read_model, clock).product("MUG")
    assert (len(read_model.reads), clock.passed_seconds) == (1, 0.0)
