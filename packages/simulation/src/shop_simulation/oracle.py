"""Judges a world by what clients asked and were answered, what the provider charged, and which stock came in.

It never folds the shop's events to learn what should be; it reads them to see that they are whole, and compares.
"""

from shop_simulation.facts import Violation, WorldFacts, event_at, position
from shop_simulation.liveness import LIVENESS
from shop_simulation.safety import SAFETY
from shop_simulation.world import World


def safety(world: World) -> list[Violation]:
    """Is called after every step, because it compares each world with what it saw before."""
    facts = WorldFacts(world)
    found = [Violation(number, text) for number, check in SAFETY.items() for text in check(world, facts)]
    memory = world.memory
    memory.statuses = facts.statuses
    for stream_id, events in world.store.streams.items():
        memory.events[stream_id] = list(events)
    for intent in world.intents.values():
        if (place := position(intent)) and (event := event_at(world, *place)):
            memory.acknowledged.setdefault(place, event)
    for table in ("product", "reservation"):
        memory.versions |= {(table, row[0]): row[1] for row in world.read_model.tables.rows[table].values()}
    memory.versions |= {("head", name): head for name, head in world.read_model.tables.heads.items()}
    return found


def liveness(world: World) -> list[Violation]:
    """Is called when faults have stopped and everything has been swept and delivered."""
    facts = WorldFacts(world)
    return [Violation(number, text) for number, check in LIVENESS.items() for text in check(world, facts)]
