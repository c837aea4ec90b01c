"""Counts what one sale calls and writes: the whole function over moto and the model of the payment provider.

Units are computed from the items before and after each call, because moto and the emulator answer a unit an item
whatever its size. DynamoDB takes a unit for each begun kilobyte of the larger of the two, twice that in a transaction,
and for each entry of an index that appears or goes. A consistent read takes a unit for each begun 4 KB.
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/read-write-operations.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/transaction-apis.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html
"""

import json
import threading
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from math import ceil
from random import Random
from typing import Any, Final
from uuid import UUID

import botocore.session
from moto import mock_aws

from shop_command import bootstrap
from shop_command.adapters.dynamodb import DynamoDbEventStore, table
from shop_command.adapters.kinesis import KinesisPublisher
from shop_command.adapters.secrets import Secret
from shop_command.adapters.telemetry import Observability
from shop_command.adapters.threads import Threads
from shop_command.testing.deployed import environment
from shop_command.testing.dynamodb import create_table
from shop_command.testing.fakes import FakeClock, FakeHelpers, SequentialIds
from shop_command.testing.gateway import FakeGateway
from shop_command.testing.shop import invoke
from shop_http.testing import Answer, http_event
from shop_observability.testing import HEADER
from shop_shared.envelope import Envelope, encode

NAME: Final = "shop-test"
CUSTOMER: Final = str(UUID(int=2**127))
PRODUCTS: Final = {"MUG-BLUE-300": "Blue mug, 300 ml", "TEA-GREEN-100": "Green tea, 100 g"}
Items = Mapping[tuple[str, str], Mapping[str, Any]]


@dataclass(frozen=True)
class RecordedCall:
    service: str
    operation: str
    is_beside: bool
    """Another thread than the request's made it, while the request did something else."""
    write_units: int = 0
    index_write_units: int = 0
    read_units: float = 0

    def __str__(self) -> str:
        return f"{self.service}:{self.operation}"


@dataclass
class Recorder:
    """Notes each call of the clients that it listens to, and of the provider."""

    looking: Any  # botocore's client of DynamoDB, which nobody listens to
    calls: list[RecordedCall] = field(default_factory=list)
    put_bytes: dict[tuple[str, str], int] = field(default_factory=dict)
    """So large was each item when it was put last."""
    request_thread: int = field(default_factory=threading.get_ident)

    def listen(self, client: Any) -> None:
        client.meta.events.register("before-call", self._begun)
        client.meta.events.register("after-call", self._ended)

    def note(self, service: str, operation: str, **units: Any) -> None:
        self.calls.append(RecordedCall(service, operation, threading.get_ident() != self.request_thread, **units))

    def items(self) -> Items:
        found = self.looking.scan(TableName=NAME, ConsistentRead=True)["Items"]
        return {(item[table.PK]["S"], item[table.SK]["S"]): item for item in found}

    def _begun(self, params: Mapping[str, Any], context: dict[str, Any], **_: Any) -> None:
        request = json.loads(params["body"])
        puts = [action["Put"]["Item"] for action in request.get("TransactItems", ()) if "Put" in action]
        self.put_bytes |= {_key(item): item_bytes(item) for item in puts}
        context["calls"] = request, self.items()

    def _ended(self, model: Any, context: Mapping[str, Any], parsed: Mapping[str, Any], **_: Any) -> None:
        request, before = context["calls"]
        service = model.service_model.service_name
        units: dict[str, float] = {}
        if model.name in {"TransactWriteItems", "UpdateItem"}:
            # A transaction prepares and commits each item. One that is cancelled has prepared them.
            times = 2 if model.name == "TransactWriteItems" and "Error" not in parsed else 1
            units = _written(request, before, self.items(), times)
        elif service == "dynamodb":
            units = {"read_units": self._queried(request) if model.name == "Query" else _read(request, parsed)}
        self.note(service, model.name, **units)

    def _queried(self, request: Mapping[str, Any]) -> float:
        """A query reads whole items, whatever it projects, and takes half as much where it need not be consistent."""
        condition = request["KeyConditionExpression"]
        names = {name: of for name, of in request["ExpressionAttributeNames"].items() if name in condition}
        whole = {name: of for name, of in request.items() if name != "ProjectionExpression"}
        found = self.looking.query(**whole | {"ExpressionAttributeNames": names})["Items"]
        return read_units(sum(map(item_bytes, found))) * (1 if request.get("ConsistentRead") else 0.5)


