"""The records that could not be applied: what `shop parked` asks of shop-dispatch, and how it tells of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from rich.markup import escape
from rich.table import Table

from shop_cli.errors import ShopError
from shop_cli.operations.functions import Function
from shop_cli.progress import ProgressStep

Record = dict[str, Any]


def records(function: Function) -> list[Record]:
    return [record for page in _steps(function, {"action": "list"}) for record in page["records"]]


def record(function: Function, parked_id: str) -> Record:
    return dict(_asked(function, {"action": "show", "id": parked_id})["record"])


def replay(function: Function, ids: Sequence[str] | None, step: ProgressStep) -> dict[str, Any]:
    """Replays everything when `ids` is None. An interruption undoes nothing; the same command does the rest."""
    done: dict[str, Any] = {"resolved": [], "still_parked": [], "applied": 0}
    for answer in _steps(function, {"action": "replay", "ids": None if ids is None else list(ids)}):
        for name in done:
            done[name] += answer[name]
        step.doing(f"{len(done['resolved']) + len(done['still_parked']):,} records")
    if ids and (unknown := set(ids) - {*done["resolved"], *done["still_parked"]}):
        raise ShopError(f"Not parked: {', '.join(sorted(unknown))}. The others were replayed")
    return done


def drop(function: Function, parked_id: str, reason: str) -> Record:
    return dict(_asked(function, {"action": "drop", "id": parked_id, "reason": reason})["dropped"])


def table(listed: Sequence[Record]) -> Table:
    drawn = Table(box=None, header_style="dim", pad_edge=False)
    for column in ("id", "received", "stream", "version", "waiting", "cause"):
        drawn.add_column(column, justify="right" if column in ("version", "waiting") else "left", overflow="fold")
    for each in listed:
        version, stream = each["stream_version"], each["stream_id"] or "unknown"
        applied_already = version is not None and (each["applied_version"] or 0) >= version
        cause = f"applied meanwhile: replay takes it off. {each['cause']}" if applied_already else each["cause"]
        cells = (each["id"], each["received_at"][:19], stream, str(version or ""), str(each["waiting"] or ""), cause)
        drawn.add_row(*map(escape, cells))
    return drawn


def still_waiting(dropped: Record) -> str:
    """What a dropped record leaves behind, and what to do about it; empty if nothing."""
    stream, version = dropped["stream_id"], dropped["stream_version"]
    if stream is None or version is None or (dropped["applied_version"] or 0) >= version:
        return ""
    return (
        f"{stream} still waits for its version {version}. Where the event store has that event as it should be: "
        "shop rebuild --from store"
    )


def _steps(function: Function, request: dict[str, Any]) -> Iterator[dict[str, Any]]:
    after = None
    while True:
        answer = _asked(function, {**request, "after": after})
        yield answer
        after = answer.get("next")
        if after is None:
            return


def _asked(function: Function, request: dict[str, Any]) -> dict[str, Any]:
    answer = function.invoke(request)
    if "error" in answer:
        raise ShopError(answer["error"])
    return answer
