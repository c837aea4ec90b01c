"""Long random histories: several customers, an administrator, sweeps, deliveries, and faults wherever they may strike.

One `random.Random(seed)` decides everything, so a seed and a number of steps replay a run exactly.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from random import Random
from typing import Final

from shop_simulation import oracle
from shop_simulation.explorer import Broken
from shop_simulation.seam import Call, Effect
from shop_simulation.steps import Step, deliver, known_reservation, list_product, place, purchase, receive
from shop_simulation.workflows import settle
from shop_simulation.world import World

FAULT_RATE: Final = 0.04
"""Of each call: about every second request is hit."""
CUSTOMERS: Final = ("customer-1", "customer-2", "customer-3")
SKUS: Final = ("MUG", "POT")
CARDS: Final = ("visa", "visa", "declined", "slow", "slow_declined", "error_before", "error_after", "action")


@dataclass(frozen=True)
class ChosenByChance:
    chance: Random
    history: list[str]

    def choose(self, call: Call, faults: Mapping[str, Effect]) -> str | None:
        if self.chance.random() >= FAULT_RATE:
            return None
        chosen = self.chance.choice(list(faults))
        self.history.append(f"    {chosen} at {call}")
        return chosen


class Run:
    def __init__(self, seed: int) -> None:
        self.seed = seed
        self.chance = Random(seed)
        self.world = World()
        self.history: list[str] = []
        self.asked: list[Step] = []
        self.placed: list[str] = []

    def go(self, steps: int) -> None:
        """Raises Broken, which says how to see it again."""
        for number in range(steps):
            self._run(self._next(number))
            self._judge(oracle.safety(self.world), number + 1)
        settle(self.world)
        owed = self.world.store.due_events or self.world.store.due_states
        self._judge([*oracle.safety(self.world), *([] if owed else oracle.liveness(self.world))], steps)

    def _run(self, step: Step) -> None:
        self.history.append(f"  {step.name}")
        process = self.world.process(step.process, ChosenByChance(self.chance, self.history), thorough=True)
        if step.process == "command" and self.asked:
            process.meanwhile = {other.name: self._whole(other) for other in self.chance.choices(self.asked, k=2)}
        step.run(self.world, process)
        if step.process == "command":
            self.asked.append(step)

    def _whole(self, step: Step) -> Callable[[], None]:
        def run() -> None:
            step.run(self.world, self.world.process(step.process))

        return run

    def _next(self, number: int) -> Step:
        if number < len(SKUS):
            return list_product(
                SKUS[number], buckets=self.chance.randint(1, 4), price_minor=self.chance.randint(1, 999)
            )
        choices: dict[Callable[[int], Step], int] = {
            self._receive: 2,
            self._place: 6,
            self._purchase: 8,
            self._repeat: 5,
            self._deliver: 4,
            self._wait: 2,
        }
        return self.chance.choices(list(choices), list(choices.values()))[0](number)

    def _receive(self, number: int) -> Step:
        return receive(self.chance.randint(1, 20), self.chance.choice(SKUS), name=f"receive-{number}")

    def _place(self, number: int) -> Step:
        self.placed.append(f"place-{number}")
        skus = self.chance.sample(SKUS, self.chance.randint(1, len(SKUS)))
        lines = {sku: self.chance.randint(1, 6) for sku in skus}
        return place(lines, name=self.placed[-1], caller=self.chance.choice(CUSTOMERS))

    def _purchase(self, number: int) -> Step:
        """Now and then by somebody whose reservation it is not."""
        known = [name for name in self.placed if known_reservation(self.world, name)]
        if not known:
            return self._place(number)
        of = self.chance.choice(known[-4:])
        caller = self.world.intents[of].caller if self.chance.random() < 0.9 else self.chance.choice(CUSTOMERS)
        return purchase(f"pm_card_{self.chance.choice(CARDS)}", name=f"purchase-{number}", of=of, caller=caller)

    def _repeat(self, number: int) -> Step:
        return self.chance.choice(self.asked[-12:]) if self.asked else self._wait(number)

    def _deliver(self, _: int) -> Step:
        return deliver(self.chance.choice(("project", "archive")))

    def _wait(self, _: int) -> Step:
        seconds = self.chance.choice((1, 60, 600, 1_000, 90_000))
        return Step(f"{seconds} seconds pass", "time", lambda world, _: world.jump(timedelta(seconds=seconds)))

    def _judge(self, violations: list[oracle.Violation], steps: int) -> None:
        if violations:
            replay = f"replay it: make simulate SEED={self.seed} STEPS={steps}"
            raise Broken(violations, [replay, f"seed {self.seed}:", *self.history])


def run(seed: int, steps: int) -> None:
    Run(seed).go(steps)
