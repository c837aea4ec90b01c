"""Writes `structs.py`: the JSON Schemas of the models become msgspec structs of the envelope and of each event type.

A keyword of JSON Schema that this module does not know is an error, so that no constraint is left out of the structs.
"""

import re
import sys
from collections.abc import Iterator
from typing import Any, Final

from shop_shared.envelope import Envelope
from shop_shared.generated import write
from shop_shared.registry import EVENT_TYPES
from shop_shared.upcasting import UPCASTERS

_HEAD: Final = '''"""Made by `make schemas` from the models beside it; do not edit. `canonical.py` reads events with it.

The structs have the fields and constraints of the models, and are stricter: only what may be null may be absent, and a
time is in UTC.
"""

import re
from datetime import UTC, datetime
from typing import Annotated, ClassVar, Final, Generic, Literal, TypeVar

from msgspec import Meta, Struct


class ValueStruct(Struct, frozen=True, gc=False, omit_defaults=True):
    """No struct refers to itself, so the garbage collector has nothing to look for."""

    def matches(self) -> bool:
        """Says whether its texts match their patterns, in less time than msgspec takes. The envelope asks."""
        return True


Data = TypeVar("Data", bound=ValueStruct)
'''
_CONSTRAINTS: Final = {
    "minLength": "min_length",
    "maxLength": "max_length",
    "minItems": "min_length",
    "maxItems": "max_length",
    "minimum": "ge",
    "maximum": "le",
    "exclusiveMinimum": "gt",
    "exclusiveMaximum": "lt",
}
_COMPARED: Final = frozenset({"type", "partitionkey"})
"""`canonical.py` compares these attributes of the envelope with others, which is faster than a pattern."""
_NO_CONSTRAINTS: Final = frozenset({"title", "description", "examples", "default", "type", "pattern"})
"""The patterns are in `matches`."""


def source() -> str:
    models = [model for model in EVENT_TYPES.values() if model not in UPCASTERS]
    written: dict[str, str] = {}
    patterns: dict[str, str] = {}
    for model in models:
        schema = model.model_json_schema()
        for name, definition in _in_order_of_use(schema, schema.get("$defs", {})):
            written[name] = _struct(name, definition, patterns)
        written[model.__name__] = _struct(model.__name__, schema, patterns, model.TYPE)
    written["Envelope"] = _struct("Envelope", Envelope.model_json_schema(), patterns)
    names = "".join(f"    {model.__name__}Struct,\n" for model in models)
    table = f"EVENT_STRUCTS: Final = (\n{names})\n"
    note = '"""A type that an upcaster puts in the words of a later version has no struct."""\n'
    compiled = "".join(f'{name}: Final = re.compile(r"{pattern}").fullmatch\n' for pattern, name in patterns.items())
    return "\n\n".join([_HEAD, compiled, *written.values(), table + note])


def _in_order_of_use(schema: Any, definitions: dict[str, Any]) -> Iterator[tuple[str, Any]]:
    """Yields the definitions that the schema refers to, each after those that it refers to itself."""
    match schema:
        case {"$ref": str(reference)}:
            name = _name(reference)
            yield from _in_order_of_use(definitions[name]["properties"], definitions)
            yield name, definitions[name]
        case dict():
            for name, inner in schema.items():
                if name != "$defs":
                    yield from _in_order_of_use(inner, definitions)
        case list():
            for inner in schema:
                yield from _in_order_of_use(inner, definitions)


def _struct(name: str, schema: dict[str, Any], patterns: dict[str, str], event_type: str | None = None) -> str:
    bases = "ValueStruct, Generic[Data]" if name == "Envelope" else "ValueStruct"
    lines = [f"class {name}Struct({bases}, frozen=True, kw_only=True):"]
    if event_type:
        lines.append(f'    TYPE: ClassVar[str] = "{event_type}"')
    compared = _COMPARED if name == "Envelope" else ()
    for field, of in schema["properties"].items():
        may_be_absent = " = None" if {"type": "null"} in of.get("anyOf", []) else ""
        lines.append(f"    {field}: {'str' if field in compared else _type(of)}{may_be_absent}")
    properties = {field: of for field, of in schema["properties"].items() if field not in compared}
    if name == "Envelope" or event_type:
        conditions = _conditions("self", {**schema, "properties": properties}, schema.get("$defs", {}), patterns)
        lines += ["", "    def matches(self) -> bool:", f"        return bool({' and '.join(conditions)})"]
    lines += _check_of_times(properties)
    if name == "Envelope":
        lines += ["        if not self.matches():", '            raise ValueError("a text that does not match")']
    return "\n".join(lines) + "\n"


