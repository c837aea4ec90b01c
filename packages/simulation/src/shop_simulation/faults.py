"""Lists the faults that each call of each port may have. A new method of a port has its port's faults at once."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import timedelta
from functools import partial
from itertools import combinations
from typing import Any, Final

from shop_command.ports import ContentionError, StoreUnavailableError, Unknown
from shop_dispatch.ports import ArchiveError
from shop_simulation.seam import Crash, Effect, Perform, PortCall, Process

JUMPS: Final = {
    "jump-token": timedelta(minutes=11),  # past the life of a DynamoDB request token
    "jump-expiry": timedelta(minutes=16),  # past the end of every reservation so far
    "jump-day": timedelta(hours=25),  # past the provider's memory of idempotency keys
}
OTHER_EVENTS: Final = "ffffffff"
"""The ids of events that the store does not have begin with this."""
SUBSETS_OF_MAX: Final = 4
"""A longer batch is tried only with those subsets that have a single item or lack a single item."""

PURE: Final = frozenset(
    {
        ("EventStore", "states"),
        ("EventStore", "events"),
        ("EventStore", "key_use"),
        ("EventStore", "state_and_key_use"),
        ("EventStore", "levels"),
        ("EventStore", "due"),
        ("EventStore", "unpublished"),
        ("EventStore", "bookmark"),
        ("PaymentGateway", "retrieve"),
        ("PaymentGateway", "find_refund"),
        ("PaymentGateway", "refunds_of"),
        ("PaymentGateway", "disputes_of"),
        ("PaymentGateway", "reservation_of"),
        ("PaymentGateway", "events_after"),
        ("PaymentGateway", "events_since"),
        ("Clock", "now"),
        ("EventIds", "next"),
        ("Transaction", "lock_heads"),
        ("Transaction", "logged_ids"),
    }
)
"""These methods change nothing, so a crash before, a crash after, and a lost answer leave the same world."""

_NO_DAY_BEFORE: Final = frozenset({("PaymentGateway", "refund")})
"""No day passes at these calls: each follows at once on a look whether it is needed."""
_READ_ONE_BY_ONE: Final = frozenset({("EventStore", "states"), ("EventStore", "levels")})
_READ_ONLY_REPEATS: Final = frozenset({"crash-before", "crash-after", "lost"})


class DatabaseGoneError(Exception):
    """The connection to the database broke, or the server failed."""


_archive_refused: Final = partial(ArchiveError, 1, "simulated")


def _instead(outcome: Callable[[], Any]) -> Effect:
    return lambda _perform, _args: _end(outcome())


def _lost(outcome: Callable[[], Any]) -> Effect:
    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        perform(*args)
        return _end(outcome())

    return effect


def _end(outcome: Any) -> Any:
    if isinstance(outcome, BaseException):
        raise outcome
    return outcome


def _first(run: Callable[[], None]) -> Effect:
    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        run()
        return perform(*args)

    return effect


def _twice(perform: Perform, args: tuple[Any, ...]) -> Any:
    """The first connection is found dead at its commit: `work` is run again on the next one."""

    def work(transaction: Any) -> Any:
        args[0](transaction)
        return args[0](transaction.rolled_back())

    return perform(work)


_CRASHES: Final[Mapping[str, Effect]] = {"crash-before": _instead(Crash), "crash-after": _lost(Crash)}
_OF_PORT: Final[Mapping[str, Mapping[str, Effect]]] = {
    "EventStore": {
        "error": _instead(StoreUnavailableError),
        "busy": _instead(ContentionError),
        "lost": _lost(StoreUnavailableError),
    },
    "Publisher": {"error": _instead(tuple), "lost": _lost(tuple)},
    "PaymentGateway": {"error": _instead(partial(Unknown, "simulated")), "lost": _lost(partial(Unknown, "simulated"))},
    "ReadModel": {"error": _instead(DatabaseGoneError), "lost": _lost(DatabaseGoneError), "twice": _twice},
    "Transaction": {"error": _instead(DatabaseGoneError), "lost": _lost(DatabaseGoneError)},
    "Archive": {"error": _instead(_archive_refused), "lost": _lost(_archive_refused)},
    "Delivery": {
        "reversed": lambda perform, args: perform(args[0])[::-1],
        "doubled": lambda perform, args: [*perform(args[0]), *perform(args[0])],
    },
    "Clock": {},
    "EventIds": {},
    "Workers": {},
}
_OF_METHOD: Final[Mapping[tuple[str, str], Mapping[str, Effect]]] = {
    ("EventStore", "mark_published"): {"error": _instead(lambda: None)},  # these never raise
    ("EventStore", "mark_settled"): {"error": _instead(lambda: None)},
    ("EventStore", "stop_counting"): {"error": _instead(lambda: False), "lost": _lost(lambda: False)},
}


def _part(kept: tuple[int, ...], refused: Callable[[], Any] | None) -> Effect:
    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        answer = perform([args[0][index] for index in kept], *args[1:])
        return _end(refused()) if refused else answer

    return effect


def newer_type(record: bytes) -> bytes:
    """Returns the record as a release with another major version of its event would have written it."""
    return re.sub(rb'\.v([0-9])"', rb'.v9\1"', record, count=1)


def older_type(record: bytes) -> bytes:
    return re.sub(rb'\.v9([0-9])"', rb'.v\1"', record, count=1)


def other_event(record: bytes) -> bytes:
    """Returns another event of the same stream version, as a store writes it that was restored to before the first."""
    event_id = json.loads(record)["id"]
    return record.replace(event_id.encode(), OTHER_EVENTS.encode() + event_id[len(OTHER_EVENTS) :].encode(), 1)


def is_other_event(record: bytes) -> bool:
    return str(json.loads(record)["id"]).startswith(OTHER_EVENTS)


def _and_another(index: int) -> Effect:
    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        arrived = perform(*args)
        at, record = arrived[index]
        return [*arrived, (at, other_event(record))]

    return effect


def _newer(index: int) -> Effect:
    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        arrived = perform(*args)
        return [(at, newer_type(record) if n == index else record) for n, (at, record) in enumerate(arrived)]

    return effect


_PARTIAL: Final[Mapping[tuple[str, str], Callable[[], Any] | None]] = {
    ("Publisher", "publish"): None,
    ("EventStore", "mark_published"): None,
    ("Archive", "put"): _archive_refused,
    ("Delivery", "batch"): None,
}


def subsets(items: Sequence[Any]) -> list[tuple[int, ...]]:
    """Returns the proper subsets to be tried, each as the indices of its items."""
    count = len(items)
    sizes = range(1, count) if count <= SUBSETS_OF_MAX else sorted({1, count - 1})
    return [kept for size in sizes for kept in combinations(range(count), size)]


def kind(fault: str) -> str:
    """Returns the fault's name without its detail, which names a subset or another step."""
    return fault.partition(":")[0]


