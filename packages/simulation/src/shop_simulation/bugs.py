"""Deliberate bugs, one for each invariant at least. An invariant that nothing can break proves nothing.

Each is a mistake that somebody could make in one line, put in place of the right code while its workflow is explored.
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import Any, Final

from shop_command.adapters.payment import StripeGateway
from shop_command.application.journal import Journal
from shop_command.application.purchases import Purchases
from shop_command.application.request import Key
from shop_command.domain import reservation, stock
from shop_command.ports import (
    Captured,
    Declined,
    StockShortError,
    StoreUnavailableError,
    Transaction,
    Unknown,
    VersionConflictError,
)
from shop_dispatch.application import project
from shop_dispatch.domain.projections import Projection
from shop_observability.logs import logger
from shop_shared import Envelope
from shop_shared.events import PurchaseConfirmed
from shop_shared.values import Money
from shop_simulation import oracle, workflows
from shop_simulation.explorer import Broken, Explorer
from shop_simulation.read_model import InMemoryTransaction
from shop_simulation.world import SimulatedStore

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

    @contextmanager
    def planted(self) -> Iterator[None]:
        right = getattr(self.where, self.name)
        setattr(self.where, self.name, self.wrong(right))
        oracle.rebuilt.cache_clear()
        try:
            yield
        finally:
            setattr(self.where, self.name, right)
            oracle.rebuilt.cache_clear()


def fired(bug: Bug) -> Broken | None:
    """The first violation that the bug leads to."""
    workflow = next(workflow for workflow in workflows.WORKFLOWS if workflow.name == bug.workflow)
    with bug.planted():
        try:
            Explorer(workflow, bug.faults_max, workflows.settle).run()
        except Broken as broken:
            return broken
    return None


def _before(change: Callable[..., None]) -> Callable[[Original], Original]:
    """Does something else first."""

    def wrong(right: Original) -> Original:
        def run(*args: Any, **named: Any) -> Any:
            change(*args, **named)
            return right(*args, **named)

        return run

    return wrong


def _instead(run: Original) -> Callable[[Original], Original]:
    return lambda _right: run


def _changed_answer(change: Callable[[Any], Any]) -> Callable[[Original], Original]:
    return lambda right: lambda *args, **named: change(right(*args, **named))


def _changed_arguments(change: Callable[..., tuple[Any, ...]]) -> Callable[[Original], Original]:
    return lambda right: lambda *args, **named: right(*change(*args, **named))


class _Around:
    """A port with some methods of its own."""

    def __init__(self, inner: Any, **methods: Callable[..., Any]) -> None:
        self._inner = inner
        self._methods = methods

    def __getattr__(self, name: str) -> Any:
        return self._methods.get(name) or getattr(self._inner, name)


def _journal_with(ports: Callable[[Journal], dict[str, Any]]) -> Callable[[Original], Original]:
    return lambda right: lambda self, *args, **named: right(replace(self, **ports(self)), *args, **named)


def _publishing_first(self: Journal) -> dict[str, Any]:
    def commit(transaction: Transaction) -> None:
        self.publisher.publish(transaction.events)
        self.store.commit(transaction)

    return {"store": _Around(self.store, commit=commit)}


def _hoping(self: Journal) -> dict[str, Any]:
    def commit(transaction: Transaction) -> None:
        with suppress(StoreUnavailableError):
            self.store.commit(transaction)

    return {"store": _Around(self.store, commit=commit)}


def _forgetting(self: Journal) -> dict[str, Any]:
    def publish(events: Sequence[Envelope]) -> Sequence[Envelope]:
        self.publisher.publish(events)
        return events

    return {"publisher": _Around(self.publisher, publish=publish)}


def _but(error: type[Exception]) -> Callable[[Original], Original]:
    """Lets pass what should have been refused with this error."""

    def wrong(right: Original) -> Original:
        def run(*args: Any, **named: Any) -> Any:
            with suppress(error):
                return right(*args, **named)

        return run

    return wrong


def _unknown_is(outcome: Captured | Declined) -> Callable[[Original], Original]:
    return _changed_arguments(
        lambda self, request, attempt, found: (
            self,
            request,
            attempt,
            outcome if isinstance(found, Unknown) else found,
        )
    )


def _without_stock_of(event_type: type) -> Callable[[Original], Original]:
    return lambda right: lambda event: () if isinstance(event, event_type) else right(event)


def _torn(right: Original) -> Original:
    def commit(self: SimulatedStore, transaction: Transaction) -> None:
        before = self.stored.get(transaction.stream_id)
        right(self, transaction)
        if before:
            self.stored[transaction.stream_id] = before

    return commit


def _twice_sold(right: Original) -> Original:
    def fold(events: Iterable[Envelope]) -> Sequence[tuple[Any, ...]]:
        return [change._replace(sold=2 * change.sold) for change in right(events)]

    return fold


def _projections(table: str, wrong: Callable[[Original], Original]) -> Callable[[Any], Any]:
    return lambda right: tuple(Projection(p.table, wrong(p.fold) if p.table == table else p.fold) for p in right)


BUGS: Final = (
    Bug(1, "sells what is not there", SimulatedStore, "_check", _but(StockShortError), "place when it is sold out"),
    Bug(1, "keeps holding what was sold", stock, "changes", _without_stock_of(PurchaseConfirmed)),
    Bug(
        3,
        "charges another amount than the reservation's",
        StripeGateway,
        "create",
        _changed_arguments(lambda self, name, amount: (self, name, Money(amount_minor=1, currency=amount.currency))),
    ),
    Bug(
        4,
        "confirms all attempts under one key",
        StripeGateway,
        "confirm",
        _changed_arguments(lambda self, intent, name, _, card: (self, intent, name, 1, card)),
        "a declined card, then another one",
    ),
    Bug(5, "takes an unknown outcome for a success", Purchases, "_settle", _unknown_is(Captured())),
    Bug(
        6,
        "does not ask which version a stream has",
        SimulatedStore,
        "_check",
        _but(VersionConflictError),
        "list and receive",
    ),
    Bug(6, "writes the events without the state", SimulatedStore, "commit", _torn),
    Bug(7, "does not compare the bodies of one key", Key, "check", _instead(lambda *_: None), "another body"),
    Bug(7, "does not look for its key", SimulatedStore, "key_use", _instead(lambda *_: None)),
    Bug(8, "publishes before it commits", Journal, "append", _journal_with(_publishing_first)),
    Bug(8, "answers before it knows that it is stored", Journal, "append", _journal_with(_hoping), "place"),
    Bug(
        9,
        "starts every stream anew",
        InMemoryTransaction,
        "lock_heads",
        _changed_answer(lambda heads: dict.fromkeys(heads, 0)),
        "delivery",
    ),
    Bug(9, "ignores versions", project, "contiguous_runs", _instead(lambda _, events: list(events)), "delivery"),
    Bug(
        10,
        "does not ask whose reservation it is",
        Purchases,
        "_owned",
        _instead(lambda self, _, name: self.journal.load(reservation.stream(name))),
        "somebody else's reservation",
    ),
    Bug(
        10,
        "logs the key of the payment provider",
        StripeGateway,
        "_call",
        _before(lambda self, *_: logger().info(self._api_key())),
    ),
    Bug(12, "counts each sale twice", project, "PROJECTIONS", _projections("stock", _twice_sold), "delivery"),
)
