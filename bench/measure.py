"""What the benchmarks share: processes on the unzipped artifact, paired ratios, when to believe them, and their record.

Every way is run in every repeat, in shuffled order, and a ratio is of one repeat: what disturbs the machine disturbs
both. The same way twice (A/A) says what the machine adds of itself. Where that is too much, there is no result.
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Final

from shop_cli.guard_testing import guard_this_process
from shop_cli.local.build import CHECKOUT, BuildError, build, interpreter, run, uv

AGAIN: Final = " again"
AA_RANGE: Final = (0.85, 1.15)
REPEATS_MIN: Final = 9
MISSED, THROWN_AWAY = 1, 2
RECORDED: Final = CHECKOUT / "bench" / "results"

QUIET_FRAME: Final = """
import json, os, sys, time
replies = os.fdopen(os.dup(1), "w")
os.dup2(os.open(os.devnull, os.O_WRONLY), 1)
class Context:
    function_name, memory_limit_in_mb, aws_request_id = "shop", 512, "request-1"
    invoked_function_arn = "arn:aws:lambda:us-east-1:123456789012:function:shop"
    def get_remaining_time_in_millis(self):
        return 15000
context = Context()
"""
"""A way's process begins with it: the log goes nowhere, and what is measured goes to where stdout was."""

Samples = dict[str, list[float]]
"""Each way has one number for each repeat, in the same order for all."""


@dataclass(frozen=True)
class Way:
    """A script to be run by a Python that sees nothing but the standard library and `paths`."""

    name: str
    script: str
    paths: tuple[Path, ...]
    environment: dict[str, str] = field(default_factory=dict)

    def again(self) -> "Way":
        return Way(self.name + AGAIN, self.script, self.paths, self.environment)

    def command(self, python: str, frame: str) -> list[str]:
        """`frame` says `SCRIPT` where the script goes. -I and -S: no site-packages, no PYTHONPATH, as in Lambda."""
        code = frame.replace("SCRIPT", self.script)
        return [interpreter(python), "-I", "-S", "-c", code, *map(str, self.paths)]


@dataclass(frozen=True)
class Comparison:
    way: str
    peer: str
    goal: float | None = None
    """The ratio's median is to be at most this. None: it is told, not held against us."""

    @property
    def is_aa(self) -> bool:
        return self.peer == self.way + AGAIN

    def ratios(self, samples: Samples) -> list[float]:
        return [own / other for own, other in zip(samples[self.way], samples[self.peer], strict=True)]

    def row(self, samples: Samples) -> str:
        ratios = self.ratios(samples)
        middle = statistics.median(ratios)
        goal = f"{AA_RANGE[0]} to {AA_RANGE[1]}" if self.is_aa else f"at most {self.goal:.3g}" if self.goal else ""
        ratio = f"{middle:.2f}" if self.holds(samples) else f"**{middle:.2f}**"
        own, other = (number(statistics.median(samples[name])) for name in (self.way, self.peer))
        spread = f"{min(ratios):.2f} to {max(ratios):.2f}"
        return f"| {self.way} | {own} | {self.peer} | {other} | {ratio} ({spread}) | {goal} |"

    def holds(self, samples: Samples) -> bool:
        middle = statistics.median(self.ratios(samples))
        if self.is_aa:
            return AA_RANGE[0] <= middle <= AA_RANGE[1]
        return self.goal is None or middle <= self.goal


@dataclass(frozen=True)
class Table:
    comparisons: Sequence[Comparison]
    samples: Samples
    unit: str
    title: str = ""

    def __str__(self) -> str:
        head = f"| what | {self.unit} | against | {self.unit} | ratio (range) | goal |\n|---|--:|---|--:|--:|---|"
        rows = "\n".join([head, *(comparison.row(self.samples) for comparison in self.comparisons)])
        return f"{self.title}:\n\n{rows}" if self.title else rows


@dataclass(frozen=True)
class RecordedRow:
    """One line of a record. Without a peer, `against`, the ratio is the value itself."""

    what: str
    unit: str
    value: float
    ratio: float
    quartiles: tuple[float, float]
    goal: float | None = None
    against: str = ""
    other: float | None = None

    @property
    def is_met(self) -> bool:
        return self.goal is None or self.ratio <= self.goal


def report(name: str, tables: Sequence[Table], circumstances: str, *, out: IO[str] | None = None) -> int:
    """Prints the tables, records them unless they are to be thrown away, and returns the exit code."""
    print(*tables, circumstances, sep="\n\n", file=out or sys.stdout)
    status = verdict(tables)
    if status != THROWN_AWAY:
        record(name, [row for each in tables for row in _rows(each)], circumstances)
    return status


