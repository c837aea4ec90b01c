"""The workflows that are explored. To add one: its steps, here."""

from datetime import timedelta
from typing import Final

from shop_simulation.explorer import Workflow
from shop_simulation.faults import older_type
from shop_simulation.steps import deliver, list_product, place, purchase, receive, with_other_body
from shop_simulation.world import World

ROUNDS_MAX: Final = 3
"""Sweeps and deliveries in which everything has to be in order again."""

STOCKED: Final = (list_product(), receive(10))
DELIVERED: Final = (deliver("project"), deliver("archive"))

WORKFLOWS: Final = (
    Workflow(
        "list and receive",
        steps=(list_product(), list_product().maybe(), receive(10), receive(10).maybe()),
        rivals=(list_product(), receive(10), receive(5)),
    ),
    Workflow(
        "place",
        before=STOCKED,
        steps=(place(), place().maybe(), with_other_body(place(), {"lines": [{"sku": "MUG", "quantity": 1}]})),
        rivals=(place(), place({"MUG": 9}, name="place much")),
    ),
    Workflow(
        "place when it is sold out",
        before=(list_product(buckets=3), receive(6), list_product("POT"), receive(1, "POT")),
        steps=(place({"MUG": 5, "POT": 1}), place({"MUG": 5, "POT": 1}).maybe(), place(name="place too much")),
        rivals=(place({"MUG": 6}, name="place all"),),
    ),
    Workflow(
        "purchase",
        before=STOCKED,
        steps=(place().sound(), purchase(), purchase().maybe()),
        rivals=(purchase(), purchase(name="purchase too")),
    ),
    Workflow(
        "a declined card, then another one",
        before=(*STOCKED, place()),
        steps=(purchase("pm_card_declined"), purchase("pm_card_declined").maybe(), purchase(name="purchase again")),
    ),
    *(
        Workflow(
            f"purchase with {card}",
            before=(*STOCKED, place()),
            steps=(purchase(f"pm_card_{card}"), purchase(f"pm_card_{card}").maybe(), purchase(name="another").maybe()),
        )
        for card in ("slow", "slow_declined", "error_before", "error_after", "action")
    ),
    Workflow(
        "another body",
        before=(*STOCKED, place()),
        steps=(purchase(), with_other_body(purchase(), {"payment_method": "pm_card_declined"})),
    ),
    Workflow(
        "somebody else's reservation",
        before=(*STOCKED, place()),
        steps=(purchase(name="purchase theirs", caller="customer-2"), purchase()),
        faults_max=1,
    ),
    Workflow(
        "delivery",
        before=(*STOCKED, place(), purchase()),
        steps=(*DELIVERED, *DELIVERED),
    ),
)


def settle(world: World) -> None:
    """Faults have stopped: time passes, the sweep runs, everything is delivered, what is parked is replayed."""
    for _ in range(ROUNDS_MAX):
        world.jump(timedelta(minutes=16))
        world.provider.arrive_all()
        for step in DELIVERED:
            step.run(world, world.process(step.process))
        _replay(world)
        if not (world.store.due_events or world.store.due_states or any(world.stream.waiting.values())):
            return


def _replay(world: World) -> None:
    """After the upgrade that knows what was parked."""
    if not world.read_model.tables.parked:
        return
    parked = world.read_model.tables.parked
    records = [older_type(payload) for payload in parked]
    world.project(world.process("project"))(records)
    world.read_model.tables.parked = {}
