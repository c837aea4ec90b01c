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
        for name, value in {
            "ACCESS_KEY_ID": "test",
            "SECRET_ACCESS_KEY": "test",
            "DEFAULT_REGION": "us-east-1",
        }.items():
            patch.setenv(f"AWS_{name}", value)
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


def _keys(partition: str, sort: str) -> "list[KeySchemaElementTypeDef]":
    return [{"AttributeName": partition, "KeyType": "HASH"}, {"AttributeName": sort, "KeyType": "RANGE"}]
