"""Reads a record's bytes as an event that can be applied, or names the cause why it can't be. It never raises."""

import json
import re
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, cast

from msgspec import Struct

from shop_shared import events
from shop_shared.canonical import decode_canonical
from shop_shared.envelope import Envelope, MalformedEventError, decode

_STREAM_ID = re.compile(r"[a-z]+-[A-Za-z0-9._-]{1,60}")
_NAME_WITH_CAPITALS: Final = re.compile(r'[A-Z][^"]*":')
_FIRST: Final = (events.ProductListed.TYPE, events.ReservationPlaced.TYPE)


Key = tuple[str, int]
"""A place in a stream: the stream's id and the version. It says nothing of which event is there."""


class Trace(NamedTuple):
    """An event names the trace of the request that led to it, and what a log search can find it by."""

    header: str
    stream_id: str
    event_type: str
    correlation_id: str


class Event(Struct, gc=False):
    """It is made in a fifth of the time of a dataclass, and the garbage collector passes it by."""

    envelope: Envelope
    record: bytes
    """It is kept as it came, with the fields that this version does not know."""

    @property
    def key(self) -> Key:
        return self.envelope.subject, self.envelope.streamversion

    @property
    def trace(self) -> Trace:
        envelope = self.envelope
        return Trace(envelope.awstraceheader or "", envelope.subject, envelope.type, envelope.correlationid)


@dataclass(frozen=True, slots=True)
class Parked:
    payload: bytes
    cause: str
    stream_id: str | None = None
    """The record claims this stream, where that can be read. The stream then waits for this version by itself."""
    stream_version: int | None = None


_AGGREGATED: Final = b"\xf3\x89\x9a\xc2"
"""A record that the Kinesis Producer Library has made of several begins with this.

https://github.com/awslabs/amazon-kinesis-producer/blob/master/aggregation-format.md
"""


def read(record: bytes) -> Event | Parked:
    return _canonical(record) or _judged(record)


def _canonical(record: bytes) -> Event | None:
    """Reads what nearly every record is, and leaves it to `_judged` why one is parked."""
    envelope = decode_canonical(record)
    if envelope is None:
        return None
    try:
        _check(envelope, record)
    except MalformedEventError:
        return None
    return Event(envelope, record)


def _judged(record: bytes) -> Event | Parked:
    # The one library for Python that takes these records apart is of 2022, and brings Protocol Buffers to each start.
    if record.startswith(_AGGREGATED):
        cause = "AggregatedRecordError: the Kinesis Producer Library has packed several records into this one"
        return Parked(record, cause)
    try:
        text = record.decode()
        envelope = decode(text)
        _check(envelope, record)
        _check_names(envelope, text)
    # Nesting by the thousand is valid JSON, and more than the parser takes.
    except (MalformedEventError, UnicodeDecodeError, RecursionError) as error:
        return Parked(record, f"{type(error).__name__}: {error}"[:1_000], *_claim(record))
    return Event(envelope, record)


def claimed_id(record: bytes) -> str | None:
    """Returns the id that the record claims, also where it can't be read as an event."""
    try:
        return str(json.loads(record)["id"])
    except (ValueError, KeyError, TypeError, RecursionError):
        return None


def parsed(text: str) -> Any:
    """Parses JSON that has one meaning for every reader.

    Raises ValueError for a name that comes twice, in small letters or not, and for half a surrogate pair: Athena's
    readers of JSON refuse both, and PostgreSQL the latter.
    """
    value = json.loads(text, object_pairs_hook=_object)
    # The bytes were UTF-8, so only an escape can hold half a pair.
    if "\\u" in text:
        json.dumps(value, ensure_ascii=False).encode()
    return value


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len({name.lower() for name, _ in pairs}) < len(pairs):
        raise ValueError("a name twice")
    return dict(pairs)


def _check(envelope: Envelope, record: bytes) -> None:
    """Checks what the tables rely on and the schemas can't express."""
    if envelope.subject != _stream_of(envelope):
        raise MalformedEventError("the subject is not the stream that the data belongs to")
    if envelope.streamversion == 1 and envelope.data.TYPE not in _FIRST:
        raise MalformedEventError(f"a stream can't begin with {envelope.type}")
    is_placed = envelope.data.TYPE == events.ReservationPlaced.TYPE
    expires_at = cast("events.ReservationPlaced", envelope.data).expires_at if is_placed else envelope.time
    # The date must exist in Python and in PostgreSQL in every time zone.
    if not (1 < envelope.time.year < 9999 and 1 < expires_at.year < 9999):
        raise MalformedEventError("a time at the end of the calendar")
    # PostgreSQL's text has no NUL. With escaped backslashes out of the way, what looks like one is one. One byte is
    # found far sooner than several, and nearly no record has a backslash.
    if b"\\" in record and b"\\u0000" in record.replace(b"\\\\", b""):
        raise MalformedEventError("a text holds NUL")


def _check_names(envelope: Envelope, text: str) -> None:
    try:
        # Nearly all events are as the shop writes them, which is found out in half the time of parsing them again.
        if text != envelope.model_dump_json(exclude_none=True) or _NAME_WITH_CAPITALS.search(text):
            parsed(text)
    except ValueError as error:
        raise MalformedEventError("a name comes twice, or a text has half a surrogate pair") from error


def _stream_of(envelope: Envelope) -> str:
    # The type decides and not the fields: a later version may add a field of any name.
    if envelope.type.startswith("shop.product."):
        return f"product-{getattr(envelope.data, 'sku', '')}"
    return f"reservation-{getattr(envelope.data, 'reservation_id', '')}"


def _claim(record: bytes) -> tuple[str | None, int | None]:
    try:
        raw = json.loads(record)
        stream_id, version = raw["subject"], raw["streamversion"]
    except (ValueError, KeyError, TypeError, RecursionError):
        return None, None
    known = isinstance(stream_id, str) and _STREAM_ID.fullmatch(stream_id)
    return stream_id if known else None, version if type(version) is int and 0 < version < 2**31 else None
