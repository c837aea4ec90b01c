"""Reads the provider's events, whether they came as webhooks or were listed. https://docs.stripe.com/api/events/object

An event is only a hint: nothing of what it says of its object is believed.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final
from urllib.parse import urlencode

from shop_command.ports import EventPage, Hint, ProviderEvent
from shop_shared import forms

OF_INTENTS: Final = frozenset(
    f"payment_intent.{happened}" for happened in ("succeeded", "payment_failed", "canceled", "requires_action")
)
OF_MONEY: Final = frozenset(
    {
        *("charge.refunded", "refund.updated", "refund.failed"),
        *("charge.dispute.created", "charge.dispute.updated", "charge.dispute.closed"),
        *("charge.dispute.funds_withdrawn", "charge.dispute.funds_reinstated"),
    }
)
EVENTS_PER_PAGE: Final = 100
_INTENT: Final = re.compile(r"pi_[A-Za-z0-9_]{1,250}")


def hint(event: Any) -> Hint | None:
    """Returns None for an event that the shop does not use, or of an intent that it cannot have made."""
    match event:
        case {
            "type": str(type_),
            "data": {"object": {"id": str(intent), "metadata": {"reservation_id": str(reservation_id)}}},
        } if type_ in OF_INTENTS and forms.UUID.matches(reservation_id) and _INTENT.fullmatch(intent):
            return Hint(intent, reservation_id)
        case {"type": str(type_), "data": {"object": {"payment_intent": str(intent)}}} if (
            type_ in OF_MONEY and _INTENT.fullmatch(intent)
        ):
            return Hint(intent)
        case _:
            return None


def path(**conditions: str) -> str:
    types = [("types[]", type_) for type_ in sorted(OF_INTENTS | OF_MONEY)]
    return f"/v1/events?{urlencode([('limit', str(EVENTS_PER_PAGE)), *types, *conditions.items()])}"


def page(answer: Any) -> EventPage | None:
    """Returns None for what is no list of events."""
    match answer:
        case {"data": [*listed], "has_more": bool(has_more)}:
            events = [_event(each) for each in reversed(listed)]
            read = [event for event in events if event is not None]
            return EventPage(read, is_last=not has_more) if len(read) == len(events) else None
        case _:
            return None


def _event(listed: Any) -> ProviderEvent | None:
    match listed:
        case {"id": str(name), "created": int(seconds)}:
            return ProviderEvent(name, datetime.fromtimestamp(seconds, UTC), hint(listed))
        case _:
            return None
