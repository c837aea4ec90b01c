"""Draws the document of `shop top` for a terminal. Pure: no client, no clock.

What is bad is red and has a mark before it, since not everybody sees the colour. docs/operations.md says from when on a
metric is bad."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from shop_cli.output import duration

MARK: Final = "!"
ROUTES_MAX: Final = 20
LINES: Final = 17
"""So many lines are there without routes and troubles: titles, functions and figures."""
P99_MS_MAX: Final = {"shop-command": 10_000.0, "shop-query": 3_000.0}
"""The alarms `api-slow` have the same thresholds."""
PROVIDER_P99_MS_MAX: Final = 8_000
VISIBLE_P99_SECONDS_MAX: Final = 30
OLDEST_DUE_SECONDS_MAX: Final = 120
SWEEP_SECONDS_MAX: Final = 150
"""It runs every minute."""
SWEPT: Final = ("published", "expired", "settled", "refunded", "left", "failed")
COUNTS: Final = {
    "Commands": ("CommandsAccepted", "CommandsPending", "CommandsRefused", "CommandsFailed"),
    "Payments": ("PaymentsCaptured", "PaymentsDeclined", "PaymentsUnknown", "PaymentsRefunded"),
}
BAD_COUNTS: Final = {"CommandsFailed", "PaymentsUnknown"}
REPEATS: Final = {
    "CommitConflicts": "decided anew",
    "CommitRetries": "committed again",
    "PublishRetries": "published again",
}

Document = Mapping[str, Any]


def view(shown: Document, height: int | None = None) -> RenderableType:
    """With a terminal's height, fewer routes are shown, so that what went wrong has room too."""
    kinds, routes = _kinds(shown["troubles"]), ROUTES_MAX
    if height is not None:
        room = height - LINES - bool(shown["unread"])
        routes = max(3, room - min(len(kinds), room // 2))
    at = datetime.fromisoformat(shown["at"])
    title = Text.assemble(("shop top", "bold"), f"  {shown['shop']}  ", (f"the last minute, {at:%H:%M:%S} UTC", "dim"))
    figures = Table.grid(padding=(0, 2, 0, 0))
    figures.add_column(style="dim")
    figures.add_column(no_wrap=True, overflow="ellipsis")
    for label, parts in _figures(shown):
        figures.add_row(label, Text("  ").join(parts))
    return Group(title, _requests(shown, routes), "", figures, "", *_troubles(kinds))


def _requests(shown: Document, routes: int) -> Table:
    made = Table(box=None, pad_edge=False, header_style="dim")
    made.add_column("requests", no_wrap=True, overflow="ellipsis")
    for column in ("/s", "<400", "4xx", "5xx", "p50", "p99"):
        made.add_column(column, justify="right", no_wrap=True)
    for indent, style, some in (("", "bold", shown["requests"]), ("  ", "", shown["routes"][:routes])):
        for each in some:
            made.add_row(f"{indent}{each['name']}", *_traffic(each), style=style)
    return made


def _traffic(each: Document) -> Iterator[Text]:
    classes: dict[str, int] = defaultdict(int)
    for status, count in each["statuses"].items():
        classes["5" if status >= "5" else "4" if status >= "4" else "<400"] += count
    p50, p99 = (each["duration_ms"][name] for name in ("p50", "p99"))
    yield Text(f"{each['per_second']:.1f}")
    yield Text(f"{classes['<400']:,}")
    yield Text(f"{classes['4']:,}")
    yield _bad(f"{classes['5']:,}", classes["5"] > 0)
    yield Text(_ms(p50))
    yield _bad(_ms(p99), (p99 or 0) > P99_MS_MAX.get(each["name"], float("inf")))


def _figures(shown: Document) -> Iterator[tuple[str, Sequence[Text]]]:
    """Each figure stands beside the word for it, one line for each subject."""
    counts, provider, visible = shown["counts"], shown["provider_ms"], shown["visible_seconds"]
    for label, names in COUNTS.items():
        yield (
            label,
            [
                _bad(f"{counts[name]:,} {name.removeprefix(label).lower()}", name in BAD_COUNTS and counts[name] > 0)
                for name in names
            ],
        )
    slow = _bad(f"p99 {_ms(provider['p99'])}", (provider["p99"] or 0) > PROVIDER_P99_MS_MAX)
    yield "Provider", [Text(f"{provider['count']:,} calls"), Text(f"p50 {_ms(provider['p50'])}"), slow]
    # Nothing of what is published arrives: nobody else reports it, since who does nothing writes no line.
    silent = shown["events"]["published"]["count"] > 0
    yield (
        "Events",
        [
            _bad(f"{flow['per_second']:.1f}/s {name}", silent and flow["count"] == 0)
            for name, flow in shown["events"].items()
        ],
    )
    yield "Repeats", [Text(f"{counts[name]:,} {words}") for name, words in REPEATS.items()]
    yield (
        "Lag",
        [
            Text(f"visible after p50 {_seconds(visible['p50'])}"),
            _bad(f"p99 {_seconds(visible['p99'])}", (visible["p99"] or 0) > VISIBLE_P99_SECONDS_MAX),
            _bad(f"{shown['waiting']:,} waiting", shown["waiting"] > 0),
            _parked(shown["parked"]),
        ],
    )
    yield "Due", [*_due(shown)]
    yield "Sweep", [*_sweep(shown)]
    yield "Cold", [Text("starts"), *(Text(f"{number} {name}") for name, number in shown["cold_starts"].items())]
    if shown["unread"]:
        causes: dict[str, list[str]] = defaultdict(list)
        for name, why in shown["unread"].items():
            causes[why].append(name)
        yield "Unread", [_bad(f"{why}: {', '.join(names)}", True) for why, names in causes.items()]


def _parked(parked: Document | None) -> Text:
    if parked is None:
        return _bad("? parked", True)
    return _bad(f"{parked['count']:,}{'' if parked['is_all'] else '+'} parked", parked["count"] > 0)


def _due(shown: Document) -> Iterator[Text]:
    due = shown["due"]
    yield Text(f"{due['count']:,} now") if due else _bad("?", True)
    if due and due["oldest_due_since"]:
        age = _age(shown, due["oldest_due_since"])
        yield _bad(f"the oldest for {duration(age)}", age > OLDEST_DUE_SECONDS_MAX)


def _sweep(shown: Document) -> Iterator[Text]:
    sweep = shown["sweep"]
    if sweep is None:
        yield Text("none seen yet")
        return
    age = _age(shown, sweep["at"])
    yield _bad(f"{duration(age)} ago", age > SWEEP_SECONDS_MAX)
    yield Text(f"{sweep.get('due', 0):,} due")
    for name in SWEPT:
        if number := sweep.get(name, 0):
            yield _bad(f"{number:,} {name}", name == "failed")


def _kinds(troubles: Sequence[Document]) -> list[list[Document]]:
    kinds: dict[tuple[str, ...], list[Document]] = defaultdict(list)
    for each in troubles:
        kinds[each["function"], each["level"], each["message"], each["exception_name"]].append(each)
    return [*kinds.values()]


def _troubles(kinds: Sequence[Sequence[Document]]) -> Iterator[RenderableType]:
    """Shows the newest of each kind, and how many there are: one cause, met by every request, does not hide others."""
    yield Text("Warnings and errors", "bold") if kinds else Text("No warnings and no errors", "dim")
    width = max((len(same[0]["function"]) for same in kinds), default=0) - len("shop-")
    for same in kinds:
        last, times = same[0], f"{len(same)} x " if len(same) > 1 else ""
        is_warning = last["level"] == "WARNING"
        level = f"{'' if is_warning else MARK}{last['level'].lower()}"
        yield Text.assemble(
            (f"{datetime.fromisoformat(last['at']):%H:%M:%S} ", "dim"),
            (f"{level:<8}", "yellow" if is_warning else "bold red"),
            f"{last['function'].removeprefix('shop-'):<{width}} {times}{last['message']}  {last['exception_name']}",
            (f"  {last['stream_id']}", "dim"),
            no_wrap=True,
            overflow="ellipsis",
        )


def _age(shown: Document, since: str) -> float:
    return max(0.0, (datetime.fromisoformat(shown["at"]) - datetime.fromisoformat(since)).total_seconds())


def _ms(value: float | None) -> str:
    return _seconds(None if value is None else value / 1000)


def _seconds(value: float | None) -> str:
    return "-" if value is None else duration(value)


def _bad(text: str, is_bad: bool) -> Text:
    return Text(f"{MARK}{text}", "bold red") if is_bad else Text(text)
