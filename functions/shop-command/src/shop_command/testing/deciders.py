"""given(decider, events...).when(command).then(events...): a decider's tests in the words of the domain."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from shop_command.domain.errors import DomainError

Event = TypeVar("Event")
State = TypeVar("State")


@dataclass(frozen=True)
class Given(Generic[State, Event]):
    state: State | None
    evolve: Callable[[State | None, Event], State | None]

    def given(self, *events: Event) -> "Given[State, Event]":
        state = self.state
        for event in events:
            state = self.evolve(state, event)
        return Given(state, self.evolve)

    def when(self, decide: Callable[[State | None], tuple[Event, ...]]) -> "When[Event]":
        return When(lambda: decide(self.state))


@dataclass(frozen=True)
class When(Generic[Event]):
    run: Callable[[], tuple[Event, ...]]

    def then(self, *events: Event) -> None:
        assert self.run() == events  # noqa: S101 - a test's own assertion

    def then_rejected(self, error: type[DomainError], **fields: Any) -> None:
        try:
            events = self.run()
        except error as raised:
            assert vars(raised) == fields  # noqa: S101, PT017 - a test's own assertion, and no test
        else:
            raise AssertionError(f"not rejected: {events}")
