"""Changes a function's code in thousands of small ways, and lists the changes that its tests let through.

mutmut makes the changes (https://mutmut.readthedocs.io). mypy judges them first: what it refuses never gets to a test.
The tests are those that start no emulator. A run goes on where an interrupted one has stopped, and tries again what has
survived, or is in code that has changed; the folder .mutants has it. All changes of a function may take hours, a sample
takes minutes. The score counts those that mypy accepts, with a confidence interval of 95 %.
"""

import argparse
import ast
import configparser
import fnmatch
import json
import math
import os
import random
import shutil
import subprocess
import sys
from collections import Counter
from collections.abc import Collection
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
# The tests read these besides the function's own code.
COPIED: Final = (
    "conftest.py", "pyproject.toml", "package.json", "Makefile", "serverless.yml",
    "bench", "config", "docs", "functions", "infra", "packages",
)  # fmt: skip
MUTATED: Final = ("src/*/domain/*", "src/*/application/*", "src/*/adapters/*")
GENERATE: Final = "from mutmut.__main__ import *; copy_src_dir(); create_mutants(1)"
SECONDS_OF_A_HANGING_TEST: Final = 60
STATUSES: Final = {0: "survived", 5: "without a test", 33: "without a test", 37: "refused by mypy"}
"""mutmut keeps pytest's exit code of each change, and codes of its own. Any other means that a test has failed."""
LET_THROUGH: Final = ("survived", "without a test")


MYPY: Final = ("--config-file", "../pyproject.toml", "--no-warn-unused-ignores", "--output", "json", "src")


def main() -> int:
    if sys.argv[1:] == ["judge", "mypy"]:  # mutmut runs this program in place of mypy
        return judge()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", choices=sorted(folder.name for folder in (CHECKOUT / "functions").iterdir()))
    parser.add_argument("--only", default="*", help="names of changes, such as shop_command.domain.prices.*")
    parser.add_argument("--sample", type=int, help="try so many of them; mypy refuses about every second")
    parser.add_argument("--seed", type=int, default=1, help="the same seed chooses the same changes of the same code")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    folder = prepare(arguments.function)
    chosen = choose(folder, arguments.only, arguments.sample, arguments.seed)
    named = [] if (arguments.only, arguments.sample) == ("*", None) else chosen
    mutmut = [sys.executable, "-m", "mutmut", "run", "--max-children", str(arguments.processes), *named]
    status = subprocess.run(mutmut, cwd=folder, check=False)
    report(folder, chosen)
    return status.returncode


def choose(folder: Path, only: str, sample: int | None, seed: int) -> list[str]:
    subprocess.run([sys.executable, "-c", GENERATE], cwd=folder, check=True, stdout=subprocess.DEVNULL)
    for file in results(folder):
        known = json.loads(file.read_text())
        for name, code in known["exit_code_by_key"].items():
            known["exit_code_by_key"][name] = None if STATUSES.get(code) in LET_THROUGH else code
        file.write_text(json.dumps(known))
    names = sorted(name for name in found(folder) if fnmatch.fnmatch(name, only))
    return names if sample is None else random.Random(seed).sample(names, min(sample, len(names)))


def prepare(function: str) -> Path:
    """mutmut mutates `src` of the folder that it runs in, and the tests find the rest from where they are."""
    folder = CHECKOUT / ".mutants" / function
    folder.mkdir(parents=True, exist_ok=True)
    for name in COPIED:
        _link(folder / name, CHECKOUT / name)
        copy = folder / "mutants" / name  # mutmut copies only what is not there yet
        if copy.is_dir():
            shutil.rmtree(copy)
        else:
            copy.unlink(missing_ok=True)
    own = CHECKOUT / "functions" / function
    _link(folder / "src", own / "src")
    (folder / "mutants").mkdir(exist_ok=True)
    _link(folder / "mutants" / "migrations", own / "migrations")
    settings = {
        "source_paths": ["src"],
        "only_mutate": MUTATED,
        "also_copy": COPIED,
        "pytest_add_cli_args": ["-m", "not emulator"],
        "pytest_add_cli_args_test_selection": [f"functions/{function}/tests"],
        "type_check_command": [sys.executable, str(Path(__file__)), "judge", "mypy"],
        "timeout_constant": [str(SECONDS_OF_A_HANGING_TEST)],
        "timeout_multiplier": ["2"],
    }
    written = configparser.ConfigParser()
    written["mutmut"] = {name: "\n" + "\n".join(values) for name, values in settings.items()}
    with (folder / "setup.cfg").open("w") as file:
        written.write(file)
    return folder


def _link(link: Path, target: Path) -> None:
    link.unlink(missing_ok=True)
    link.symlink_to(target)


def judge() -> int:
    """Prints what mypy says of changes alone. mutmut wraps each function, through which others lose a type guard."""
    done = subprocess.run([sys.executable, "-m", "mypy", *MYPY], check=False, capture_output=True, text=True)
    changes: dict[str, list[range]] = {}
    for line in done.stdout.splitlines():
        found = json.loads(line)
        if found["file"] not in changes:
            nodes = ast.walk(ast.parse(Path(found["file"]).read_text()))
            functions = [node for node in nodes if isinstance(node, ast.FunctionDef)]
            changes[found["file"]] = [
                range(it.lineno, (it.end_lineno or it.lineno) + 1)
                for it in functions
                if "__mutmut_" in it.name and not it.name.endswith("__mutmut_orig")
            ]
        if any(found["line"] in lines for lines in changes[found["file"]]):
            print(line)
    return done.returncode


def results(folder: Path) -> list[Path]:
    return sorted((folder / "mutants" / "src").rglob("*.meta"))


def found(folder: Path) -> dict[str, int | None]:
    codes = (json.loads(file.read_text())["exit_code_by_key"] for file in results(folder))
    return {name: code for those in codes for name, code in those.items()}


def report(folder: Path, chosen: Collection[str]) -> None:
    layers: dict[str, Counter[str]] = {}
    for name, code in sorted(found(folder).items()):
        if name in chosen:
            status = "not tried" if code is None else STATUSES.get(code, "noticed by a test")
            layers.setdefault(name.split(".")[1], Counter())[status] += 1
            if status in LET_THROUGH:
                print(f"{status}: {name}")
    for layer, counts in [*layers.items(), ("all", sum(layers.values(), Counter()))]:
        noticed, through = counts["noticed by a test"], sum(counts[status] for status in LET_THROUGH)
        low, high = wilson(noticed, noticed + through)
        print(f"{layer:12} {noticed:,} of {noticed + through:,} noticed: {low:.0%} to {high:.0%}", dict(counts))


def wilson(successes: int, trials: int, z: float = 1.96) -> tuple[float, float]:
    """Returns the 95 % confidence interval of a proportion (https://en.wikipedia.org/wiki/Wilson_score_interval)."""
    if not trials:
        return 0, 1
    middle = successes + z * z / 2
    half = z * math.sqrt(successes * (trials - successes) / trials + z * z / 4)
    return (middle - half) / (trials + z * z), (middle + half) / (trials + z * z)


if __name__ == "__main__":
    sys.exit(main())
