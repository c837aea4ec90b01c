"""What must hold, judged by what clients asked for and heard, what the provider charged and what stock came in.

It never folds the shop's events to learn what should be; it reads them to see that they are whole, and compares.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, Final, NamedTuple

from shop_command.application.request import Request
from shop_dispatch.application.project import Project
from shop_simulation.provider import API_KEY, Charge
from shop_simulation.read_model import InMemoryReadModel
from shop_simulation.world import ADMINISTRATOR, HOLD, Intent, World

HOLDING: Final = frozenset({"active", "paying"})
SOLD: Final = frozenset({"purchased", "refunding"})
ENDS: Final = {"cancelled": {"cancelled"}, "expired": {"expired"}, "refunded": {"refunded"}} | {
    status: {*SOLD, "refunded"} for status in SOLD
}
END_EVENTS: Final = ("shop.purchase.confirmed.v1", "shop.reservation.cancelled.v1", "shop.reservation.expired.v1")
SECRETS: Final = (API_KEY, "pm_card")
PRODUCTS, RESERVATIONS = "product-", "reservation-"


class Violation(NamedTuple):
    invariant: int
    text: str


class Facts:
    """What can be known of a world without believing the shop's events."""

    def __init__(self, world: World) -> None:
        self.world = world

    def of_kind(self, kind: str) -> list[Intent]:
        return [intent for intent in self.world.intents.values() if intent.kind == kind]

    @cached_property
    def reservations(self) -> dict[str, Intent]:
        return {Request(i.caller, i.key, "", "").reservation_id(): i for i in self.of_kind("place")}

    @cached_property
    def statuses(self) -> dict[str, str]:
        stored = self.world.store.stored
        states = {
            name: stored[RESERVATIONS + name].state for name in self.reservations if RESERVATIONS + name in stored
        }
        return {name: str(json.loads(state)["status"]) for name, state in states.items()}

    @cached_property
    def charges(self) -> dict[str, list[Charge]]:
        charges: dict[str, list[Charge]] = defaultdict(list)
        for charge in self.world.provider.charges:
            charges[charge.reservation_id].append(charge)
        return charges

    def units(self, statuses: Collection[str]) -> Counter[str]:
        """Of each product, in the reservations that are in one of these statuses."""
        units: Counter[str] = Counter()
        for name, intent in self.reservations.items():
            if name in self.statuses and self.statuses[name] in statuses:
                units.update(quantities(intent))
        return units

    def totals(self, intent: Intent) -> set[int]:
        """What a reservation may cost: any price that its products had until it was last asked for."""
        prices: dict[str, set[int]] = defaultdict(set)
        for change in (*self.of_kind("list"), *self.of_kind("reprice")):
            if change.sent[0] <= intent.sent[-1]:
                prices[change.body["sku"]].add(change.body["price"]["amount_minor"])
        lines = [(quantity, prices[sku]) for sku, quantity in quantities(intent).items()]
        return {
            sum(quantity * price for (quantity, _), price in zip(lines, chosen, strict=True))
            for chosen in product(*(choices for _, choices in lines))
        }


def quantities(place: Intent) -> Mapping[str, int]:
    return {line["sku"]: line["quantity"] for line in place.body["lines"]}


def safety(world: World) -> list[Violation]:
    """To be asked after every step: it remembers what it saw."""
    facts = Facts(world)
    found = [Violation(number, text) for number, check in SAFETY.items() for text in check(world, facts)]
    memory = world.memory
    memory.statuses = facts.statuses
    for stream_id, events in world.store.streams.items():
        memory.events[stream_id] = list(events)
    for intent in world.intents.values():
        if (position := _position(intent)) and (event := _event_at(world, *position)):
            memory.acknowledged.setdefault(position, event)
    for table in ("product", "reservation"):
        memory.versions |= {(table, row[0]): row[1] for row in world.read_model.tables.rows[table].values()}
    memory.versions |= {("head", name): head for name, head in world.read_model.tables.heads.items()}
    return found


def liveness(world: World) -> list[Violation]:
    """To be asked when faults have stopped, and everything has been swept and delivered."""
    facts = Facts(world)
    return [Violation(number, text) for number, check in LIVENESS.items() for text in check(world, facts)]


