"""A world holds all that outlives a process, and starts processes: a request, a sweep, a delivery."""

import logging
import os
import pickle
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from io import StringIO
from random import Random
from typing import Any, Final, Protocol, TypeVar, cast

from shop_command import bootstrap
from shop_command.adapters.payment import StripeGateway
from shop_command.adapters.secrets import Secret
from shop_command.adapters.telemetry import Observability
from shop_command.domain.limits import Limits
from shop_command.ports import (
    Clock,
    ContentionError,
    EventIds,
    EventStore,
    PaymentGateway,
    Publisher,
    StoreUnavailableError,
    Workers,
)
from shop_command.testing import FakeClock, FakeHelpers, OneByOne, SequentialIds, invoke
from shop_dispatch.application.archive import ArchiveBatch
from shop_dispatch.application.project import Project
from shop_dispatch.ports import Archive, ReadModel
from shop_dispatch.ports import Transaction as ReadModelTransaction
from shop_observability.logs import logger
from shop_shared.envelope import Envelope, encode
from shop_simulation.faults import Faults, is_other_event
from shop_simulation.provider import API_KEY, Provider
from shop_simulation.read_model import InMemoryReadModel
from shop_simulation.seam import Crash, NoFaults, Process, Scheduler
from shop_simulation.store import SimulatedStore

LIMITS: Final = Limits(open_reservations_max=4, units_held_max=12, card_attempts_max=5)
HOLD: Final = timedelta(seconds=bootstrap.RESERVATION_SECONDS_DEFAULT)
IDS_PER_PROCESS: Final = 1_000
SWEEP_SECONDS: Final = 45.0
WEBHOOK_SECRET: Final = "whsec_never_in_a_log"  # noqa: S105 - of no use elsewhere
ADMINISTRATOR: Final = "admin-1"
SAYS_NOTHING: Final = 503
QUIET: Final = "POWERTOOLS_METRICS_DISABLED"
Result = TypeVar("Result")
Answer = tuple[int, Any]
Arrived = tuple[int, bytes]


class Delivery(Protocol):
    """An event source mapping decides which records a consumer is given at once, and in which order."""

    def batch(self, positions: Sequence[int]) -> Sequence[Arrived]: ...


@dataclass
class ClientIntent:
    """It holds a client's purpose and the answers it got. The oracle judges by these, not by the shop's events."""

    kind: str
    caller: str
    key: str
    body: Mapping[str, Any]
    sent: list[datetime] = field(default_factory=list)
    """It holds the times of the first and of the last request."""
    answers: list[Answer] = field(default_factory=list)
    repeats: list[Answer] = field(default_factory=list)
    """These answers came to repeated requests, after the final answer was known."""
    least: Mapping[str, int] = field(default_factory=dict)
    """This is the least stock of each product that was available during the last refusal for want of stock."""

    asked_at: dict[str, datetime] = field(default_factory=dict)
    """It holds when the client was first asked for 3-D Secure, by payment intent."""

    def final(self) -> Answer | None:
        """Returns the first answer that settles the outcome."""
        return next((answer for answer in self.answers if answer[0] in (200, 201, 204, 402)), None)


@dataclass
class Memory:
    """The oracle remembers here what it saw, so that it can find what was lost or changed."""

    events: dict[str, list[bytes]] = field(default_factory=dict)
    acknowledged: dict[tuple[str, int], bytes] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class EventStream:
    """It holds the records in order, and the positions that each consumer has yet to receive."""

    records: list[bytes] = field(default_factory=list)
    waiting: dict[str, list[int]] = field(default_factory=lambda: {"project": [], "archive": []})
    takes_nothing: bool = False
    others: list[bytes] = field(default_factory=list)
    """These events were projected whose stream versions have other events in the store."""

    def publish(self, events: Sequence[Envelope]) -> Sequence[Envelope]:
        if self.takes_nothing:
            return []
        for event in events:
            self.records.append(encode(event))
            for waiting in self.waiting.values():
                waiting.append(len(self.records) - 1)
        return list(events)

    def batch(self, positions: Sequence[int]) -> Sequence["Arrived"]:
        return [(position, self.records[position]) for position in positions]


@dataclass
class Lines:
    """An archive that keeps its lines, some of which may appear twice."""

    lines: list[bytes] = field(default_factory=list)

    def put(self, lines: Sequence[bytes]) -> None:
        self.lines += lines


@dataclass(frozen=True)
class _SeamedReadModel:
    """A read model whose transactions go through the seam as well."""

    inner: InMemoryReadModel
    process: Process

    def transact(self, work: Callable[[ReadModelTransaction], Result]) -> Result:
        return self.inner.transact(
            lambda inner: work(cast("ReadModelTransaction", self.process.port(ReadModelTransaction, inner)))
        )


