"""A function's calls of AWS name the function, and cost no more than they need."""

import os
import re
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import UnknownServiceError

from shop_observability import aws_clients

CHECKOUT = Path(__file__).parents[3]


@pytest.fixture(autouse=True)
def credentials(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "test")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "test")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    aws_clients.models.cache_clear()


def test_a_request_names_the_sdk_and_the_function() -> None:
    config = aws_clients.settings("shop-command", connect_timeout=1)
    client: Any = aws_clients.session().create_client("dynamodb", config=config)
    agents: list[str] = []

    def answer(request: Any, **_: Any) -> None:
        agents.append(request.headers["User-Agent"].decode())
        raise InterruptedError

    client.meta.events.register("before-send", answer)
    with pytest.raises(InterruptedError):
        client.get_item(TableName="shop", Key={})
    assert re.match(r"Botocore/[0-9.]+ lang/python#3\.[0-9.]+ app/shop-command", agents[0])
    assert client.meta.config.connect_timeout == 1
    client.close()


@pytest.mark.parametrize("service", ["dynamodb", "firehose", "kinesis", "lambda", "s3", "ssm"])
def test_a_client_is_made_without_a_look_at_other_services(service: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    listed: list[Path] = []
    list_folder = os.listdir

    def noted(path: str) -> list[str]:
        listed.append(Path(path))
        return list_folder(path)

    monkeypatch.setattr(os, "listdir", noted)
    client = aws_clients.session().create_client(service)
    assert client.meta.service_model.service_name == service
    assert {path.name for path in listed} - {"data"} == {service}


def test_a_service_that_does_not_exist_is_refused_by_name() -> None:
    unknown: Any = "nothing"
    with pytest.raises(UnknownServiceError, match="nothing"):
        aws_clients.session().create_client(unknown)


def test_no_function_configures_a_client_elsewhere() -> None:
    sources = [path for path in CHECKOUT.glob("functions/*/src/**/*.py") if "testing" not in path.parts]
    assert sources
    assert [path.name for path in sources if re.search(r"botocore\.config|\bConfig\(", path.read_text())] == []
    clients = [
        line
        for path in sources
        for line in path.read_text().splitlines()
        if re.search(r"create_client|Session\(\)\.client|boto3\.client", line)
    ]
    assert clients
    assert [line for line in clients if "config=" not in line] == []
