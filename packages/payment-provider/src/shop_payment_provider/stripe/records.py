"""Keeps the provider's records and its events, and lists them as Stripe does: the newest first."""

from collections.abc import Callable
from typing import Final

from .store import Listing, Record, Store
from .wire import ApiError, Reply

EVENT_LIFETIME_SECONDS: Final = 30 * 24 * 3600  # https://docs.stripe.com/api/events/list


class Records:
    def __init__(self, store: Store, *, now: float, new_id: Callable[[str], str]) -> None:
        self._store = store
        self._now = int(now)
        self._new_id = new_id

    def find(self, kind: str, name: str, *, param: str = "id", status: int = 404) -> Record:
        found = self._store.get(kind, name)
        if found is None or self._is_forgotten(found):
            if kind == "payment_intent" and param == "id":
                param = "intent"
            raise ApiError(status, f"No such {kind}: '{name}'", code="resource_missing", param=param)
        return found

    def page(self, kind: str, url: str, given: Record) -> Reply:
        """`starting_after` leads to older records. `ending_before` leads to newer ones: those next to it come first."""
        limit = given.get("limit", 10)
        for name in ("starting_after", "ending_before"):
            if name in given:
                self.find(kind, given[name], param=name, status=400)
        created = given.get("created", {})
        earliest = self._now - EVENT_LIFETIME_SECONDS if kind == "event" else 0
        page = Listing(
            limit=limit + 1,
            after=given.get("starting_after"),
            before=given.get("ending_before"),
            payment_intent=given.get("payment_intent"),
            charge=given.get("charge"),
            types=tuple(given.get("types", ())),
            created_min=max(created.get("gte", 0), earliest),
            created_max=created.get("lte"),
        )
        found = self._store.page(kind, page)
        shown = found[:limit] if page.before is None else found[-limit:]
        return Reply(200, {"object": "list", "url": url, "has_more": len(found) > limit, "data": shown})

    def _is_forgotten(self, record: Record) -> bool:
        return bool(record["object"] == "event" and record["created"] < self._now - EVENT_LIFETIME_SECONDS)

    def _announce(self, event_type: str, record: Record) -> None:
        event = {
            "id": self._new_id("evt"),
            "object": "event",
            "created": self._now,
            "data": {"object": record},
            "livemode": False,
            "pending_webhooks": 1,
            "request": None,
            "type": event_type,
        }
        self._put(event)

    def _put(self, record: Record) -> Record:
        self._store.put(record)
        return record