def record(name: str, rows: Sequence[RecordedRow], circumstances: str) -> None:
    folder = results()
    folder.mkdir(parents=True, exist_ok=True)
    content = {"circumstances": circumstances, "rows": [asdict(row) for row in rows]}
    (folder / f"{name}.json").write_text(json.dumps(content, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def recorded(folder: Path, name: str) -> tuple[str, list[RecordedRow]]:
    content = json.loads((folder / f"{name}.json").read_text(encoding="utf-8"))
    rows = [RecordedRow(**{**each, "quartiles": tuple(each["quartiles"])}) for each in content["rows"]]
    return content["circumstances"], rows


def results() -> Path:
    """`make bench-check` keeps its results apart from the recorded ones."""
    return Path(os.environ.get("BENCH_RESULTS", RECORDED))


def quartiles(values: Sequence[float]) -> tuple[float, float]:
    first, _, third = statistics.quantiles(values, n=4, method="inclusive")
    return first, third


def _rows(table: Table) -> Iterator[RecordedRow]:
    for each in table.comparisons:
        ratios = each.ratios(table.samples)
        own, other = (statistics.median(table.samples[name]) for name in (each.way, each.peer))
        yield RecordedRow(
            each.way, table.unit, own, statistics.median(ratios), quartiles(ratios), each.goal, each.peer, other
        )


def verdict(tables: Sequence[Table]) -> int:
    """The exit code; says on stderr what it is for."""
    failed = [(each, table.samples) for table in tables for each in table.comparisons if not each.holds(table.samples)]
    if any(comparison.is_aa for comparison, _ in failed):
        low, high = AA_RANGE
        print(f"Thrown away: the same twice differs by more than {low} to {high}. Run it again.", file=sys.stderr)
        return THROWN_AWAY
    for comparison, samples in failed:
        middle = statistics.median(comparison.ratios(samples))
        print(f"Missed: {comparison.way} is at {middle:.2f}, the goal {comparison.goal}", file=sys.stderr)
    return MISSED if failed else 0


def options(description: str | None, *, repeats: int) -> argparse.Namespace:
    """Reads the command line, and sees to it that nothing of the benchmark outlives it."""
    guard_this_process()
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--python", default="3.13", help="of the artifacts (default: %(default)s)")
    parser.add_argument("--repeats", type=_repeats, default=repeats, help="at least 9 (default: %(default)s)")
    parser.add_argument("--seed", type=int, default=1, help="of the order (default: %(default)s)")
    return parser.parse_args()


def pipe(opened: IO[str] | None) -> IO[str]:
    if opened is None:
        raise AssertionError("the process was not started with pipes")
    return opened


def _repeats(text: str) -> int:
    if int(text) < REPEATS_MIN:
        raise ValueError(text)
    return int(text)


def unpacked(function: str, python: str, folder: Path) -> Path:
    """The artifact, built if it is not up to date, as Lambda lays it out."""
    task = folder / function
    try:
        with zipfile.ZipFile(build(function, python, report=lambda _: None)) as archive:
            archive.extractall(task)
    except BuildError as error:
        raise SystemExit(str(error)) from error
    return task


def installed(name: str, packages: Mapping[str, str], python: str) -> Path:
    """Peers, from the index that uv is set to; once. In .venv, so that `make clean` takes them along."""
    place = CHECKOUT / ".venv" / f"bench-{name}-py{python}"
    pins = [f"{package}=={version}" for package, version in packages.items()]
    finished = place / "pins"
    if not finished.is_file() or finished.read_text().split() != pins:
        shutil.rmtree(place, ignore_errors=True)
        target = ["--target", str(place), "--python", interpreter(python), "--compile-bytecode"]
        try:
            uv("pip", "install", "--quiet", "--no-deps", "--only-binary", ":all:", *target, *pins)
        except BuildError as error:
            raise SystemExit(f"What to compare with can't be installed:\n{error}") from error
        finished.write_text("\n".join(pins))
    return place


def circumstances(python: str, repeats_done: int) -> str:
    commit = run(["git", "-C", str(CHECKOUT), "log", "-1", "--format=%h"]).strip()
    changed = run(["git", "-C", str(CHECKOUT), "status", "--porcelain", "--", "functions", "packages"]).strip()
    state = " with uncommitted changes" if changed else ""
    version = run([interpreter(python), "-c", "import platform; print(platform.python_version())"]).strip()
    models = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
    model = models[0].partition(":")[2].strip() if models else "unknown"
    load = " ".join(f"{each:.1f}" for each in os.getloadavg())
    return (
        f"{datetime.now(UTC):%d %B %Y}, commit {commit}{state}, Python {version}, {os.cpu_count()} cores ({model}),"
        f" load average {load}, {repeats_done} repeats"
    )


def number(value: float) -> str:
    return f"{value:.3g}" if value < 100 else f"{value:,.0f}"
