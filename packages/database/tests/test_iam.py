from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Thread

import boto3
import psycopg
import pytest

from shop_database.iam import Credentials, credentials_of, token

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


class CredentialsOfLambda(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200 if self.headers["Authorization"] == "a token" else 401)
        self.end_headers()
        self.wfile.write(b'{"AccessKeyId": "AKIDEXAMPLE", "SecretAccessKey": "secret", "Token": "session"}')

    def log_message(self, *_: object) -> None: ...


def test_with_snapstart_lambda_answers_the_credentials() -> None:
    with ThreadingHTTPServer(("127.0.0.1", 0), CredentialsOfLambda) as server:
        serving = Thread(target=server.serve_forever)
        serving.start()
        environment = {
            "AWS_CONTAINER_CREDENTIALS_FULL_URI": f"http://127.0.0.1:{server.server_port}/credentials",
            "AWS_CONTAINER_AUTHORIZATION_TOKEN": "a token",
        }
        try:
            assert credentials_of(environment) == Credentials("AKIDEXAMPLE", "secret", "session")
            with pytest.raises(psycopg.OperationalError, match="did not answer"):
                credentials_of(environment | {"AWS_CONTAINER_AUTHORIZATION_TOKEN": "another"})
        finally:
            server.shutdown()
            serving.join()
