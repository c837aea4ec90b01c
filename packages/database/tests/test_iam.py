from datetime import UTC, datetime

import boto3
import pytest

from shop_database.iam import Credentials, token

NOW = datetime(2026, 3, 4, 5, 6, 7, tzinfo=UTC)
HOST = "shop.cluster-abc123.eu-central-1.rds.amazonaws.com"


@pytest.mark.parametrize("session_token", [None, "FwoG/XIvYXdz+EBQ=="])
@pytest.mark.parametrize("user", ["shop_query", "odd user+%/ü"])
def test_the_token_is_byte_for_byte_what_boto3_signs(
    monkeypatch: pytest.MonkeyPatch, session_token: str | None, user: str
) -> None:
    monkeypatch.setattr("botocore.auth.get_current_datetime", lambda: NOW.replace(tzinfo=None))
    session = boto3.Session("AKIDEXAMPLE", "secret/+key", session_token, region_name="eu-central-1")
    expected = session.client("rds").generate_db_auth_token(HOST, 5432, user)

    credentials = Credentials("AKIDEXAMPLE", "secret/+key", session_token)
    signed = token(host=HOST, port=5432, user=user, region="eu-central-1", credentials=credentials, now=NOW)

    assert signed == expected


def test_credentials_do_not_print_their_secrets() -> None:
    assert "secret" not in repr(Credentials("AKIDEXAMPLE", "secret", "secret"))
