"""Reads one stream of the event store as items, before it is asked what they mean."""

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from shop_cli.operations.verify.findings import ABSENT, Difference
from shop_shared.envelope import MalformedEventError, decode

EVENT_PREFIX: Final = "event#"
CHECK: Final = "streams"
Event = Mapping[str, Any]
"""An event is its envelope as plain JSON: the audit does not rely on what the schemas' classes make of it."""


@dataclass(frozen=True)
class StoredEvent:
    sk: str
    version: int
    type: str
    text: str


def read(stream_id: str, stored: Sequence[StoredEvent]) -> tuple[list[Event], list[Difference]]:
    """Returns the events that can be read, which a fold can rely on, and what is wrong with them as items."""
    events, differences = [], []
    versions, wanted = [event.version for event in stored], list(range(1, len(stored) + 1))
    if versions != wanted:
        differences.append(Difference(CHECK, stream_id, "versions", wanted, versions))
    for item in stored:
        subject, sk = f"{stream_id}/{item.version}", f"{EVENT_PREFIX}{item.version:010d}"
        if item.sk != sk:
            differences.append(Difference(CHECK, subject, "sk", sk, item.sk))
        try:
            decode(item.text)
        except MalformedEventError as error:
            differences.append(Difference(CHECK, subject, "event", "readable", str(error)))
        else:
            events.append(json.loads(item.text))
            differences += _misplaced(subject, stream_id, item, events[-1])
    return events, differences


def _misplaced(subject: str, stream_id: str, item: StoredEvent, event: Event) -> Iterator[Difference]:
    claims = {"subject": stream_id, "partitionkey": stream_id, "streamversion": item.version, "type": item.type}
    for name, value in claims.items():
        if event.get(name) != value:
            yield Difference(CHECK, subject, name, value, event.get(name, ABSENT))
    aggregate, _, identity = stream_id.partition("-")
    name = "sku" if aggregate == "product" else "reservation_id"
    if event["data"].get(name) != identity:
        yield Difference(CHECK, subject, name, identity, event["data"].get(name, ABSENT))


def disagreements(check: str, subject: str, event: Event, agreed: Mapping[str, Any]) -> Iterable[Difference]:
    """Compares an event's data with what earlier events have settled, and yields each contradiction."""
    for name, value in agreed.items():
        if event["data"].get(name) != value:
            yield Difference(check, subject, name, value, event["data"].get(name, ABSENT))


def instant(text: str) -> str:
    """Returns the one way to write a moment, so that equal moments are equal texts."""
    return datetime.fromisoformat(text).astimezone(UTC).isoformat()
