"""The one seam: every call of every port goes through here, and a scheduler says what becomes of it."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

Perform = Callable[..., Any]
Effect = Callable[[Perform, tuple[Any, ...]], Any]
"""A fault: what becomes of a call with these arguments."""


class Crash(BaseException):
    """The execution environment is gone. Not an Exception, so that no handler goes on after it."""


class Call(NamedTuple):
    process: str
    port: str
    method: str

    def __str__(self) -> str:
        return f"{self.process} {self.port}.{self.method}"


class Scheduler(Protocol):
    def choose(self, call: Call, faults: Mapping[str, Effect], /) -> str | None:
        """The name of one of the faults; None lets the call pass."""


class NoFaults:
    def choose(self, _call: Call, _faults: Mapping[str, Effect]) -> str | None:
        return None


@dataclass
class Process:
    """One execution environment at work. After a crash every port of it is dead, so that no `finally` can cheat."""

    name: str
    scheduler: Scheduler
    faults: Callable[["Process", Call, tuple[Any, ...], Perform], Mapping[str, Effect]]
    meanwhile: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """What another process may do, from start to end, just before a call of this one."""
    dead: bool = False

    def call(self, port: str, method: str, perform: Perform, args: tuple[Any, ...]) -> Any:
        if self.dead:
            raise Crash
        call = Call(self.name, port, method)
        faults = self.faults(self, call, args, perform)
        chosen = self.scheduler.choose(call, faults)
        try:
            return perform(*args) if chosen is None else faults[chosen](perform, args)
        except Crash:
            self.dead = True
            raise

    def port(self, protocol: type, target: object) -> Any:
        """The implementation behind the seam; it has the methods of the port, and no others."""
        return _Seam(self, protocol, target)


class _Seam:
    def __init__(self, process: Process, protocol: type, target: object) -> None:
        self._process = process
        self._protocol = protocol
        self._target = target

    def __getattr__(self, name: str) -> Any:
        if name not in methods(self._protocol):
            raise AttributeError(f"{self._protocol.__name__} has no {name}")
        return partial(self._call, name)

    def __call__(self, *args: Any) -> Any:
        return self._call("__call__", *args)

    def _call(self, name: str, *args: Any, **named: Any) -> Any:
        perform = getattr(self._target, name)
        return self._process.call(self._protocol.__name__, name, partial(perform, **named) if named else perform, args)


@cache
def methods(protocol: type) -> frozenset[str]:
    return frozenset(name for name in vars(protocol) if name == "__call__" or name[0] != "_")
