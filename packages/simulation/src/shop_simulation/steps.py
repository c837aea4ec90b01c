"""What happens in a world, one step at a time: a client's request, a sweep, a delivery."""

import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final, cast

from shop_command.testing import http_event
from shop_simulation.seam import Process
from shop_simulation.world import ADMINISTRATOR, WEBHOOK_SECRET, Answer, Intent, World

PROVIDER: Final = "provider"
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
    fields = {"sku": sku, "quantity": quantity}
    return _admin(f"{name} {quantity} {sku}", "receive", "POST /products/{sku}/stock", fields)


def place(lines: Mapping[str, int] = ONE_LINE, *, name: str = "place", caller: str = "customer-1") -> Step:
    """`lines` are quantities by SKU."""
    body = {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]}
    return _request(name, "place", "POST /reservations", lambda _: body, caller=caller)


def purchase(
    card: str = "pm_card_visa", *, name: str = "purchase", of: str = "place", caller: str = "customer-1"
) -> Step:
    fields = _about(of, "reservation_id", payment_method=card)
    return _request(name, "purchase", "POST /purchase", fields, caller=caller)


def cancel(*, name: str = "cancel", of: str = "place", caller: str = "customer-1") -> Step:
    return _request(
        name, "cancel", "DELETE /reservations/{reservation_id}", _about(of, "reservation_id"), caller=caller
    )


def refund(*, name: str = "refund", of: str = "place") -> Step:
    return _request(
        name,
        "refund",
        "POST /purchases/{purchase_id}/refund",
        _about(of, "purchase_id"),
        caller=ADMINISTRATOR,
        groups="[admin]",
    )


def reprice(price_minor: int, sku: str = "MUG", *, name: str = "reprice") -> Step:
    fields = {"sku": sku, "price": {"amount_minor": price_minor, "currency": "EUR"}}
    return _admin(f"{name} {sku} {price_minor}", "reprice", "POST /products/{sku}/price", fields)


def redistribute(buckets: int, sku: str = "MUG", *, name: str = "redistribute") -> Step:
    fields = {"sku": sku, "stock_buckets": buckets}
    return _admin(f"{name} {sku} {buckets}", "redistribute", "POST /products/{sku}/buckets", fields)


def retire(sku: str = "MUG", *, name: str = "retire") -> Step:
    return _admin(f"{name} {sku}", "retire", "DELETE /products/{sku}", {"sku": sku})


def later(time: timedelta) -> Step:
    return Step(f"{time} later", "time", lambda world, _: world.jump(time), faulty=False)


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


def hear(*, again: bool = False) -> Step:
    """The provider's webhooks arrive, those that have not yet. `again`: all there ever were, the newest first."""

    def run(world: World, process: Process) -> None:
        count = len(world.provider.webhooks)
        for number in reversed(range(count)) if again else range(world.heard, count):
            payload = world.provider.webhooks[number].decode()
            intent = world.intents.setdefault(f"webhook {number + 1}", Intent("webhook", PROVIDER, "", {}))
            answer = world.request(process, intent, _webhook(world, payload, WEBHOOK_SECRET))
            if answer is None or answer[0] != 200:
                return  # it will be sent again, and what comes after it waits here
            world.heard = max(world.heard, number + 1)

    return Step("hear once more" if again else "hear", "command", run)


def hear_lies() -> Step:
    """Somebody who does not know the secret says that every payment has succeeded; or who has recorded a signature."""

    def run(world: World, process: Process) -> None:
        for known in list(world.provider.intents.values()):
            body = {"type": "payment_intent.succeeded", "data": {"object": {**known.body(), "status": "succeeded"}}}
            for secret, age in (("whsec_guessed", timedelta()), (WEBHOOK_SECRET, timedelta(minutes=6))):
                intent = world.intents.setdefault(f"forged for {known.id}", Intent("forged", PROVIDER, "", {}))
                world.request(process, intent, _webhook(world, json.dumps(body), secret, age))

    return Step("hear lies", "command", run)


def _webhook(world: World, payload: str, secret: str, age: timedelta = timedelta()) -> dict[str, Any]:
    sent_at = int((world.clock.now() - age).timestamp())
    signature = hmac.new(secret.encode(), f"{sent_at}.{payload}".encode(), hashlib.sha256).hexdigest()
    headers = {"stripe-signature": f"t={sent_at},v1={signature}"}
    return http_event("POST /payments/webhook", raw_body=payload, key=None, subject=None, headers=headers)


def authenticate(of: str = "place") -> Step:
    """The customer goes through 3-D Secure, although the shop has no page for it."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        if reservation_id:
            world.provider.authenticate(reservation_id)

    return Step(f"authenticate {of}", "provider", run, faulty=False)


def outage(*, ends: bool = False) -> Step:
    """Of the stream, which takes nothing until it ends."""

    def run(world: World, _: Process) -> None:
        world.stream.takes_nothing = not ends

    return Step("the stream is back" if ends else "the stream is gone", "stream", run, faulty=False)


def lose_sight(of: str) -> Step:
    """Nobody can get at this reservation any more."""

    def run(world: World, _: Process) -> None:
        world.store.unreadable.add(f"reservation-{known_reservation(world, of)}")

    return Step(f"{of} can't be read any more", "store", run, faulty=False)


def sweep() -> Step:
    return Step("sweep", "sweep", lambda world, process: world.sweep(process))


def known_reservation(world: World, name: str) -> Any:
    """Its id, if its customer has heard of it."""
    intent = world.intents.get(name)
    answer = intent.final() if intent else None
    return answer[1]["reservation_id"] if answer and answer[0] == 201 else None


def _about(of: str, field: str, **more: Any) -> Callable[[World], Mapping[str, Any] | None]:
    """A body with the id of a reservation, from when on the client knows it."""

    def body(world: World) -> Mapping[str, Any] | None:
        reservation_id = known_reservation(world, of)
        return {field: reservation_id, **more} if reservation_id else None

    return body


def _admin(name: str, kind: str, route: str, fields: Mapping[str, Any]) -> Step:
    return _request(name, kind, route, lambda _: fields, caller=ADMINISTRATOR, groups="[admin]")


def _request(
    name: str,
    kind: str,
    route: str,
    asked: Callable[[World], Mapping[str, Any] | None],
    *,
    caller: str,
    groups: str | None = None,
) -> Step:
    """`asked` are the fields of the path and of the body; None: the client does not know enough to ask."""

    def run(world: World, process: Process) -> Answer | None:
        fields = asked(world)
        if fields is None:
            return None
        intent = world.intents.setdefault(name, Intent(kind, caller, f"key-of-{name}".replace(" ", "-"), fields))
        path = {field: str(fields[field]) for field in re.findall(r"{(\w+)}", route)}
        body = {field: value for field, value in fields.items() if field not in path}
        event = http_event(route, body, key=intent.key, subject=caller, groups=groups, **cast("dict[str, Any]", path))
        return world.request(process, intent, event)

    return Step(name, "command", run)
