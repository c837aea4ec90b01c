"""What `make bench-check` calls worse, and what the table of goals says of what is missed."""

import json
import random
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, replace
from itertools import repeat
from pathlib import Path

import pytest
from bench import goals, suite
from bench.measure import AGAIN, MISSED, RECORDED, THROWN_AWAY, RecordedRow, quartiles, recorded

REPEATS = 15
ROWS = 60
FAILED = 3
MEASURED = RecordedRow("a", "us", 1.0, 1.0, (1.0, 1.0), against="b", other=1.0)


def row(number: int, randomness: random.Random, factor: float, noise: float) -> RecordedRow:
    """Makes a row as a benchmark records it, of a run that is off by some percent as a whole."""
    run = randomness.gauss(factor, 0.02)
    ratios = [run * randomness.gauss(1, noise) * (1 + number / 10) for _ in range(REPEATS)]
    return RecordedRow(
        f"row {number}", "us", 1.0, statistics.median(ratios), quartiles(ratios), against="peer", other=1
    )


def tables(seed: int, *, factor: float = 1.0, noise: float = 0.05) -> Iterator[list[RecordedRow]]:
    randomness = random.Random(seed)  # noqa: S311
    while True:
        yield [row(number, randomness, factor, noise) for number in range(ROWS)]


def measuring(found: Iterator[Sequence[RecordedRow] | None]) -> Callable[[], Sequence[RecordedRow] | None]:
    return lambda: next(found)


def test_the_same_tree_is_no_worse_however_often_it_is_measured() -> None:
    for seed in range(50):
        before = next(tables(seed))
        assert suite.worse(before, measuring(tables(1_000 + seed))) == []


def test_what_takes_a_quarter_longer_is_worse() -> None:
    before = next(tables(1))
    worse = suite.worse(before, measuring(tables(2, factor=1.25)))
    assert worse is not None
    assert len(worse) > 0.9 * ROWS


def test_one_row_that_takes_a_quarter_longer_is_named_alone() -> None:
    before = next(tables(1, noise=0.02))
    first, third = before[0].quartiles
    changed = replace(before[0], ratio=before[0].ratio * 1.25, quartiles=(first * 1.25, third * 1.25))
    assert suite.worse(before, measuring(repeat([changed, *before[1:]]))) == [changed]


def test_what_is_worse_once_is_measured_again() -> None:
    before, slow = next(tables(1)), next(tables(1, factor=1.5))
    assert suite.worse(before, measuring(iter([slow, before]))) == []
    assert suite.worse(before, measuring(iter([slow, slow, before]))) == []
    assert suite.worse(before, measuring(iter([slow, None]))) is None


@pytest.mark.parametrize(("factor", "is_worse"), [(1.14, False), (1.16, True)])
def test_less_than_the_same_twice_may_differ_is_no_change(factor: float, is_worse: bool) -> None:
    old = RecordedRow("a", "us", 1, 1.0, (0.99, 1.01), against="b", other=1)
    assert suite.is_worse(replace(old, ratio=factor, quartiles=(factor, factor)), old) is is_worse


def test_middle_halves_that_touch_are_no_change() -> None:
    old = RecordedRow("a", "us", 1, 1.0, (0.8, 1.3), against="b", other=1)
    assert not suite.is_worse(replace(old, ratio=1.5, quartiles=(1.3, 1.7)), old)
    assert suite.is_worse(replace(old, ratio=1.5, quartiles=(1.31, 1.7)), old)


def test_the_same_twice_is_never_worse() -> None:
    old = RecordedRow("a", "us", 1, 1.0, (1, 1), against="a" + AGAIN, other=1)
    assert not suite.is_worse(replace(old, ratio=2.0, quartiles=(2.0, 2.0)), old)


def test_what_has_no_peer_is_worse_when_it_misses_its_goal() -> None:
    old = RecordedRow("a", "s", 5, 5, (5, 5), goal=10)
    assert not suite.is_worse(replace(old, value=9, ratio=9), old)
    assert suite.is_worse(replace(old, value=11, ratio=11), old)


class Benchmark:
    """It ends with each status in turn, and records what it measured if that may be believed."""

    def __init__(self, *statuses: int) -> None:
        self.statuses = list(statuses)

    def __call__(self, name: str, folder: Path) -> int:
        status = self.statuses.pop(0)
        if status == MISSED:
            (folder / f"{name}.json").write_text(json.dumps({"circumstances": "", "rows": [asdict(MEASURED)]}))
        return status


def test_what_cannot_be_believed_is_measured_again(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(suite, "_run", benchmark := Benchmark(THROWN_AWAY, THROWN_AWAY, MISSED))
    assert suite.measured("sweep", tmp_path) == [MEASURED]
    assert benchmark.statuses == []


@pytest.mark.parametrize("statuses", [[THROWN_AWAY] * suite.TRIES_MAX, [FAILED]])
def test_what_is_never_believed_or_fails_is_not_measured(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, statuses: list[int]
) -> None:
    (tmp_path / "sweep.json").write_text("what was measured before")
    monkeypatch.setattr(suite, "_run", benchmark := Benchmark(*statuses))
    assert suite.measured("sweep", tmp_path) is None
    assert benchmark.statuses == []


def test_each_goal_that_is_missed_says_by_how_much_and_why() -> None:
    known = {path.stem: recorded(RECORDED, path.stem)[1] for path in RECORDED.glob("*.json")}
    missed = [line for line in goals.table(known).splitlines() if "**missed**" in line]
    assert missed
    for line in missed:
        assert "** by " in line, line
        assert line.endswith(". |"), line


def test_a_goal_that_is_met_needs_no_reason() -> None:
    found = RecordedRow("a", "us", 1, 1.0, (1, 1), goal=1.25, against="bare TransactWriteItems", other=1)
    assert goals.REASONS["reserve", found.against] not in goals.table({"reserve": [found]})
    assert goals.REASONS["reserve", found.against] in goals.table({"reserve": [replace(found, ratio=2.0)]})


def test_each_reason_is_of_a_goal_that_there_is() -> None:
    for name, against in goals.REASONS:
        assert any(each.against == against and each.goal for each in recorded(RECORDED, name)[1]), (name, against)
