"""Every event travels in a CloudEvents 1.0 envelope (structured JSON) with the shop's extension attributes.

`authtype` and `authid` are those of the Auth Context: who has brought the event about.
https://github.com/cloudevents/spec/blob/v1.0.2/cloudevents/spec.md
https://github.com/cloudevents/spec/blob/main/cloudevents/extensions/authcontext.md
"""

import json
import re
from collections.abc import Callable
from functools import cache
from typing import Annotated, Final, Generic, Literal

from pydantic import Field, SerializeAsAny, ValidationError
from typing_extensions import TypeVar

from shop_shared.events import EventData
from shop_shared.registry import EVENT_TYPES
from shop_shared.upcasting import upcast
from shop_shared.values import OPEN, Instant, StreamId, Uuid, Value

SOURCE: Final = "/shop-command"
Data_co = TypeVar("Data_co", bound=EventData, default=EventData, covariant=True)
_TYPE: Final = re.compile(r'"type":\s*"([^"\\]+)"')


class Envelope(Value, Generic[Data_co]):
    """One event of one stream. `subject` is the stream's id and `streamversion` its place there, contiguous from 1."""

    specversion: Literal["1.0"] = "1.0"
    id: Annotated[Uuid, Field(description="UUIDv7")]
    source: str = SOURCE
    type: Annotated[str, Field(pattern=r"^shop\.[a-z-]+\.[a-z-]+\.v[1-9][0-9]*$")]
    subject: StreamId
    time: Instant
    datacontenttype: Literal["application/json"] = "application/json"
    dataschema: str
    # The extension attributes follow. CloudEvents integers have 32 bits.
    streamversion: Annotated[int, Field(strict=True, ge=1, le=2**31 - 1)]
    partitionkey: StreamId
    correlationid: Annotated[str, Field(min_length=1, max_length=128)]
    causationid: Annotated[str, Field(min_length=1, max_length=128)]
    awstraceheader: Annotated[str, Field(max_length=256)] | None = None
    authtype: Annotated[str, Field(min_length=1, max_length=32)] | None = None
    authid: Annotated[str, Field(min_length=1, max_length=128)] | None = None
    data: SerializeAsAny[Data_co]


class MalformedEventError(Exception):
    """The record is no event of the shop, or breaks its schema. A retry does not help: the same bytes fail again."""


class UnknownEventTypeError(MalformedEventError):
    """A newer producer wrote a type that this version of the package does not know. An upgrade makes it readable."""

    def __init__(self, event_type: object) -> None:
        super().__init__(f"no such event type: {event_type!r:.100}")
        self.event_type = event_type


def encode(envelope: Envelope) -> bytes:
    """Returns one line of JSON without the newline. Absent optional attributes are left out, as CloudEvents asks.

    Raises ValueError for an event of an earlier version that `decode` has put in the current version's words: what is
    passed on has the bytes that were written, so read it with `decode_as_written`.
    """
    if envelope.type != envelope.data.TYPE:
        raise ValueError(f"{envelope.type} was read as {envelope.data.TYPE}")
    return envelope.model_dump_json(exclude_none=True).encode()


def decode(record: bytes | str) -> Envelope:
    """Reads an event in the words of its current version: `type` says what was written, and `data` what it means today.

    Raises as `decode_as_written`.
    """
    envelope = decode_as_written(record)
    data = upcast(envelope.data)
    return envelope if data is envelope.data else envelope.model_copy(update={"data": data})


def decode_as_written(record: bytes | str) -> Envelope:
    """Keeps fields that this version does not know, so that they are written out again.

    Raises MalformedEventError, or UnknownEventTypeError when only the type is unknown.
    """
    text = record if isinstance(record, str) else _text(record)
    # The first "type" is nearly always the envelope's. With its model the record is read in one pass, a third of the
    # time; where that fails, or the guess was wrong, it is read in steps, which find the cause.
    guess = _TYPE.search(text)
    if guess and (model := EVENT_TYPES.get(guess[1])):
        try:
            envelope = _reader(model)(text, context=OPEN)
        except ValidationError:
            return _decode_in_steps(text)
        if envelope.type == guess[1]:
            return envelope
    return _decode_in_steps(text)


def _text(record: bytes) -> str:
    try:
        return record.decode()
    except UnicodeDecodeError as error:
        raise MalformedEventError("not UTF-8") from error


@cache
def _reader(model: type[EventData]) -> Callable[..., Envelope]:
    """Makes a reader at the first event of its type, which takes 2 ms."""
    return Envelope[model].model_validate_json  # type: ignore[valid-type] # mypy wants the class written out


def _decode_in_steps(text: str) -> Envelope:
    try:
        raw = json.loads(text)
        event_type, data = raw["type"], raw["data"]
    except (ValueError, KeyError, TypeError) as error:
        raise MalformedEventError(f"not a CloudEvent in JSON: {type(error).__name__}") from error
    model = EVENT_TYPES.get(event_type) if isinstance(event_type, str) else None
    if model is None:
        raise UnknownEventTypeError(event_type)
    try:
        return Envelope.model_validate({**raw, "data": model.model_validate(data, context=OPEN)}, context=OPEN)
    except ValidationError as error:
        raise MalformedEventError(_causes(error)) from error


def _causes(error: ValidationError) -> str:
    """Names where and why it failed but never the value: an event may hold personal data, and causes are logged."""
    causes = error.errors(include_input=False, include_url=False)
    return "; ".join(f"{'.'.join(map(str, cause['loc'])) or 'record'}: {cause['msg']}" for cause in causes)
