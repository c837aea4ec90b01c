"""Changes a function's code in thousands of small ways, and lists the changes that its tests let through.

mutmut makes the changes (https://mutmut.readthedocs.io). mypy judges them first: what it refuses never gets to a test.
The tests are those that start no emulator. What is left of an interrupted run is used by the next one, so a change to
the code or its tests costs only what it touches; the folder .mutants has it.
"""

import argparse
import ast
import configparser
import json
import os
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Final

CHECKOUT: Final = Path(__file__).parents[1]
# The tests read these besides the function's own code.
COPIED: Final = (
    "conftest.py", "pyproject.toml", "package.json", "Makefile", "serverless.yml",
    "config", "docs", "functions", "infra", "packages",
)  # fmt: skip
MUTATED: Final = ("src/*/domain/*", "src/*/application/*", "src/*/adapters/*")
SECONDS_OF_A_HANGING_TEST: Final = 60
STATUSES: Final = {0: "survived", 5: "without a test", 33: "without a test", 37: "refused by mypy"}
"""mutmut keeps pytest's exit code of each change, and codes of its own. Any other means that a test has failed."""


MYPY: Final = ("--config-file", "../pyproject.toml", "--no-warn-unused-ignores", "--output", "json", "src")


def main() -> int:
    if sys.argv[1:] == ["judge", "mypy"]:  # mutmut runs this program in place of mypy
        return judge()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("function", choices=sorted(folder.name for folder in (CHECKOUT / "functions").iterdir()))
    parser.add_argument("--only", default="*", help="names of changes, such as shop_command.domain.prices.*")
    parser.add_argument("--processes", type=int, default=os.cpu_count())
    arguments = parser.parse_args()
    folder = prepare(arguments.function)
    mutmut = [sys.executable, "-m", "mutmut"]
    status = subprocess.run(
        [*mutmut, "run", "--max-children", str(arguments.processes), arguments.only], cwd=folder, check=False
    )
    report(folder)
    return status.returncode


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
    _link(folder / "src", CHECKOUT / "functions" / function / "src")
    settings = {
        "source_paths": ["src"],
        "only_mutate": MUTATED,
        "also_copy": COPIED,
        "pytest_add_cli_args": ["-m", "not emulator"],
        "pytest_add_cli_args_test_selection": [f"functions/{function}/tests"],
        "type_check_command": [sys.executable, str(Path(__file__)), "judge", "mypy"],
        "timeout_constant": [str(SECONDS_OF_A_HANGING_TEST)],
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


def report(folder: Path) -> None:
    found: Counter[str] = Counter()
    for file in sorted((folder / "mutants" / "src").rglob("*.meta")):
        for name, code in json.loads(file.read_text())["exit_code_by_key"].items():
            status = "not tried" if code is None else STATUSES.get(code, "noticed by a test")
            found[status] += 1
            if status in ("survived", "without a test"):
                print(f"{status}: {name}")
    for status, count in sorted(found.items()):
        print(f"{count:6,} {status}")


if __name__ == "__main__":
    sys.exit(main())
