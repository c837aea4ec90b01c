"""The work is observed through this port while it is done."""

from collections.abc import Sequence
from contextlib import AbstractContextManager
from typing import Protocol

from shop_shared.envelope import Envelope


class Telemetry(Protocol):
    """Never raises, and has no part in what happens."""

    def header(self) -> str | None:
        """The trace that the work inside belongs to, as the next hop continues it."""

    def annotate(self, stream_id: str, event_type: str) -> None:
        """Names what is going to be committed."""

    def committed(self, events: Sequence[Envelope]) -> None:
        """Each event once, whoever has brought it about: a request, a webhook or the sweep."""

    def following(self, event: Envelope) -> AbstractContextManager[None]:
        """The work inside has been asked for by nobody: it belongs to the trace of the event that led to it."""

    def for_all(self) -> AbstractContextManager[list[Envelope]]:
        """The work inside is done for many at once. It is recorded in the trace of each event that is put into the
        list."""
