"""Writes the table of all goals and each benchmark's own into bench/RESULTS.md, and its chart, from what was recorded.

python -m bench.goals  # as `make bench` does after it has measured
"""

import math
import sys
from collections.abc import Iterator, Sequence
from itertools import groupby
from typing import Final
from xml.sax.saxutils import escape

from bench.measure import RECORDED, RecordedRow, number, recorded

from shop_cli.local.build import CHECKOUT

BENCHMARKS: Final = {
    "handlers": "A read's handler",
    "query": "A read with its database",
    "start": "Start",
    "tracing": "Tracing",
    "dispatch": "Dispatch",
    "rebuild": "Rebuild",
    "reserve": "A hot product",
    "sweep": "Sweep",
    "visible": "From acknowledged to visible",
    "burst": "A burst after idle",
}
HELD_BY_TESTS: Final = (
    (
        "AWS's calls in a row for a reservation and a purchase",
        "4, 5",
        "4, 5",
        "met",
        "shop-command/tests/test_calls.py",
    ),
    ("the provider's calls for a purchase", "2", "2", "met", "shop-command/tests/test_calls.py"),
    (
        "write units of a sale",
        "31",
        "31",
        "met",
        "shop-command/tests/test_calls.py",
    ),
)
"""A test counts these, and `bench/calls.json` has them."""
_TABLES: Final = "Of PostgreSQL's work the log is a fifth; the tables of the read model and their indexes are the rest."
REASONS: Final = {
    ("start", "shop-command: bare"): (
        "The shop's own code takes a quarter of the calls' time, as its row below says. Each call takes longer"
        " between other work than in a row, as it is bare."
    ),
    ("dispatch", "json.loads, 500"): "Each event is checked against its schema, and its rows are made of it.",
    ("dispatch", "COPY into a plain table, 500"): _TABLES,
    ("dispatch", "COPY into event_log, 500"): _TABLES,
    ("dispatch", "eventsourcing, 500"): (
        "At rest the peer's commits are quick, as little waits for the disk; what is left is the read model's tables."
    ),
    ("reserve", "bare TransactWriteItems"): (
        "A reservation is four calls, which the emulator takes one after the other, and each is a whole HTTP request."
    ),
    ("visible", "the same by functions of two lines"): (
        "Two whole handlers and a commit are on the way, and a read that comes too early waits for its next look."
    ),
}
"""They say why a goal against this peer is missed, and are shown only while it is."""
RESULTS: Final = CHECKOUT / "bench" / "RESULTS.md"
CHARTS: Final = CHECKOUT / "docs" / "images"
BEGIN, END = "<!-- python -m bench.goals writes: {} -->", "<!-- the end of {} -->"
WIDTH, LEFT, RIGHT, LINE = 720, 300, 60, 26


def main() -> int:
    known = {name: recorded(RECORDED, name)[1] for name in BENCHMARKS if (RECORDED / f"{name}.json").is_file()}
    text = written(RESULTS.read_text(encoding="utf-8"), "all goals", table(known))
    for name in known:
        text = written(text, name, details(name))
    RESULTS.write_text(text, encoding="utf-8")
    for name, rows in known.items():
        if held := [row for row in rows if row.goal]:
            (CHARTS / f"bench-{name}.svg").write_text(chart(BENCHMARKS[name], held), encoding="utf-8")
    return 0


def written(text: str, part: str, content: str) -> str:
    begin, end = BEGIN.format(part), END.format(part)
    before, is_there, rest = text.partition(begin)
    if not is_there or end not in rest:
        raise SystemExit(f"{RESULTS} has no place for {part}: it needs the lines {begin} and {end}")
    return f"{before}{begin}\n{content}\n{end}{rest.partition(end)[2]}"


def details(name: str) -> str:
    where, rows = recorded(RECORDED, name)
    parts = []
    for unit, found in groupby(rows, key=lambda row: row.unit):
        parts.append(f"| what | {unit} | against | {unit} | ratio (middle half) | goal |\n|---|--:|---|--:|--:|---|")
        parts[-1] += "".join(
            f"\n| {row.what} | {number(row.value)} | {row.against} | {number(row.other) if row.other else ''}"
            f" | {_measured(row) if row.against else ''} | {_shown_goal(row)} |"
            for row in found
        )
    return "\n" + "\n\n".join([*parts, f"{where}."]) + "\n"


