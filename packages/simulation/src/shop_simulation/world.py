"""All that outlives a process, and the ways to start one: a request, a sweep, a delivery."""

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

from aws_lambda_powertools.event_handler.api_gateway import BaseRouter

from shop_command import bootstrap
from shop_command.adapters.payment import StripeGateway
from shop_command.adapters.telemetry import Observability
from shop_command.ports import Clock, EventIds, EventStore, PaymentGateway, Publisher
from shop_command.testing import FakeClock, SequentialIds, invoke
from shop_dispatch.application.archive import ArchiveBatch
from shop_dispatch.application.project import Project
from shop_dispatch.ports import Archive, ReadModel
from shop_dispatch.ports import Transaction as ReadModelTransaction
from shop_observability.logs import logger
from shop_shared.envelope import Envelope, encode
from shop_simulation.faults import Faults
from shop_simulation.provider import API_KEY, Provider
from shop_simulation.read_model import InMemoryReadModel
from shop_simulation.seam import Crash, NoFaults, Process, Scheduler
from shop_simulation.store import SimulatedStore

HOLD: Final = timedelta(seconds=bootstrap.RESERVATION_SECONDS_DEFAULT)
IDS_PER_STEP: Final = 1_000
SWEEP_SECONDS: Final = 45.0
WEBHOOK_SECRET: Final = "whsec_never_in_a_log"  # noqa: S105 - of no use elsewhere
ADMINISTRATOR: Final = "admin-1"
SAYS_NOTHING: Final = 503
QUIET: Final = "POWERTOOLS_METRICS_DISABLED"
Result = TypeVar("Result")
Answer = tuple[int, Any]
Arrived = tuple[int, bytes]


class Delivery(Protocol):
    """An event source mapping: what of a batch a consumer is given at once, and in which order."""

    def batch(self, positions: Sequence[int]) -> Sequence[Arrived]: ...


@dataclass
class Intent:
    """What a client wants, and all that it knows of it. The oracle judges by this, not by the shop's events."""

    kind: str
    caller: str
    key: str
    body: Mapping[str, Any]
    sent: list[datetime] = field(default_factory=list)
    """When it was first, and when it was last."""
    answers: list[Answer] = field(default_factory=list)
    repeats: list[Answer] = field(default_factory=list)
    """Answers to what was asked again when the final one was known."""
    least: Mapping[str, int] = field(default_factory=dict)
    """What was available at least, of each product, while it was refused last for want of stock."""

    def final(self) -> Answer | None:
        """The first answer that says what became of it."""
        return next((answer for answer in self.answers if answer[0] in (200, 201, 204, 402)), None)


@dataclass
class Memory:
    """What has been seen so far, to which the present must still fit."""

    events: dict[str, list[bytes]] = field(default_factory=dict)
    acknowledged: dict[tuple[str, int], bytes] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    versions: dict[tuple[str, str], int] = field(default_factory=dict)


@dataclass
class Stream:
    """Records in the order in which they were taken, and which of them each consumer has still to be given."""

    records: list[bytes] = field(default_factory=list)
    waiting: dict[str, list[int]] = field(default_factory=lambda: {"project": [], "archive": []})
    takes_nothing: bool = False

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
    """The archive's lines, some perhaps twice."""

    lines: list[bytes] = field(default_factory=list)

    def put(self, lines: Sequence[bytes]) -> None:
        self.lines += lines


@dataclass(frozen=True)
class _SeamedReadModel:
    """Its transactions go through the seam as well."""

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
    stream: Stream = field(default_factory=Stream)
    read_model: InMemoryReadModel = field(default_factory=InMemoryReadModel)
    archive: Lines = field(default_factory=Lines)
    intents: dict[str, Intent] = field(default_factory=dict)
    memory: Memory = field(default_factory=Memory)
    heard: int = 0
    """How many of the provider's webhooks have arrived, in order and without those that came too often."""
    errors: list[str] = field(default_factory=list)
    """Of sweeps that ended with one."""
    logs: str = ""
    processes: int = 0

    def __post_init__(self) -> None:
        self.store = SimulatedStore(self.clock)
        self.provider = Provider(self.clock)

    def freeze(self) -> bytes:
        """Equal where two worlds are; also where sets were filled in another order."""
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

        return Process(name, scheduler or NoFaults(), Faults(self.jump, delay, show_old, thorough=thorough))

    def request(self, process: Process, intent: Intent, event: dict[str, Any]) -> Answer | None:
        """A client's request. None: it never hears an answer."""
        intent.sent = [*intent.sent[:1], self.clock.now()]
        known = intent.final() is not None
        with self._environment(process), self.store.watched() as least:
            try:
                answer = invoke(event)
            except Crash:
                return None
        if answer.status == 409:
            is_sold_out = str(answer.body["type"]).endswith("/out-of-stock")
            intent.least = least if is_sold_out else {}
        if answer.status != SAYS_NOTHING:
            (intent.repeats if known else intent.answers).append((answer.status, answer.body))
        return answer.status, answer.body

    def sweep(self, process: Process) -> None:
        with self._environment(process):
            try:
                bootstrap.application().sweep.run(SWEEP_SECONDS)
            except Crash:
                return
            except Exception as error:  # noqa: BLE001 - whatever it is, the oracle judges it
                self.errors.append(repr(error))

    @contextmanager
    def _environment(self, process: Process) -> Iterator[None]:
        """The command function's own, and the one of whoever runs around it afterwards."""
        outer = bootstrap.application, getattr(BaseRouter, "current_event", None)
        measuring = os.environ.get(QUIET)
        os.environ[QUIET] = "true"
        application = self.application(process)
        written = StringIO()
        bootstrap.application = lambda: application  # type: ignore[assignment] # what it caches otherwise
        handlers = list(logger().handlers)
        listening = logging.StreamHandler(written)
        listening.setFormatter(handlers[0].formatter)
        logger().handlers[:] = [listening]
        try:
            yield
        finally:
            os.environ.pop(QUIET)
            os.environ.update({QUIET: measuring} if measuring else {})
            bootstrap.application = outer[0]
            BaseRouter.current_event = outer[1]  # type: ignore[assignment]
            logger().handlers[:] = handlers
            if any(secret in written.getvalue() for secret in (API_KEY, WEBHOOK_SECRET, '"pm_')):
                self.logs += written.getvalue()

    def application(self, process: Process) -> bootstrap.Application:
        gateway = StripeGateway("https://provider.invalid", lambda: API_KEY)
        gateway._http = cast("Any", self.provider)
        return bootstrap.assemble(
            store=cast("EventStore", process.port(EventStore, self.store)),
            publisher=cast("Publisher", process.port(Publisher, self.stream)),
            gateway=cast("PaymentGateway", process.port(PaymentGateway, gateway)),
            clock=cast("Clock", process.port(Clock, self.clock)),
            ids=cast("EventIds", process.port(EventIds, SequentialIds(self.processes * IDS_PER_STEP))),
            randomness=Random(self.processes),
            webhook_secret=lambda: WEBHOOK_SECRET,
            telemetry=Observability(),  # it has no part in what happens
        )

    def deliver(self, process: Process, work: Callable[[Sequence[bytes]], object], records_max: int) -> bool:
        """Batches of what waits for this consumer, until nothing does, or one fails and stays for the next time."""
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
        return True

    def project(self, process: Process) -> Project:
        return Project(cast("ReadModel", process.port(ReadModel, _SeamedReadModel(self.read_model, process))))

    def archive_batch(self, process: Process) -> ArchiveBatch:
        return ArchiveBatch(cast("Archive", process.port(Archive, self.archive)))
