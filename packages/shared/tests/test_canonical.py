"""The structs accept no event that the models refuse, and read each with the same meaning."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shop_shared.canonical import decode_canonical
from shop_shared.envelope import Envelope, MalformedEventError, decode, decode_as_written, encode
from shop_shared.registry import EVENT_TYPES
from shop_shared.struct_source import source
from shop_shared.structs import EVENT_STRUCTS
from shop_shared.upcasting import UPCASTERS

GOLDEN = Path(__file__).parents[1] / "golden"
RECORDS = {
    f"{path.parent.name}/{path.stem}": encode(decode_as_written(path.read_bytes()))
    for path in sorted(GOLDEN.glob("*/*.json"))
}
UPCAST = {model.TYPE for model in UPCASTERS}


def agrees(record: bytes) -> bool:
    """Whether the structs read the record. If they do, the models read it as well, and see the same in it."""
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
    for model in (Envelope, *EVENT_TYPES.values()):
        found = model.__pydantic_decorators__
        assert not found.field_validators
        assert not found.root_validators
        assert set(found.model_validators) == {"_closed_to_writers"}


def test_a_constraint_that_no_struct_can_have_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    schema = {"properties": {"data": {"type": "integer", "multipleOf": 5}}}
    monkeypatch.setattr(Envelope, "model_json_schema", lambda: schema)
    with pytest.raises(ValueError, match="multipleOf"):
        source()
