"""Checks what must hold when faults have stopped and everything has been swept and delivered."""

from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any, Final

from shop_simulation.facts import HOLDING, RESERVATIONS, SOLD, WorldFacts, is_stray, minor_units, rebuilt
from shop_simulation.safety import Check
from shop_simulation.world import World

DISPUTED: Final[Mapping[str, str]] = {
    "warning_needs_response": "inquiry",
    "warning_closed": "withdrawn",
    "needs_response": "chargeback",
    "won": "won",
    "lost": "lost",
}
UNSETTLED: Final = frozenset({"active", "paying", "refunding"})


def _everything_arrives(world: World, _: WorldFacts) -> Iterator[str]:
    published, archived = set(world.stream.records), {line.rstrip(b"\n") for line in world.archive.lines}
    for stream_id in world.store.streams.keys() - world.store.unreadable:
        events = world.store.streams[stream_id]
        for version, event in enumerate(events, 1):
            if event not in published:
                yield f"{stream_id} {version} was never published"
            if event not in archived:
                yield f"{stream_id} {version} was never archived"
        if world.read_model.tables.heads.get(stream_id) != len(events):
            yield f"{stream_id} was not projected as far as {len(events)}"


def _read_model_is_right(world: World, facts: WorldFacts) -> Iterator[str]:
    if world.store.unreadable or any(_everything_arrives(world, facts)):
        return  # the latter is another invariant's failure
    rows = world.read_model.tables.rows
    stored = tuple(sorted(event for events in world.store.streams.values() for event in events))
    if rows != rebuilt(stored):
        yield f"the read model is not what the event store says: {rows}"
    archived = tuple(sorted({line.rstrip(b"\n") for line in world.archive.lines}))
    if rows != rebuilt(archived):
        yield "the read model is not what the archive says"
    yield from _read_model_is_what_happened(rows, facts)


def _read_model_is_what_happened(rows: Mapping[str, Any], facts: WorldFacts) -> Iterator[str]:
    held = facts.units(HOLDING)
    units: Counter[str] = Counter()
    for _, sku, _, units_sold, _ in rows["sales_daily"].values():
        units[sku] += units_sold
    for sku in {intent.body["sku"] for intent in facts.of_kind("list")}:
        row, sold = rows["stock"].get((sku,), (sku, 0, 0, 0, 0)), facts.sold(sku, counts_restocked_only=True)
        _, received, held_now, sold_now, adjusted = row
        if received + adjusted not in facts.received(sku) or held_now != held[sku] or sold_now not in sold:
            yield f"the read model's stock is {row}; {held[sku]} are held and {sold} sold"
        described = (*facts.of_kind("list"), *facts.of_kind("describe"))
        texts = {(it.body["name"], it.body.get("category")) for it in described if it.body["sku"] == sku}
        if (product := rows["product"].get((sku,))) and (product[2], product[8]) not in texts:
            yield f"nobody has described {sku} as the read model does: {product}"
        kept = facts.sold(sku, counts_restocked_only=False)
        if units[sku] not in kept:
            yield f"of {sku}, {kept} are sold and did not come back, and the sales say {units[sku]}"
    for name, intent in facts.reservations.items():
        row, status = rows["reservation"].get((name,)), facts.statuses.get(name)
        if (row is None) != (status is None) or (
            row
            and (
                row[3] != intent.caller
                or row[5] not in facts.totals(intent)
                or row[2] != ("purchased" if status in SOLD else status)
            )
        ):
            yield f"reservation {name} is {status}, and its row is {row}"


def _money_matches(_: World, facts: WorldFacts) -> Iterator[str]:
    for name in facts.statuses.keys() - facts.unreadable:
        status = facts.statuses[name]
        kept = sum(1 for charge in facts.charges.get(name, []) if not charge["refunded"])
        if kept != (1 if status in SOLD else 0):
            yield f"{name} is {status} and has {kept} charges that were not given back"
        if status in UNSETTLED:
            yield f"{name} is still {status}"


def _nothing_is_owed(world: World, facts: WorldFacts) -> Iterator[str]:
    replayable = world.read_model.tables.parked.keys() - set(world.stream.others)
    if replayable:
        yield f"parked: {set(map(world.read_model.tables.parked.get, replayable))}"
    if any(not cause for cause in world.read_model.tables.parked.values()):
        yield "a record is parked without a cause"
    # What was not published, and who still waits for money, are other invariants' failures.
    published = set(world.stream.records)
    for stream_id, version in sorted(world.store.due_events):
        if world.store.streams[stream_id][version - 1] in published:
            yield f"{stream_id} {version} is due, and was published"
    for stream_id in sorted(world.store.due_states.keys() - world.store.unreadable):
        status = facts.statuses.get(stream_id.removeprefix(RESERVATIONS))
        if status not in UNSETTLED:
            yield f"{stream_id} is due, and {status}"


def _refunds_are_recorded(world: World, facts: WorldFacts) -> Iterator[str]:
    """Each refund and dispute of the provider is in the read model, whoever has made it, and the revenue is what they
    leave."""
    if world.store.unreadable or any(_everything_arrives(world, facts)):
        return
    rows = world.read_model.tables.rows
    if any(status == "refunding" for status in facts.statuses.values()):
        return  # that nobody has ended it is another invariant's failure
    names = [name for name, status in facts.statuses.items() if status in ("purchased", "refunded")]
    charged = sum(minor_units(charge) for name in names for charge in facts.charges.get(name, []))
    returned = sum(minor_units(each) for name in names for each in facts.refunds.get(name, []))
    disputes = [each for name in names for each in facts.disputes.get(name, [])]
    lost = sum(minor_units(each) for each in disputes if each["status"] == "lost")
    revenue = sum(row[4] for row in rows["sales_daily"].values())
    if revenue != charged - returned - lost:
        yield f"the revenue is {revenue}, and {charged} was charged for what is sold, less {returned} and {lost}"
    statuses = {each["id"]: DISPUTED[each["status"]] for each in disputes}
    if statuses != (recorded := {row[1]: row[2] for row in rows["dispute"].values()}):
        yield f"the disputes are {recorded}, and the provider's are {statuses}"
    given_back = {
        each["id"]: minor_units(each) for name in names for each in facts.refunds.get(name, []) if not is_stray(each)
    }
    shown = {row[2]: row[3] for row in rows["refund"].values() if row[8] is None}
    if shown != given_back:
        yield f"the refunds are {shown}, and the provider has made {given_back}"


def _what_is_over_counts_no_more(world: World, facts: WorldFacts) -> Iterator[str]:
    for customer, counts in world.store.customers.items():
        over = {name for name in counts.open - facts.unreadable if facts.statuses.get(name) not in HOLDING}
        if over:
            yield f"{customer} is counted with {sorted(over)}, which {customer} does not hold any more"


LIVENESS: Final[Mapping[int, Check]] = {
    11: _everything_arrives,
    12: _read_model_is_right,
    13: _money_matches,
    14: _nothing_is_owed,
    15: _refunds_are_recorded,
    17: _what_is_over_counts_no_more,
}
