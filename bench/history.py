"""A shop's life as the records that shop-command would publish, byte for byte: seeded, without end, and in the order of
publishing.

Most events are of purchases. A stream's events come in order, many streams between each other, as on a shard.
"""

import json
import random
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from itertools import islice
from typing import Any, Final
from uuid import UUID

from shop_shared import events
from shop_shared.events import EventData
from shop_shared.registry import dataschema

START: Final = datetime(2026, 1, 1, tzinfo=UTC)
STEP: Final = timedelta(milliseconds=250)
KEY_AGE_MAX_MS: Final = 600_000
"""A storefront makes a reservation's key at the latest change of the basket."""
OPEN_RESERVATIONS: Final = 200
"""So many lives are under way at a time."""
ENDS: Final = {"purchased": 80, "expired": 8, "cancelled": 7, "refunded": 5}
"""So many reservations in a hundred end in each way. One payment in ten is declined first."""


class History:
    def __init__(self, seed: int = 1, products: int = 1_000, *, ordered: bool = True) -> None:
        """Ids of reservations are `ordered` by time, as they are where the keys of the requests are UUIDv7."""
        self._random = random.Random(seed)
        self.ordered = ordered
        self._skus = [f"SKU-{number:06}" for number in range(products)]
        self._now = START
        self._lives: list[Iterator[bytes]] = []
        self._published = self._publish()

    def products(self) -> list[bytes]:
        """All are listed, and their stock arrives. The same for every seed, but for prices and ids of events."""
        return [record for sku in self._skus for record in self._product(sku)]

    def records(self, count: int) -> list[bytes]:
        """Takes the next `count` events of reservations."""
        return list(islice(self._published, count))

    def _publish(self) -> Iterator[bytes]:
        while True:
            if len(self._lives) < OPEN_RESERVATIONS:
                self._lives.append(self._reservation())
            place = self._random.randrange(len(self._lives))
            record = next(self._lives[place], None)
            if record is None:
                self._lives[place] = self._lives[-1]
                self._lives.pop()
            else:
                yield record

    def _product(self, sku: str) -> Iterator[bytes]:
        stream = f"product-{sku}"
        price = {"amount_minor": self._random.randrange(100, 20_000), "currency": "EUR"}
        listed = {"sku": sku, "name": f"Product {sku}", "description": "Holds tea.", "price": price, "stock_buckets": 1}
        yield self._record(stream, 1, events.ProductListed, listed)
        allocations = [{"bucket": 0, "quantity": 1_000_000}]
        received = {"sku": sku, "quantity": 1_000_000, "allocations": allocations}
        yield self._record(stream, 2, events.StockReceived, received)

    def _reservation(self) -> Iterator[bytes]:
        reservation_id = self._reservation_id()
        stream, customer, intent = f"reservation-{reservation_id}", self._uuid(), f"pi_{self._random.getrandbits(96):x}"
        lines = [self._line(sku) for sku in self._random.sample(self._skus, self._random.choice((1, 1, 1, 2, 3)))]
        amount = sum(line["quantity"] * line["unit_price_minor"] for line in lines)
        total = {"amount_minor": amount, "currency": "EUR"}
        own: dict[str, Any] = {"reservation_id": reservation_id}
        bought = {**own, "purchase_id": reservation_id, "customer_id": customer, "lines": lines, "total": total}
        payment = {**own, "attempt": 1, "payment_intent_id": intent}
        placed = {**own, "customer_id": customer, "lines": lines, "total": total, "expires_at": self._later()}
        yield self._record(stream, 1, events.ReservationPlaced, placed)
        [end] = self._random.choices(list(ENDS), list(ENDS.values()))
        if end == "expired":
            yield self._record(stream, 2, events.ReservationExpired, {**own, "lines": lines})
        elif end == "cancelled":
            yield self._record(stream, 2, events.ReservationCancelled, {**own, "lines": lines, "reason": "customer"})
        else:
            yield self._record(stream, 2, events.PaymentRequested, {**payment, "amount": total})
            version = 3
            if self._random.random() < 0.1:
                declined = {**payment, "code": "card_declined", "decline_code": "generic_decline"}
                yield self._record(stream, 3, events.PaymentDeclined, declined)
                payment["attempt"] = 2
                yield self._record(stream, 4, events.PaymentRequested, {**payment, "amount": total})
                version = 5
            yield self._record(stream, version, events.PurchaseConfirmed, {**payment, **bought})
            if end == "refunded":
                refund = {name: bought[name] for name in ("reservation_id", "purchase_id", "customer_id")}
                refund |= {"refund": 1, "refund_id": f"re_{intent}", "amount": total, "left_minor": 0}
                parts = [
                    {
                        "sku": line["sku"],
                        "quantity": line["quantity"],
                        "amount_minor": line["quantity"] * line["unit_price_minor"],
                        "allocations": line["allocations"],
                    }
                    for line in lines
                ]
                refund |= {
                    "payment_intent_id": intent,
                    "lines": parts,
                    "reason": "requested_by_customer",
                    "origin": "shop",
                }
                yield self._record(stream, version + 1, events.PurchaseRefunded, refund)

    def _line(self, sku: str) -> dict[str, Any]:
        quantity = self._random.choice((1, 1, 1, 2, 3))
        allocations = [{"bucket": 0, "quantity": quantity}]
        price = self._random.randrange(100, 20_000)
        return {"sku": sku, "quantity": quantity, "unit_price_minor": price, "allocations": allocations}

    def _record(self, stream: str, version: int, model: type[EventData], data: dict[str, Any]) -> bytes:
        self._now += STEP
        envelope = {
            "specversion": "1.0",
            "id": self._uuid(),
            "source": "/shop-command",
            "type": model.TYPE,
            "subject": stream,
            "time": self._now.isoformat().replace("+00:00", "Z"),
            "datacontenttype": "application/json",
            "dataschema": dataschema(model),
            "streamversion": version,
            "partitionkey": stream,
            "correlationid": self._uuid(),
            "causationid": self._uuid(),
            "data": {name: data[name] for name in model.model_fields if name in data},
        }
        return json.dumps(envelope, separators=(",", ":")).encode()

    def _reservation_id(self) -> str:
        if not self.ordered:
            return self._uuid()
        key_ms = int(self._now.timestamp() * 1000) - self._random.randrange(KEY_AGE_MAX_MS)
        prefix = f"{key_ms:012x}"
        return f"{prefix[:8]}-{prefix[8:]}-8{self._uuid()[15:]}"

    def _uuid(self) -> str:
        return str(UUID(int=self._random.getrandbits(128), version=4))

    def _later(self) -> str:
        return (self._now + timedelta(minutes=15)).isoformat().replace("+00:00", "Z")
