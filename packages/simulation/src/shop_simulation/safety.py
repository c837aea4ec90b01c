"""Checks what must hold after every step."""

import json
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from typing import Final

from shop_command.testing.fakes import NOTHING
from shop_simulation.facts import (
    HOLDING,
    PRODUCTS,
    RESERVATIONS,
    SOLD,
    WorldFacts,
    card_of,
    event_at,
    minor_units,
    position,
    quantities,
    rebuilt,
    slug,
    taken,
)
from shop_simulation.faults import is_other_event
from shop_simulation.provider import API_KEY
from shop_simulation.world import ADMINISTRATOR, HOLD, LIMITS, WEBHOOK_SECRET, World

Check = Callable[[World, WorldFacts], Iterator[str]]
ENDED: Final = frozenset({"cancelled", "expired"})
GOES_ON: Final[Mapping[str, frozenset[str]]] = {
    **{status: frozenset({status}) for status in ENDED},
    "purchased": frozenset({"purchased", "refunding", "refunded"}),
    "refunding": frozenset({"purchased", "refunding", "refunded"}),
    "refunded": frozenset({"purchased", "refunding", "refunded"}),  # where a refund has failed at the provider
}
"""A reservation that has ended may only change to one of these statuses."""
FATES: Final[Mapping[str, frozenset[str]]] = {
    "reservation-expired": frozenset({"expired"}),
    "reservation-cancelled": frozenset({"cancelled"}),
    "already-purchased": frozenset({*SOLD, "refunded"}),
    "already-refunded": frozenset({"refunded"}),
}
"""If a client was answered with this problem, the reservation must have one of these statuses."""
END_EVENTS: Final = ("shop.purchase.confirmed.v1", "shop.reservation.cancelled.v1", "shop.reservation.expired.v1")
SECRETS: Final = (API_KEY, WEBHOOK_SECRET, "pm_card", "_secret_")


def _no_internal_error(world: World, _: WorldFacts) -> Iterator[str]:
    for name, intent in world.intents.items():
        if any(status == 500 for status, _ in (*intent.answers, *intent.repeats)):
            yield f"{name} was answered with an internal error"
    for error in world.errors:
        yield f"a sweep ended with {error}"


def _stock_adds_up(world: World, facts: WorldFacts) -> Iterator[str]:
    held = facts.units(HOLDING)
    skus = {intent.body["sku"] for intent in facts.of_kind("list")}
    for sku in sorted(skus):
        counters = [counters for bucket, counters in world.store.buckets.items() if bucket.sku == sku]
        if any(min(c.available, c.held, c.sold) < 0 for c in counters):
            yield f"{sku} has a bucket below 0"
        actual = tuple(sum(getattr(c, name) for c in counters) for name in ("available", "held", "sold"))
        sold = facts.sold(sku, counts_restocked_only=True)
        expected = {(r - held[sku] - each, held[sku], each) for r in facts.received(sku) for each in sold}
        if actual not in expected:
            yield f"{sku} (available, held, sold) is {actual}, not one of {sorted(expected)}"
    for name, intent in world.intents.items():
        wanted = taken(intent) if intent.least else {}
        if wanted and all(intent.least.get(sku, 0) >= quantity for sku, quantity in wanted.items()):
            yield f"{name} was answered that it is sold out, and there was never less than {intent.least}"


def _one_end(world: World, facts: WorldFacts) -> Iterator[str]:
    for name, placed in facts.reservations.items():
        status, before = facts.statuses.get(name), world.memory.statuses.get(name)
        if before and (status is None or status not in GOES_ON.get(before, {status})):
            yield f"{name} was {before} and is {status}"
        ends = [
            end for event in world.store.streams.get(RESERVATIONS + name, []) for end in END_EVENTS if end in str(event)
        ]
        if len(ends) > 1:
            yield f"{name} has ended {len(ends)} times"
        if status == "expired" and world.clock.now() < placed.sent[0] + HOLD:
            yield f"{name} expired too early"
        if before == "paying" and status in ("expired", "cancelled") and _may_be_charged(world, facts, name):
            yield f"{name} is {status} although its payment was under way"
    yield from _answers_name_the_winner(world, facts)
    yield from _customers_have_time_for_3d_secure(world, facts)


