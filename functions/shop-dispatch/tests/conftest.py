"""Events as shop-command would publish them, and a real PostgreSQL to project them into."""

import base64
import gzip
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from functools import partial
from itertools import count
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, UUID, uuid5

import psycopg
import pytest

from shop_database import DatabaseSettings, Reconnecting, connect
from shop_database.testing import ROLES, Database, migrated_database
from shop_dispatch.adapters.postgres import SCHEMA, PostgresParkedRecords, PostgresReadModel
from shop_dispatch.adapters.shadow import ShadowTables
from shop_dispatch.adapters.sources import ArchiveSource, LogSource, StoreSource
from shop_dispatch.application import rebuild as application
from shop_dispatch.application.parking import Replay
from shop_dispatch.application.project import Project
from shop_dispatch.application.rebuild import Rebuild
from shop_dispatch.bootstrap import open_read_model
from shop_dispatch.domain.projections import PROJECTIONS
from shop_dispatch.domain.rebuild import EventSource, Phase
from shop_dispatch.ports import BEGINNING, EventReader, ParkedRecord
from shop_observability.testing import daemon, invoked_before, kept_daemon, log, recorded  # noqa: F401 - fixtures
from shop_shared import events, stored
from shop_shared.envelope import Envelope, encode
from shop_shared.events import EventData
from shop_shared.registry import dataschema
from shop_shared.values import Allocation, Image, Lines, Money, Price, RefundLine, ReservationLine

FUNCTION = Path(__file__).parents[1]
NOON = datetime(2026, 3, 4, 12, tzinfo=UTC)
CUSTOMER = "0f9a6c1e-customer"
TABLES = (
    *("event_log", "stream_head", "product", "stock", "reservation", "refund", "dispute"),
    *("sales_daily", "sales_monthly", "product_word", "category", "parked"),
)


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

    def relisted(self) -> Envelope:
        return self.add(events.ProductRelisted(sku=self.sku))

    def described(self, category: str | None = None, *images: Image) -> Envelope:
        data = events.ProductDescribed(
            sku=self.sku, name="Cup", description="Holds coffee.", category=category, images=images or None
        )
        return self.add(data)

    def adjusted(self, quantity_change: int) -> Envelope:
        allocations = (Allocation(bucket=0, quantity=abs(quantity_change)),)
        data = events.StockAdjusted(
            sku=self.sku, quantity_change=quantity_change, reason="Counted", allocations=allocations
        )
        return self.add(data)


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
                name=f"The {sku}",
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

    def refunded(
        self, time: datetime = NOON, reason: str = "requested_by_customer", *, refund: int = 1, units: int | None = None
    ) -> Envelope:
        """Gives everything back, or so many units of the first line."""
        lines = tuple(
            RefundLine(
                sku=line.sku,
                quantity=units or line.quantity,
                amount_minor=(units or line.quantity) * line.unit_price_minor,
                allocations=(Allocation(bucket=0, quantity=units or line.quantity),),
            )
            for line in (self.lines[:1] if units else self.lines)
        )
        amount_minor = sum(line.amount_minor for line in lines)
        data = events.PurchaseRefunded.model_validate(
            {
                "purchase_id": self.id,
                "reservation_id": self.id,
                "customer_id": CUSTOMER,
                "refund": refund,
                "payment_intent_id": self.intent,
                "refund_id": f"re_{refund}",
                "amount": Money(amount_minor=amount_minor, currency="EUR"),
                "left_minor": self.total.amount_minor - amount_minor,
                "lines": lines,
                "reason": reason,
            }
        )
        return self.add(data, time)

    def refunded_v1(self, time: datetime = NOON) -> Envelope:
        """It is as a release of before refunds had parts wrote it."""
        data = events.PurchaseRefundedV1(
            purchase_id=self.id,
            reservation_id=self.id,
            customer_id=CUSTOMER,
            refund_id="re_1",
            reason="requested_by_customer",
            lines=self.lines,
            total=self.total,
        )
        return self.add(data, time)

    def refund_failed(self, time: datetime = NOON, *, refund: int = 1, minor: int = 0) -> Envelope:
        """With `minor`, the money had been recorded as given back before."""
        lines = (RefundLine(sku=self.lines[0].sku, quantity=0, amount_minor=minor),) if minor else ()
        data = events.PurchaseRefundFailed(
            purchase_id=self.id,
            reservation_id=self.id,
            refund=refund,
            payment_intent_id=self.intent,
            refund_id=f"re_{refund}",
            amount=Money(amount_minor=minor or 1, currency="EUR"),
            lines=lines,
            code="lost_or_stolen_card",
        )
        return self.add(data, time)

    def dispute_opened(self, status: str = "chargeback", time: datetime = NOON) -> Envelope:
        return self.add(
            events.PurchaseDisputeOpened.model_validate(
                {**self._disputed(), "status": status, "amount": self.total, "reason": "fraudulent"}
            ),
            time,
        )

    def dispute_closed(self, status: str, time: datetime = NOON, *, minor: int = 0) -> Envelope:
        """With `minor`, so much money of the first line goes or comes back."""
        lines = (RefundLine(sku=self.lines[0].sku, quantity=0, amount_minor=minor),) if minor else ()
        return self.add(
            events.PurchaseDisputeClosed.model_validate(
                {**self._disputed(), "status": status, "amount": self.total, "lines": lines}
            ),
            time,
        )

    def _disputed(self) -> dict[str, Any]:
        payment = {"purchase_id": self.id, "reservation_id": self.id, "payment_intent_id": self.intent}
        return {**payment, "dispute_id": f"du_{self.intent}"}


