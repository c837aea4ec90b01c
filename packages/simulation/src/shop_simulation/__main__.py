"""`make simulate`: python -m shop_simulation [--seed N] [--seeds N] [--steps N] [--faults N]"""

import argparse
import sys
from typing import Final

from shop_simulation import runs
from shop_simulation.explorer import Explored

STEPS: Final = 120


def main() -> int:
    arguments = _arguments()
    if arguments.seed is not None:
        return _seeds([arguments.seed], arguments.steps)
    return _explore(arguments.faults) | _seeds(range(1, arguments.seeds + 1), arguments.steps)


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Enumerates and simulates how the shop can fail.")
    parser.add_argument("--seed", type=int, help="replay this run, and nothing else")
    parser.add_argument("--seeds", type=int, default=20, help="how many random runs")
    parser.add_argument("--steps", type=int, default=STEPS, help="of each random run")
    parser.add_argument("--faults", type=int, default=2, help="at most so many in each history of a workflow")
    return parser.parse_args()


def _explore(faults_max: int) -> int:
    failed = 0
    for name, found in runs.explore(faults_max):
        if isinstance(found, Explored):
            print(f"{name}: {found.histories:,} histories in {found.runs:,} runs")
        else:
            failed = 1
            print(found)
    return failed


def _seeds(numbers: range | list[int], steps: int) -> int:
    broken = [text for _, text in runs.seeds(numbers, steps) if text is not None]
    print(*broken, f"{len(numbers)} seeds of {steps} steps, {len(broken)} failed", sep="\n")
    return 1 if broken else 0


if __name__ == "__main__":
    sys.exit(main())
