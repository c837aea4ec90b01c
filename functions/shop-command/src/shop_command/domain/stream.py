"""What the application needs to know of an aggregate to store it: its stream's id, its fold and what it owes."""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Generic, TypeVar

from pydantic import TypeAdapter

from shop_shared.values import OPEN

State = TypeVar("State")
Event = TypeVar("Event")


@dataclass(frozen=True)
class Stream(Generic[State, Event]):
    id: str
    states: TypeAdapter[State]
    evolve: Callable[[State | None, Event], State | None]
    due_at: Callable[[State, datetime], datetime | None]
    """When somebody must look at this state again, as seen at the moment of its last event. None: never."""

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


@dataclass(frozen=True)
class Snapshot(Generic[State]):
    """A stream's fold at a version. Version 0 and no state: there is no such stream."""

    version: int
    state: State | None