class ReadModel:
    """The read model of one test, seen as the roles see it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.kept = {role: Reconnecting(partial(self.open, role)) for role in ROLES}
        self.project_records = Project(PostgresReadModel(self.kept["shop_dispatch"]))

    def open(self, role: str) -> psycopg.Connection:
        settings = DatabaseSettings(self.database.url(role))
        return (
            open_read_model(settings)
            if role == "shop_dispatch"
            else connect(settings, "test", session={"search_path": SCHEMA})
        )

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


class Crash(BaseException):
    """The process dies: nothing after it runs, and the server sees the connection go."""


class CrashingReadModel(PostgresReadModel):
    """Dies after one of the calls of its transactions, counting from 0; without `crash_at` it never does."""

    def __init__(self, read_model: ReadModel, crash_at: int | None) -> None:
        super().__init__(read_model.kept["shop_dispatch"])
        self.calls: list[str] = []
        self.crash_at = crash_at

    def run(self, records: Sequence[bytes]) -> list[str]:
        """Projects them, and tells what was called, `commit` included."""
        with suppress(Crash):
            Project(self)(records)
        return self.calls

    def transact(self, work: Any) -> Any:
        def counted(transaction: Any) -> Any:
            outcome = work(Crashing(transaction, self))
            self.count("commit")
            return outcome

        return super().transact(counted)

    def count(self, name: str) -> None:
        self.calls.append(name)
        if len(self.calls) - 1 == self.crash_at:
            raise Crash


class Crashing:
    def __init__(self, transaction: Any, model: CrashingReadModel) -> None:
        self.transaction, self.model = transaction, model

    def __getattr__(self, name: str) -> Any:
        def call(*arguments: Any) -> Any:
            answer = getattr(self.transaction, name)(*arguments)
            self.model.count(name)
            return answer

        return call


def kinesis_event(*records: bytes | Envelope) -> dict[str, Any]:
    """Makes a batch as an event source mapping delivers it."""
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


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    with invoked_before("shop-dispatch"):
        yield


@pytest.fixture
def product() -> type[ProductStream]:
    return ProductStream


@pytest.fixture
def reservation() -> type[ReservationStream]:
    return ReservationStream


@pytest.fixture
def crashing() -> type[CrashingReadModel]:
    return CrashingReadModel


@pytest.fixture
def far_east(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The machine's own time zone is 14 hours before UTC, where the day of noon is another one."""
    with monkeypatch.context() as patch:
        patch.setenv("TZ", "EAST-14")
        time.tzset()
        yield
    time.tzset()


