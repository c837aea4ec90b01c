"""Runs benchmarks one after the other, and repeats what can't be believed.

    python -m bench.suite handlers query          # measures and records these, and writes bench/RESULTS.md
    python -m bench.suite --check handlers query  # measures them again, and says what got worse by more than the noise

Whatever needs a running shop gets one of its own, unless the one of SHOP_HOME runs. Exits with 1 if something could not
be measured or, with --check, if something got worse. A goal that is missed is no failure: the table tells it.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Final

from bench import goals
from bench.measure import AA_RANGE, AGAIN, RECORDED, THROWN_AWAY, RecordedRow, recorded

from shop_cli.guard_testing import guard_this_process
from shop_cli.interrupts import Interrupts
from shop_cli.local.build import CHECKOUT
from shop_cli.local.home import Home
from shop_cli.testing import run_shop

ON_A_SHOP: Final = ("visible", "burst")
START_SECONDS_MAX: Final = 600
TRIES_MAX: Final = 3
INTERRUPTED: Final = 130

Rows = Sequence[RecordedRow]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="compare with what is recorded, and record nothing")
    parser.add_argument("names", nargs="+", metavar="BENCHMARK", choices=goals.BENCHMARKS)
    arguments = parser.parse_args()
    guard_this_process()
    one = is_no_worse if arguments.check else is_recorded
    failed = list[str]()
    try:
        with Interrupts().installed(), tempfile.TemporaryDirectory() as folder, ExitStack() as open_:
            for number, name in enumerate(sorted(arguments.names, key=ON_A_SHOP.__contains__), start=1):
                if name in ON_A_SHOP and not Home.current().run():
                    open_.enter_context(a_shop())
                began = time.monotonic()
                _say(f"== {name}, {number} of {len(arguments.names)}")
                if not one(name, Path(folder)):
                    failed.append(name)
                _say(f"== {name} took {time.monotonic() - began:.0f} s")
    except KeyboardInterrupt:
        _say("Interrupted.")
        return INTERRUPTED
    if not arguments.check:
        goals.main()
    if failed:
        _say(f"{'Worse or not measured' if arguments.check else 'Not measured'}: {', '.join(failed)}")
    return min(1, len(failed))


@contextmanager
def a_shop() -> Iterator[None]:
    """It is new, and only runs when its turn comes, so that it takes no time of the benchmarks before."""
    with tempfile.TemporaryDirectory() as home:
        _say("== starting a shop")
        os.environ["SHOP_HOME"] = home
        try:
            run_shop(Path(home), "up", "--detach", seconds_max=START_SECONDS_MAX)
            yield
        finally:
            run_shop(Path(home), "down", check=False)


def is_recorded(name: str, folder: Path) -> bool:
    found = measured(name, folder)
    if found:
        shutil.copy(folder / f"{name}.json", RECORDED)
    return bool(found)


def is_no_worse(name: str, folder: Path) -> bool:
    rows = worse(recorded(RECORDED, name)[1], lambda: measured(name, folder))
    for row in rows or ():
        _say(f"{name}: WORSE: {row.what}, against {row.against or 'its goal'}: {row.ratio:.2f} {row.unit}")
    if rows == []:
        _say(f"{name}: nothing got worse by more than the noise")
    return rows == []


def measured(name: str, folder: Path) -> Rows | None:
    """Returns nothing if the benchmark fails, or can't be believed TRIES_MAX times in a row."""
    record = folder / f"{name}.json"
    record.unlink(missing_ok=True)
    for _ in range(TRIES_MAX):
        if _run(name, folder) != THROWN_AWAY:
            break
    if record.is_file():
        return recorded(folder, name)[1]
    _say(f"{name}: not measured")
    return None


def worse(before: Rows, measure: Callable[[], Rows | None]) -> list[RecordedRow] | None:
    """Returns the rows that are worse each time, for chance alone makes one of a hundred rows worse now and then.

    So it measures once where nothing is worse, and TRIES_MAX times before it says that something is.
    """
    known = {_key(row): row for row in before}
    left, suspected = list[RecordedRow](), set(known)
    for _ in range(TRIES_MAX):
        found = measure()
        if found is None:
            return None
        left = [row for row in found if _key(row) in suspected and is_worse(row, known[_key(row)])]
        suspected = {_key(row) for row in left}
        if not left:
            break
    return left


def is_worse(row: RecordedRow, old: RecordedRow) -> bool:
    """A ratio is worse if it has grown by more than the same twice may differ, and if the middle halves do not touch.
    What has no peer is as quick as its machine: it is worse if it met its goal and does not any more."""
    if row.against == row.what + AGAIN:
        return False
    if not row.against:
        return old.is_met and not row.is_met
    return row.ratio > AA_RANGE[1] * old.ratio and row.quartiles[0] > old.quartiles[1]


def _key(row: RecordedRow) -> tuple[str, str, str]:
    return row.what, row.against, row.unit


def _run(name: str, folder: Path) -> int:
    environment = os.environ | {"BENCH_RESULTS": str(folder)}
    command = [sys.executable, "-m", f"bench.{name}"]
    # In a group of its own, Ctrl-C does not reach it, which would have it print where it was.
    with subprocess.Popen(command, cwd=CHECKOUT, env=environment, process_group=0) as benchmark:
        try:
            return benchmark.wait()
        except KeyboardInterrupt:
            benchmark.terminate()
            benchmark.wait()
            raise


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
