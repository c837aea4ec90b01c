"""Copies a batch of records to the archive, one event a line.

Every CloudEvent goes there, whether its type is known or not, because the archive holds everything that was published.
A record that is no CloudEvent would break the queries over all others, so it is left out; `project` parks it instead.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shop_dispatch.domain.records import Trace
from shop_dispatch.ports import Archive

LINE_BYTES_MAX: Final = 1_000 * 1024
"""Firehose limits one record to this. The largest events of this shop have some 100 KiB."""
_REQUIRED_ATTRIBUTES: Final = ("specversion", "id", "source", "type")


@dataclass(frozen=True)
class Archived:
    records: int
    archived: int
    skipped: int
    traces: tuple[Trace, ...]


@dataclass(frozen=True)
class ArchiveBatch:
    archive: Archive

    def __call__(self, records: Sequence[bytes]) -> Archived:
        """Raises ArchiveError, or what the archive's client raises; delivering the batch again helps."""
        entries = [entry for entry in map(_entry, records) if entry]
        self.archive.put([line for line, _ in entries])
        return Archived(
            records=len(records),
            archived=len(entries),
            skipped=len(records) - len(entries),
            traces=tuple(trace for _, trace in entries),
        )


def _entry(record: bytes) -> tuple[bytes, Trace] | None:
    try:
        event = json.loads(record.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in _REQUIRED_ATTRIBUTES):
        return None
    # In JSON a line break outside of a string is white space, and inside of one it is escaped.
    line = record.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
    return (line, _trace(event)) if len(line) <= LINE_BYTES_MAX else None


def _trace(event: dict[str, Any]) -> Trace:
    return Trace(*(str(event.get(name, "")) for name in ("awstraceheader", "subject", "type", "correlationid")))
