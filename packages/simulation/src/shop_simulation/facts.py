"""Collects what is known of a world from its clients' requests and answers and from the provider's ledger.

It never believes the shop's events, so that it can be used to judge them.
"""

import json
from collections import Counter, defaultdict
from collections.abc import Collection, Mapping, Sequence
from functools import cached_property, lru_cache
from itertools import product
from typing import Any, Final, NamedTuple

from shop_command.application.request import Request
from shop_dispatch.application.project import Project
from shop_payment_provider.stripe.store import Record
from shop_simulation.read_model import InMemoryReadModel
from shop_simulation.world import ClientIntent, World

HOLDING: Final = frozenset({"active", "paying"})
SOLD: Final = frozenset({"purchased", "refunding"})
PRODUCTS, RESERVATIONS = "product-", "reservation-"


class Violation(NamedTuple):
    invariant: int
    text: str


class WorldFacts:
    def __init__(self, world: World) -> None:
        self.world = world

    def of_kind(self, kind: str) -> list[ClientIntent]:
        return [intent for intent in self.world.intents.values() if intent.kind == kind]

    @cached_property
    def reservations(self) -> dict[str, ClientIntent]:
        return {Request(i.caller, i.key, "", "").reservation_id: i for i in self.of_kind("place")}

    @cached_property
    def statuses(self) -> dict[str, str]:
        stored = self.world.store.stored
        states = {
            name: stored[RESERVATIONS + name].state for name in self.reservations if RESERVATIONS + name in stored
        }
        return {name: str(json.loads(state)["status"]) for name, state in states.items()}

    @cached_property
    def charges(self) -> dict[str, list[Record]]:
        """Returns the provider's records of the money that it has taken, by reservation."""
        charges: dict[str, list[Record]] = defaultdict(list)
        for charge in self.world.provider.records("charge"):
            if charge["paid"]:
                charges[charge["metadata"]["reservation_id"]].append(charge)
        return charges

    @cached_property
    def refunds(self) -> dict[str, list[Record]]:
        """Returns the provider's records of the money that it has given back, or is about to, by reservation."""
        refunds: dict[str, list[Record]] = defaultdict(list)
        names = {it["id"]: it["metadata"].get("reservation_id") for it in self.world.provider.records("payment_intent")}
        for refund in self.world.provider.records("refund"):
            if refund["status"] != "failed":
                refunds[names[refund["payment_intent"]]].append(refund)
        return refunds

    @cached_property
    def failed_refunds(self) -> frozenset[str]:
        """These reservations have a refund that failed at the provider after it had succeeded."""
        records = self.world.provider.records
        names = {it["id"]: it["metadata"].get("reservation_id") for it in records("payment_intent")}
        return frozenset(names[it["payment_intent"]] for it in records("refund") if it["status"] == "failed")

    @cached_property
    def disputes(self) -> dict[str, list[Record]]:
        """Returns the provider's records of what banks question, by reservation."""
        return {name: found for name in self.reservations if (found := self.world.provider.disputes_of(name))}

    def refunds_of(self, name: str) -> list[ClientIntent]:
        return [intent for intent in self.of_kind("refund") if intent.body["purchase_id"] == name]

    @cached_property
    def unreadable(self) -> frozenset[str]:
        """These reservations cannot be read, so nobody can be expected to settle them."""
        return frozenset(name for name in self.reservations if RESERVATIONS + name in self.world.store.unreadable)

    def units(self, statuses: Collection[str]) -> Counter[str]:
        """Adds up the units of each product over all reservations in one of these statuses."""
        units: Counter[str] = Counter()
        for name, intent in self.reservations.items():
            if name in self.statuses and self.statuses[name] in statuses:
                units.update(quantities(intent))
        return units

    def sold(self, sku: str, *, counts_restocked_only: bool) -> set[int]:
        """Returns each possible sum of the units that are sold, less those that came back.

        A refund without a final answer may or may not have taken effect. With `counts_restocked_only`, units that
        cannot be sold again stay sold.
        """
        sums = {0}
        for name, intent in self.reservations.items():
            bought = quantities(intent).get(sku, 0)
            if bought and self.statuses.get(name) in (*SOLD, "refunded"):
                back = self._units_back(name, sku, bought, counts_restocked_only=counts_restocked_only)
                sums = {total + bought - units for total in sums for units in back}
        return sums

    def _units_back(self, name: str, sku: str, bought: int, *, counts_restocked_only: bool) -> set[int]:
        """Returns each possible number of units, where the refund of everything that is left comes last."""
        possible = {(0, 0)}
        """Each is how many came back, and how many of them count."""
        for intent in sorted(
            self.refunds_of(name), key=lambda intent: not ({"lines", "amount_minor"} & set(intent.body))
        ):
            final, counts = intent.final(), not counts_restocked_only or intent.body.get("restock") is not False
            after = set()
            for back, counted in possible:
                lines = {line["sku"]: line["quantity"] for line in intent.body.get("lines", ())}
                units = lines.get(sku, 0) if lines or "amount_minor" in intent.body else bought - back
                if back + units <= bought:
                    after.add((back + units, counted + (units if counts else 0)))
            possible = after | (set() if final else possible)
        return {counted for _, counted in possible}

    def received(self, sku: str) -> set[int]:
        """Returns each possible sum, adjustments included: what has no final answer may or may not have been booked."""
        received = {0}
        for intent in (*self.of_kind("receive"), *self.of_kind("adjust")):
            if intent.body["sku"] == sku:
                quantity = intent.body.get("quantity") or intent.body["quantity_change"]
                received = {r + quantity for r in received} | (set() if intent.final() else received)
        return received

    @cached_property
    def currencies(self) -> frozenset[str]:
        return frozenset(intent.body["price"]["currency"].lower() for intent in self.of_kind("list"))

    def totals(self, intent: ClientIntent) -> set[int]:
        """Returns each possible total: each price counts that a product had until the last request."""
        prices: dict[str, set[int]] = defaultdict(set)
        for change in (*self.of_kind("list"), *self.of_kind("reprice")):
            if change.sent[0] <= intent.sent[-1]:
                prices[change.body["sku"]].add(change.body["price"]["amount_minor"])
        lines = [(quantity, prices[sku]) for sku, quantity in quantities(intent).items()]
        return {
            sum(quantity * price for (quantity, _), price in zip(lines, chosen, strict=True))
            for chosen in product(*(choices for _, choices in lines))
        }