class RecordedGateway(FakeGateway):
    def __init__(self, recorder: Recorder) -> None:
        super().__init__()
        self.recorder = recorder

    def _call(self, method: str, path: str, *args: Any) -> Any:
        answer = super()._call(method, path, *args)
        self.recorder.note("provider", self.calls[-1])
        return answer


def counted() -> dict[str, Any]:
    """Returns what `bench/calls.json` holds: a sale of one line, and the same of two."""
    return {**_sale(lines=1), "two_lines": _sale(lines=2)}


def _sale(lines: int) -> dict[str, Any]:
    """A customer reserves and buys a unit of each of the first `lines` products."""
    variables = {"AWS_ACCESS_KEY_ID": "test", "AWS_SECRET_ACCESS_KEY": "test", "AWS_DEFAULT_REGION": "us-east-1"}
    with environment(variables), mock_aws():
        session = botocore.session.get_session()
        clients: dict[str, Any] = {name: session.create_client(name) for name in ("dynamodb", "kinesis")}
        create_table(clients["dynamodb"], NAME)
        clients["kinesis"].create_stream(StreamName=NAME, ShardCount=1)
        recorder, clock = Recorder(session.create_client("dynamodb")), FakeClock()
        with _application(clients, recorder, clock):
            skus = [*PRODUCTS][:lines]
            for sku in skus:
                _stock(sku)
            for client in clients.values():
                recorder.listen(client)
            wanted = {"lines": [{"sku": sku, "quantity": 1} for sku in skus]}
            reserved = _customer("POST /reservations", wanted).body["reservation_id"]
            reservation = recorder.calls[:]
            clock.advance(60)
            _customer("POST /purchase", {"reservation_id": reserved, "payment_method": "pm_card_visa"})
            purchase = recorder.calls[len(reservation) :]
            placed, *others = bootstrap.application().purchases.journal.store.events(f"reservation-{reserved}")
    return {
        "reservation": _counts(reservation) | _sizes(recorder, [placed]),
        "purchase": _counts(purchase) | _sizes(recorder, others),
    }


def _sizes(recorder: Recorder, events: Sequence[Envelope]) -> dict[str, dict[str, int]]:
    """Returns the bytes of whole events, as they are published, and of their items as they were put."""
    places = {event.type: (event.subject, table.event_sk(event.streamversion)) for event in events}
    return {
        "event_bytes": {event.type: len(encode(event)) for event in events},
        "item_bytes": {name: recorder.put_bytes[place] for name, place in places.items()},
    }


def _counts(calls: list[RecordedCall]) -> dict[str, Any]:
    aws = [call for call in calls if call.service != "provider"]
    return {
        "aws": dict(sorted(Counter(map(str, aws)).items())),
        "provider": dict(sorted(Counter(str(call) for call in calls if call not in aws).items())),
        "in_a_row": sum(not call.is_beside for call in aws),
        "order": [str(call) for call in calls if not call.is_beside],
        "write_units": sum(call.write_units + call.index_write_units for call in calls),
        "of_them_for_the_index": sum(call.index_write_units for call in calls),
        "read_units": sum(call.read_units for call in calls),
    }


