"""Runs long random histories with several customers, an administrator, sweeps, deliveries and faults of any kind.

One `random.Random(seed)` decides everything, so a seed and a number of steps replay a run exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from functools import partial
from random import Random
from typing import Final

from shop_simulation import oracle, steps
from shop_simulation.explorer import OVERTAKEN, Broken
from shop_simulation.facts import Violation
from shop_simulation.seam import Effect, PortCall
from shop_simulation.steps import WorkflowStep
from shop_simulation.world import World

FAULT_RATE: Final = 0.04
"""A call fails with this probability, so that every second request or so is hit."""
CLOCK_FAULT_RATE: Final = 0.005
"""Faults of the clock are rarer, because after most of them every reservation has expired."""
CUSTOMERS: Final = ("customer-1", "customer-2", "customer-3")
SKUS: Final = ("MUG", "POT")
CARDS: Final = (
    *("pm_card_visa", "pm_card_visa", "pm_card_visa", "pm_card_pendingRefund", "pm_card_visa_chargeDeclined"),
    *("pm_card_refundFail", "pm_card_createDispute", "pm_card_createDisputeInquiry"),
    *("pm_card_processing", "pm_card_processing_declined", "pm_card_error_before_charge"),
    *("pm_card_error_after_charge", "pm_card_authenticationRequired", "pm_card_authenticationRequired"),
)


@dataclass(frozen=True)
class RandomFaults:
    randomness: Random
    history: list[str]

    def choose(self, call: PortCall, faults: Mapping[str, Effect]) -> str | None:
        if not faults or self.randomness.random() >= (FAULT_RATE if call.port != "Clock" else CLOCK_FAULT_RATE):
            return None
        chosen = self.randomness.choice(list(faults))
        self.history.append(f"    {chosen} at {call}")
        return chosen


class RandomRun:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.randomness = Random(seed)
        self.world = World()
        self.history: list[str] = []
        self.asked: list[WorkflowStep] = []
        self.placed: list[str] = []

    def go(self, count: int) -> None:
        """Raises Broken, whose text says how to replay the run."""
        for number in range(count):
            self._run(self._next(number))
            self._judge(oracle.safety(self.world), number + 1)
        steps.recover(self.world)
        self._judge([*oracle.safety(self.world), *oracle.liveness(self.world)], count)

    def _run(self, step: WorkflowStep) -> None:
        self.history.append(f"  {step.name}")
        process = self.world.process(step.process, RandomFaults(self.randomness, self.history), thorough=True)
        if step.process in OVERTAKEN:
            rivals = self.randomness.choices([*self.asked[-12:], steps.sweep()], k=2)
            process.meanwhile = {rival.name: partial(rival.run_alone, self.world) for rival in rivals}
        step.run(self.world, process)
        if step.process == "command":
            self.asked.append(step)

    def _next(self, number: int) -> WorkflowStep:
        if number < len(SKUS):
            return steps.list_product(
                SKUS[number], buckets=self.randomness.randint(1, 4), price_minor=self.randomness.randint(1, 999)
            )
        choices: dict[Callable[[int], WorkflowStep], float] = {
            self._receive: 2,
            self._adjust: 1,
            self._place: 6,
            self._purchase: 8,
            self._cancel: 2,
            self._refund: 2,
            self._refund_elsewhere: 0.5,
            self._dispute: 1,
            self._reconcile: 1,
            self._authenticate: 2,
            self._change: 1.5,
            self._repeat: 5,
            self._deliver: 4,
            self._webhooks: 2,
            self._sweep: 3,
            self._wait: 2,
        }
        return self.randomness.choices(list(choices), list(choices.values()))[0](number)

    def _receive(self, number: int) -> WorkflowStep:
        return steps.receive(self.randomness.randint(1, 40), self.randomness.choice(SKUS), name=f"receive-{number}")

    def _adjust(self, number: int) -> WorkflowStep:
        change = self.randomness.choice((-30, -9, -4, -1, 1, 5))
        return steps.adjust(change, self.randomness.choice(SKUS), name=f"adjust-{number}")

    def _place(self, number: int) -> WorkflowStep:
        self.placed.append(f"place-{number}")
        skus = self.randomness.sample(SKUS, self.randomness.randint(1, len(SKUS)))
        lines = {sku: self.randomness.randint(1, 6) for sku in skus}
        return steps.place(lines, name=self.placed[-1], caller=self.randomness.choice(CUSTOMERS))

    def _purchase(self, number: int) -> WorkflowStep:
        of, caller = self._pick_reservation()
        return steps.purchase(self.randomness.choice(CARDS), name=f"purchase-{number}", of=of, caller=caller)

    def _cancel(self, number: int) -> WorkflowStep:
        of, caller = self._pick_reservation()
        return steps.cancel(name=f"cancel-{number}", of=of, caller=caller)

    def _refund(self, number: int) -> WorkflowStep:
        name, of = f"refund-{number}", self._pick_reservation()[0]
        restock = self.randomness.choice((None, True, False))
        match self.randomness.choice(("everything", "money", "units", "units")):
            case "money":
                return steps.refund(name=name, of=of, amount_minor=self.randomness.randint(1, 600))
            case "units":
                lines = {self.randomness.choice(SKUS): self.randomness.randint(1, 3)}
                return steps.refund(name=name, of=of, lines=lines, restock=restock)
            case _:
                return steps.refund(name=name, of=of, restock=restock)

    def _refund_elsewhere(self, _: int) -> WorkflowStep:
        return steps.refund_elsewhere(self.randomness.randint(1, 600), of=self._pick_reservation()[0])

    def _dispute(self, _: int) -> WorkflowStep:
        of, choice = self._pick_reservation()[0], self.randomness.random()
        return steps.dispute(of, is_inquiry=choice < 0.2) if choice < 0.5 else steps.decide(of, is_won=choice < 0.75)

    def _reconcile(self, _: int) -> WorkflowStep:
        return steps.reconcile()

    def _authenticate(self, _: int) -> WorkflowStep:
        of, choice = self._pick_reservation()[0], self.randomness.random()
        return steps.pay_past_the_shop(of) if choice < 0.2 else steps.authenticate(of, completes=choice < 0.7)

    def _pick_reservation(self) -> tuple[str, str]:
        """Picks a recent reservation and, most of the time, its own customer."""
        known = [name for name in self.placed if steps.known_reservation(self.world, name)]
        of = self.randomness.choice(known[-4:] or ["none yet"])
        is_theirs = known and self.randomness.random() < 0.9
        return of, self.world.intents[of].caller if is_theirs else self.randomness.choice(CUSTOMERS)

    def _change(self, number: int) -> WorkflowStep:
        sku = self.randomness.choice(SKUS)
        kind = self.randomness.choices(("price", "buckets", "words", "again", "end"), (6, 12, 3, 1, 1))[0]
        match kind:
            case "price":
                return steps.reprice(self.randomness.randint(1, 999), sku, name=f"reprice-{number}")
            case "buckets":
                return steps.redistribute(self.randomness.randint(1, 6), sku, name=f"redistribute-{number}")
            case "words":
                category = self.randomness.choice((None, "cups", "pots"))
                return steps.describe(f"Product {number}", sku, category=category, name=f"describe-{number}")
            case "again":
                return steps.relist(sku, name=f"relist-{number}")
            case _:
                return steps.retire(sku, name=f"retire-{number}")

    def _repeat(self, number: int) -> WorkflowStep:
        return self.randomness.choice(self.asked[-12:]) if self.asked else self._wait(number)

    def _deliver(self, _: int) -> WorkflowStep:
        return steps.deliver(self.randomness.choice(("project", "archive")))

    def _webhooks(self, _: int) -> WorkflowStep:
        arrivals = (steps.receive_webhooks(), steps.receive_webhooks(), steps.receive_webhooks(again=True))
        return self.randomness.choice((*arrivals, steps.receive_forged_webhooks()))

    def _sweep(self, _: int) -> WorkflowStep:
        return steps.sweep()

    def _wait(self, _: int) -> WorkflowStep:
        seconds = self.randomness.choice((1, 20, 60, 60, 120, 600, 1_000, 90_000))
        return WorkflowStep(f"{seconds} seconds pass", "time", lambda world, _: world.jump(timedelta(seconds=seconds)))

    def _judge(self, violations: list[Violation], count: int) -> None:
        if violations:
            replay = f"replay it: make simulate SEED={self.seed} STEPS={count}"
            raise Broken(violations, [replay, f"seed {self.seed}:", *self.history])


def run(seed: int, count: int) -> None:
    RandomRun(seed).go(count)
