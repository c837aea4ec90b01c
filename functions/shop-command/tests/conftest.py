import os
from collections.abc import Iterator
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from shop_cli.payment_provider.testing import ProviderProcess, running_provider
from shop_command import bootstrap
from shop_command.adapters.dynamodb import table
from shop_command.testing import Shop

if TYPE_CHECKING:
    from mypy_boto3_dynamodb.type_defs import KeySchemaElementTypeDef

TABLE_NAME = "shop-test"
STREAM_NAME = "shop-test"
API_KEY_PARAMETER = "/shop/test/payment-api-key"


@pytest.fixture
def shop(monkeypatch: pytest.MonkeyPatch) -> Shop:
    made = Shop()
    monkeypatch.setattr(bootstrap, "application", lambda: made.application)
    return made


@pytest.fixture
def stocked(shop: Shop) -> Shop:
    """One product, MUG, of 5.00 EUR, in three buckets that hold 10 together."""
    shop.list_product(buckets=3)
    shop.receive()
    return shop


@pytest.fixture(scope="module")
def account() -> Iterator[boto3.Session]:
    """An AWS account in memory. One session for a module: making one is slow."""
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
    dynamodb.create_table(
        TableName=TABLE_NAME,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_keys(table.PK, table.SK),
        GlobalSecondaryIndexes=[
            {
                "IndexName": table.DUE_INDEX,
                "KeySchema": _keys(table.DUE_SHARD, table.DUE_AT),
                "Projection": {"ProjectionType": "KEYS_ONLY"},
            }
        ],
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": "S"}
            for name in (table.PK, table.SK, table.DUE_SHARD, table.DUE_AT)
        ],
    )
    kinesis.create_stream(StreamName=STREAM_NAME, ShardCount=1)
    yield account
    dynamodb.delete_table(TableName=TABLE_NAME)
    if STREAM_NAME in kinesis.list_streams()["StreamNames"]:
        kinesis.delete_stream(StreamName=STREAM_NAME)


@pytest.fixture(scope="session")
def provider() -> Iterator[ProviderProcess]:
    with running_provider(slow_seconds=0.5, timeout_seconds=2.0) as process:
        yield process


@pytest.fixture
def deployed(aws: boto3.Session, provider: ProviderProcess, monkeypatch: pytest.MonkeyPatch) -> Iterator[boto3.Session]:
    """The function's real wiring over moto, and the mock payment provider over HTTP."""
    aws.client("ssm").put_parameter(Name=API_KEY_PARAMETER, Value=provider.api_key, Type="SecureString", Overwrite=True)
    monkeypatch.setenv("TABLE_NAME", TABLE_NAME)
    monkeypatch.setenv("STREAM_NAME", STREAM_NAME)
    monkeypatch.setenv("PAYMENT_URL", provider.url)
    monkeypatch.setenv("PAYMENT_API_KEY_PARAMETER", API_KEY_PARAMETER)
    bootstrap.application.cache_clear()
    yield aws
    bootstrap.application.cache_clear()


def _keys(partition: str, sort: str) -> "list[KeySchemaElementTypeDef]":
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
