"""Each function makes a step that changes a world: a client's request, a sweep, a delivery."""

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any, Final

from shop_command.testing import http_event
from shop_payment_provider.stripe import signature
from shop_simulation.faults import older_type
from shop_simulation.seam import Process
from shop_simulation.world import ADMINISTRATOR, WEBHOOK_SECRET, Answer, ClientIntent, World

PROVIDER: Final = "provider"
BATCH_RECORDS_MAX: Final = 4
SWEEPS_MAX: Final = 2
"""This many sweeps, each followed by a delivery of everything, must leave the world in order."""
ONE_LINE: Final[Mapping[str, int]] = {"MUG": 2}


@dataclass(frozen=True)
class WorkflowStep:
    """`name` is the client's purpose: two steps of the same name send the same request again."""

    name: str
    process: str
    run: Callable[[World, Process], object]
    optional: bool = False
    faulty: bool = True
    """If it is false, none of the step's calls fails."""

    def run_alone(self, world: World) -> None:
        """Runs the step from start to end without a fault."""
        self.run(world, world.process(self.process))

    def maybe(self) -> "WorkflowStep":
        return replace(self, optional=True)

    def sound(self) -> "WorkflowStep":
        return replace(self, faulty=False)


def list_product(sku: str = "MUG", *, price_minor: int = 500, currency: str = "EUR", buckets: int = 1) -> WorkflowStep:
    body = {
        "sku": sku,
        "name": f"Product {sku}",
        "description": "",
        "price": {"amount_minor": price_minor, "currency": currency},
        "stock_buckets": buckets,
    }
    return _admin(f"list {sku}", "list", "POST /products", body)


def receive(quantity: int, sku: str = "MUG", *, name: str = "receive") -> WorkflowStep:
    fields = {"sku": sku, "quantity": quantity}
    return _admin(f"{name} {quantity} {sku}", "receive", "POST /products/{sku}/stock", fields)


def place(lines: Mapping[str, int] = ONE_LINE, *, name: str = "place", caller: str = "customer-1") -> WorkflowStep:
    """`lines` are quantities by SKU."""
    body = {"lines": [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()]}
    return _request(name, "place", "POST /reservations", lambda _: body, caller=caller)


def hoard(count: int, units: int = 1) -> tuple[WorkflowStep, ...]:
    """A greedy customer places so many reservations, and pays for none."""
    return tuple(place({"MUG": units}, name=f"hoard {number}") for number in range(1, count + 1))


def purchase(
    card: str = "pm_card_visa", *, name: str = "purchase", of: str = "place", caller: str = "customer-1"
) -> WorkflowStep:
    fields = _naming(of, "reservation_id", payment_method=card)
    return _request(name, "purchase", "POST /purchase", fields, caller=caller)


def cancel(*, name: str = "cancel", of: str = "place", caller: str = "customer-1") -> WorkflowStep:
    return _request(
        name, "cancel", "DELETE /reservations/{reservation_id}", _naming(of, "reservation_id"), caller=caller
    )


def refund(
    *,
    name: str = "refund",
    of: str = "place",
    amount_minor: int | None = None,
    lines: Mapping[str, int] | None = None,
    restock: bool | None = None,
) -> WorkflowStep:
    """Without an amount or lines (quantities by SKU), everything that is left is given back."""
    wanted = [{"sku": sku, "quantity": quantity} for sku, quantity in lines.items()] if lines else None
    sent = {"amount_minor": amount_minor, "lines": wanted, "restock": restock}
    return _request(
        name,
        "refund",
        "POST /purchases/{purchase_id}/refund",
        _naming(of, "purchase_id", **{field: value for field, value in sent.items() if value is not None}),
        caller=ADMINISTRATOR,
        groups="[admin]",
    )


def refund_elsewhere(amount_minor: int, of: str = "place") -> WorkflowStep:
    """Somebody gives money back at the provider's dashboard."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        if reservation_id:
            world.provider.refund_elsewhere(reservation_id, amount_minor)

    return WorkflowStep(f"refund {amount_minor} of {of} elsewhere", "provider", run, faulty=False)


def dispute(of: str = "place", *, is_inquiry: bool = False) -> WorkflowStep:
    """A bank takes days until it disputes a purchase, so a charge that no purchase came of was given back by then."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        stored = world.store.stored.get(f"reservation-{reservation_id}")
        if stored and json.loads(stored.state)["status"] in ("purchased", "refunding", "refunded"):
            world.provider.dispute(reservation_id, is_inquiry=is_inquiry)

    return WorkflowStep(f"inquire about {of}" if is_inquiry else f"dispute {of}", "provider", run, faulty=False)