def _conditions(
    value: str, schema: dict[str, Any], definitions: dict[str, Any], patterns: dict[str, str]
) -> Iterator[str]:
    match schema:
        case {"$ref": str(reference)} if _name(reference) == "EventData":
            yield f"{value}.matches()"
        case {"$ref": str(reference)}:
            yield from _conditions(value, definitions[_name(reference)], definitions, patterns)
        case {"properties": dict(properties)}:
            for field, of in properties.items():
                yield from _conditions(f"{value}.{field}", of, definitions, patterns)
        case {"anyOf": [dict(first), {"type": "null"}]}:
            for condition in _conditions(value, first, definitions, patterns):
                yield f"({value} is None or {condition})"
        case {"type": "array", "items": dict(items)}:
            for condition in _conditions("each", items, definitions, patterns):
                yield f"all([{condition} for each in {value}])"
        case {"format": "date-time"}:
            return
        case {"pattern": str(pattern)}:
            yield f"{patterns.setdefault(_whole(pattern), f'_match_{len(patterns) + 1}')}({value})"


def _check_of_times(properties: dict[str, dict[str, Any]]) -> list[str]:
    checks: list[str] = []
    for field, schema in properties.items():
        if schema.get("format") == "date-time":
            condition = f"self.{field}.tzinfo is not UTC"
        elif any(each.get("format") == "date-time" for each in schema.get("anyOf", [])):
            condition = f"self.{field} is not None and self.{field}.tzinfo is not UTC"
        else:
            continue
        checks += [f"        if {condition}:", '            raise ValueError("a time with an offset")']
    return ["", "    def __post_init__(self) -> None:", *checks] if checks else []


def _type(schema: dict[str, Any]) -> str:
    match schema:
        case {"$ref": str(reference)}:
            name = _name(reference)
            return "Data" if name == "EventData" else f"{name}Struct"
        case {"anyOf": [dict(first), {"type": "null"}]}:
            return f"{_type(first)} | None"
        case {"const": value}:
            return f"Literal[{_quoted(value)}]"
        case {"enum": [*values]}:
            return f"Literal[{', '.join(map(_quoted, values))}]"
        case {"type": "string", "format": "date-time"}:
            return "Annotated[datetime, Meta(tz=True)]"
        case {"type": "array", "items": dict(items)}:
            return _constrained(f"tuple[{_type(items)}, ...]", schema, "items")
        case {"type": "string"}:
            return _constrained("str", schema)
        case {"type": "integer"}:
            return _constrained("int", schema)
        case _:
            raise ValueError(f"no struct can have {schema}")


def _constrained(python_type: str, schema: dict[str, Any], *known: str) -> str:
    constraints = []
    for keyword, value in schema.items():
        if keyword in _CONSTRAINTS:
            constraints.append(f"{_CONSTRAINTS[keyword]}={value}")
        elif keyword not in _NO_CONSTRAINTS and keyword not in known:
            raise ValueError(f"no struct can have {keyword}: {value}")
    return f"Annotated[{python_type}, Meta({', '.join(constraints)})]" if constraints else python_type


def _whole(pattern: str) -> str:
    """Python's `$` also matches before a line break at the end, and `fullmatch` does not. Groups that capture are
    slow."""
    if not pattern.startswith("^") or not pattern.endswith("$"):
        raise ValueError(f"not a pattern of the whole text: {pattern}")
    return re.sub(r"(?<!\\)\((?!\?)", "(?:", pattern[1:-1])


def _quoted(value: str) -> str:
    return f'"{value}"'


def _name(reference: str) -> str:
    return reference.rsplit("/", 1)[-1]


if __name__ == "__main__":
    sys.exit(write("shop_shared.struct_source", __doc__, source()))