def _customers_have_time_for_3d_secure(world: World, facts: WorldFacts) -> Iterator[str]:
    """Nobody's payment is cancelled who was asked to authenticate it, has asked for nothing else since, and whose
    reservation has not expired."""
    for purchase in facts.of_kind("purchase"):
        reservation_id = purchase.body["reservation_id"]
        placed = facts.reservations.get(reservation_id)
        others = [
            other
            for other in (*facts.of_kind("purchase"), *facts.of_kind("cancel"))
            if other.body["reservation_id"] == reservation_id and other.caller == purchase.caller and other != purchase
        ]
        for name, cancelled_at in world.provider.cut_off:
            asked_at = purchase.asked_at.get(name)
            if asked_at and any(other.sent[-1] >= asked_at for other in others):
                continue
            if placed and asked_at and asked_at.timestamp() < cancelled_at < (placed.sent[0] + HOLD).timestamp():
                yield f"{name} was cancelled while its customer, who had been asked for 3-D Secure, had time left"


def _may_be_charged(world: World, facts: WorldFacts, name: str) -> bool:
    """Returns whether a confirmation by the shop has charged the reservation or still may."""
    intents = [it for it in world.provider.records("payment_intent") if it["metadata"]["reservation_id"] == name]
    sent = (*world.provider.inputs.values(), *(request for _, request in world.provider.late))
    asked = {request.path for request in sent}  # an intent that the shop does not know of is confirmed by nobody
    unconfirmed = [
        it
        for it in intents
        if it["status"] == "requires_payment_method"
        and not it["last_payment_error"]
        and f"/v1/payment_intents/{it['id']}/confirm" in asked
    ]
    is_processing = any(intent["status"] == "processing" for intent in intents)
    return is_processing or bool(unconfirmed) or any(card_of(charge) for charge in facts.charges.get(name, []))


def _answers_name_the_winner(world: World, facts: WorldFacts) -> Iterator[str]:
    """A client who lost the race to end a reservation was answered with how it ended."""
    for name, intent in world.intents.items():
        wanted = intent.body.get("reservation_id") or intent.body.get("purchase_id")
        if wanted not in facts.statuses:
            continue
        status = facts.statuses[wanted]
        is_over = status == "active" and world.clock.now() >= facts.reservations[wanted].sent[0] + HOLD
        for answer in (*intent.answers, *intent.repeats):
            problem = slug(answer[1])
            if problem == "already-refunded" and wanted in facts.failed_refunds:
                continue  # the money came back to the shop since
            if status not in FATES.get(problem, {status}) and not (problem == "reservation-expired" and is_over):
                yield f"{name} was answered with {problem}, and {wanted} is {status}"
            if intent.kind == "cancel" and answer[0] == 200 and status != "cancelled":
                yield f"{name} was answered that it has cancelled {wanted}, which is {status}"


def _one_charge(_: World, facts: WorldFacts) -> Iterator[str]:
    for name, charges in facts.charges.items():
        if len(charges) > 1:
            yield f"{name} was charged {len(charges)} times"
        placed = facts.reservations.get(name)
        agreed = {final[1]["total"]["amount_minor"]} if placed and (final := placed.final()) else None
        for charge in charges:
            amount, currency = minor_units(charge), charge["currency"]
            if not placed or amount not in (agreed or facts.totals(placed)) or currency not in facts.currencies:
                yield f"{name} was charged {amount} {currency}"


def _keys_keep_their_inputs(world: World, _: WorldFacts) -> Iterator[str]:
    yield from world.provider.changed_inputs