def _no_internal_error(world: World, _: Facts) -> Iterator[str]:
    for name, intent in world.intents.items():
        if any(status == 500 for status, _ in (*intent.answers, *intent.repeats)):
            yield f"{name} was answered with an internal error"


def _stock_adds_up(world: World, facts: Facts) -> Iterator[str]:
    held, sold = facts.units(HOLDING), facts.units(SOLD)
    skus = {intent.body["sku"] for intent in facts.of_kind("list")}
    for sku in sorted(skus):
        counters = [counters for bucket, counters in world.store.buckets.items() if bucket.sku == sku]
        if any(min(c.available, c.held, c.sold) < 0 for c in counters):
            yield f"{sku} has a bucket below 0"
        actual = tuple(sum(getattr(c, name) for c in counters) for name in ("available", "held", "sold"))
        expected = {(received - held[sku] - sold[sku], held[sku], sold[sku]) for received in _received(facts, sku)}
        if actual not in expected:
            yield f"{sku} (available, held, sold) is {actual}, not one of {sorted(expected)}"


def _received(facts: Facts, sku: str) -> set[int]:
    """With and without each delivery of which nobody has heard whether it was booked."""
    received = {0}
    for intent in facts.of_kind("receive"):
        if intent.body["sku"] == sku:
            quantity = intent.body["quantity"]
            received = {r + quantity for r in received} | (set() if intent.final() else received)
    return received


def _one_end(world: World, facts: Facts) -> Iterator[str]:
    for name, intent in facts.reservations.items():
        status, before = facts.statuses.get(name), world.memory.statuses.get(name)
        if before and status != before and (status is None or status not in ENDS.get(before, {status})):
            yield f"{name} was {before} and is {status}"
        ends = [
            end for event in world.store.streams.get(RESERVATIONS + name, []) for end in END_EVENTS if end in str(event)
        ]
        if len(ends) > 1:
            yield f"{name} has ended {len(ends)} times"
        if status == "expired" and world.clock.now() < intent.sent[0] + HOLD:
            yield f"{name} expired too early"
        if before == "paying" and status in ("expired", "cancelled"):
            intents = [i for i in world.provider.intents.values() if i.reservation_id == name]
            if any(i.status in ("succeeded", "processing") or not (i.card or i.status == "canceled") for i in intents):
                yield f"{name} is {status} although its payment was under way"


def _one_charge(_: World, facts: Facts) -> Iterator[str]:
    for name, charges in facts.charges.items():
        if len(charges) > 1:
            yield f"{name} was charged {len(charges)} times"
        intent = facts.reservations.get(name)
        for charge in charges:
            if intent is None or charge.amount not in facts.totals(intent) or charge.currency != "eur":
                yield f"{name} was charged {charge.amount} {charge.currency}"


def _keys_keep_their_inputs(world: World, _: Facts) -> Iterator[str]:
    yield from world.provider.changed_inputs


def _confirmed_is_captured(_: World, facts: Facts) -> Iterator[str]:
    told = {i.body["reservation_id"] for i in facts.of_kind("purchase") if (final := i.final()) and final[0] == 201}
    ended = {name for name, status in facts.statuses.items() if status in (*SOLD, "refunded")}
    for name in sorted(told | ended):
        if not facts.charges.get(name):
            yield f"{name} is confirmed, and nothing was charged"
        if name not in ended:
            yield f"{name} was said to be confirmed, and is {facts.statuses.get(name)}"


def _streams_are_whole(world: World, _: Facts) -> Iterator[str]:
    ids = Counter[str]()
    for stream_id in world.store.streams.keys() | world.store.stored.keys() | world.memory.events.keys():
        events = world.store.streams.get(stream_id, [])
        seen = world.memory.events.get(stream_id, [])
        if events[: len(seen)] != seen:
            yield f"{stream_id} has lost or changed an event"
        for version, event in enumerate(events, 1):
            envelope = json.loads(event)
            ids[envelope["id"]] += 1
            if (envelope["subject"], envelope["streamversion"]) != (stream_id, version):
                yield f"{stream_id} has {envelope['subject']} {envelope['streamversion']} at {version}"
        state = world.store.stored.get(stream_id)
        if (state.version if state else 0) != len(events):
            yield f"{stream_id} has {len(events)} events, and the state of {state.version if state else 0}"
    if len(ids) < ids.total():
        yield "two events have the same id"