def minor_units(charge: Record) -> int:
    """Counts the provider's amount as ISO 4217 does, which the shop's table of currencies has no part in."""
    parts_of_unit = {"isk": 100}.get(charge["currency"], 1)
    whole, rest = divmod(charge["amount"], parts_of_unit)
    return -1 if rest else int(whole)


def card_of(charge: Record) -> str:
    """Returns an empty string if the customer went through 3-D Secure: then another attempt may have had that card."""
    is_authenticated = charge["payment_method_details"]["card"]["three_d_secure"] is not None
    return "" if is_authenticated else str(charge["payment_method"])


def is_stray(refund: Record) -> bool:
    """Returns whether the shop has given back a charge that no purchase could come of."""
    return bool(refund["metadata"].get("refund") == "0")


def slug(body: Any) -> str:
    """Returns the last segment of a problem's type, or an empty string if the body is not a problem."""
    return str(body.get("type", "")).rpartition("/")[2]


def quantities(place: ClientIntent) -> Mapping[str, int]:
    return {line["sku"]: line["quantity"] for line in place.body["lines"]}


def taken(intent: ClientIntent) -> Mapping[str, int]:
    """Returns what the client wants to take from the available stock, by SKU."""
    match intent.kind:
        case "place":
            return quantities(intent)
        case "adjust":
            return {intent.body["sku"]: -intent.body["quantity_change"]}
        case _:
            return {}


@lru_cache(maxsize=4_096)
def rebuilt(events: tuple[bytes, ...]) -> Mapping[str, Any]:
    """Returns the rows that a new read model has after these events."""
    read_model = InMemoryReadModel()
    Project(read_model)(events)
    return read_model.tables.rows


def position(intent: ClientIntent) -> tuple[str, int] | None:
    final = intent.final()
    if final is None or "stream_id" not in final[1]:
        return None
    return final[1]["stream_id"], final[1]["stream_version"]


def event_at(world: World, stream_id: str, version: int) -> bytes | None:
    events: Sequence[bytes] = world.store.streams.get(stream_id, [])
    return events[version - 1] if version <= len(events) else None
