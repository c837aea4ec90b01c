"""The structs accept no event that the models refuse, and read each with the same meaning."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop_shared import canonical
from shop_shared.canonical import decode_canonical
from shop_shared.envelope import Envelope, MalformedEventError, decode, decode_as_written, encode
from shop_shared.registry import EVENT_TYPES
from shop_shared.struct_source import source
from shop_shared.structs import EVENT_STRUCTS
from shop_shared.testing import RECORDS, compact, mutations, places
from shop_shared.upcasting import UPCASTERS
from shop_shared.values import Value

UPCAST = {model.TYPE for model in UPCASTERS}


def agrees(record: bytes) -> bool:
    """Returns whether the structs read the record. If they do, the models read it as well, and see the same in it."""
    event = decode_canonical(record)
    if event is None:
        return False
    same_fields(event, decode(record))
    assert encode(decode_as_written(record)) == record
    return True


def same_fields(struct: Any, model: Any) -> None:
    if isinstance(model, tuple):
        assert type(struct) is tuple
        assert len(struct) == len(model)
        for one, other in zip(struct, model, strict=True):
            same_fields(one, other)
    elif hasattr(model, "model_extra"):
        assert not model.model_extra
        assert struct.__struct_fields__ == tuple(type(model).model_fields)
        for name in struct.__struct_fields__:
            same_fields(getattr(struct, name), getattr(model, name))
    else:
        assert struct == model
        assert type(struct) is type(model)


@pytest.mark.parametrize("name", RECORDS)
def test_what_the_shop_writes_is_read_unless_it_has_to_be_upcast(name: str) -> None:
    assert agrees(RECORDS[name]) == (name.partition("/")[0] not in UPCAST)


def test_every_event_type_that_is_not_upcast_has_a_struct() -> None:
    assert {struct.TYPE for struct in EVENT_STRUCTS} == EVENT_TYPES.keys() - UPCAST


def test_no_model_checks_what_its_schema_does_not_show() -> None:
    """A validator in Python is in no JSON Schema, and so in no struct. An unknown field is refused by the bytes."""
    models: tuple[type[Value], ...] = (Envelope, *EVENT_TYPES.values())
    for model in models:
        found = model.__pydantic_decorators__
        assert not found.field_validators
        assert not found.root_validators
        assert set(found.model_validators) == {"_closed_to_writers"}


def test_a_constraint_that_no_struct_can_have_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"properties": {"data": {"type": "integer", "multipleOf": 5}}}
    monkeypatch.setattr(Envelope, "model_json_schema", lambda: schema)
    with pytest.raises(ValueError, match="multipleOf"):
        source()


@pytest.mark.parametrize("name", RECORDS)
def test_every_mutation_that_the_structs_read_is_read_by_the_models_with_the_same_meaning(name: str) -> None:
    texts = list(mutations(RECORDS[name]))
    read = sum(agrees(text.encode()) for text in texts)
    assert read < len(texts)
    assert read > 0 or name.partition("/")[0] in UPCAST


@settings(max_examples=300, deadline=None)
@given(st.sampled_from(sorted(RECORDS)), st.data())
def test_bytes_that_were_changed_at_random_are_read_as_the_models_read_them(name: str, data: st.DataObject) -> None:
    record = RECORDS[name]
    for _ in range(data.draw(st.integers(1, 3))):
        start = data.draw(st.integers(0, len(record)))
        end = data.draw(st.integers(start, min(start + 4, len(record))))
        pieces = st.sampled_from(
            [b"", b'"', b"\\", b"\\u0061", b"0", b"-", b".", b" ", b"\n", b"Z", b"+", b"{}", b"[]", b","]
        )
        record = record[:start] + data.draw(pieces | st.binary(max_size=3)) + record[end:]
    agrees(record)


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(sorted(RECORDS)), st.data())
def test_any_text_in_any_place_is_read_as_the_models_read_it(name: str, data: st.DataObject) -> None:
    event = json.loads(RECORDS[name])
    outer, key = data.draw(st.sampled_from([place for place in places(event) if isinstance(place[0][place[1]], str)]))
    edits = st.sampled_from(["{}", "{}\n", "{}-", "{}0", "-{}"]).map(lambda form: form.format(outer[key]))
    outer[key] = data.draw(edits | st.text(max_size=40) | st.datetimes().map(lambda time: f"{time.isoformat()}Z"))
    agrees(compact(event).encode())


def test_a_weaker_reader_would_be_found(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the comparison of the bytes, a name that comes twice is read, and so is a time with a small letter."""
    record = RECORDS["shop.reservation.placed.v1/1.1"]
    for text in mutations(record):
        monkeypatch.setattr(canonical, "_ENCODE", lambda _, text=text: text.encode())
        try:
            agrees(text.encode())
        except (AssertionError, MalformedEventError):
            return
    pytest.fail("no mutation was misread")
