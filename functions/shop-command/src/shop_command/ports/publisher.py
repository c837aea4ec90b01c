"""The way of committed events to their readers."""

from collections.abc import Sequence
from typing import Protocol

from shop_shared.envelope import Envelope


class Publisher(Protocol):
    def publish(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        """The events that were published, which may be none. Never raises: what is not published stays due."""