@contextmanager
def _application(clients: Mapping[str, Any], recorder: Recorder, clock: FakeClock) -> Iterator[None]:
    randomness = Random(7)  # noqa: S311 - repeatable
    made = bootstrap.assemble(
        store=DynamoDbEventStore(clients["dynamodb"], NAME, randomness),
        publisher=KinesisPublisher(clients["kinesis"], NAME, randomness),
        gateway=RecordedGateway(recorder),
        clock=clock,
        ids=SequentialIds(),
        randomness=randomness,
        webhook_secret=Secret(lambda: ("",)),
        telemetry=Observability(),
        workers=Threads(2),
        helpers=FakeHelpers(),
    )
    cached = bootstrap.application
    bootstrap.application = lambda: made  # type: ignore[assignment] # it is cached otherwise
    try:
        yield
    finally:
        bootstrap.application = cached


def _stock(sku: str) -> None:
    price = {"amount_minor": 1250, "currency": "EUR"}
    product = {"sku": sku, "name": PRODUCTS[sku], "description": "", "price": price, "stock_buckets": 8}
    _sent(http_event("POST /products", product, groups="[admin]", key=f"list-{sku}"))
    received = {"quantity": 800}
    _sent(http_event("POST /products/{sku}/stock", received, groups="[admin]", key=f"stock-{sku}", sku=sku))


def _customer(route: str, body: Any) -> Answer:
    headers = {"x-amzn-trace-id": HEADER.replace("Sampled=1", "Sampled=0")}
    event = http_event(route, body, key=str(UUID(int=2**126)), subject=CUSTOMER, headers=headers)
    event["requestContext"]["requestId"] = "JKJaXmPLvHcESHA="  # as long as the gateway's
    return _sent(event)


def _sent(event: dict[str, Any]) -> Answer:
    answer = invoke(event)
    if answer.status != 201:
        raise AssertionError(answer)
    return answer


def _written(request: Mapping[str, Any], before: Items, after: Items, times: int) -> dict[str, float]:
    """An item costs what it is written with, also where it stays the same."""
    actions = (
        [next(iter(action.values())) for action in request["TransactItems"]]
        if "TransactItems" in request
        else [request]
    )
    table_units = index_units = 0
    for action in actions:
        key = _key(action.get("Key") or action["Item"])
        old, new = before.get(key, {}), after.get(key, {})
        table_units += times * max(1, ceil(max(item_bytes(old), item_bytes(new)) / 1024))
        index_units += index_writes(old, new)
    return {"write_units": table_units, "index_write_units": index_units}


def index_writes(old: Mapping[str, Any], new: Mapping[str, Any]) -> int:
    """Returns the writes to the sparse index: an entry whose key changes is taken out and put in again."""
    return len({_entry(old), _entry(new)} - {None}) if _entry(old) != _entry(new) else 0


def _entry(item: Mapping[str, Any]) -> tuple[str, str] | None:
    """Returns the key in the index, which has the keys of the table and nothing else."""
    return (item[table.DUE_SHARD]["S"], item[table.DUE_AT]["S"]) if table.DUE_AT in item else None


def _read(request: Mapping[str, Any], answer: Mapping[str, Any]) -> int:
    if "RequestItems" in request:
        found = {_key(item): item for items in answer["Responses"].values() for item in items}
        wanted = [key for asked in request["RequestItems"].values() for key in asked["Keys"]]
        return sum(read_units(item_bytes(found.get(_key(key), {}))) for key in wanted)
    if "Key" in request:
        return read_units(item_bytes(answer.get("Item", {})))
    raise AssertionError(request)


def _key(item: Mapping[str, Any]) -> tuple[str, str]:
    return item[table.PK]["S"], item[table.SK]["S"]


def read_units(size: int) -> int:
    return max(1, ceil(size / 4096))


def item_bytes(item: Mapping[str, Mapping[str, Any]]) -> int:
    """https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/CapacityUnitCalculations.html"""
    return sum(len(name.encode()) + _value_bytes(*value.items()) for name, value in item.items())


def _value_bytes(typed: tuple[str, Any]) -> int:
    match typed:
        case ("S", str(text)):
            return len(text.encode())
        case ("N", str(digits)):
            return ceil(len(digits.lstrip("-").replace(".", "").strip("0")) / 2) + 1 + digits.startswith("-")
        case ("SS", list(texts)):
            return sum(len(text.encode()) for text in texts)
        case _:
            return 1