def _aside_last(_perform: Perform, args: tuple[Any, ...]) -> Any:
    """The other one is first, where two things are done beside each other."""
    aside, do = args
    try:
        result = do()
    finally:
        left = aside()
    return left, result


def _of_any_call(port: str, method: str) -> dict[str, Effect]:
    if port == "Workers":  # what it does has faults of its own
        return {"aside-last": _aside_last} if method == "beside" else {}
    return {**_CRASHES, **_OF_METHOD.get((port, method), _OF_PORT[port])}


def of_port(port: str, method: str) -> frozenset[str]:
    """Returns the kinds of faults that a method must be tried with if it is ever called with enough items."""
    kinds = set(_of_any_call(port, method)) | ({"part"} if (port, method) in _PARTIAL else set())
    if port == "PaymentGateway" and (port, method) not in PURE:
        kinds.add("late")
    if port == "PaymentGateway":
        kinds.add("another")
    if port == "Delivery":
        kinds |= {"newer", "another"}
    if (port, method) == ("EventStore", "due"):
        kinds.add("old")
    if port in ("Clock", "PaymentGateway"):
        kinds |= set(_jumps(port, method))
    return frozenset(kinds)


def _jumps(port: str, method: str) -> frozenset[str]:
    return frozenset(JUMPS) - ({"jump-day"} if (port, method) in _NO_DAY_BEFORE else set())


