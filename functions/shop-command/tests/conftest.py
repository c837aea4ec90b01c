import os
import random
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws

from shop_cli.emulator_testing import RunningEmulator, running_emulator
from shop_command import bootstrap
from shop_command.adapters.dynamodb import DynamoDbEventStore, table
from shop_command.ports import EventStore
from shop_command.testing import Shop
from shop_command.testing.dynamodb import Tokens, TokensForMoto, create_table
from shop_command.testing.stores import InDynamoDb, InMemory, StoreUnderTest
from shop_observability.testing import daemon, invoked_before, kept_daemon, log, recorded  # noqa: F401 - fixtures
from shop_payment_provider.testing import ProviderProcess, running_provider

TABLE_NAME = "shop-test"
STREAM_NAME = "shop-test"
API_KEY_PARAMETER = "/shop/test/payment-api-key"
WEBHOOK_SECRET_PARAMETER = "/shop/test/payment-webhook-secret"


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    with invoked_before("shop-command"):
        yield


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop()
    monkeypatch.setattr(bootstrap, "application", lambda: made.application)
    return made


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """The shop sells one product, MUG, for 5.00 EUR, in three buckets that hold 10 together."""
    shop.list_product(buckets=3)
    shop.receive()
    return shop


@pytest.fixture
def reserved(stocked: Shop) -> str:
    return str(stocked.reserve(("MUG", 2)).body["reservation_id"])


@pytest.fixture(scope="module")
def account() -> Iterator[boto3.Session]:
    """This AWS account is kept in memory. One session for a module: making one is slow."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in [name for name in os.environ if name.startswith("AWS_")]:
            patch.delenv(name)
        patch.setenv("AWS_ACCESS_KEY_ID", "test")
        patch.setenv("AWS_SECRET_ACCESS_KEY", "test")
        patch.setenv("AWS_DEFAULT_REGION", "us-east-1")
        yield boto3.Session()


@pytest.fixture
def aws(account: boto3.Session) -> Iterator[boto3.Session]:
    """The account with an empty table and an empty stream."""
    dynamodb, kinesis = account.client("dynamodb"), account.client("kinesis")
    create_table(dynamodb, TABLE_NAME)
    kinesis.create_stream(StreamName=STREAM_NAME, ShardCount=1)
    yield account
    dynamodb.delete_table(TableName=TABLE_NAME)
    if STREAM_NAME in kinesis.list_streams()["StreamNames"]:
        kinesis.delete_stream(StreamName=STREAM_NAME)


@pytest.fixture(scope="session")
def emulator() -> Iterator[RunningEmulator]:
    """Started by the first test that needs it."""
    with running_emulator() as running:
        yield running


@pytest.fixture
def emulated(emulator: RunningEmulator) -> Iterator[InDynamoDb]:
    """Makes the table that the platform declares, empty."""
    client = emulator.client("dynamodb")
    yield InDynamoDb(_store(client, emulator.table_name), Tokens(client))
    for item in emulator.client("dynamodb").scan(TableName=emulator.table_name)["Items"]:
        client.delete_item(TableName=emulator.table_name, Key={name: item[name] for name in (table.PK, table.SK)})


@pytest.fixture(
    params=[
        "in memory",
        pytest.param("moto", marks=pytest.mark.slow),
        pytest.param("emulator", marks=pytest.mark.emulator),
    ]
)
def tested(request: pytest.FixtureRequest) -> StoreUnderTest:
    if request.param == "in memory":
        return InMemory()
    if request.param == "emulator":
        emulated: InDynamoDb = request.getfixturevalue("emulated")
        return emulated
    client = request.getfixturevalue("aws").client("dynamodb")
    return InDynamoDb(_store(client, TABLE_NAME), TokensForMoto(client))


@pytest.fixture
def store(tested: StoreUnderTest) -> EventStore:
    return tested.store


@pytest.fixture(scope="session")
def provider() -> Iterator[ProviderProcess]:
    with running_provider(slow_seconds=0.5, timeout_seconds=2.0) as process:
        yield process


@pytest.fixture
def deployed(aws: boto3.Session, provider: ProviderProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The function's real wiring runs over moto and the mock payment provider."""
    secrets = {API_KEY_PARAMETER: provider.api_key, WEBHOOK_SECRET_PARAMETER: provider.webhook_secret}
    for name, value in secrets.items():
        aws.client("ssm").put_parameter(Name=name, Value=value, Type="SecureString", Overwrite=True)
    monkeypatch.setenv("TABLE_NAME", TABLE_NAME)
    monkeypatch.setenv("STREAM_NAME", STREAM_NAME)
    monkeypatch.setenv("PAYMENT_URL", provider.url)
    monkeypatch.setenv("PAYMENT_RETURN_URL", "https://shop.invalid/returned")
    monkeypatch.setenv("PAYMENT_API_KEY_PARAMETER", API_KEY_PARAMETER)
    monkeypatch.setenv("PAYMENT_WEBHOOK_SECRET_PARAMETER", WEBHOOK_SECRET_PARAMETER)
    bootstrap.application.cache_clear()
    yield aws
    bootstrap.application.cache_clear()


def _store(client: Any, table_name: str) -> DynamoDbEventStore:
    def no_pause(_seconds: float) -> None: ...

    return DynamoDbEventStore(client, table_name, random.Random(1), sleep=no_pause)  # noqa: S311