def decide(of: str = "place", *, is_won: bool) -> WorkflowStep:
    """The bank decides a dispute, or decides anew what the shop had lost."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        if reservation_id:
            world.provider.decide(reservation_id, is_won=is_won)

    return WorkflowStep(f"the dispute of {of} is {'won' if is_won else 'lost'}", "provider", run, faulty=False)


def reprice(price_minor: int, sku: str = "MUG", *, name: str = "reprice") -> WorkflowStep:
    fields = {"sku": sku, "price": {"amount_minor": price_minor, "currency": "EUR"}}
    return _admin(f"{name} {sku} {price_minor}", "reprice", "POST /products/{sku}/price", fields)


def redistribute(buckets: int, sku: str = "MUG", *, name: str = "redistribute") -> WorkflowStep:
    fields = {"sku": sku, "stock_buckets": buckets}
    return _admin(f"{name} {sku} {buckets}", "redistribute", "POST /products/{sku}/buckets", fields)


def adjust(quantity_change: int, sku: str = "MUG", *, name: str = "adjust") -> WorkflowStep:
    fields = {"sku": sku, "quantity_change": quantity_change, "reason": "Counted"}
    return _admin(f"{name} {sku} {quantity_change}", "adjust", "POST /products/{sku}/stock-adjustment", fields)


def describe(text: str, sku: str = "MUG", *, category: str | None = None, name: str = "describe") -> WorkflowStep:
    fields = {"sku": sku, "name": text, "description": "", "category": category}
    return _admin(f"{name} {sku} {text}", "describe", "POST /products/{sku}/details", fields)


def relist(sku: str = "MUG", *, name: str = "relist") -> WorkflowStep:
    return _admin(f"{name} {sku}", "relist", "POST /products/{sku}/relist", {"sku": sku})


def retire(sku: str = "MUG", *, name: str = "retire") -> WorkflowStep:
    return _admin(f"{name} {sku}", "retire", "DELETE /products/{sku}", {"sku": sku})


def later(time: timedelta) -> WorkflowStep:
    return WorkflowStep(f"{time} later", "time", lambda world, _: world.jump(time), faulty=False)


def with_other_body(step: WorkflowStep, body: Mapping[str, Any]) -> WorkflowStep:
    """Sends the idempotency key of an earlier step with another body."""

    def run(world: World, process: Process) -> None:
        first = world.intents[step.name]
        if first.final() is None:
            return  # the first request may have had no effect, and then the key is not reused
        route = "POST /reservations" if first.kind == "place" else "POST /purchase"
        again = world.intents.setdefault(
            f"{step.name} with another body", ClientIntent("reuse", first.caller, first.key, body)
        )
        content = {**first.body, **body}
        world.request(process, again, http_event(route, content, key=first.key, subject=first.caller))

    return WorkflowStep(f"{step.name} with another body", "command", run)


def deliver(consumer: str) -> WorkflowStep:
    def run(world: World, process: Process) -> None:
        work = world.project(process) if consumer == "project" else world.archive_batch(process)
        world.deliver(process, work, BATCH_RECORDS_MAX)

    return WorkflowStep(f"deliver to {consumer}", consumer, run)


def receive_webhooks(*, again: bool = False) -> WorkflowStep:
    """The provider's new webhooks arrive or, with `again`, all of its webhooks, the newest first."""

    def run(world: World, process: Process) -> None:
        events = world.provider.records("event")
        count = len(events)
        for number in reversed(range(count)) if again else range(world.webhooks_received, count):
            payload = json.dumps(events[number])
            intent = world.intents.setdefault(f"webhook {number + 1}", ClientIntent("webhook", PROVIDER, "", {}))
            answer = world.request(process, intent, _webhook(world, payload, WEBHOOK_SECRET))
            if answer is None or answer[0] != 200:
                return  # it will be sent again, and what comes after it waits here
            world.webhooks_received = max(world.webhooks_received, number + 1)

    return WorkflowStep("webhooks arrive again" if again else "webhooks arrive", "command", run)


def receive_forged_webhooks() -> WorkflowStep:
    """An attacker who guesses the secret, or replays an old signature, claims that every payment has succeeded."""

    def run(world: World, process: Process) -> None:
        for known in world.provider.records("payment_intent"):
            body = {"type": "payment_intent.succeeded", "data": {"object": {**known, "status": "succeeded"}}}
            for secret, age in (("whsec_guessed", timedelta()), (WEBHOOK_SECRET, timedelta(minutes=6))):
                intent = world.intents.setdefault(f"forged for {known['id']}", ClientIntent("forged", PROVIDER, "", {}))
                world.request(process, intent, _webhook(world, json.dumps(body), secret, age))

    return WorkflowStep("forged webhooks arrive", "command", run)


def _webhook(world: World, payload: str, secret: str, age: timedelta = timedelta()) -> dict[str, Any]:
    sent_at = int((world.clock.now() - age).timestamp())
    headers = {"stripe-signature": signature(payload, secret, sent_at)}
    return http_event("POST /payments/webhook", raw_body=payload, key=None, subject=None, headers=headers)


def authenticate(of: str = "place", *, completes: bool = True) -> WorkflowStep:
    """The customer completes 3-D Secure at the provider's page, or fails it."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        if reservation_id:
            world.provider.authenticate(reservation_id, completes=completes)

    name = f"authenticate {of}" if completes else f"fail to authenticate {of}"
    return WorkflowStep(name, "provider", run, faulty=False)


def pay_past_the_shop(of: str = "place") -> WorkflowStep:
    """After 3-D Secure has failed, the customer goes on in the browser with the client secret."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        if reservation_id:
            world.provider.pay_past_the_shop(reservation_id)

    return WorkflowStep(f"pay for {of} past the shop", "provider", run, faulty=False)