class Faults:
    """Offers the faults of one world.

    `jump` moves its clock, `delay` makes the provider act on the next call only later, and `show_old` makes the next
    page of due items also show items that are no longer due, `confuse` makes the next answer of the provider one about
    another intent.
    """

    def __init__(
        self,
        jump: Callable[[timedelta], None],
        delay: Callable[[int], None],
        show_old: Callable[[], None],
        confuse: Callable[[], None],
        *,
        thorough: bool,
    ) -> None:
        """If `thorough`, it also offers faults that lead to the same world as another fault."""
        self._thorough = thorough
        self._jumps = {name: _first(partial(jump, time)) for name, time in JUMPS.items()}
        self._old = _first(show_old)
        self._another = _first(confuse)
        self._late = {f"late:{calls}": _first(partial(delay, calls)) for calls in (0, 1, 2)}

    def __call__(
        self, process: Process, call: PortCall, args: tuple[Any, ...], perform: Perform
    ) -> Mapping[str, Effect]:
        name = call.port, call.method
        if name == ("EventStore", "due") and not self._thorough and not perform(*args).items:
            return {}  # an empty page has nothing to miss or to overtake, and each sweep reads eight shards
        faults = _of_any_call(*name)
        if call.port == "PaymentGateway" and name not in PURE:
            faults |= self._late
        if call.port == "PaymentGateway":
            faults["another"] = self._another
        if not self._thorough and name in PURE:
            # A crash here is the crash after the last call that changed something.
            faults = {fault: effect for fault, effect in faults.items() if fault not in _READ_ONLY_REPEATS}
        if name in _PARTIAL:
            faults |= {f"part:{kept}": _part(kept, _PARTIAL[name]) for kept in subsets(args[0])}
        if name == ("Delivery", "batch") and call.process == "project":
            faults |= {f"newer:{index}": _newer(index) for index in range(len(args[0]))}
            faults |= {f"another:{index}": _and_another(index) for index in range(len(args[0]))}
        if name == ("EventStore", "due"):
            faults["old"] = self._old
        faults |= self._jumps_at(call)
        if call.port in ("EventStore", "PaymentGateway"):
            faults |= {f"meanwhile:{step}": _first(run) for step, run in process.meanwhile.items()}
        if name == ("EventStore", "state_and_key_use"):
            faults |= {f"amid:{step}": _amid_two(run) for step, run in process.meanwhile.items()}
            faults |= {
                f"amid, key first:{step}": _amid_two(run, key_first=True) for step, run in process.meanwhile.items()
            }
        if name in _READ_ONE_BY_ONE and len(args[0]) > 1:
            faults |= {f"amid:{step}": _amid(run) for step, run in process.meanwhile.items()}
        return faults

    def _jumps_at(self, call: PortCall) -> Mapping[str, Effect]:
        port = call.port
        if port not in ("Clock", "PaymentGateway"):
            return {}
        possible = {name: self._jumps[name] for name in JUMPS if name in _jumps(port, call.method)}
        if self._thorough:
            return possible
        if call.process == "sweep" and port == "Clock":
            return {}  # the sweep would have no time left, which is the same as a crash between two items
        # No other port reads the clock, and the provider's behaviour changes only after a day.
        only = "jump-expiry" if port == "Clock" else "jump-day"
        return {only: possible[only]} if only in possible else {}


def _amid(run: Callable[[], None]) -> Effect:
    """Items are read one by one, and `run` happens between the first and the others."""

    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        first, *others = args[0]
        found = perform([first])
        run()
        return {**found, **perform(others)}

    return effect


def _amid_two(run: Callable[[], None], *, key_first: bool = False) -> Effect:
    """Either is read first, and `run` happens between the two."""

    def effect(perform: Perform, args: tuple[Any, ...]) -> Any:
        first = perform(*args)
        run()
        then = perform(*args)
        return (then[0], first[1]) if key_first else (first[0], then[1])

    return effect
