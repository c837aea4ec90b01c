"""What is not told by route: a line for each subject, each figure with the word for it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

from rich.text import Text

from shop_cli.operations.top.sample import ParkedCount, Sample
from shop_cli.operations.top.words import NONE, bad, count, line, milliseconds, seconds

PROVIDER_P99_MS_MAX: Final = 8_000
VISIBLE_P99_SECONDS_MAX: Final = 30
OLDEST_DUE_SECONDS_MAX: Final = 120
SWEEP_SECONDS_MAX: Final = 150
"""It runs every minute."""
SWEPT: Final = ("published", "expired", "settled", "refunded", "left", "failed")
REPEATS: Final = {
    "CommitConflicts": "decided anew",
    "CommitRetries": "committed again",
    "PublishRetries": "published again",
}
BAD_COUNTS: Final = {"CommandsFailed", "PaymentsUnknown"}


def figures(sample: Sample) -> list[Text]:
    return [
        _counts(sample, "Commands", "Commands", ("Accepted", "Pending", "Refused", "Failed")),
        _counts(sample, "Payments", "Payments", ("Captured", "Declined", "Unknown", "Refunded")),
        line("Provider", _provider(sample)),
        line("Events", _events(sample)),
        line("Repeats", _repeats(sample)),
        line("Lag", _lag(sample)),
        line("Due", _due(sample)),
        line("Sweep", _sweep(sample)),
        line("Cold", [Text("starts"), *(Text(f"{number} {name}") for name, number in sample.cold_starts.items())]),
        *([_unread(sample)] if sample.unread else []),
    ]


def _counts(sample: Sample, label: str, prefix: str, names: tuple[str, ...]) -> Text:
    parts = []
    for name in names:
        number = sample.counts.get(prefix + name, 0)
        parts.append(bad(f"{count(number)} {name.lower()}", is_bad=number > 0 and prefix + name in BAD_COUNTS))
    return line(label, parts)


def _provider(sample: Sample) -> Iterator[Text]:
    calls = sample.provider_ms
    yield Text(f"{count(calls.count)} calls")
    yield Text(f"p50 {milliseconds(calls.p50)}")
    yield bad(f"p99 {milliseconds(calls.p99)}", is_bad=calls.p99 is not None and calls.p99 > PROVIDER_P99_MS_MAX)


def _events(sample: Sample) -> Iterator[Text]:
    """Nothing of what is published arrives: nobody else says so, since who does nothing writes no line."""
    published = sample.events.get("published")
    for name, flow in sample.events.items():
        is_silent = flow.count == 0 and published is not None and published.count > 0
        yield bad(f"{flow.per_second:.1f}/s {name}", is_bad=is_silent)


def _repeats(sample: Sample) -> Iterator[Text]:
    for name, words in REPEATS.items():
        yield Text(f"{count(sample.counts.get(name, 0))} {words}")


def _lag(sample: Sample) -> Iterator[Text]:
    visible = sample.visible_seconds
    p50, p99 = (NONE if value is None else seconds(value) for value in (visible.p50, visible.p99))
    late = visible.p99 is not None and visible.p99 > VISIBLE_P99_SECONDS_MAX
    yield Text(f"visible after p50 {p50}")
    yield bad(f"p99 {p99}", is_bad=late)
    yield bad(f"{count(sample.waiting)} waiting", is_bad=sample.waiting > 0)
    yield _parked(sample.parked)


def _parked(parked: ParkedCount | None) -> Text:
    if parked is None:
        return bad("? parked", is_bad=True)
    return bad(f"{count(parked.count)}{'' if parked.is_all else '+'} parked", is_bad=parked.count > 0)


def _due(sample: Sample) -> Iterator[Text]:
    if sample.due is None:
        yield bad("?", is_bad=True)
        return
    yield Text(f"{count(sample.due.count)} now")
    if sample.due.oldest_at is not None:
        age = max(0.0, sample.at - sample.due.oldest_at)
        yield bad(f"the oldest for {seconds(age)}", is_bad=age > OLDEST_DUE_SECONDS_MAX)


def _sweep(sample: Sample) -> Iterator[Text]:
    if sample.sweep is None:
        yield Text("none seen yet")
        return
    age = max(0.0, sample.at - sample.sweep.at)
    yield bad(f"{seconds(age)} ago", is_bad=age > SWEEP_SECONDS_MAX)
    yield Text(f"{count(sample.sweep.counts.get('due', 0))} due")
    for name in SWEPT:
        if number := sample.sweep.counts.get(name, 0):
            yield bad(f"{count(number)} {name}", is_bad=name == "failed")


def _unread(sample: Sample) -> Text:
    causes: dict[str, list[str]] = defaultdict(list)
    for name, why in sample.unread.items():
        causes[why].append(name)
    return line("Unread", [bad(f"{why}: {', '.join(names)}", is_bad=True) for why, names in causes.items()])
