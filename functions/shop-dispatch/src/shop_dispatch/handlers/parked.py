"""`shop parked` invokes this to list, show, replay and drop the records that could not be applied."""

from base64 import b64encode
from collections.abc import Mapping, Sequence
from typing import Any, Final

from shop_dispatch import bootstrap
from shop_dispatch.domain.records import claimed_id
from shop_dispatch.handlers import operators
from shop_dispatch.handlers.kinesis import traced
from shop_dispatch.ports import BEGINNING, ParkedRecord, Place
from shop_observability.logs import logger

LISTED_MAX: Final = 100
"""One answer lists so many: a record of Kinesis may have a megabyte, and the function has 512 megabytes of memory."""
REASON_CHARACTERS_MAX: Final = 500


def handler(event: dict[str, Any], _context: Any) -> dict[str, Any]:
    """Answers a mistake in the request with an `error`. When there are more records, the answer's `next` is to be sent
    as `after`."""
    with operators.errors_without_values():
        return _answer(event)


def _answer(event: dict[str, Any]) -> dict[str, Any]:
    match event:
        case {"action": "list"}:
            records = bootstrap.parked().read(None, after=_place(event), limit=LISTED_MAX)
            more = {"next": records[-1].place} if len(records) == LISTED_MAX else {}
            return {"records": [_listed(record) for record in records], **more}
        case {"action": "show", "id": str(parked_id)}:
            return _show(parked_id)
        case {"action": "replay", "ids": list() | None as ids}:
            return _replay(ids, _place(event), operators.actor(event))
        case {"action": "drop", "id": str(parked_id), "reason": str(reason)} if reason.strip():
            return _drop(parked_id, reason.strip()[:REASON_CHARACTERS_MAX], operators.actor(event))
    return {"error": "an action is list, show with an id, replay with ids (null: all), or drop with an id and a reason"}


def _place(event: dict[str, Any]) -> Place:
    match event.get("after"):
        case [str(stream), int(version), str(parked_id)]:
            return stream, version, parked_id
    return BEGINNING


def _show(parked_id: str) -> dict[str, Any]:
    records = bootstrap.parked().read([parked_id], after=BEGINNING, limit=1)
    if not records:
        return _unknown(parked_id)
    (record,) = records
    try:
        payload = {"payload": record.payload.decode()}
    except UnicodeDecodeError:
        payload = {"payload_base64": b64encode(record.payload).decode()}
    return {"record": {**_listed(record), **payload}}


def _replay(ids: Sequence[str] | None, after: Place, actor: str) -> dict[str, Any]:
    replay = bootstrap.replay()
    replayed = traced("replay", "replayed", lambda: replay(ids, after), actor=actor)
    answer = {name: getattr(replayed, name) for name in ("resolved", "still_parked", "applied")}
    return {**answer, "next": replayed.last} if replayed.last else answer


def _drop(parked_id: str, reason: str, actor: str) -> dict[str, Any]:
    records = bootstrap.parked().read([parked_id], after=BEGINNING, limit=1)
    if not records or not bootstrap.parked().drop(parked_id, reason, actor):
        return _unknown(parked_id)
    extra = {"parked_id": parked_id, "stream_id": records[0].stream_id, "reason": reason, "actor": actor}
    logger().warning("dropped", extra=extra)
    return {"dropped": _listed(records[0])}


def _listed(record: ParkedRecord) -> Mapping[str, Any]:
    return {
        "id": record.parked_id,
        "cause": record.cause,
        "stream_id": record.stream_id,
        "stream_version": record.stream_version,
        "received_at": record.received_at.isoformat(),
        "bytes": len(record.payload),
        "applied_version": record.applied_version,
        "waiting": record.waiting,
        "conflicts_with": _conflicting(record),
    }


def _conflicting(record: ParkedRecord) -> str | None:
    """Returns the id of the event that the log has in this record's place, where it is another one."""
    other = record.logged_id
    return other if other and other != claimed_id(record.payload) else None


def _unknown(parked_id: str) -> dict[str, Any]:
    return {"error": f"no record {parked_id} is parked"}
