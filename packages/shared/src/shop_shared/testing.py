"""Tests take events from here: every event that was ever shipped, as the shop writes it, and what is nearly one."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

from shop_shared.envelope import decode_as_written, encode

GOLDEN: Final = Path(__file__).parents[2] / "golden"
RECORDS: Final = {
    f"{path.parent.name}/{path.stem}": encode(decode_as_written(path.read_bytes()))
    for path in sorted(GOLDEN.glob("*/*.json"))
}
HERE: Final = "⌖"
"""This stands in a record where a mutation goes."""

NUMBERS: Final = ("0", "-0", "1", "1.0", "1e0", "-1", "64", "1000", "1001", "10000", "10001", "1000000", "1000001")
TIMES: Final = """
2026-11-23T09:29:06Z
2026-11-23T09:29:06.821000Z
2026-11-23T09:29:06.000000Z
2026-11-23T09:29:06.8Z
2026-11-23T09:29:06.1234567Z
2026-11-23t09:29:06Z
2026-11-23T09:29:06z
2026-11-23T09:29:06+00:00
2026-11-23T09:29:06-00:00
2026-11-23T09:29:06+02:00
2026-11-23T09:29:06+14:01
2026-11-23T09:29:06-23:59
2026-11-23T09:29:06
2026-11-23
20261123T092906Z
2026-02-30T09:29:06Z
2026-11-23T24:00:00Z
2026-11-23T23:59:60Z
0000-01-01T00:00:00Z
0001-01-01T00:00:00Z
9999-12-31T23:59:59.999999Z
"""
FRAGMENTS: Final = (
    *("null", "true", "[]", "{}", "[[]]", "[null]", '{"a":1}', '""', '"1"', '"a"', '"A"', '"EURO"', '"é"'),
    *(*NUMBERS, "99999999", "100000000", "99999999999", "100000000000", "2147483647", "2147483648", "1700000000"),
    *('"\\u0041"', '"\\u0000"', '"\\ud800"', '"\\ud83d\\ude00"', '"\\/"', '"x\\n"', '"x\\t"', "9223372036854775808"),
    *('"customer"', '"fraudulent"', '"provider"', '"won"', '"inquiry"'),
    *(f'"{time}"' for time in TIMES.split()),
)


def compact(value: Any) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def places(value: Any) -> Iterator[tuple[Any, Any]]:
    """Yields each place of the record: what it is in, and its name or number there."""
    for key, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, key
        if isinstance(inner, dict | list):
            yield from places(inner)


def variants(value: Any) -> Iterator[str]:
    """Yields what is nearly the value."""
    match value:
        case str():
            near = [value + "\n", "\n" + value, value + " ", value.upper(), value[:-1], value * 2, value * 200]
            yield from map(compact, near)
        case int():
            yield from map(compact, (value + 1, float(value), str(value)))
        case list():
            yield from map(compact, (value + value, value * 100, value[:-1], dict(enumerate(value))))
        case dict():
            yield from map(compact, (dict(reversed(value.items())), list(value), value | {"colour": "blue"}))


def mutations(record: bytes) -> Iterator[str]:
    """Yields the record with each of its places changed in turn: its value, its name, or its order among others."""
    event = json.loads(record)
    for outer, key in places(event):
        value = outer[key]
        outer[key] = HERE
        text = compact(event)
        for fragment in (*FRAGMENTS, *variants(value)):
            yield text.replace(f'"{HERE}"', fragment)
        outer[key] = value
        if isinstance(outer, dict):
            member = f"{compact(key)}:{compact(value)}"
            for changed in (
                f"{member},{member}",
                f"{compact(key.upper())}:{compact(value)},{member}",
                f"{compact(key)} :{compact(value)}",
                f'"\\u{ord(key[0]):04x}{key[1:]}":{compact(value)}',
                f'"colour":1,{member}',
            ):
                yield compact(event).replace(member, changed, 1)
            in_order = dict(outer)
            del outer[key]
            yield compact(event)
            outer[key] = value  # it comes last now
            yield compact(event)
            outer.clear()
            outer.update(in_order)
