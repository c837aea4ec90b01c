"""Every call of every port goes through this seam, where a scheduler decides which fault it has."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from typing import Any, NamedTuple, Protocol

from shop_command.testing import SequentialIds

Perform = Callable[..., Any]
Effect = Callable[[Perform, tuple[Any, ...]], Any]
"""An effect is a fault: it runs in place of the call, with the call's arguments."""


class Crash(BaseException):
    """The execution environment is gone. It is not an Exception, so that no handler continues after it."""


class PortCall(NamedTuple):
    process: str
    port: str
    method: str

    def __str__(self) -> str:
        return f"{self.process} {self.port}.{self.method}"


class Scheduler(Protocol):
    def choose(self, call: PortCall, faults: Mapping[str, Effect], /) -> str | None:
        """Returns the name of one of the faults, or None if the call is to succeed."""


class NoFaults:
    def choose(self, _call: PortCall, _faults: Mapping[str, Effect]) -> str | None:
        return None


@dataclass
class Process:
    """This is one execution environment. After a crash all its ports are dead, so that no `finally` can act."""

    name: str
    scheduler: Scheduler
    faults: Callable[["Process", PortCall, tuple[Any, ...], Perform], Mapping[str, Effect]]
    ids: SequentialIds = field(default_factory=SequentialIds)
    """A process answers several requests, and goes on counting."""
    meanwhile: Mapping[str, Callable[[], None]] = field(default_factory=dict)
    """Another process may do each of these, from start to end, just before a call of this one."""
    dead: bool = False

    def call(self, port: str, method: str, perform: Perform, args: tuple[Any, ...]) -> Any:
        if self.dead:
            raise Crash
        call = PortCall(self.name, port, method)
        faults = self.faults(self, call, args, perform)
        chosen = self.scheduler.choose(call, faults)
        try:
            return perform(*args) if chosen is None else faults[chosen](perform, args)
        except Crash:
            self.dead = True
            raise

    def port(self, protocol: type, target: object) -> Any:
        """Wraps an implementation, and has the methods of the port and no others."""
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
