"""Puts a mistake in the place of the right code while a workflow is explored."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from typing import Any

from msgspec.structs import replace

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
    """It makes the wrong code from the right code."""
    workflow: str = "purchase"
    faults_max: int = 1
    and_so: tuple[tuple[object, str, Callable[[Original], Any]], ...] = ()
    """If one mistake needs changes in several places, these are the others."""
    breaks_too: frozenset[int] = frozenset()
    """These invariants cannot hold if this one is broken."""

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
    """Returns the first violation that the bug leads to."""
    workflow = next(workflow for workflow in workflows.WORKFLOWS if workflow.name == bug.workflow)
    with bug.planted():
        try:
            Explorer(workflow, bug.faults_max).run()
        except Broken as broken:
            return broken
    return None


def before(change: Callable[..., None]) -> Callable[[Original], Original]:
    """Runs `change` before the right code."""

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
    """Wraps a port and replaces some of its methods."""

    def __init__(self, inner: Any, **methods: Callable[..., Any]) -> None:
        self._inner = inner
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._inner, name)


def with_fields(fields: Callable[[Any], dict[str, Any]]) -> Callable[[Original], Original]:
    """Runs a struct's method on a copy of it, in which `fields` have been replaced."""
    return lambda right: lambda self, *args, **named: right(replace(self, **fields(self)), *args, **named)


def but(error: type[Exception]) -> Callable[[Original], Original]:
    """Suppresses an error that should have refused the call."""

    def wrong(right: Original) -> Original:
        def run(*args: Any, **named: Any) -> Any:
            with suppress(error):
                return right(*args, **named)

        return run

    return wrong