def _repeats_are_answered_alike(world: World, _: Facts) -> Iterator[str]:
    for name, intent in world.intents.items():
        final = intent.final()
        if final is None:
            continue
        if intent.kind == "reuse":
            yield f"{name} was answered with {final[0]}"
            continue
        # A request that was sent at the same time may have been told that the outcome is not known yet.
        after = [answer for answer in intent.answers[intent.answers.index(final) :] if answer[0] != 202]
        different = [answer for answer in after + intent.repeats if answer != final and answer[0] < 500]
        if different:
            yield f"{name} was answered with {final}, and also with {different}"


def _nothing_disappears(world: World, _: Facts) -> Iterator[str]:
    for name, intent in world.intents.items():
        position = _position(intent)
        if position and _event_at(world, *position) is None:
            yield f"{name} was acknowledged, and its event does not exist"
    for position, event in world.memory.acknowledged.items():
        if _event_at(world, *position) != event:
            yield f"{position} was acknowledged, and is gone or another"
    committed = {event for events in world.store.streams.values() for event in events}
    if not committed.issuperset(world.stream.records):
        yield "an event was published that was not committed"


def _projected_once(world: World, _: Facts) -> Iterator[str]:
    tables = world.read_model.tables
    versions = {("head", name): head for name, head in tables.heads.items()}
    for table, prefix in (("product", PRODUCTS), ("reservation", RESERVATIONS)):
        for row in tables.rows[table].values():
            versions[table, row[0]] = row[1]
            if row[1] != tables.heads.get(prefix + row[0]):
                yield f"{prefix}{row[0]} is at {row[1]} with its head at {tables.heads.get(prefix + row[0])}"
    for key, version in versions.items():
        if version < world.memory.versions.get(key, 0):
            yield f"{key} went back to {version}"
    applied = tuple(event for name, head in tables.heads.items() for event in world.store.streams.get(name, [])[:head])
    if len(applied) != sum(tables.heads.values()):
        yield "a head is ahead of its stream"
    elif (expected := rebuilt(tuple(sorted(applied)))) != tables.rows:
        yield f"the rows are {tables.rows}, not the effect of each applied event once: {expected}"


def _private(world: World, facts: Facts) -> Iterator[str]:
    names: dict[str, set[str]] = defaultdict(set)
    for name, intent in facts.reservations.items():
        names[intent.caller] |= {intent.caller, name}
    for name, intent in world.intents.items():
        owner = facts.reservations.get(intent.body.get("reservation_id", ""))
        if (
            owner
            and owner.caller != intent.caller != ADMINISTRATOR
            and any(s not in (404, 503) for s, _ in intent.answers)
        ):
            yield f"{name} is about the reservation of somebody else, and was answered with {intent.answers}"
        if intent.caller != ADMINISTRATOR:
            others = set().union(*(theirs for caller, theirs in names.items() if caller != intent.caller))
            answers = json.dumps([body for _, body in (*intent.answers, *intent.repeats)])
            asked = json.dumps(dict(intent.body))
            if any(other in answers and other not in asked for other in others):
                yield f"{name} was answered with another customer's data"
    if world.logs:
        yield "a secret is in the logs"
    kept = (*world.stream.records, *world.archive.lines, *world.read_model.tables.parked)
    if any(secret.encode() in record for record in kept for secret in SECRETS):
        yield "a secret is in an event"


def _everything_arrives(world: World, _: Facts) -> Iterator[str]:
    published, archived = set(world.stream.records), {line.rstrip(b"\n") for line in world.archive.lines}
    for stream_id, events in world.store.streams.items():
        for version, event in enumerate(events, 1):
            if event not in published:
                yield f"{stream_id} {version} was never published"
            if event not in archived:
                yield f"{stream_id} {version} was never archived"
        if world.read_model.tables.heads.get(stream_id) != len(events):
            yield f"{stream_id} was not projected as far as {len(events)}"


