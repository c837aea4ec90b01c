"""Events as shop-command would publish them, and a real PostgreSQL to project them into."""

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
import pytest

from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.testing import ROLES, Database, migrated_database
from shop_dispatch.adapters.postgres import SCHEMA, PostgresReadModel
from shop_dispatch.application.project import Project
from shop_shared import Envelope, EventData, encode, events
from shop_shared.registry import dataschema
from shop_shared.values import Allocation, Lines, Money, Price, ReservationLine

FUNCTION = Path(__file__).parents[1]
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CUSTOMER = "0f9a6c1e-customer"
TABLES = ("event_log", "stream_head", "product", "stock", "reservation", "sales_daily", "parked")


class Stream:
    """Numbers the events of one stream. Each call makes the next one."""

    def __init__(self, stream_id: str) -> None:
        self.stream_id = stream_id
        self.version = 0

    def add(self, data: EventData, time: datetime = NOON, **attributes: Any) -> Envelope:
        self.version += 1
        return Envelope(
            id=str(uuid5(NAMESPACE_URL, f"{self.stream_id}/{self.version}")),
            type=data.TYPE,
            subject=self.stream_id,
            time=time,
            dataschema=dataschema(type(data)),
            streamversion=self.version,
            partitionkey=self.stream_id,
            correlationid="correlation-1",
            causationid="causation-1",
            data=data,
            **attributes,
        )


class ProductStream(Stream):
    def __init__(self, sku: str) -> None:
        super().__init__(f"product-{sku}")
        self.sku = sku

    def listed(self, price_minor: int = 1_250, category: str | None = None, **attributes: Any) -> Envelope:
        data = events.ProductListed(
            sku=self.sku,
            name=f"The {self.sku}",
            description="Holds tea.",
            price=Price(amount_minor=price_minor, currency="EUR"),
            stock_buckets=1,
            category=category,
        )
        return self.add(data, **attributes)

    def received(self, quantity: int = 100) -> Envelope:
        allocations = (Allocation(bucket=0, quantity=quantity),)
        return self.add(events.StockReceived(sku=self.sku, quantity=quantity, allocations=allocations))

    def repriced(self, price_minor: int) -> Envelope:
        return self.add(events.ProductRepriced(sku=self.sku, price=Price(amount_minor=price_minor, currency="EUR")))

    def retired(self) -> Envelope:
        return self.add(events.ProductRetired(sku=self.sku))


class ReservationStream(Stream):
    def __init__(self, number: int, quantities: dict[str, int], unit_price_minor: int = 1_250) -> None:
        self.id = str(UUID(int=number))
        super().__init__(f"reservation-{self.id}")
        self.lines: Lines = tuple(
            ReservationLine(
                sku=sku,
                quantity=quantity,
                unit_price_minor=unit_price_minor,
                allocations=(Allocation(bucket=0, quantity=quantity),),
            )
            for sku, quantity in quantities.items()
        )
        self.total = Money(amount_minor=sum(line.total_minor() for line in self.lines), currency="EUR")
        self.intent = f"pi_{number}"

    def placed(self, **attributes: Any) -> Envelope:
        data = events.ReservationPlaced(
            reservation_id=self.id,
            customer_id=CUSTOMER,
            lines=self.lines,
            total=self.total,
            expires_at=NOON + timedelta(minutes=15),
        )
        return self.add(data, **attributes)

    def cancelled(self) -> Envelope:
        return self.add(events.ReservationCancelled(reservation_id=self.id, lines=self.lines, reason="customer"))

    def expired(self) -> Envelope:
        return self.add(events.ReservationExpired(reservation_id=self.id, lines=self.lines))

    def requested(self, **attributes: Any) -> Envelope:
        data = events.PaymentRequested(
            reservation_id=self.id, attempt=1, payment_intent_id=self.intent, amount=self.total
        )
        return self.add(data, **attributes)

    def declined(self) -> Envelope:
        data = events.PaymentDeclined(
            reservation_id=self.id, attempt=1, payment_intent_id=self.intent, code="card_declined"
        )
        return self.add(data)

    def confirmed(self, time: datetime = NOON, **attributes: Any) -> Envelope:
        data = events.PurchaseConfirmed(
            purchase_id=self.id,
            reservation_id=self.id,
            customer_id=CUSTOMER,
            attempt=1,
            payment_intent_id=self.intent,
            lines=self.lines,
            total=self.total,
        )
        return self.add(data, time, **attributes)

    def refunded(self, time: datetime = NOON, reason: str = "requested_by_customer") -> Envelope:
        data = events.PurchaseRefunded.model_validate(
            {
                "purchase_id": self.id,
                "reservation_id": self.id,
                "customer_id": CUSTOMER,
                "refund_id": "re_1",
                "reason": reason,
                "lines": self.lines,
                "total": self.total,
            }
        )
        return self.add(data, time)