def _answers_are_true(_: World, facts: WorldFacts) -> Iterator[str]:
    """Each answer that concerns money agrees with the provider's ledger."""
    purchases = facts.of_kind("purchase")
    confirmed = {i.body["reservation_id"] for i in purchases if (final := i.final()) and final[0] == 201}
    ended = {name for name, status in facts.statuses.items() if status in (*SOLD, "refunded")}
    for name in sorted(confirmed | ended):
        if not facts.charges.get(name):
            yield f"{name} is confirmed, and nothing was charged"
        if name not in ended:
            yield f"{name} was answered as confirmed, and is {facts.statuses.get(name)}"
    for purchase in purchases:
        final = purchase.final()
        for charge in facts.charges.get(purchase.body["reservation_id"], []) if final and final[0] == 402 else []:
            paid_with = charge["payment_intent"], card_of(charge)
            if final and paid_with == (final[1]["payment_intent_id"], purchase.body["payment_method"]):
                yield f"{paid_with[1]} was answered as declined, and was charged for {purchase.body['reservation_id']}"
    for name, status in facts.statuses.items():
        is_back = any(charge["refunded"] for charge in facts.charges.get(name, [])) or name in facts.failed_refunds
        if status == "refunded" and not is_back:
            yield f"{name} is refunded, and the money was not given back"
    if any(answer[0] < 300 for forged in facts.of_kind("forged") for answer in forged.answers):
        yield "a forged webhook was taken for the provider's"


def _streams_are_whole(world: World, _: WorldFacts) -> Iterator[str]:
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


def _repeats_are_answered_alike(world: World, facts: WorldFacts) -> Iterator[str]:
    for name, intent in world.intents.items():
        final = intent.final()
        if final is None or intent.kind == "webhook":  # each is signed again, and the signature may have expired
            continue
        if intent.kind == "reuse":
            yield f"{name} was answered with {final[0]}"
            continue
        # A request that was sent at the same time may have been answered that the outcome is not known yet.
        after = [answer for answer in intent.answers[intent.answers.index(final) :] if answer[0] != 202]
        different = [answer for answer in after + intent.repeats if answer != final and answer[0] < 500]
        if different:
            yield f"{name} was answered with {final}, and also with {different}"
    yield from _one_key_stands_behind_each_pending_payment(world, facts)


def _one_key_stands_behind_each_pending_payment(_: World, facts: WorldFacts) -> Iterator[str]:
    keys: dict[tuple[str, int], set[str]] = defaultdict(set)
    for purchase in facts.of_kind("purchase"):
        for status, body in (*purchase.answers, *purchase.repeats):
            if status == 202:
                keys[body["stream_id"], body["stream_version"]].add(purchase.key)
    for place, pending in keys.items():
        if len(pending) > 1:
            yield f"{sorted(pending)} were all answered as the payment {place}, which only one of them has begun"


def _nothing_disappears(world: World, _: WorldFacts) -> Iterator[str]:
    for name, intent in world.intents.items():
        place = position(intent)
        if place and event_at(world, *place) is None:
            yield f"{name} was acknowledged, and its event does not exist"
    for place, event in world.memory.acknowledged.items():
        if event_at(world, *place) != event:
            yield f"{place} was acknowledged, and is gone or another"
    committed = {event for events in world.store.streams.values() for event in events}
    if not committed.issuperset(world.stream.records):
        yield "an event was published that was not committed"


def _projected_once(world: World, _: WorldFacts) -> Iterator[str]:
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


def _one_event_a_version(world: World, _: WorldFacts) -> Iterator[str]:
    tables = world.read_model.tables
    for other in world.stream.others:
        if other not in tables.parked:
            yield f"another event of a known version is not parked: {other.decode()}"
    for (stream_id, version), text in tables.event_log.items():
        if is_other_event(text.encode()):
            yield f"{stream_id} {version} was replaced by another event"


def _private(world: World, facts: WorldFacts) -> Iterator[str]:
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


def _refunds_are_the_providers(world: World, facts: WorldFacts) -> Iterator[str]:
    for name, intent in facts.reservations.items():
        given = {each["id"]: each for each in facts.refunds.get(name, [])}
        failed = {each["id"]: each for each in world.provider.records("refund") if each["status"] == "failed"}
        answered = [(asked, final[1]) for asked in facts.refunds_of(name) if (final := asked.final())]
        for refund, answer in answered:
            found = (given | failed).get(answer["refund_id"], {})
            is_made = found.get("status") in ("succeeded", "failed")
            if not is_made or (minor_units(found), found["metadata"].get("reservation_id")) != (
                answer["total"]["amount_minor"],
                name,
            ):
                yield f"{refund.key} was answered with {answer}, and the provider has {found}"
        answers = [answer for _asked, answer in answered]
        ids = [answer["refund_id"] for answer in answers]
        if len(set(ids)) < len(ids):
            yield f"two refunds of {name} were answered with the same refund of the provider"
        units = Counter[str]()
        for answer in answers:
            units.update({line["sku"]: line["quantity"] for line in answer["lines"]})
        if not units <= Counter(quantities(intent)):
            yield f"{units} came back of {quantities(intent)}"
        ordinals = Counter(each["metadata"].get("refund") for each in given.values() if each["metadata"])
        if any(count > 1 for count in ordinals.values()):
            yield f"a refund of {name} was made twice: {given}"
        paid = sum(charge["amount"] for charge in facts.charges.get(name, []))
        if sum(each["amount"] for each in given.values()) > paid:
            yield f"{name} was refunded more than the {paid} that were paid: {given}"
    yield from _disputes_hold_refunds_up(world, facts)