@pytest.fixture
def kinesis() -> Callable[..., dict[str, Any]]:
    return kinesis_event


@contextmanager
def new_read_model() -> Iterator[ReadModel]:
    with migrated_database(FUNCTION / "migrations") as database:
        read_model = ReadModel(database)
        yield read_model
        for connection in read_model.kept.values():
            connection.close()


@pytest.fixture(scope="session")
def kept_read_model() -> Iterator[ReadModel]:
    with new_read_model() as read_model:
        yield read_model


@pytest.fixture(scope="module")
def modules_read_model() -> Iterator[ReadModel]:
    """Gives the module a database of its own, for tests that change more than rows."""
    with new_read_model() as read_model:
        yield read_model


@pytest.fixture
def read_model(kept_read_model: ReadModel) -> ReadModel:
    """Empty, and for this test alone."""
    kept_read_model.clear()
    return kept_read_model


def _key(event: Envelope) -> dict[str, Any]:
    return {"pk": {"S": event.subject}, "sk": {"S": f"event#{event.streamversion:010d}"}}


BATCH = 4
REBUILT = ["stream_head", "event_log", *(projection.table for projection in PROJECTIONS)]
TABLE, BUCKET = "shop-events", "shop-archive"


@dataclass
class Shop:
    """A read model, and the systems that it can be made from again."""

    read_model: Any
    product: Any
    reservation: Any
    s3: Any
    dynamodb: Any
    table: str = TABLE
    bucket: str = BUCKET
    events: list[Envelope] = field(default_factory=list)
    numbers: Iterator[int] = field(default_factory=lambda: count(1))

    def purchase(self, *, paid: bool = True, archived: bool = True) -> None:
        order = self.reservation(next(self.numbers), {"MUG": 1})
        events = [order.placed()]
        if paid:
            events += [order.requested(), order.confirmed()]
        self.publish(*events, archived=archived)

    def publish(self, *events: Envelope, archived: bool = True) -> None:
        self.put_in_store(*events)
        if archived:
            self.archive(*events)
        self.read_model.project(*events)
        self.events += events

    def put_in_store(self, *events: Envelope) -> None:
        """Every other event is kept whole, as earlier releases of shop-command did."""
        for event in events:
            time = event.time.strftime("%Y-%m-%dT%H:%M:%S.") + f"{event.time.microsecond // 1000:03d}Z"
            short = stored.shortened(event, time) if event.streamversion % 2 else {"event": encode(event).decode()}
            texts = {"type": event.type, "time": time, **short}
            item = {"version": {"N": str(event.streamversion)}, **{name: {"S": text} for name, text in texts.items()}}
            self.dynamodb.put_item(TableName=TABLE, Item={**_key(event), **item})

    def replace_in_store(self, number: int, events: Sequence[Envelope]) -> None:
        """Takes back an event, as a restore of the table to the moment before it does, and then stores others."""
        self.dynamodb.delete_item(TableName=TABLE, Key=_key(self.events[number]))
        self.put_in_store(*events)

    def others(self, event: Envelope, *prices_minor: int) -> list[Envelope]:
        """Makes other events of the stream from this version on, with these prices or the same content."""
        changes = [
            {"data": event.data.model_copy(update={"price": Price(amount_minor=price, currency="EUR")})}
            for price in prices_minor
        ] or [{}]
        return [
            event.model_copy(
                update={
                    "id": str(uuid5(UUID(event.id), f"other {number}")),
                    "streamversion": event.streamversion + number,
                    **change,
                }
            )
            for number, change in enumerate(changes)
        ]

    def parked(self) -> list[ParkedRecord]:
        return self._parked_records.read(None, after=BEGINNING, limit=10)

    def replay(self) -> Sequence[str]:
        return Replay(self._parked_records, self.read_model.project_records)(None).resolved

    @property
    def _parked_records(self) -> PostgresParkedRecords:
        return PostgresParkedRecords(self.read_model.kept["shop_dispatch"])

    def archive(self, *events: Envelope, packed: bool = False) -> None:
        lines = b"".join(encode(event) + b"\n" for event in events)
        key = f"events/date=2026-03-04/{next(self.numbers):04d}.json"
        self.s3.put_object(Bucket=BUCKET, Key=key, Body=gzip.compress(lines) if packed else lines)

    def empty_archive(self) -> None:
        for entry in self.s3.list_objects_v2(Bucket=BUCKET).get("Contents", []):
            self.s3.delete_object(Bucket=BUCKET, Key=entry["Key"])

    def source(self, connection: psycopg.Connection, source: EventSource) -> EventReader:
        match source:
            case EventSource.LOG:
                return LogSource(connection, BATCH)
            case EventSource.STORE:
                return StoreSource(self.dynamodb, TABLE, BATCH)
            case EventSource.ARCHIVE:
                return ArchiveSource(self.s3, BUCKET, BATCH)

    @contextmanager
    def opened(self, code: str = "1", doom: Callable[[ShadowTables, Any], Any] | None = None) -> Iterator[Rebuild]:
        """Opens a connection for each rebuild, as each invocation of the function does."""
        settings = DatabaseSettings(self.read_model.database.url("shop_owner"))
        connection = connect(settings, "test-rebuild")
        try:
            tables = ShadowTables(connection, REBUILT, code)
            yield Rebuild(doom(tables, connection) if doom else tables, partial(self.source, connection))
        finally:
            connection.close()

    def phase(self) -> Phase:
        with self.opened() as rebuild:
            return rebuild.status().phase

    def step(self, source: EventSource, doom: Any = None) -> Phase:
        """Does the step that the command line would ask for next."""
        with self.opened(doom=doom) as rebuild:
            match rebuild.status().phase:
                case Phase.NONE:
                    rebuild.begin(source)
                case Phase.READY:
                    rebuild.swap()
                case _:
                    rebuild.go_on(0)
            return rebuild.status().phase

    def steps(self, source: EventSource, until: Phase) -> None:
        for _ in range(100):
            if self.step(source) is until:
                return
        raise AssertionError(f"never {until}")

    def superuser(self, statement: str) -> Any:
        with psycopg.connect(self.read_model.database.superuser_url, autocommit=True) as connection:
            return connection.execute(statement.encode())


