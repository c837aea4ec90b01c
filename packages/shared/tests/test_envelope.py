"""The envelope: closed to writers, open to readers, and CloudEvents to everyone else."""

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from cloudevents.core.formats.json import JSONFormat
from cloudevents.core.v1.event import CloudEvent
from jsonschema import Draft202012Validator
from pydantic import ValidationError

from shop_shared.envelope import MalformedEventError, UnknownEventTypeError, decode, decode_as_written, encode
from shop_shared.events import ProductRetired, StockReceived
from shop_shared.registry import EVENT_TYPES
from shop_shared.schemas import schemas

GOLDEN = Path(__file__).parents[1] / "golden"
GOLDEN_EVENTS = sorted(GOLDEN.glob("*/*.json"))


def golden(event_type: str = "shop.product.retired.v1") -> dict[str, Any]:
    event: dict[str, Any] = json.loads((GOLDEN / event_type / "1.0.json").read_text())
    return event


def test_every_event_type_has_a_golden_event_of_its_current_version() -> None:
    wanted = {GOLDEN / model.TYPE / f"{model.SCHEMA_VERSION}.json" for model in EVENT_TYPES.values()}
    assert wanted <= set(GOLDEN_EVENTS)


@pytest.mark.parametrize("path", GOLDEN_EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_event_is_read_and_written_without_loss(path: Path) -> None:
    assert json.loads(encode(decode_as_written(path.read_bytes()))) == json.loads(path.read_text())


@pytest.mark.parametrize("path", GOLDEN_EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_the_published_cloudevents_package_accepts_what_we_emit(path: Path) -> None:
    emitted = encode(decode_as_written(path.read_bytes()))
    event = JSONFormat().read(CloudEvent, emitted)
    assert event.get_subject() == decode(emitted).subject
    assert event.get_extension("streamversion") == decode(emitted).streamversion
    assert event.get_data() == json.loads(emitted)["data"]


@pytest.mark.parametrize("path", GOLDEN_EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_a_golden_event_is_valid_by_the_exported_schemas(path: Path) -> None:
    event = json.loads(path.read_text())
    documents = schemas()
    Draft202012Validator(documents["envelope.json"]).validate(event)
    Draft202012Validator(documents[f"{event['type']}.json"]).validate(event["data"])


def test_an_exported_schema_refuses_what_the_model_refuses() -> None:
    schema = Draft202012Validator(schemas()["shop.product.stock-received.v1.json"])
    assert not schema.is_valid({"sku": "MUG", "quantity": 0, "allocations": [{"bucket": 0, "quantity": 1}]})


def test_fields_of_a_later_minor_version_survive_a_reader() -> None:
    later = golden("shop.reservation.placed.v1")
    later["data"]["gift"] = {"wrapped": True}
    later["data"]["lines"][0]["note"] = "fragile"
    later["tenant"] = "north"
    assert json.loads(encode(decode(json.dumps(later)))) == later


def test_who_did_it_survives_a_reader_that_does_not_know_the_kind() -> None:
    later = golden() | {"authtype": "service_account", "authid": "partner-7"}
    assert json.loads(encode(decode(json.dumps(later)))) == later


def test_a_writer_cannot_emit_a_field_that_the_schema_does_not_have() -> None:
    with pytest.raises(ValidationError, match="unknown fields: colour"):
        ProductRetired(sku="MUG", colour="blue")


def test_an_event_cannot_be_changed_once_made() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        ProductRetired(sku="MUG").sku = "CUP"  # type: ignore[misc]


@pytest.mark.parametrize("quantity", [0, -1, 1.0, "1", True, 1_000_001, None])
def test_a_quantity_is_a_whole_number_within_its_limits(quantity: Any) -> None:
    with pytest.raises(ValidationError):
        StockReceived.model_validate({"sku": "A", "quantity": quantity, "allocations": [{"bucket": 0, "quantity": 1}]})


def numbers(value: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yields where the whole numbers are."""
    if isinstance(value, dict | list):
        for name, inner in value.items() if isinstance(value, dict) else enumerate(value):
            yield from numbers(inner, (*place, name))
    elif type(value) is int:
        yield place


@pytest.mark.parametrize("path", GOLDEN_EVENTS, ids=lambda path: f"{path.parent.name}/{path.stem}")
def test_every_number_is_whole_and_no_text(path: Path) -> None:
    text = path.read_text()
    for *outer, last in numbers(json.loads(text)):
        for convert in (float, str, bool):
            event = inner = json.loads(text)
            for name in outer:
                inner = inner[name]
            inner[last] = convert(inner[last])
            with pytest.raises(MalformedEventError):
                decode(json.dumps(event))


def test_the_type_is_the_envelopes_and_not_the_first_that_is_found() -> None:
    retired, relisted = golden(), golden("shop.product.relisted.v1")
    data = relisted.pop("data")
    event = decode(json.dumps({"data": data | {"type": retired["type"]}} | relisted))
    assert event.data.TYPE == event.type == relisted["type"]


def test_an_absent_optional_attribute_is_left_out() -> None:
    event = golden()
    event.pop("awstraceheader", None)
    assert "awstraceheader" not in json.loads(encode(decode(json.dumps(event))))


@pytest.mark.parametrize(
    "record", [b"", b"{", b"null", b"[]", b"7", b'"text"', b"{}", b'{"type": 1}', b"\xff\xfe", b"\x00"]
)
def test_what_is_no_cloudevent_is_malformed(record: bytes) -> None:
    with pytest.raises(MalformedEventError):
        decode(record)


@pytest.mark.parametrize("event_type", ["shop.product.retired.v2", "shop.wishlist.made.v1", "", ["shop"], None])
def test_an_unknown_type_is_told_apart_from_a_malformed_event(event_type: Any) -> None:
    with pytest.raises(UnknownEventTypeError):
        decode(json.dumps({**golden(), "type": event_type}))


@pytest.mark.parametrize(
    ("attribute", "value"),
    [
        ("specversion", "0.3"),
        ("id", "not-a-uuid"),
        ("subject", "elsewhere-1"),
        ("time", "2026-11-23T09:00:00"),
        ("authid", ""),
        ("authtype", 7),
        ("streamversion", 0),
        ("streamversion", "1"),
        ("data", None),
        ("data", {"sku": "lower case"}),
    ],
)
def test_an_attribute_out_of_its_limits_is_malformed(attribute: str, value: Any) -> None:
    with pytest.raises(MalformedEventError):
        decode(json.dumps({**golden(), attribute: value}))


@pytest.mark.parametrize(
    "time",
    [
        *(1_700_000_000, 1.5, "1700000000", True, None, ""),
        *("2026-11-23t09:00:00Z", "2026-11-23T09:00:00z", "2026-11-23 09:00:00Z", "2026-11-23T09:00Z", "2026-11-23"),
        *("2026-11-23T09:00:00+0100", "2026-11-23T09:00:00+14:01", "2026-11-23T09:00:00.1234567Z"),
        *("2026-02-30T09:00:00Z", "2026-11-23T24:00:00Z", "2026-11-23T09:00:00Z\n", " 2026-11-23T09:00:00Z"),
    ],
)
def test_only_what_every_reader_takes_for_the_same_moment_is_a_time(time: Any) -> None:
    placed = golden("shop.reservation.placed.v1")
    for event in (placed | {"time": time}, placed | {"data": placed["data"] | {"expires_at": time}}):
        with pytest.raises(MalformedEventError):
            decode(json.dumps(event))


@pytest.mark.parametrize("time", ["2026-11-23T23:30:00.5-14:00", "2026-11-24T19:00:00+05:30", "2026-11-24T13:30:00Z"])
def test_a_time_with_an_offset_is_the_same_moment(time: str) -> None:
    event = decode(json.dumps(golden() | {"time": time}))
    assert event.time.astimezone(UTC).replace(microsecond=0) == datetime(2026, 11, 24, 13, 30, tzinfo=UTC)
    schema = Draft202012Validator(schemas()["envelope.json"])
    assert schema.is_valid(golden() | {"time": time})
    assert not schema.is_valid(golden() | {"time": time.lower()})


def test_the_cause_of_a_malformed_event_names_the_place_but_never_the_value() -> None:
    event = golden("shop.reservation.placed.v1")
    event["data"]["customer_id"] = "secret-" * 40
    with pytest.raises(MalformedEventError) as caught:
        decode(json.dumps(event))
    assert "customer_id" in str(caught.value)
    assert "secret" not in str(caught.value)
