"""Compares what counts towards a customer's limits with the open reservations, and the payments that were requested."""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from shop_cli.operations.verify.findings import Difference

CHECK: Final = "limits"
HELD_PREFIX: Final = "held#"


def differences(
    key: str, expected: Sequence[Mapping[str, Any]], found: Sequence[Mapping[str, Any]]
) -> Iterator[Difference]:
    """`key` names the item. Each reservation that is expected to count has its units by SKU, under `units`."""
    item = found[0] if found else {}
    if "/cards#" in key:
        # Attempts from before there was a limit were not counted, and an old item is deleted.
        if item.get("attempts", 0) > len(expected):
            yield Difference(CHECK, key, "attempts, at most", len(expected), item["attempts"])
        return
    open_, counted = sorted(str(each["reservation_id"]) for each in expected), sorted(item.get("open") or [])
    if open_ != counted:
        yield Difference(CHECK, key, "open", open_, counted)
    held: Counter[str] = Counter()
    for each in expected:
        if each["reservation_id"] in counted:
            held.update(each["units"])
    units = {name.removeprefix(HELD_PREFIX): value for name, value in item.items() if name.startswith(HELD_PREFIX)}
    for sku in sorted(held.keys() | units.keys()):
        if held[sku] != units.get(sku, 0):
            yield Difference(CHECK, key, f"{HELD_PREFIX}{sku}", held[sku], units.get(sku, 0))
