"""What happens in a world, one step at a time: a client's request, a sweep, a delivery."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from shop_command.testing import http_event
from shop_simulation.seam import Process
from shop_simulation.world import Answer, Intent, World

BATCH_RECORDS_MAX: Final = 4
ONE_LINE: Final[Mapping[str, int]] = {"MUG": 2}


@dataclass(frozen=True)
class Step:
    """`name` is the client's purpose: two steps of the same name send the same request again."""

    name: str
    process: str
    run: Callable[[World, Process], object]
    optional: bool = False
    faulty: bool = True
    """Whether its calls may fail."""

    def maybe(self) -> "Step":
        return Step(self.name, self.process, self.run, optional=True, faulty=self.faulty)

    def sound(self) -> "Step":
        return Step(self.name, self.process, self.run, optional=self.optional, faulty=False)


def list_product(sku: str = "MUG", *, price_minor: int = 500, buckets: int = 1) -> Step:
    body = {
        "sku": sku,
        "name": f"Product {sku}",
        "description": "",
        "price": {"amount_minor": price_minor, "currency": "EUR"},
        "stock_buckets": buckets,
    }
    return _admin(f"list {sku}", "list", "POST /products", body)


def receive(quantity: int, sku: str = "MUG", *, name: str = "receive") -> Step:
    body = {"quantity": quantity}
    return _admin(f"{name} {quantity} {sku}", "receive", "POST /products/{sku}/stock", body, sku=sku)


def place(lines: Mapping[str, int] = ONE_LINE, *, name: str = "place", caller: str = "customer-1") -> Step:
    """`lines` are quantities by SKU."""
    body = {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]}
    return _request(name, "place", "POST /reservations", lambda _: body, caller=caller)


def purchase(
    card: str = "pm_card_visa", *, name: str = "purchase", of: str = "place", caller: str = "customer-1"
) -> Step:
    def body(world: World) -> Mapping[str, Any] | None:
        reservation_id = known_reservation(world, of)
        return reservation_id and {"reservation_id": reservation_id, "payment_method": card}

    return _request(name, "purchase", "POST /purchase", body, caller=caller)


def with_other_body(step: Step, body: Mapping[str, Any]) -> Step:
    """The idempotency key of an earlier step, with something else in its body."""

    def run(world: World, process: Process) -> None:
        first = world.intents[step.name]
        if first.final() is None:
            return  # it may have come to nothing, and then this is no reuse
        route = "POST /reservations" if first.kind == "place" else "POST /purchase"
        again = world.intents.setdefault(
            f"{step.name} with another body", Intent("reuse", first.caller, first.key, body)
        )
        content = {**first.body, **body}
        world.request(process, again, http_event(route, content, key=first.key, subject=first.caller))

    return Step(f"{step.name} with another body", "command", run)


def deliver(consumer: str) -> Step:
    def run(world: World, process: Process) -> None:
        work = world.project(process) if consumer == "project" else world.archive_batch(process)
        world.deliver(process, work, BATCH_RECORDS_MAX)

    return Step(f"deliver to {consumer}", consumer, run)


def known_reservation(world: World, name: str) -> Any:
    """Its id, if its customer has heard of it."""
    intent = world.intents.get(name)
    answer = intent.final() if intent else None
    return answer[1]["reservation_id"] if answer and answer[0] == 201 else None


def _admin(name: str, kind: str, route: str, body: Mapping[str, Any], **path: str) -> Step:
    return _request(name, kind, route, lambda _: body, caller="admin-1", groups="[admin]", **path)


def _request(
    name: str,
    kind: str,
    route: str,
    body: Callable[[World], Mapping[str, Any] | None],
    *,
    caller: str,
    groups: str | None = None,
    **path: str,
) -> Step:
    def run(world: World, process: Process) -> Answer | None:
        content = body(world)
        if content is None:
            return None  # the client does not know enough to ask
        intent = world.intents.setdefault(
            name, Intent(kind, caller, f"key-of-{name}".replace(" ", "-"), {**content, **path})
        )
        event = http_event(
            route,
            content,
            key=intent.key,
            subject=caller,
            groups=groups,
            headers=None,
            raw_body=None,
            base64_encoded=False,
            **path,
        )
        return world.request(process, intent, event)

    return Step(name, "command", run)