def table(known: dict[str, list[RecordedRow]]) -> str:
    """Shows the worst of the rows that have one goal in common, and how many of them meet it."""
    lines = ["| what | measured | goal | |", "|---|--:|--:|---|"]
    for name, rows in known.items():
        for _, same in groupby(sorted(filter(_has_goal, rows), key=_aim), key=_aim):
            found = list(same)
            worst, met = max(found, key=lambda row: row.ratio), sum(row.is_met for row in found)
            what = (
                f"[{BENCHMARKS[name]}](../docs/images/bench-{name}.svg): {worst.what}{_against(worst)}, in {worst.unit}"
            )
            verdict = "met" if met == len(found) else _missed(worst)
            of_all = f"; {met} of {len(found)} meet it" if len(found) > 1 else ""
            if met < len(found) and (reason := REASONS.get((name, worst.against))):
                of_all += f". {reason}"
            lines.append(f"| {what} | {_measured(worst)} | {worst.goal:.3g} | {verdict}{of_all} |")
    for what, measured, goal, verdict, test in HELD_BY_TESTS:
        lines.append(f"| [{what}](../functions/{test}) | {measured} | {goal} | {verdict} |")
    return "\n".join(lines)


def _has_goal(row: RecordedRow) -> bool:
    return row.goal is not None


def _aim(row: RecordedRow) -> tuple[str, str, float]:
    return row.unit, row.against, row.goal or 0


def _shown_goal(row: RecordedRow) -> str:
    if row.goal is None:
        return ""
    return f"{'at most' if row.is_met else '**missed**:'} {row.goal:.3g}"


def _against(row: RecordedRow) -> str:
    return f", against {row.against}" if row.against else ""


def _measured(row: RecordedRow) -> str:
    return f"{row.ratio:.2f} ({row.quartiles[0]:.2f} to {row.quartiles[1]:.2f})" if row.against else f"{row.value:.3g}"


def _missed(row: RecordedRow) -> str:
    by = row.ratio / (row.goal or 1) - 1
    return f"**missed** by {f'{by:.0%}' if by >= 0.01 else 'less than 1%'}"


def chart(title: str, rows: Sequence[RecordedRow]) -> str:
    """Draws each ratio as a part of its goal, on a logarithmic axis: left of the line is met."""
    parts = [[each / (row.goal or 1) for each in (*row.quartiles, row.ratio)] for row in rows]
    low = min(0.5, *(min(each) for each in parts)) / 1.1
    high = max(2.0, *(max(each) for each in parts)) * 1.1
    height = 60 + LINE * len(rows)

    def x(value: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * math.log(value / low) / math.log(high / low)

    def lines() -> Iterator[str]:
        yield (
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" font-family="sans-serif"'
            f' font-size="12" role="img" aria-label="{escape(title)}"><rect width="100%" height="100%" fill="#fff"/>'
        )
        yield f'<text x="8" y="20" font-size="15">{escape(title)}: measured, as a part of the goal</text>'
        yield f'<line x1="{x(1):.0f}" x2="{x(1):.0f}" y1="30" y2="{height - 20}" stroke="#888" stroke-dasharray="4"/>'
        yield f'<text x="{x(1):.0f}" y="{height - 6}" text-anchor="middle" fill="#555">goal</text>'
        for place, (row, (first, third, middle)) in enumerate(zip(rows, parts, strict=True)):
            y, colour = 44 + LINE * place, "#2a7d4f" if row.is_met else "#b3402e"
            yield f'<text x="{LEFT - 8}" y="{y + 4}" text-anchor="end">{escape(row.what)}{_shown_peer(row)}</text>'
            yield (
                f'<line x1="{x(first):.1f}" x2="{max(x(third), x(first) + 1):.1f}" y1="{y}" y2="{y}" stroke="{colour}"'
                ' stroke-width="9" stroke-opacity=".35"/>'
            )
            yield f'<circle cx="{x(middle):.1f}" cy="{y}" r="4" fill="{colour}"/>'
            yield f'<text x="{max(x(third), x(middle)) + 8:.1f}" y="{y + 4}" fill="{colour}">{middle:.2f}</text>'
        yield "</svg>\n"

    return "\n".join(lines())


def _shown_peer(row: RecordedRow) -> str:
    return f" / {escape(row.against)}" if row.against and len(row.what) + len(row.against) < 44 else ""


if __name__ == "__main__":
    sys.exit(main())
