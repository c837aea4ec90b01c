"""Explores every history of a workflow that has at most a given number of faults.

For each history, a step is run again from the frozen world in which it starts. Two histories that meet in the same
world have the same future: it is explored once, and counted for both.
"""

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Final

from shop_simulation import oracle
from shop_simulation.facts import Violation
from shop_simulation.faults import kind
from shop_simulation.seam import Effect, PortCall
from shop_simulation.steps import WorkflowStep, recover
from shop_simulation.world import World

PROCESSES_MAX: Final = 16
"""A step starts at most this many processes, those of its rivals included."""
OVERTAKEN: Final = frozenset({"command", "sweep"})
"""Rivals run only between the calls of these processes."""
Schedule = tuple[tuple[int, str], ...]
"""A schedule pairs the number of a call within its step with the fault that strikes it."""


@dataclass(frozen=True)
class Workflow:
    name: str
    steps: Sequence[WorkflowStep]
    before: Sequence[WorkflowStep] = ()
    """These steps run first, and none of their calls fails."""
    rivals: Sequence[WorkflowStep] = ()
    """Each may run as a whole, once, before any call of a step."""
    faults_max: int = 9
    """A workflow with too many histories limits its faults to this number."""


class Broken(Exception):  # noqa: N818 - it is the shop that is in error
    """Some invariants are violated."""

    def __init__(self, found: Sequence[Violation], history: Sequence[str]) -> None:
        super().__init__("\n".join((*(f"invariant {each.invariant}: {each.text}" for each in found), *history)))
        self.found = found
        self.history = history


@dataclass
class Explored:
    histories: int = 0
    runs: int = 0
    worlds: int = 0
    reached: Counter[tuple[str, str, str]] = field(default_factory=Counter)
    """It counts how often each kind of fault struck each method of each port."""

    def add(self, other: "Explored") -> None:
        self.histories += other.histories
        self.runs += other.runs
        self.worlds += other.worlds
        self.reached += other.reached


@dataclass
class Script:
    """A scheduler that plays a schedule, and records which other faults each call could have had."""

    schedule: Schedule
    reached: Counter[tuple[str, str, str]]
    calls: list[tuple[PortCall, tuple[str, ...]]] = field(default_factory=list)

    def choose(self, call: PortCall, faults: Mapping[str, Effect]) -> str | None:
        number = len(self.calls)
        self.calls.append((call, tuple(faults)))
        chosen = dict(self.schedule).get(number)
        if chosen is not None:
            self.reached[call.port, call.method, kind(chosen)] += 1
        return chosen

    def lines(self, step: WorkflowStep) -> Iterator[str]:
        yield f"  {step.name}" + ("" if self.schedule else ": no fault")
        for number, fault in self.schedule:
            yield f"    {fault} at call {number + 1}, {self.calls[number][0]}"


class Explorer:
    def __init__(self, workflow: Workflow, faults_max: int, *, thorough: bool = False) -> None:
        self.workflow = workflow
        self.faults_max = min(faults_max, workflow.faults_max)
        self.thorough = thorough
        self.explored = Explored()
        self._histories: dict[tuple[int, int, bytes], int] = {}

    def run(self) -> Explored:
        """Raises Broken at the first history that ends in a violation."""
        world = World()
        for step in self.workflow.before:
            step.run_alone(world)
            self._judge(oracle.safety(world), [f"  {step.name}"])
        self.explored.histories = self._visit(world.freeze(), 0, self.faults_max, ())
        self.explored.worlds = len(self._histories)
        return self.explored

    def _visit(self, frozen: bytes, index: int, left: int, history: tuple[str, ...]) -> int:
        key = index, left if index < len(self.workflow.steps) else 0, frozen
        if key not in self._histories:
            self._histories[key] = self._histories_of(frozen, index, left, history)
        return self._histories[key]

    def _histories_of(self, frozen: bytes, index: int, left: int, history: tuple[str, ...]) -> int:
        if index == len(self.workflow.steps):
            self._finish(frozen, history)
            return 1
        step = self.workflow.steps[index]
        count = self._visit(frozen, index + 1, left, history) if step.optional else 0
        for world, script in self._runs(index, frozen, left):
            after = (*history, *script.lines(step))
            self._judge(oracle.safety(world), after)
            count += self._visit(world.freeze(), index + 1, left - len(script.schedule), after)
        return count

    def _runs(self, index: int, frozen: bytes, left: int) -> Iterator[tuple[World, Script]]:
        step = self.workflow.steps[index]
        schedules: list[Schedule] = [()]
        while schedules:
            schedule = schedules.pop()
            world, script = World.thaw(frozen), Script(schedule, self.explored.reached)
            world.processes = PROCESSES_MAX * (index + 1)  # so that worlds are equal however many processes led to them
            process = world.process(step.process, script, thorough=self.thorough)
            process.meanwhile = self._rivals(world, step)
            step.run(world, process)
            self.explored.runs += 1
            yield world, script
            if step.faulty and len(schedule) < left:
                first = schedule[-1][0] + 1 if schedule else 0
                schedules += [
                    (*schedule, (number, fault))
                    for number, (_, faults) in enumerate(script.calls[first:], first)
                    for fault in faults
                ]

    def _rivals(self, world: World, running: WorkflowStep) -> Mapping[str, Callable[[], None]]:
        rivals = self.workflow.rivals if running.process in OVERTAKEN else ()
        return {rival.name: partial(rival.run_alone, world) for rival in rivals}

    def _finish(self, frozen: bytes, history: Sequence[str]) -> None:
        world = World.thaw(frozen)
        recover(world)
        self._judge([*oracle.safety(world), *oracle.liveness(world)], [*history, "  recovery without faults"])

    def _judge(self, violations: Sequence[Violation], history: Sequence[str]) -> None:
        if violations:
            raise Broken(violations, [f"workflow {self.workflow.name!r}:", *history])
