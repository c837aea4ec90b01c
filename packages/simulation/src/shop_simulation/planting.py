"""Puts a mistake in the place of the right code while a workflow is explored."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any

from shop_simulation import facts, workflows
from shop_simulation.explorer import Broken, Explorer

Original = Callable[..., Any]


@dataclass(frozen=True)
class Bug:
    invariant: int
    mistake: str
    where: object
    name: str
    wrong: Callable[[Original], Any]
    """From the right code to the wrong one."""
    workflow: str = "purchase"
    faults_max: int = 1
    and_so: tuple[tuple[object, str, Callable[[Original], Any]], ...] = ()
    """Where one mistake takes changes in several places: the others."""
    breaks_too: frozenset[int] = frozenset()
    """Invariants that can't hold without this one."""

    @contextmanager
    def planted(self) -> Iterator[None]:
        with ExitStack() as undo:
            undo.callback(facts.rebuilt.cache_clear)
            for where, name, wrong in ((self.where, self.name, self.wrong), *self.and_so):
                right = getattr(where, name)
                undo.callback(setattr, where, name, right)
                setattr(where, name, wrong(right))
            facts.rebuilt.cache_clear()
            yield


def fired(bug: Bug) -> Broken | None:
    """The first violation that the bug leads to."""
    workflow = next(workflow for workflow in workflows.WORKFLOWS if workflow.name == bug.workflow)
    with bug.planted():
        try:
            Explorer(workflow, bug.faults_max, workflows.settle).run()
        except Broken as broken:
            return broken
    return None


def before(change: Callable[..., None]) -> Callable[[Original], Original]:
    """Does something else first."""

    def wrong(right: Original) -> Original:
        def run(*args: Any, **named: Any) -> Any:
            change(*args, **named)
            return right(*args, **named)

        return run

    return wrong


def instead(run: Original) -> Callable[[Original], Original]:
    return lambda _right: run


def changed_answer(change: Callable[[Any], Any]) -> Callable[[Original], Original]:
    return lambda right: lambda *args, **named: change(right(*args, **named))


def changed_arguments(change: Callable[..., tuple[Any, ...]]) -> Callable[[Original], Original]:
    return lambda right: lambda *args, **named: right(*change(*args, **named))


class Around:
    """A port with some methods of its own."""

    def __init__(self, inner: Any, **methods: Callable[..., Any]) -> None:
        self._inner = inner
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._inner, name)


def with_fields(fields: Callable[[Any], dict[str, Any]]) -> Callable[[Original], Original]:
    """A method of a dataclass, of which some fields are others. `fields` are made from what it is."""
    return lambda right: lambda self, *args, **named: right(replace(self, **fields(self)), *args, **named)


def but(error: type[Exception]) -> Callable[[Original], Original]:
    """Lets pass what should have been refused with this error."""

    def wrong(right: Original) -> Original:
        def run(*args: Any, **named: Any) -> Any:
            with suppress(error):
                return right(*args, **named)

        return run

    return wrong
