"""Copies a batch of records to the archive, one event a line.

Every CloudEvent goes there, whether its type is known or not, because the archive holds everything that was published.
A record that is no CloudEvent, or that another reader of the same bytes refuses, would break the queries over all
others, so it is left out; `project` parks what is no event of the shop.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from shop_dispatch.domain.records import Trace, parsed
from shop_dispatch.ports import Archive

LINE_BYTES_MAX: Final = 1_000 * 1024
"""Firehose limits one record to this. The largest events of this shop have some 100 KiB."""
_REQUIRED_ATTRIBUTES: Final = ("specversion", "id", "source", "type")


@dataclass(frozen=True)
class Archived:
    records: int
    archived: int
    skipped: int
    too_large: int
    """These are lost to the archive, because Firehose takes no larger record."""
    traces: tuple[Trace, ...]


@dataclass(frozen=True)
class ArchiveBatch:
    archive: Archive

    def __call__(self, records: Sequence[bytes]) -> Archived:
        """Raises ArchiveError, or what the archive's client raises; delivering the batch again helps."""
        readable = [entry for entry in map(_entry, records) if entry]
        entries = [(line, trace) for line, trace in readable if len(line) <= LINE_BYTES_MAX]
        self.archive.put([line for line, _ in entries])
        return Archived(
            records=len(records),
            archived=len(entries),
            skipped=len(records) - len(readable),
            too_large=len(readable) - len(entries),
            traces=tuple(trace for _, trace in entries),
        )


def _entry(record: bytes) -> tuple[bytes, Trace] | None:
    try:
        event = parsed(record.decode())
    except (ValueError, RecursionError):
        return None
    if not isinstance(event, dict) or not all(isinstance(event.get(name), str) for name in _REQUIRED_ATTRIBUTES):
        return None
    version = event.get("streamversion", 1)
    if type(version) is not int or not 0 < version < 2**31:
        return None  # the table's column is an integer of 32 bits
    # In JSON a line break outside of a string is white space, and inside of one it is escaped.
    line = record.replace(b"\r", b" ").replace(b"\n", b" ") + b"\n"
    return line, _trace(event)


def _trace(event: dict[str, Any]) -> Trace:
    return Trace(*(str(event.get(name, "")) for name in ("awstraceheader", "subject", "type", "correlationid")))
