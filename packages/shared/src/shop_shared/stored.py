"""The event store keeps an event without what its item says elsewhere, or what all events share.

An item of more than a kilobyte costs twice. Attributes: `pk` is the stream's id, `version` its place there, `type` and
`time` are the event's, `schema` is the version of its schema, and `event` the rest. Items from before that, and events
that could not be given back byte by byte, have the whole event in `event`, and no `schema`.
"""

from collections.abc import Mapping
from typing import Any, Final

from shop_shared.envelope import SOURCE, Envelope, encode
from shop_shared.registry import SCHEMA_BASE

EVENT: Final = "event"
SCHEMA: Final = "schema"
ATTRIBUTES: Final = ("pk", "version", "type", "time", SCHEMA, EVENT)
"""`event_text` reads these."""


def shortened(envelope: Envelope, time: str) -> dict[str, str]:
    """Returns the attributes `event` and `schema`. `time` is the item's, with three digits of a second."""
    whole = encode(envelope).decode()
    _, _, schema = envelope.dataschema.rpartition("/")
    item = {"pk": envelope.subject, "version": envelope.streamversion, "type": envelope.type, "time": time}
    beginning = _beginning(envelope.id, {**item, SCHEMA: schema})
    if not whole.startswith(beginning):
        return {EVENT: whole}
    return {EVENT: f'{{"id":"{envelope.id}",{whole.removeprefix(beginning)}', SCHEMA: schema}


def event_text(item: Mapping[str, Any]) -> str:
    """Returns the whole event, byte by byte as it was published, from an item's attributes as plain values."""
    event: str = item[EVENT]
    if SCHEMA not in item:
        return event
    _, _, _, event_id, others = event.split('"', 4)
    return _beginning(event_id, item) + others.removeprefix(",")


def event_text_of_dynamodb(item: Mapping[str, Mapping[str, Any]]) -> str:
    """Does the same for DynamoDB's own form of an item, in which each value has a type."""
    return event_text({name: value for name, typed in item.items() for value in typed.values()})


def _beginning(event_id: str, item: Mapping[str, Any]) -> str:
    stream_id, event_type = item["pk"], item["type"]
    seconds, _, fraction = item["time"].removesuffix("Z").partition(".")
    time = f"{seconds}Z" if int(fraction) == 0 else f"{seconds}.{fraction}000Z"
    return (
        f'{{"specversion":"1.0","id":"{event_id}","source":"{SOURCE}","type":"{event_type}","subject":"{stream_id}",'
        f'"time":"{time}","datacontenttype":"application/json",'
        f'"dataschema":"{SCHEMA_BASE}/{event_type}/{item[SCHEMA]}",'
        f'"streamversion":{item["version"]},"partitionkey":"{stream_id}",'
    )
