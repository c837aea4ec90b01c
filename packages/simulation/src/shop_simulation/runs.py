"""Explores and runs seeds on all processors."""

import gc
import os
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from multiprocessing import get_context
from typing import TypeVar

from shop_simulation import seeded
from shop_simulation.explorer import Broken, Explored, Explorer
from shop_simulation.workflows import WORKFLOWS

Item = TypeVar("Item")
Result = TypeVar("Result")


def explore(faults_max: int) -> Iterator[tuple[str, Explored | str]]:
    """Yields for each workflow how much was explored, or the violation and its history.

    With a single fault, also those faults are tried that lead to the same world as another one.
    """
    tasks = [(workflow.name, faults_max) for workflow in WORKFLOWS]
    return ((name, found) for (name, _), found in _on_all_processors(_explore, tasks))


def seeds(numbers: Iterable[int], steps: int) -> Iterator[tuple[int, str | None]]:
    """Yields for each seed None, or the violation and its history."""
    return ((seed, text) for (seed, _), text in _on_all_processors(_run_seed, [(seed, steps) for seed in numbers]))


def _explore(task: tuple[str, int]) -> Explored | str:
    name, faults_max = task
    workflow = next(workflow for workflow in WORKFLOWS if workflow.name == name)
    try:
        return Explorer(workflow, faults_max, thorough=faults_max == 1).run()
    except Broken as broken:
        return str(broken)


def _run_seed(task: tuple[int, int]) -> str | None:
    try:
        seeded.run(*task)
    except Broken as broken:
        return str(broken)
    return None


def _on_all_processors(work: Callable[[Item], Result], items: Iterable[Item]) -> Iterator[tuple[Item, Result]]:
    # Processes are spawned, because a fork of a pytest that has threads would inherit their locks.
    with ProcessPoolExecutor(os.cpu_count(), get_context("spawn"), initializer=gc.freeze) as pool:
        tasks = {pool.submit(work, item): item for item in items}
        for task in as_completed(tasks):
            yield tasks[task], task.result()