@pytest.fixture(scope="module")
def aws() -> Iterator[tuple[Any, Any]]:
    # Only for those that use it: a second that every other run would pay, too.
    import boto3
    from moto import mock_aws

    with mock_aws():
        s3 = boto3.client("s3", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        dynamodb = boto3.client("dynamodb", region_name="us-east-1", aws_access_key_id="a", aws_secret_access_key="b")
        yield s3, dynamodb


@pytest.fixture
def shop(
    modules_read_model: Any, product: Any, reservation: Any, aws: tuple[Any, Any], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    """Has sold some mugs. Batches are so small that each step takes several."""
    monkeypatch.setattr(application, "BATCH_EVENTS", BATCH)
    modules_read_model.execute("DROP SCHEMA IF EXISTS shop_rebuild, read_rebuild, shop_before CASCADE")
    modules_read_model.clear()
    s3, dynamodb = aws
    s3.create_bucket(Bucket=BUCKET)
    keys = ("pk", "HASH"), ("sk", "RANGE")
    dynamodb.create_table(
        TableName=TABLE,
        KeySchema=[{"AttributeName": name, "KeyType": kind} for name, kind in keys],
        AttributeDefinitions=[{"AttributeName": name, "AttributeType": "S"} for name, _ in keys],
        BillingMode="PAY_PER_REQUEST",
    )
    shop = Shop(modules_read_model, product, reservation, s3, dynamodb)
    mug, pot = product("MUG"), product("POT")
    shop.publish(mug.listed(category="mugs"), mug.received(100), pot.listed(), mug.repriced(990), pot.retired())
    for number in range(4):
        shop.purchase(paid=number % 2 == 0)
    order = reservation(1_000, {"MUG": 3, "POT": 1})
    placed, _, confirmed, refunded = order.placed(), order.requested(), order.confirmed(), order.refunded()
    shop.publish(placed, confirmed, refunded)  # a gap: the two last are held back
    yield shop
    dynamodb.delete_table(TableName=TABLE)
    shop.empty_archive()