def _read_model_is_right(world: World, facts: Facts) -> Iterator[str]:
    if any(_everything_arrives(world, facts)):
        return  # that is another invariant's failure
    rows = world.read_model.tables.rows
    stored = tuple(sorted(event for events in world.store.streams.values() for event in events))
    if rows != rebuilt(stored):
        yield f"the read model is not what the event store says: {rows}"
    archived = tuple(sorted({line.rstrip(b"\n") for line in world.archive.lines}))
    if rows != rebuilt(archived):
        yield "the read model is not what the archive says"
    yield from _read_model_is_what_happened(rows, facts)


def _read_model_is_what_happened(rows: Mapping[str, Any], facts: Facts) -> Iterator[str]:
    held, sold = facts.units(HOLDING), facts.units(SOLD)
    for sku in {intent.body["sku"] for intent in facts.of_kind("list")}:
        row = rows["stock"].get((sku,), (sku, 0, 0, 0))
        if row not in {(sku, received, held[sku], sold[sku]) for received in _received(facts, sku)}:
            yield f"the read model's stock is {row}; {held[sku]} are held and {sold[sku]} sold"
    units: Counter[str] = Counter()
    for _, sku, _, units_sold, _ in rows["sales_daily"].values():
        units[sku] += units_sold
    if +units != +sold:
        yield f"sold are {dict(sold)}, and the sales say {dict(units)}"
    names = [name for name, status in facts.statuses.items() if status in SOLD]
    charged = sum(charge.amount for name in names for charge in facts.charges.get(name, []))
    revenue = sum(row[4] for row in rows["sales_daily"].values())
    if revenue != charged:
        yield f"the revenue is {revenue}, and {charged} was charged for what is sold"
    for name, intent in facts.reservations.items():
        row = rows["reservation"].get((name,))
        if (row is None) != (name not in facts.statuses):
            yield f"reservation {name} is {facts.statuses.get(name)}, and its row is {row}"
        elif row and (row[3] != intent.caller or row[5] not in facts.totals(intent) or row[2] != facts.statuses[name]):
            yield f"reservation {name} is {facts.statuses[name]}, and its row is {row}"


def _money_matches(_: World, facts: Facts) -> Iterator[str]:
    for name, status in facts.statuses.items():
        kept = sum(1 for charge in facts.charges.get(name, []) if not charge.refunds)
        if kept != (1 if status in SOLD else 0):
            yield f"{name} is {status} and has {kept} charges that were not given back"
        if status == "paying":
            yield f"the payment of {name} is still pending"
        if status in ("active", "refunding"):
            yield f"{name} is still {status}"
    held = sum(counters.held for counters in facts.world.store.buckets.values())
    if held:
        yield f"{held} are still held"


def _nothing_is_owed(world: World, _: Facts) -> Iterator[str]:
    if world.read_model.tables.parked:
        yield f"parked: {set(world.read_model.tables.parked.values())}"
    if any(not cause for cause in world.read_model.tables.parked.values()):
        yield "a record is parked without a cause"
    if world.store.due_events or world.store.due_states:
        yield f"due: {sorted(world.store.due_events)} {sorted(world.store.due_states)}"


Check = Callable[[World, Facts], Iterator[str]]
SAFETY: Final[Mapping[int, Check]] = {
    0: _no_internal_error,
    1: _stock_adds_up,
    2: _one_end,
    3: _one_charge,
    4: _keys_keep_their_inputs,
    5: _confirmed_is_captured,
    6: _streams_are_whole,
    7: _repeats_are_answered_alike,
    8: _nothing_disappears,
    9: _projected_once,
    10: _private,
}
LIVENESS: Final[Mapping[int, Check]] = {
    11: _everything_arrives,
    12: _read_model_is_right,
    13: _money_matches,
    14: _nothing_is_owed,
}


@lru_cache(maxsize=4_096)
def rebuilt(events: tuple[bytes, ...]) -> Mapping[str, Any]:
    """The read model of these events alone, applied at once."""
    read_model = InMemoryReadModel()
    Project(read_model)(events)
    return read_model.tables.rows


def _position(intent: Intent) -> tuple[str, int] | None:
    final = intent.final()
    if final is None or "stream_id" not in final[1]:
        return None
    return final[1]["stream_id"], final[1]["stream_version"]


def _event_at(world: World, stream_id: str, version: int) -> bytes | None:
    events: Sequence[bytes] = world.store.streams.get(stream_id, [])
    return events[version - 1] if version <= len(events) else None
