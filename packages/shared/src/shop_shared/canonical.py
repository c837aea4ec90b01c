"""Reads events that are byte for byte as `encode` writes them, in a fifth of the time that `decode` takes.

It never says why an event is refused, and refuses some that `decode` takes: those of an earlier major version, with a
field of a later one, of another partition than their stream's, or written by another JSON library. What it takes,
`decode` takes with the same meaning.
"""

import re
from collections.abc import Callable
from typing import Any, Final, cast

from msgspec.json import Decoder, Encoder

from shop_shared.envelope import Envelope
from shop_shared.structs import EVENT_STRUCTS, EnvelopeStruct

_TYPE: Final = re.compile(rb'"type":"([^"\\]+)"')
_DECODE: Final[dict[bytes, Callable[[bytes], EnvelopeStruct[Any]]]] = {
    struct.TYPE.encode(): Decoder(EnvelopeStruct[struct]).decode  # type: ignore[valid-type] # made at run time
    for struct in EVENT_STRUCTS
}
_ENCODE: Final = Encoder().encode


def decode_canonical(record: bytes) -> Envelope | None:
    """Returns None for a record that only `decode` can judge. The event is a struct, which has the fields of the model
    and none of its methods."""
    found = _TYPE.search(record)
    decode = _DECODE.get(found[1]) if found else None
    if decode is None:
        return None
    try:
        event = decode(record)
        if event.type != event.data.TYPE or event.partitionkey != event.subject:
            return None
        # What is written again as the same bytes has no name twice, no unknown field, and no other form of a value.
        if _ENCODE(event) != record:
            return None
    except (ValueError, RecursionError):
        return None
    return cast("Envelope", event)
