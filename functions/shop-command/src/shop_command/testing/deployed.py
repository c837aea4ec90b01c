"""The function with its real wiring, and what the systems behind it say themselves, read around the function."""

import base64
import json
import os
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from math import inf
from typing import Any, Final

from shop_command import bootstrap
from shop_command.adapters.dynamodb import table
from shop_command.testing.shop import invoke
from shop_http.testing import Answer, http_event
from shop_shared.envelope import Envelope, decode
from shop_shared.stored import event_text_of_dynamodb

BUCKETS: Final = 4


@contextmanager
def environment(variables: Mapping[str, str]) -> Iterator[None]:
    """The function as if it had just been started with these variables; none of AWS's from outside."""
    before = dict(os.environ)
    for name in [name for name in os.environ if name.startswith("AWS_")]:
        del os.environ[name]
    os.environ.update(variables)
    bootstrap.application.cache_clear()
    try:
        yield
    finally:
        bootstrap.application.cache_clear()
        os.environ.clear()
        os.environ.update(before)


@dataclass(frozen=True)
class DeployedShop:
    """One product of its own. The clients and the provider's address lead around whatever a test has broken."""

    dynamodb: Any
    kinesis: Any
    table_name: str
    stream_name: str
    provider_url: str
    provider_key: str
    made: datetime = field(default_factory=lambda: datetime.now(UTC))
    sku: str = field(default_factory=lambda: f"SKU-{uuid.uuid4().hex[:12].upper()}")

    def stock_up(self, quantity: int) -> None:
        price = {"amount_minor": 500, "currency": "EUR"}
        product = {"sku": self.sku, "name": "Product", "description": "", "price": price, "stock_buckets": BUCKETS}
        listed = self._administrator("POST /products", product, "list")
        received = self._administrator("POST /products/{sku}/stock", {"quantity": quantity}, "stock", sku=self.sku)
        if (listed.status, received.status) != (201, 201):
            raise RuntimeError(f"no product to test with: {listed}, {received}")

    def reserve(self, quantity: int, key: str = "reserve") -> Answer:
        return self.customer("POST /reservations", {"lines": [{"sku": self.sku, "quantity": quantity}]}, key)

    def purchase(self, reservation_id: str, card: str = "pm_card_visa", key: str = "purchase") -> Answer:
        return self.customer("POST /purchase", {"reservation_id": reservation_id, "payment_method": card}, key)

    def customer(self, route: str, body: Any, key: str) -> Answer:
        """The customer is as unique as the product, so every test has all keys to itself."""
        return invoke(http_event(route, body, key=key, subject=f"customer-of-{self.sku}"))

    def events(self, stream_id: str) -> list[Envelope]:
        return [decode(event_text_of_dynamodb(item)) for item in self._items(stream_id) if table.EVENT in item]

    def due(self, stream_id: str) -> set[str]:
        """Ids of the events that are still to be published."""
        items = self._items(stream_id)
        first = next((int(item[table.UNPUBLISHED]["N"]) for item in items if table.UNPUBLISHED in item), inf)
        events = [item for item in items if table.EVENT in item]
        due = [item for item in events if table.DUE_AT in item or int(item[table.VERSION]["N"]) >= first]
        return {decode(event_text_of_dynamodb(item)).id for item in due}

    def counted(self) -> set[str]:
        """Ids of the reservations that count towards the customer's limits."""
        items = self._items(table.customer_pk(f"customer-of-{self.sku}"))
        return {each for item in items if table.OPEN in item for each in item[table.OPEN]["SS"]}

    def published(self, stream_id: str) -> list[Envelope]:
        events = []
        for shard in self.kinesis.list_shards(StreamName=self.stream_name)["Shards"]:
            position = self.kinesis.get_shard_iterator(
                StreamName=self.stream_name,
                ShardId=shard["ShardId"],
                ShardIteratorType="AT_TIMESTAMP",
                Timestamp=self.made,
            )["ShardIterator"]
            while (page := self.kinesis.get_records(ShardIterator=position))["Records"]:
                events += [decode(record["Data"]) for record in page["Records"] if record["PartitionKey"] == stream_id]
                position = page["NextShardIterator"]
        return events

    def stock(self) -> tuple[int, int, int]:
        """Available, held and sold, over all buckets."""
        items = [item for number in range(BUCKETS) for item in self._items(f"stock#{self.sku}#{number}")]
        available, held, sold = (
            sum(int(item[name]["N"]) for item in items) for name in (table.AVAILABLE, table.HELD, table.SOLD)
        )
        return available, held, sold

    def charges(self, reservation_id: str) -> list[int]:
        """What was taken for it, over all its intents: the provider's newest hundred charges are looked through."""
        credentials = base64.b64encode(f"{self.provider_key}:".encode()).decode()
        request = urllib.request.Request(  # noqa: S310 - a test's own address
            f"{self.provider_url}/v1/charges?limit=100", headers={"Authorization": f"Basic {credentials}"}
        )
        with urllib.request.urlopen(request, timeout=10) as answer:  # noqa: S310
            charges = json.load(answer)["data"]
        return [
            charge["amount"]
            for charge in charges
            if charge["metadata"].get("reservation_id") == reservation_id and charge["status"] == "succeeded"
        ]

    def _administrator(self, route: str, body: Any, key: str, **path: Any) -> Answer:
        return invoke(http_event(route, body, key=f"{key}-{self.sku}", groups="[admin]", **path))

    def _items(self, partition: str) -> list[dict[str, Any]]:
        items: list[dict[str, Any]] = self.dynamodb.query(
            TableName=self.table_name,
            ConsistentRead=True,
            KeyConditionExpression="#pk = :pk",
            ExpressionAttributeNames={"#pk": table.PK},
            ExpressionAttributeValues={":pk": {"S": partition}},
        )["Items"]
        return items