def _disputes_hold_refunds_up(_: World, facts: WorldFacts) -> Iterator[str]:
    """A client is answered that a purchase is disputed only where the provider has that dispute."""
    for intent in facts.of_kind("refund"):
        known = {each["id"] for each in facts.disputes.get(intent.body["purchase_id"], [])}
        for _status, body in (*intent.answers, *intent.repeats):
            if slug(body) == "purchase-disputed" and body["dispute_id"] not in known:
                yield f"{intent.key} was answered with {body}, and the provider has {known}"


def _limits_hold(world: World, facts: WorldFacts) -> Iterator[str]:
    for customer in sorted({intent.caller for intent in facts.of_kind("place")}):
        names = [name for name, intent in facts.reservations.items() if intent.caller == customer]
        held: Counter[str] = Counter()
        open_ = [name for name in names if facts.statuses.get(name) in HOLDING]
        for name in open_:
            held.update(quantities(facts.reservations[name]))
        if len(open_) > LIMITS.open_reservations_max or max(held.values(), default=0) > LIMITS.units_held_max:
            yield f"{customer} holds {dict(held)} in {len(open_)} open reservations"
        counts = world.store.customers.get(customer, NOTHING)
        late = [name for name in names if name in counts.open and name not in open_ and _is_swept(world, name)]
        for name in late:
            held.update(quantities(facts.reservations[name]))
        if (counts.open, dict(counts.held)) != (frozenset((*open_, *late)), dict(held)):
            yield f"{customer} is counted with {counts}, and holds {dict(held)} in {sorted(open_)}, and late {late}"
        # The hour of each request, whatever has become of it: its event is there to be counted, not to be believed.
        events = [json.loads(event) for name in names for event in world.store.streams.get(RESERVATIONS + name, [])]
        hours = Counter(event["time"][:13] for event in events if event["type"] == "shop.payment.requested.v1")
        if max(hours.values(), default=0) > LIMITS.card_attempts_max:
            yield f"{customer} has tried {max(hours.values())} cards in an hour"


def _is_swept(world: World, name: str) -> bool:
    """Returns whether the sweep will look at what became of it. Until then it may count although it is over."""
    state = world.store.stored[RESERVATIONS + name]
    return state.due_at is not None and state.unpublished is not None


def _acts_name_their_actors(world: World, _: WorldFacts) -> Iterator[str]:
    administrator, customer, system = ("app_user", ADMINISTRATOR), ("app_user", None), ("system", None)
    for stream_id, events in world.store.streams.items():
        for event in map(json.loads, events):
            allowed: set[tuple[str, str | None]] = {customer, system}
            if stream_id.startswith(PRODUCTS) or ".refund-requested." in event["type"]:
                allowed = {administrator}
            elif event["type"].startswith("shop.purchase.refund"):
                allowed = {administrator, system}
            actor = event.get("authtype"), event.get("authid")
            if actor not in allowed:
                yield f"{stream_id} {event['streamversion']}, {event['type']}, was done by {actor}"


SAFETY: Final[Mapping[int, Check]] = {
    0: _no_internal_error,
    1: _stock_adds_up,
    2: _one_end,
    3: _one_charge,
    4: _keys_keep_their_inputs,
    5: _answers_are_true,
    6: _streams_are_whole,
    7: _repeats_are_answered_alike,
    8: _nothing_disappears,
    9: _projected_once,
    10: _private,
    15: _refunds_are_the_providers,
    16: _one_event_a_version,
    17: _limits_hold,
    18: _acts_name_their_actors,
}
