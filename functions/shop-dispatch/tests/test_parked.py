"""Operators and the records that could not be applied, through the handler, on a real PostgreSQL."""

import json
import re
from collections.abc import Callable
from typing import Any

import pytest

from shop_dispatch import bootstrap
from shop_dispatch.adapters.postgres import PostgresParkedRecords
from shop_dispatch.application import parking, project
from shop_dispatch.application.parking import REPLAYED_MAX, Replay
from shop_dispatch.domain.records import read
from shop_dispatch.handlers.parked import LISTED_MAX, handler
from shop_shared.envelope import encode

OPERATOR = "arn:aws:iam::123456789012:user/operator"
NEWER = b"received.v2"
"""A type that only a later release knows. The fix is that release, here: reading it as version 1."""


@pytest.fixture
def operating(read_model: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    parked = PostgresParkedRecords(read_model.kept["shop_dispatch"])
    monkeypatch.setattr(bootstrap, "parked", lambda: parked)
    monkeypatch.setattr(bootstrap, "replay", lambda: Replay(parked, read_model.project_records))
    return read_model


def act(action: str, **request: Any) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(json.dumps(handler({"action": action, **request}, None)))
    return answer


def newer(event: Any) -> bytes:
    return encode(event).replace(b"received.v1", NEWER)


@pytest.fixture
def release(operating: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    """Deploys the release that knows the newer type."""

    def deploy() -> None:
        for module in (parking, project):
            monkeypatch.setattr(module, "read", lambda record: read(record.replace(NEWER, b"received.v1")))

    return deploy


def test_a_poison_event_among_a_thousand_holds_up_its_stream_until_it_is_replayed(
    operating: Any, product: Any, release: Any
) -> None:
    mugs = [product(f"MUG-{number}") for number in range(498)]
    pot = product("POT")
    batch = [encode(event) for mug in mugs for event in (mug.listed(), mug.received(1))]
    batch[500:500] = [encode(pot.listed()), newer(pot.received(5)), encode(pot.repriced(990)), encode(pot.received(2))]
    counts = operating.project_records(batch)
    assert (counts.records, counts.applied, counts.waiting, counts.parked) == (1_000, 997, 2, 1)

    (record,) = act("list")["records"]
    cause = "UnknownEventTypeError: no such event type: 'shop.product.stock-received.v2'"
    known = {"cause": cause, "stream_id": "product-POT", "stream_version": 2, "applied_version": 1, "waiting": 2}
    assert known.items() <= record.items()
    assert re.fullmatch("[0-9a-f]{32}", record["id"])
    answer = act("replay", ids=None)
    assert (answer["resolved"], answer["still_parked"], answer["applied"]) == ([], [record["id"]], 0)

    release()
    answer = act("replay", ids=None)
    assert (answer["resolved"], answer["still_parked"], answer["applied"]) == ([record["id"]], [], 3)
    assert act("list") == {"records": []}
    assert operating.query("SELECT price_minor, available, version FROM read_v1.products WHERE sku = 'POT'") == [
        (990, 7, 4)
    ]


def test_replaying_twice_and_out_of_order_applies_once(operating: Any, product: Any, release: Any) -> None:
    pot = product("POT")
    records = [encode(pot.listed()), *(newer(pot.received(n)) for n in (1, 2, 3))]
    operating.project_records(records[::-1])
    ids = [record["id"] for record in act("list")["records"]]
    release()
    assert act("replay", ids=ids[2:])["applied"] == 0
    assert act("replay", ids=ids[:2])["applied"] == 3
    assert act("replay", ids=ids)["resolved"] == []
    assert operating.query("SELECT received FROM shop.stock") == [(6,)]


def test_a_record_whose_event_came_by_another_way_leaves_the_list_when_it_is_replayed(
    operating: Any, product: Any, release: Any
) -> None:
    pot = product("POT")
    listed, received = encode(pot.listed()), pot.received(5)
    operating.project_records([listed, newer(received)])
    operating.project_records([encode(received)])
    (record,) = act("list")["records"]
    assert (record["stream_version"], record["applied_version"], record["conflicts_with"]) == (2, 2, None)
    release()
    assert act("replay", ids=[record["id"]])["applied"] == 0
    assert act("list")["records"] == []
    assert operating.query("SELECT received FROM shop.stock") == [(5,)]


def test_a_record_whose_version_is_another_event_says_so_and_stays_until_it_is_dropped(
    operating: Any, product: Any, release: Any
) -> None:
    """One is parked as a conflict, and the other one could not be read when another event took its version."""
    pot = product("POT")
    listed, received = pot.listed(), pot.received(5)
    others = [received.model_copy(update={"id": f"{number}" + received.id[1:]}) for number in (0, 1)]
    operating.project_records([encode(listed), newer(others[0]), encode(received), encode(others[1])])
    records = act("list")["records"]
    assert [record["conflicts_with"] for record in records] == [received.id] * 2
    release()
    answer = act("replay", ids=None)
    assert (answer["resolved"], len(answer["still_parked"]), answer["applied"]) == ([], 2, 0)
    causes = {record["cause"] for record in act("list")["records"]}
    assert causes >= {
        f"ConflictingEventError: its version is event {received.id} already, and this is event {other.id}"
        for other in others
    }
    assert operating.query("SELECT received FROM shop.stock") == [(5,)]
    for record in act("list")["records"]:
        act("drop", id=record["id"], reason="the store has the other one")
    assert act("list") == {"records": []}


def test_more_than_one_step_of_records_is_replayed_from_one_to_the_next(
    operating: Any, product: Any, release: Any
) -> None:
    pot = product("POT")
    operating.project_records([encode(pot.listed()), *(newer(pot.received(1)) for _ in range(REPLAYED_MAX + 5)), b"x"])
    release()
    first = act("replay", ids=None)
    second = act("replay", ids=None, after=first["next"])
    assert [first["applied"], second["applied"]] == [REPLAYED_MAX, 5]
    assert len(second["still_parked"]) == 1
    assert "next" not in act("replay", ids=None, after=second["next"])


def test_a_long_list_comes_in_pages(operating: Any) -> None:
    operating.project_records([b"not an event %d" % number for number in range(LISTED_MAX + 3)])
    first = act("list")
    second = act("list", after=first["next"])
    assert len(first["records"]) == LISTED_MAX
    assert "next" not in second
    assert len({record["id"] for record in first["records"] + second["records"]}) == LISTED_MAX + 3


def test_a_record_is_shown_with_its_payload_whatever_it_is(operating: Any) -> None:
    operating.project_records([b"not an event", b"\xff\x00"])
    shown = [act("show", id=record["id"])["record"] for record in act("list")["records"]]
    assert {record.get("payload", record.get("payload_base64")) for record in shown} == {"not an event", "/wA="}
    assert {record["stream_id"] for record in shown} == {None}
    assert act("show", id="none") == {"error": "no record none is parked"}


def test_a_dropped_record_is_kept_with_its_reason_and_its_stream_goes_on_waiting(operating: Any, product: Any) -> None:
    pot = product("POT")
    operating.project_records([encode(pot.listed()), newer(pot.received(5)), encode(pot.repriced(990))])
    (record,) = act("list")["records"]
    dropped = act("drop", id=record["id"], reason=" a test event ", actor=OPERATOR)["dropped"]
    assert (dropped["id"], dropped["waiting"]) == (record["id"], 1)
    assert act("list") == {"records": []}
    kept = operating.query("SELECT reason, dropped_by, dropped_at IS NOT NULL FROM shop.parked")
    assert kept == [("a test event", OPERATOR, True)]
    assert "error" in act("drop", id=record["id"], reason="again")
    operating.project_records([newer(pot.received(5)).replace(b'"streamversion":4', b'"streamversion":2')])
    assert [row["stream_version"] for row in act("list")["records"]] == [2]  # other bytes, so another record


def test_whoever_replays_or_drops_is_named_in_the_log(operating: Any, caplog: pytest.LogCaptureFixture) -> None:
    operating.project_records([b"not an event"])
    (record,) = act("list")["records"]
    with caplog.at_level("INFO"):
        act("replay", ids=None, actor=OPERATOR)
        act("replay", ids=None)
        act("drop", id=record["id"], reason="a test event", actor=OPERATOR)
    lines = [vars(entry) for entry in caplog.records]
    assert [(line["message"], line["actor"]) for line in lines] == [
        ("replayed", OPERATOR),
        ("replayed", "unknown"),
        ("dropped", OPERATOR),
    ]


def test_what_was_dropped_stays_dropped_when_it_is_delivered_again(operating: Any, product: Any) -> None:
    poison = newer(product("POT").received(5))
    operating.project_records([poison])
    act("drop", id=act("list")["records"][0]["id"], reason="a test event")
    operating.project_records([poison])
    assert act("list") == {"records": []}
    assert act("replay", ids=None) == {"resolved": [], "still_parked": [], "applied": 0}


@pytest.mark.parametrize(
    "request_", [{}, {"action": "drop", "id": "x", "reason": " "}, {"action": "replay"}, {"action": "show"}]
)
def test_a_request_that_makes_no_sense_is_answered(operating: Any, request_: dict[str, Any]) -> None:
    assert "error" in handler(request_, None)