@dataclass
class World:
    clock: FakeClock = field(default_factory=FakeClock)
    store: SimulatedStore = field(init=False)
    provider: Provider = field(init=False)
    stream: EventStream = field(default_factory=EventStream)
    read_model: InMemoryReadModel = field(default_factory=InMemoryReadModel)
    archive: Lines = field(default_factory=Lines)
    intents: dict[str, ClientIntent] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    webhooks_received: int = 0
    """It counts the provider's webhooks that have arrived in order; repeated ones count once."""
    errors: list[str] = field(default_factory=list)
    """These errors ended a sweep, or the work on an event of the provider."""
    logs: str = ""
    processes: int = 0

    def __post_init__(self) -> None:
        self.store = SimulatedStore(self.clock)
        self.provider = Provider(self.clock)

    def freeze(self) -> bytes:
        """Equal worlds freeze to equal bytes, even if their sets were filled in another order."""
        self.store.due_events = set(sorted(self.store.due_events))  # noqa: C414 - the order of insertion matters
        self.store.done = set(sorted(self.store.done))  # noqa: C414
        return pickle.dumps(self, protocol=5)

    @staticmethod
    def thaw(frozen: bytes) -> "World":
        world: World = pickle.loads(frozen)  # noqa: S301 - our own, from this process
        return world

    def jump(self, time: timedelta) -> None:
        self.clock.time += time

    def process(self, name: str, scheduler: Scheduler | None = None, *, thorough: bool = False) -> Process:
        self.processes += 1

        def delay(calls: int) -> None:
            self.provider.delay = calls

        def show_old() -> None:
            self.store.shows_old = True

        def confuse() -> None:
            self.provider.answers_of_another = True

        faults = Faults(self.jump, delay, show_old, confuse, thorough=thorough)
        return Process(name, scheduler or NoFaults(), faults, SequentialIds(self.processes * IDS_PER_PROCESS))

    def request(self, process: Process, intent: ClientIntent, event: dict[str, Any]) -> Answer | None:
        """Sends a client's request, and returns None if the answer never arrives."""
        intent.sent = [*intent.sent[:1], self.clock.now()]
        known = intent.final() is not None
        with self._environment(process), self.store.watched() as least:
            try:
                answer = invoke(event)
            except Crash:
                return None
        if answer.status == 409:
            is_sold_out = str(answer.body["type"]).endswith(("/out-of-stock", "/adjustment-too-large"))
            intent.least = least if is_sold_out else {}
        if answer.status == 202 and answer.body["status"] == "requires_action":
            intent.asked_at.setdefault(answer.body["payment_intent_id"], self.clock.now())
        if answer.status != SAYS_NOTHING:
            (intent.repeats if known else intent.answers).append((answer.status, answer.body))
        return answer.status, answer.body

    def sweep(self, process: Process) -> None:
        self._scheduled(process, lambda application: application.sweep.run(SWEEP_SECONDS))

    def reconcile(self, process: Process) -> None:
        self._scheduled(process, self._reconciled)

    def _reconciled(self, application: bootstrap.Application) -> None:
        try:
            report = application.reconciliation.run(SWEEP_SECONDS)
        except (ContentionError, StoreUnavailableError):
            return  # the next run goes on
        expected = (ContentionError, StoreUnavailableError)
        self.errors += [repr(error) for _, error in report.failures if not isinstance(error, expected)]

    def _scheduled(self, process: Process, run: Callable[[bootstrap.Application], object]) -> None:
        with self._environment(process):
            try:
                run(bootstrap.application())
            except Crash:
                return
            except Exception as error:  # noqa: BLE001 - the oracle judges any error
                self.errors.append(repr(error))

    @contextmanager
    def _environment(self, process: Process) -> Iterator[None]:
        """Sets up the environment of the command function, and restores the surrounding one afterwards."""
        outer = bootstrap.application
        measuring = os.environ.get(QUIET)
        os.environ[QUIET] = "true"
        application = self.application(process)
        written = StringIO()
        bootstrap.application = lambda: application  # type: ignore[assignment] # it is cached otherwise
        handlers = list(logger().handlers)
        listening = logging.StreamHandler(written)
        listening.setFormatter(handlers[0].formatter)
        logger().handlers[:] = [listening]
        try:
            yield
        finally:
            os.environ.pop(QUIET)
            os.environ.update({QUIET: measuring} if measuring else {})
            bootstrap.application = outer
            logger().handlers[:] = handlers
            if any(secret in written.getvalue() for secret in (API_KEY, WEBHOOK_SECRET, '"pm_', "_secret_")):
                self.logs += written.getvalue()

    def application(self, process: Process) -> bootstrap.Application:
        gateway = StripeGateway(
            "https://provider.invalid", Secret(lambda: (API_KEY,)), return_url="https://shop.invalid/returned"
        )
        gateway._http = cast("Any", self.provider)
        return bootstrap.assemble(
            store=cast("EventStore", process.port(EventStore, self.store)),
            publisher=cast("Publisher", process.port(Publisher, self.stream)),
            gateway=cast("PaymentGateway", process.port(PaymentGateway, gateway)),
            clock=cast("Clock", process.port(Clock, self.clock)),
            ids=cast("EventIds", process.port(EventIds, process.ids)),
            randomness=Random(self.processes),
            webhook_secret=Secret(lambda: (WEBHOOK_SECRET,)),
            telemetry=Observability(),  # it has no part in what happens
            limits=LIMITS,
            workers=cast("Workers", process.port(Workers, OneByOne())),
            helpers=FakeHelpers(),
        )

    def deliver(self, process: Process, work: Callable[[Sequence[bytes]], object], records_max: int) -> bool:
        """Delivers batches to this consumer until none is left or one fails; that one is delivered again."""
        waiting = self.stream.waiting[process.name]
        while waiting:
            batch = waiting[:records_max]
            try:
                arrived = process.port(Delivery, self.stream).batch(batch)
                work([record for _, record in arrived])
            except (Crash, Exception):  # noqa: BLE001 - the mapping delivers a failed batch again, whatever the error
                return False
            for position in {position for position, _ in arrived}:
                waiting.remove(position)
            self.stream.others += [record for _, record in arrived if is_other_event(record)]
        return True

    def project(self, process: Process) -> Project:
        return Project(cast("ReadModel", process.port(ReadModel, _SeamedReadModel(self.read_model, process))))

    def archive_batch(self, process: Process) -> ArchiveBatch:
        return ArchiveBatch(cast("Archive", process.port(Archive, self.archive)))