def lose_intents(of: str = "place") -> WorkflowStep:
    """The provider does not know any more what it has not charged."""

    def run(world: World, _: Process) -> None:
        reservation_id = known_reservation(world, of)
        if reservation_id:
            world.provider.lose(reservation_id)

    return WorkflowStep(f"the provider loses {of}", "provider", run, faulty=False)


def read_stream_again() -> WorkflowStep:
    """The mapping of `project` begins at the stream's start once more, as one that was made anew does."""

    def run(world: World, _: Process) -> None:
        world.stream.waiting["project"] = list(range(len(world.stream.records)))

    return WorkflowStep("read the stream again", "stream", run, faulty=False)


def outage(*, ends: bool = False) -> WorkflowStep:
    """The event stream refuses every record until the outage ends."""

    def run(world: World, _: Process) -> None:
        world.stream.takes_nothing = not ends

    return WorkflowStep("the stream is back" if ends else "the stream is gone", "stream", run, faulty=False)


def lose_sight(of: str) -> WorkflowStep:
    """The store can no longer read this reservation."""

    def run(world: World, _: Process) -> None:
        world.store.unreadable.add(f"reservation-{known_reservation(world, of)}")

    return WorkflowStep(f"{of} can't be read any more", "store", run, faulty=False)


def sweep() -> WorkflowStep:
    return WorkflowStep("sweep", "sweep", lambda world, process: world.sweep(process))


def reconcile() -> WorkflowStep:
    return WorkflowStep("reconcile", "sweep", lambda world, process: world.reconcile(process))


DELIVERED: Final = (deliver("project"), deliver("archive"))


def recover(world: World) -> None:
    """Faults have stopped, and no webhook comes any more: time passes, the sweep runs, the provider's events are read,
    everything is delivered, and parked records are replayed."""
    for _ in range(SWEEPS_MAX):
        world.provider.arrive_all()
        world.jump(timedelta(minutes=16))
        if _is_news(world):
            world.provider.settle_all()
            reconcile().run_alone(world)
        for step in (sweep(), *DELIVERED):
            step.run_alone(world)
        _replay(world)
        if not (world.store.due_events or world.store.due_states or any(world.stream.waiting.values())):
            return


def _is_news(world: World) -> bool:
    """Returns whether the provider has done something by itself, of which only its events tell."""
    cards = {charge["id"]: charge["payment_method"] for charge in world.provider.records("charge")}
    refunds = world.provider.records("refund")
    if world.provider.records("dispute") or world.provider.disputes_soon():
        return True
    return any(not it["metadata"] or cards[it["charge"]] == "pm_card_refundFail" for it in refunds)


def _replay(world: World) -> None:
    """Replays parked records, as a release would that knows their types."""
    if not world.read_model.tables.parked:
        return
    parked = world.read_model.tables.parked
    world.project(world.process("project"))([older_type(payload) for payload in parked])
    # The replayed ones leave the list, and an event whose version is another one's stays.
    others = world.stream.others
    now_parked = world.read_model.tables.parked
    world.read_model.tables.parked = {payload: cause for payload, cause in now_parked.items() if payload in others}


def known_reservation(world: World, name: str) -> Any:
    """Returns the reservation's id if its customer knows it."""
    intent = world.intents.get(name)
    answer = intent.final() if intent else None
    return answer[1]["reservation_id"] if answer and answer[0] == 201 else None


def _naming(of: str, field: str, **more: Any) -> Callable[[World], Mapping[str, Any] | None]:
    """Makes a body that names a reservation, or None while the client does not know its id."""

    def body(world: World) -> Mapping[str, Any] | None:
        reservation_id = known_reservation(world, of)
        return {field: reservation_id, **more} if reservation_id else None

    return body


def _admin(name: str, kind: str, route: str, fields: Mapping[str, Any]) -> WorkflowStep:
    return _request(name, kind, route, lambda _: fields, caller=ADMINISTRATOR, groups="[admin]")


def _request(
    name: str,
    kind: str,
    route: str,
    asked: Callable[[World], Mapping[str, Any] | None],
    *,
    caller: str,
    groups: str | None = None,
) -> WorkflowStep:
    """`asked` returns the fields of the path and the body, or None if the client does not know enough to ask."""

    def run(world: World, process: Process) -> Answer | None:
        fields = asked(world)
        if fields is None:
            return None
        intent = world.intents.setdefault(name, ClientIntent(kind, caller, f"key-of-{name}".replace(" ", "-"), fields))
        path: dict[str, Any] = {field: str(fields[field]) for field in re.findall(r"{(\w+)}", route)}
        body = {field: value for field, value in fields.items() if field not in path}
        content: dict[str, Any] = {"body": body} if body else {"raw_body": ""}
        event = http_event(route, **content, key=intent.key, subject=caller, groups=groups, **path)
        return world.request(process, intent, event)

    return WorkflowStep(name, "command", run)
