"""Reads the table's change stream: an event is put once, and afterwards nothing of it changes but when it is due.

https://docs.aws.amazon.com/amazondynamodb/latest/APIReference/API_streams_Record.html
"""

from collections.abc import Mapping
from typing import Any, Final, Literal

from msgspec import Struct

from shop_command.adapters.dynamodb import table

_MAY_CHANGE: Final = frozenset({table.DUE_SHARD, table.DUE_AT})


class ChangedEvent(Struct, frozen=True):
    stream_id: str
    sk: str
    change: Literal["MODIFY", "REMOVE"]
    attributes: tuple[str, ...]
    """Their values differ, or are gone."""


def changed_event(record: Mapping[str, Any]) -> ChangedEvent | None:
    """Returns None for a record that may be: a new item, an item of another kind, an event that was published."""
    change = record["dynamodb"]
    stream_id, sk = change["Keys"][table.PK]["S"], change["Keys"][table.SK]["S"]
    if record["eventName"] == "INSERT" or not sk.startswith(table.EVENT_SK_PREFIX):
        return None
    old, new = change["OldImage"], change.get("NewImage", {})
    differing = {name for name in old.keys() | new.keys() if old.get(name) != new.get(name)}
    if differing <= _MAY_CHANGE:
        return None
    return ChangedEvent(stream_id, sk, record["eventName"], tuple(sorted(differing)))
