"""The database's roles, through a Data API that speaks AWS's wire format."""

from typing import Any

import boto3
import psycopg
import pytest

from shop_cli.data_api_testing import running_data_api
from shop_cli.deployment import database
from shop_cli.deployment.database import make_roles, statements
from shop_cli.errors import ShopError

OUTPUTS = {
    "DatabaseClusterArn": "arn:aws:rds:us-east-1:123456789012:cluster:shop-dev",
    "DatabaseSecretArn": "arn:aws:secretsmanager:us-east-1:123456789012:secret:rds-1",
}


def client(url: str) -> Any:
    keys = {"aws_access_key_id": "a", "aws_secret_access_key": "b"}
    return boto3.client("rds-data", endpoint_url=url, region_name="us-east-1", **keys)  # type: ignore[call-overload]


def test_each_statement_waits_until_the_database_is_there() -> None:
    faults = ["DatabaseResumingException"] * 3 + ["ThrottlingException", "DatabaseUnavailableException"]
    executed: list[str] = []
    shown: list[str] = []
    with running_data_api(executed.append, faults) as url:
        make_roles(client(url), OUTPUTS, shown.append, sleep=lambda _: None)
    assert executed == list(statements())
    assert shown[:3] == ["waiting for the database: DatabaseResumingException"] * 3


def test_a_database_that_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAIT_SECONDS", 6.0)
    slept: list[float] = []
    with running_data_api(print, ["DatabaseResumingException"] * 9) as url:
        with pytest.raises(ShopError, match="has not answered for 6 s: DatabaseResumingException"):
            make_roles(client(url), OUTPUTS, lambda _: None, sleep=slept.append)
    assert slept == [3.0, 3.0]


def test_a_statement_that_is_refused_is_shown_and_not_repeated() -> None:
    def refuse(_sql: str) -> None:
        raise psycopg.errors.InsufficientPrivilege("permission denied to create role")

    with running_data_api(refuse) as url:
        with pytest.raises(ShopError, match=r"(?s)permission denied to create role.*SQLState: 42501.*CREATE ROLE"):
            make_roles(client(url), OUTPUTS, lambda _: None, sleep=lambda _: pytest.fail("it waits"))


def test_the_file_has_one_statement_between_two_blank_lines() -> None:
    assert [statement.split()[0] for statement in statements()] == ["DO", "DO", "DO", "GRANT", "GRANT"]
