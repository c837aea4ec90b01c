"""The application stores an aggregate by its stream's id, its fold, and the moment at which it is due."""

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any, Generic, TypeVar

from msgspec import Struct
from pydantic import TypeAdapter

from shop_shared.values import OPEN

State = TypeVar("State")
Event = TypeVar("Event")


class Stream(Struct, Generic[State, Event], frozen=True):
    id: str
    states: TypeAdapter[State]
    evolve: Callable[[State | None, Event], State | None]
    due_at: Callable[[State, datetime], datetime | None]
    """Returns when somebody must look at this state again, as seen at its last event's time, or None for never."""

    def fold(self, state: State | None, events: Iterable[Any]) -> State:
        for event in events:
            state = self.evolve(state, event)
        if state is None:
            raise AssertionError(f"{self.id}: events that leave no state")
        return state

    def to_json(self, state: State) -> str:
        return self.states.dump_json(state, exclude_none=True).decode()

    def from_json(self, state: str) -> State:
        return self.states.validate_json(state, context=OPEN)


class Snapshot(Struct, Generic[State], frozen=True):
    """This is a stream's fold at a version. A stream that does not exist has version 0 and no state."""

    version: int
    state: State | None
    due_at: datetime | None = None
    """The sweep looks at it from this moment on."""
    unpublished: int | None = None
    """The events from this version on may not have been published, and the sweep learns it from this state alone."""
