"""Running one command: load its stream, decide, append, and decide anew where another command was quicker."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Generic, TypeVar, cast

from shop_command.application.journal import Journal
from shop_command.application.request import Key, Request
from shop_command.domain.errors import DomainError
from shop_command.domain.stream import Snapshot, Stream
from shop_command.ports import ContentionError, KeyUsedError, VersionConflictError
from shop_shared.envelope import Envelope
from shop_shared.events import EventData

ROUNDS_MAX: Final = 5
"""A command is decided anew at most this often because another one was quicker."""
OVERTAKEN: Final[tuple[type[Exception], ...]] = (VersionConflictError, KeyUsedError)

State = TypeVar("State")
Event = TypeVar("Event", bound=EventData)
Result = TypeVar("Result")


@dataclass(frozen=True)
class Decided(Generic[Event]):
    events: tuple[Event, ...]
    now: datetime


@dataclass(frozen=True)
class Handled(Generic[State, Event]):
    event: "Envelope[Event]"
    before: State | None
    """The state that the command was decided on. A repeat of an earlier request is not decided, and has none."""
    is_repeat: bool


def run(
    journal: Journal,
    request: Request,
    stream: Stream[State, Event],
    decide: Callable[[Snapshot[State], int], Decided[Event] | Result],
    *,
    key: Key | None = None,
    overtaken: tuple[type[Exception], ...] = OVERTAKEN,
    rounds_max: int = ROUNDS_MAX,
) -> Handled[State, Event] | Result:
    """`decide` is called with the stream and the number of rounds that were lost. Where it gives back anything but a
    decision, that is the result, and nothing is appended. Raises ContentionError after the last round."""
    for rounds in range(rounds_max):
        use = journal.store.key_use(key.id) if key else None
        if key and use:
            key.check(use)
            recorded = cast("Envelope[Event]", journal.store.events(use.stream_id, use.version)[0])
            return Handled(recorded, None, is_repeat=True)
        loaded = journal.load(stream)
        try:
            decided = decide(loaded, rounds)
            if not isinstance(decided, Decided):
                return decided
            event = journal.append(stream, loaded, decided.events, request, now=decided.now, key=key)
            return Handled(event, loaded.state, is_repeat=False)
        except overtaken:
            continue
        except DomainError:
            # The same request, sent twice at once, may have been quicker: then what it did is no reason to refuse.
            if key is None or journal.store.key_use(key.id) is None:
                raise
    raise ContentionError