class ReadModel:
    """The read model of one test, seen as the roles see it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.kept = {role: Reconnecting(partial(self.open, role)) for role in ROLES}
        self.project_records = Project(PostgresReadModel(self.kept["shop_dispatch"]))

    def open(self, role: str) -> psycopg.Connection:
        return connect(DatabaseSettings(self.database.url(role)), "test", search_path=SCHEMA)

    def project(self, *envelopes: Envelope) -> Any:
        return self.project_records([encode(envelope) for envelope in envelopes])

    def query(self, statement: str, role: str = "shop_owner") -> list[tuple[Any, ...]]:
        return self.kept[role].run(lambda connection: connection.execute(statement.encode()).fetchall())

    def execute(self, statement: str) -> None:
        self.kept["shop_owner"].run(lambda connection: connection.execute(statement.encode()))

    def tables(self) -> list[tuple[Any, ...]]:
        """Every row of every table, but for when it was received."""
        rows = " UNION ALL ".join(
            f"SELECT '{table}', (to_jsonb(t) - 'received_at')::text FROM shop.{table} AS t"  # noqa: S608 - our own names
            for table in TABLES
        )
        return self.query(f"SELECT * FROM ({rows}) AS everything ORDER BY 1, 2")  # noqa: S608 - our own names

    def clear(self) -> None:
        self.execute(";".join(f"DELETE FROM shop.{table}" for table in TABLES))  # noqa: S608 - our own names


def kinesis_event(*records: bytes | Envelope) -> dict[str, Any]:
    """A batch as an event source mapping hands it to the function."""
    return {
        "Records": [
            {
                "kinesis": {
                    "kinesisSchemaVersion": "1.0",
                    "partitionKey": "test",
                    "sequenceNumber": f"4959033827149025660855969253836157109592157598913658{number:04d}",
                    "data": base64.b64encode(record if isinstance(record, bytes) else encode(record)).decode(),
                    "approximateArrivalTimestamp": 1772625600.5,
                },
                "eventSource": "aws:kinesis",
                "eventVersion": "1.0",
                "eventID": f"shardId-000000000000:4959033827149025660855969253836157109592157598913658{number:04d}",
                "eventName": "aws:kinesis:record",
                "invokeIdentityArn": "arn:aws:iam::123456789012:role/shop-dispatch",
                "awsRegion": "us-east-1",
                "eventSourceARN": "arn:aws:kinesis:us-east-1:123456789012:stream/shop",
            }
            for number, record in enumerate(records)
        ]
    }


@pytest.fixture
def product() -> type[ProductStream]:
    return ProductStream


@pytest.fixture
def reservation() -> type[ReservationStream]:
    return ReservationStream


@pytest.fixture
def kinesis() -> Callable[..., dict[str, Any]]:
    return kinesis_event


@pytest.fixture(scope="session")
def kept_read_model() -> Iterator[ReadModel]:
    with migrated_database(FUNCTION / "migrations") as database:
        read_model = ReadModel(database)
        yield read_model
        for connection in read_model.kept.values():
            connection.close()


@pytest.fixture
def read_model(kept_read_model: ReadModel) -> ReadModel:
    """Empty, and for this test alone."""
    kept_read_model.clear()
    return kept_read_model
